# shellcheck shell=bash disable=SC2034
# Validation of two equal tables, against the slower engine's own sum of MD5
# over the same columns, and against pg_comparator.

own_sum_postgres()
{
    psql_ -c "SELECT sum(('x' || left(md5(concat_ws('|', id, customer_id, status, amount, rate, note, created_at, updated_at)), 15))::bit(60)::bigint) FROM orders" >/dev/null
}

own_sum_mysql()
{
    mysql_ -e "SELECT SUM(CONV(LEFT(MD5(CONCAT_WS('|', id, customer_id, status, amount, rate, note, created_at, updated_at)), 15), 16, 10)) FROM orders" >/dev/null
}

validate_mysql()
{
    [ "$(psql_ -c "SELECT is_valid FROM pythia.validate_between('local', '$MYSQL_URL', 'orders')")" = t ] || { echo "judged different" >&2; exit 1; }
}

break_twelve()
{
    mysql_ -e "UPDATE orders SET amount = amount + 0.01 WHERE id % ($ROWS DIV 12) = 7 LIMIT 12"
}

mend_twelve()
{
    mysql_ -e "UPDATE orders SET amount = amount - 0.01 WHERE id % ($ROWS DIV 12) = 7 LIMIT 12"
}

name_twelve()
{
    local found
    found=$(psql_ -c "SELECT count(*) FROM pythia.differences_between('local', '$MYSQL_URL', 'orders')")
    [ "$found" = 12 ] || { echo "found $found differing rows instead of 12" >&2; exit 1; }
}

name_none()
{
    [ "$(psql_ -c "SELECT count(*) FROM pythia.differences_between('local', '$MYSQL_URL', 'orders')")" = 0 ] || { echo "named differences where there are none" >&2; exit 1; }
}

compare_pg_comparator()
{
    pg_comparator "pgsql://postgres@127.0.0.1:$PGPORT/postgres/orders?id:customer_id,status,amount" \
        "pgsql://postgres@127.0.0.1:$PGPORT/bench_other/orders?id:customer_id,status,amount" >/dev/null 2>"$PYTHIA_SCRATCH/comparator.log" ||
        { cat "$PYTHIA_SCRATCH/comparator.log" >&2; exit 1; }
}

validate_other()
{
    [ "$(psql_ -c "SELECT is_valid FROM pythia.validate_between('local', 'postgresql://postgres@127.0.0.1:$PGPORT/bench_other', 'orders', '{\"columns\": [\"id\", \"customer_id\", \"status\", \"amount\"]}')")" = t ] || { echo "judged different" >&2; exit 1; }
}

bench_main()
{
    orders_postgres
    fill_postgres
    orders_mysql
    fill_mysql
    title "Both engines' own sums, one after the other"
    alternative "MariaDB: SUM over MD5(CONCAT_WS(…))" own_sum_mysql
    alternative "PostgreSQL: sum over md5(concat_ws(…))" own_sum_postgres
    compare "$ROWS"
    title "Validating $ROWS equal rows, all columns, PostgreSQL and MariaDB"
    alternative "MariaDB: SUM over MD5(CONCAT_WS(…))" own_sum_mysql
    alternative 'pythia validate_between' validate_mysql : 1.3
    compare "$ROWS"
    title "Naming 12 differing rows among $ROWS"
    alternative 'differences_between, none there' name_none
    alternative 'differences_between, 12 there' break_name_mend break_twelve 1.6
    compare "$ROWS"
    if command -v pg_comparator >/dev/null; then
        psql_ -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_other' -c 'CREATE DATABASE bench_other TEMPLATE template0' -c 'CREATE EXTENSION IF NOT EXISTS pgcmp'
        psql_ -d bench_other -c 'CREATE EXTENSION pgcmp'
        PGDATABASE=bench_other orders_postgres
        psql_ -c 'COPY orders TO STDOUT' | psql_ -d bench_other -c 'COPY orders FROM STDIN' -c 'VACUUM ANALYZE orders'
        title "Comparing three columns and the key, PostgreSQL and PostgreSQL"
        alternative 'pg_comparator' compare_pg_comparator
        alternative 'pythia validate_between' validate_other : 1.5
        compare "$ROWS"
        psql_ -c 'DROP DATABASE bench_other'
    fi
}

break_name_mend()
{
    local start=$EPOCHREALTIME
    name_twelve
    measured=$(awk "BEGIN { print $EPOCHREALTIME - $start }")
    mend_twelve
}
