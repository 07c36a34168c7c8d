# shellcheck shell=bash
# MariaDB to PostgreSQL, a whole table, against mariadb --quick | COPY, pgloader
# and mysql_fdw.

empty_copy()
{
    orders_postgres orders_copy
}

same_count_postgres()
{
    [ "$(psql_ -c "SELECT count(*) FROM ${1:-orders_copy}")" = "$ROWS" ] || { echo "not all rows arrived in PostgreSQL" >&2; exit 1; }
}

pipe_to_postgres()
{
    # --batch prints NULL as a word; COPY is told so
    mysql_ --quick -e 'SELECT * FROM orders' | psql_ -c "COPY orders_copy FROM STDIN (NULL 'NULL')"
    same_count_postgres
}

pythia_to_postgres()
{
    psql_ -c "SELECT pythia.sync_between('$MYSQL_URL', 'local', 'orders', '{\"mode\": \"full\", \"table_map\": {\"orders\": \"orders_copy\"}}')" >/dev/null
    same_count_postgres
}

command_to_postgres()
{
    "$PYTHIA_TOP/build/pythia" sync --source "$MYSQL_URL" --target "$PG_URL" --tables orders --mode full \
        --config '{"table_map": {"orders": "orders_copy"}}' >/dev/null 2>&1
    same_count_postgres
}

fdw_to_postgres()
{
    psql_ -c "INSERT INTO orders_copy SELECT * FROM fdw.orders"
    same_count_postgres
}

pgloader_to_postgres()
{
    pgloader "$PYTHIA_SCRATCH/orders.load" >"$PYTHIA_SCRATCH/pgloader.log" 2>&1 || { cat "$PYTHIA_SCRATCH/pgloader.log" >&2; exit 1; }
    same_count_postgres loader.orders
}

empty_loader()
{
    psql_ -c 'SET client_min_messages = warning' -c 'DROP SCHEMA IF EXISTS loader CASCADE' -c 'CREATE SCHEMA loader'
}

bench_main()
{
    orders_postgres
    fill_postgres
    orders_mysql
    fill_mysql
    local fdw=yes
    setup_fdw || fdw=
    cat >"$PYTHIA_SCRATCH/orders.load" <<END_OF_FILE
LOAD DATABASE FROM mysql://$MYSQL_USER:$MYSQL_PASSWORD@127.0.0.1:$MYSQL_PORT/pythia
    INTO postgresql://postgres@127.0.0.1:$PGPORT/postgres
    WITH include drop, create tables, create indexes, reset sequences, workers = 2, concurrency = 1
    INCLUDING ONLY TABLE NAMES MATCHING 'orders'
    ALTER SCHEMA 'pythia' RENAME TO 'loader';
END_OF_FILE
    title "MariaDB to PostgreSQL, full"
    alternative 'mariadb --quick | COPY' pipe_to_postgres empty_copy
    alternative 'pythia sync_between' pythia_to_postgres empty_copy 0.75
    alternative 'pythia sync, the command' command_to_postgres empty_copy
    [ -z "$fdw" ] || alternative 'mysql_fdw INSERT … SELECT' fdw_to_postgres empty_copy
    alternative 'pgloader' pgloader_to_postgres empty_loader
    compare "$ROWS"
}
