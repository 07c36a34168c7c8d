# shellcheck shell=bash disable=SC2034
# PostgreSQL to PostgreSQL, against COPY | COPY; and where the target already
# holds the same rows.

other_database()
{
    psql_ -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_other' -c 'CREATE DATABASE bench_other'
}

empty_other()
{
    PGDATABASE=bench_other orders_postgres orders
}

pipe_to_other()
{
    psql_ -c 'COPY orders TO STDOUT' | psql_ -d bench_other -c 'COPY orders FROM STDIN'
    other_count
}

pythia_to_other()
{
    psql_ -c "SELECT pythia.sync_between('local', 'postgresql://postgres@127.0.0.1:$PGPORT/bench_other', 'orders', '{\"mode\": \"full\"}')" >/dev/null
    other_count
}

other_count()
{
    [ "$(psql_ -d bench_other -c 'SELECT count(*) FROM orders')" = "$ROWS" ] || { echo "not all rows arrived" >&2; exit 1; }
}

filled_other()
{
    psql_ -d bench_other -c VACUUM -c CHECKPOINT
}

bench_main()
{
    orders_postgres
    fill_postgres
    other_database
    title "PostgreSQL to PostgreSQL, full"
    alternative 'COPY | COPY' pipe_to_other empty_other
    alternative 'pythia sync_between' pythia_to_other empty_other 1.0
    compare "$ROWS"

    title "PostgreSQL to PostgreSQL, full, the same rows already there"
    alternative 'COPY | COPY into the empty table' pipe_to_other empty_other
    alternative 'pythia sync_between, all rows equal' pythia_to_other filled_other 1.3
    compare "$ROWS"

    orders_mysql
    title "PostgreSQL to MariaDB, full, the same rows already there"
    alternative 'COPY | LOAD DATA into the empty table' equal_pipe_to_mysql equal_empty_mysql
    alternative 'pythia sync_between, all rows equal' equal_pythia_to_mysql : 2.0
    compare "$ROWS"
    psql_ -c 'DROP DATABASE bench_other'
}

equal_empty_mysql()
{
    orders_mysql orders
}

equal_pipe_to_mysql()
{
    psql_ -c 'COPY orders TO STDOUT' | mysql_ -e "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders"
}

equal_pythia_to_mysql()
{
    psql_ -c "SELECT pythia.sync_between('local', '$MYSQL_URL', 'orders', '{\"mode\": \"full\"}')" >/dev/null
    [ "$(mysql_ -e 'SELECT COUNT(*) FROM orders')" = "$ROWS" ]
}
