# shellcheck shell=bash
# What several benchmarks use.

# The table that most of them move: orders, eight columns, a primary key and
# one index, the same rows in both engines.

# orders_postgres [TABLE]: the empty table
orders_postgres()
{
    local table=${1:-orders}
    psql_ -c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS $table" -c "CREATE TABLE $table (
        id bigint PRIMARY KEY, customer_id int NOT NULL, status varchar(16) NOT NULL, amount numeric(12,2) NOT NULL,
        rate double precision, note varchar(100), created_at timestamp NOT NULL, updated_at timestamp NOT NULL)" \
        -c "CREATE INDEX ON $table (updated_at)"
}

# fill_postgres [TABLE [ROWS]]: seeded rows, stamped in the past however many they are
fill_postgres()
{
    local table=${1:-orders} rows=${2:-$ROWS}
    psql_ -c "SELECT setseed(0.1)" -c "INSERT INTO $table SELECT i, 1 + (i::bigint * 7919) % 100000,
        ('{new,paid,sent,returned}'::text[])[1 + i % 4], round((random() * 10000)::numeric, 2), random() * 1000,
        CASE WHEN i % 5 = 0 THEN NULL ELSE 'note ' || md5(i::text) END,
        timestamp '2025-01-01' + i * interval '20 s' / greatest(1, $rows / 1000000), timestamp '2025-01-01' + i * interval '21 s' / greatest(1, $rows / 1000000)
        FROM generate_series(1, $rows) AS i" -c "ANALYZE $table" -c CHECKPOINT >/dev/null
}

# orders_mysql [TABLE]: the empty table
orders_mysql()
{
    local table=${1:-orders}
    mysql_ -e "DROP TABLE IF EXISTS $table; CREATE TABLE $table (
        id BIGINT PRIMARY KEY, customer_id INT NOT NULL, status VARCHAR(16) NOT NULL, amount DECIMAL(12,2) NOT NULL,
        rate DOUBLE, note VARCHAR(100), created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL,
        KEY (updated_at))"
}

# fill_mysql [TABLE [ROWS]]: the rows of PostgreSQL's orders
fill_mysql()
{
    local table=${1:-orders} rows=${2:-$ROWS}
    psql_ -c "COPY (SELECT * FROM orders ORDER BY id LIMIT $rows) TO STDOUT" |
        mysql_ -e "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE $table; ANALYZE TABLE $table" >/dev/null
}

# fdw.orders in PostgreSQL: MariaDB's orders by mysql_fdw
setup_fdw()
{
    # not every system has it
    [ "$(psql_ -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'mysql_fdw'")" = 1 ] || return 1
    psql_ <<SQL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS mysql_fdw;
CREATE SERVER IF NOT EXISTS bench_mysql FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1', port '$MYSQL_PORT');
CREATE USER MAPPING IF NOT EXISTS FOR postgres SERVER bench_mysql OPTIONS (username '$MYSQL_USER', password '$MYSQL_PASSWORD');
CREATE SCHEMA IF NOT EXISTS fdw;
CREATE FOREIGN TABLE IF NOT EXISTS fdw.orders (id bigint, customer_id int, status varchar(16), amount numeric(12,2),
    rate double precision, note varchar(100), created_at timestamp, updated_at timestamp)
    SERVER bench_mysql OPTIONS (dbname 'pythia', table_name 'orders');
SQL
}

# of lines of /proc/PID/status: the most it ever had less what it shares now, in MiB
resident() { awk '/VmHWM/ { high = $2 } /RssShmem|RssFile/ { shared += $2 } END { printf "%.0f", (high - shared) / 1024 }'; }

# backend_mb STATEMENT: what the statement's backend had at most, in MiB, without
# the shared buffers it touched
backend_mb()
{
    psql_ -c "$1" -c "CREATE TEMP TABLE status (line text)" \
        -c "DO \$\$BEGIN EXECUTE format('COPY status FROM PROGRAM %L', 'expand /proc/' || pg_backend_pid() || '/status'); END\$\$" \
        -c "SELECT line FROM status WHERE line ~ '^(VmHWM|RssShmem|RssFile)'" | resident
}
