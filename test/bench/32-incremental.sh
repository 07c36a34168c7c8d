# shellcheck shell=bash disable=SC2034
# An incremental run after 1,000 changed rows, in a session that has run before
# (as a worker's turns do): its time, direction by direction, and that it does not
# grow with the table.

incremental_change()
{
    local rows=$1 stamp=$2
    echo "UPDATE orders SET amount = amount + 1, updated_at = $stamp WHERE id % ($rows / 1000) = 0"
}

# incremental_ms SOURCE TARGET TABLE CHANGE...: the median of the runs of one session; CHANGE is a
# command that changes 1,000 rows of the source
incremental_ms()
{
    local source=$1 target=$2 table=$3 round result all=''
    shift 3
    printf '#!/bin/sh\nexec' >"$PYTHIA_SCRATCH/change"
    printf ' %q' "$@" >>"$PYTHIA_SCRATCH/change"
    psql_ -c "SELECT pythia.create_sync_worker('incremental', '$source', '$target', '{\"mode\": \"incremental\", \"table_map\": {\"orders\": \"$table\"}}', '{orders}')" \
        -c "SELECT pythia.sync_table('incremental', 'orders')" >/dev/null
    # past the lookback, so that every run carries this round's rows alone
    for ((round = 0; round < ROUNDS + 1; round++)); do
        printf "%s\n" 'SELECT pg_sleep(2.5);' "SELECT FROM pythia.sync_table('incremental', 'orders');" "\\! sh $PYTHIA_SCRATCH/change >/dev/null" \
            'SELECT pg_sleep(2.5);' "SELECT 'run', rows_synced, round((1000 * duration_seconds)::numeric, 1) FROM pythia.sync_table('incremental', 'orders');"
    done | psql_ -F ' ' | grep '^run' >"$PYTHIA_SCRATCH/runs"
    while read -r _ result round; do
        [ "$result" -ge 1000 ] || { echo "the incremental run carried $result rows" >&2; exit 1; }
        all+=" $round"
    done <"$PYTHIA_SCRATCH/runs"
    psql_ -c "SELECT pythia.drop_sync_worker('incremental')" >/dev/null
    # the first run of the session has yet to open its connections
    median_ms=$(median "$(tr ' ' '\n' <<<"$all" | sed '/^$/d' | tail -n "$ROUNDS" | tr '\n' ' ')")
}

# What no sync can do without: the same number of rows, in the target already, put into the table by one
# statement of the engine's own client.
floor_sets()
{
    local column text=''
    for column in customer_id status amount rate note created_at updated_at; do
        text+=", $1$column = s.$column"
    done
    echo "${text#, }"
}

floor_postgres()
{
    local round
    {
        echo "CREATE TEMP TABLE changed AS SELECT * FROM orders WHERE id % ($ROWS / 1000) = 0;"
        for ((round = 0; round < ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = updated_at + interval '1 s';"
            echo 'SELECT clock_timestamp() AS began \gset'
            echo "UPDATE orders AS t SET $(floor_sets '') FROM changed s WHERE t.id = s.id;"
            echo "SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began'), 1);"
        done
    } | psql_
}

floor_mysql()
{
    local round
    {
        echo "CREATE TEMPORARY TABLE changed (PRIMARY KEY (id)) AS SELECT * FROM orders WHERE id % ($ROWS / 1000) = 0;"
        for ((round = 0; round < ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = updated_at + INTERVAL 1 SECOND; SET @began = SYSDATE(6);"
            echo "UPDATE orders AS t JOIN changed s ON t.id = s.id SET $(floor_sets t.);"
            echo "SELECT ROUND(TIMESTAMPDIFF(MICROSECOND, @began, SYSDATE(6)) / 1000, 1);"
        done
    } | mysql_
}

floor_sqlite()
{
    local round
    {
        echo "CREATE TEMP TABLE changed AS SELECT * FROM orders WHERE id % ($ROWS / 1000) = 0;"
        for ((round = 0; round < ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = strftime('%Y-%m-%d %H:%M:%f', updated_at, '+1 second');"
            echo ".timer on"
            echo "UPDATE orders AS t SET $(floor_sets '') FROM changed s WHERE t.id = s.id;"
            echo ".timer off"
        done
    } | as_user sqlite3 "$1" | awk '/^Run Time/ { print 1000 * $4 }'
}

# one LABEL SOURCE TARGET TABLE CHANGE...: `rows` and `few` are bench_main's
one()
{
    incremental_ms "$2" "$3" "$4" "${@:5}"
    if [ "$rows" != "$ROWS" ]; then
        few[$1]=$median_ms
        figure "$1, among $rows rows" "$median_ms" ms 50
    else
        figure "$1, among $rows rows" "$median_ms" ms 50
        figure "  in proportion to $((ROWS / 10)) rows" "$(awk "BEGIN { printf \"%.2f\", $median_ms / ${few[$1]} }")" ''
    fi
}

bench_main()
{
    local rows here="timezone('UTC', clock_timestamp())" far=postgresql://postgres@127.0.0.1:$PGPORT/bench_far
    local lite=$PYTHIA_SCRATCH/bench_incremental.db
    local mysql=(mariadb --no-defaults "--socket=$MYSQL_SOCKET" "--user=$MYSQL_USER" "--password=$MYSQL_PASSWORD" pythia -e)
    local postgres=(psql -XAtqc)
    local -A few=()
    title 'Incremental, 1000 changed rows'
    for rows in $((ROWS / 10)) "$ROWS"; do
        psql_ -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_far' -c 'CREATE DATABASE bench_far'
        orders_postgres
        fill_postgres orders "$rows"
        mysql_ -e 'DROP TABLE IF EXISTS orders'
        rm -f "$lite"
        one 'PostgreSQL to MariaDB' local "$MYSQL_URL" orders "${postgres[@]}" "$(incremental_change "$rows" "$here")"
        one 'MariaDB to PostgreSQL' "$MYSQL_URL" local orders_back "${mysql[@]}" "$(incremental_change "$rows" 'UTC_TIMESTAMP(6)')"
        psql_ -c 'DROP TABLE orders_back'
        one 'PostgreSQL to PostgreSQL' local "$far" orders "${postgres[@]}" "$(incremental_change "$rows" "$here")"
        one 'PostgreSQL to SQLite' local "sqlite:///$lite" orders "${postgres[@]}" "$(incremental_change "$rows" "$here")"
        one 'SQLite to PostgreSQL' "sqlite:///$lite" local orders_back sqlite3 "$lite" "$(incremental_change "$rows" "strftime('%Y-%m-%d %H:%M:%f000', 'now')")"
        psql_ -c 'DROP TABLE orders_back'
    done
    figure "PostgreSQL, UPDATE alone, among $ROWS rows" "$(median "$(floor_postgres | tr '\n' ' ')")" ms
    figure "MariaDB, UPDATE alone, among $ROWS rows" "$(median "$(floor_mysql | tr '\n' ' ')")" ms
    figure "SQLite, UPDATE alone, among $ROWS rows" "$(median "$(floor_sqlite "$lite" | tr '\n' ' ')")" ms
    psql_ -c 'SET client_min_messages = warning' -c 'DROP DATABASE bench_far WITH (FORCE)'
    rm -f "$lite"
}
