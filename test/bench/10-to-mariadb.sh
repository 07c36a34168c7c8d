# shellcheck shell=bash disable=SC2034
# PostgreSQL to MariaDB, a whole table, against COPY | LOAD DATA through a pipe.

empty_target()
{
    orders_mysql orders
}

pipe_to_mysql()
{
    psql_ -c 'COPY orders TO STDOUT' |
        mysql_ -e "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders"
    same_count_mysql
}

two_pipes_to_mysql()
{
    local half=$((ROWS / 2)) first
    psql_ -c "COPY (SELECT * FROM orders WHERE id <= $half) TO STDOUT" |
        mysql_ -e "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders" &
    first=$!
    psql_ -c "COPY (SELECT * FROM orders WHERE id > $half) TO STDOUT" |
        mysql_ -e "LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE orders"
    wait "$first"
    same_count_mysql
}

pythia_to_mysql()
{
    psql_ -c "SELECT pythia.sync_between('local', '$MYSQL_URL', 'orders', '{\"mode\": \"full\"}')" >/dev/null
    same_count_mysql
}

# As managed services have it.
empty_target_without_infile()
{
    empty_target
    mysql_ -e 'SET GLOBAL local_infile = OFF'
}

pythia_without_infile()
{
    pythia_to_mysql 2>/dev/null
    mysql_ -e 'SET GLOBAL local_infile = ON'
}

command_to_mysql()
{
    "$PYTHIA_TOP/build/pythia" sync --source "$PG_URL" --target "$MYSQL_URL" --tables orders --mode full >/dev/null 2>&1
    same_count_mysql
}

# A measure of work that was not done is worth nothing.
same_count_mysql()
{
    [ "$(mysql_ -e 'SELECT COUNT(*) FROM orders')" = "$ROWS" ] || { echo "not all rows arrived in MariaDB" >&2; exit 1; }
}

# mysql_fdw sends a statement a row: a part of the rows is measured and scaled.
fdw_to_mysql()
{
    local part=$((ROWS < 5000 ? ROWS : 5000)) start=$EPOCHREALTIME
    psql_ -c "INSERT INTO fdw.orders SELECT * FROM orders ORDER BY id LIMIT $part"
    measured=$(awk "BEGIN { print ($EPOCHREALTIME - $start) * $ROWS / $part }")
    scaled="scaled from $part rows"
}

bench_main()
{
    orders_postgres
    fill_postgres
    local fdw=yes
    setup_fdw || fdw=
    title "PostgreSQL to MariaDB, full"
    alternative 'COPY | LOAD DATA' pipe_to_mysql empty_target
    alternative 'pythia sync_between' pythia_to_mysql empty_target 0.75
    alternative 'the same, local_infile = OFF' pythia_without_infile empty_target_without_infile
    alternative 'pythia sync, the command' command_to_mysql empty_target
    alternative 'COPY | LOAD DATA, two at once' two_pipes_to_mysql empty_target
    [ -z "$fdw" ] || alternative 'mysql_fdw INSERT … SELECT' fdw_to_mysql empty_target
    compare "$ROWS"
}
