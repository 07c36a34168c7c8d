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


bench_main()
{
    local small here="timezone('UTC', clock_timestamp())" far=postgresql://postgres@127.0.0.1:$PGPORT/bench_far
    local lite=$PYTHIA_SCRATCH/bench_incremental.db
    local mysql=(mariadb --no-defaults "--socket=$MYSQL_SOCKET" "--user=$MYSQL_USER" "--password=$MYSQL_PASSWORD" pythia -e)
    title 'Incremental, 1000 changed rows'
    psql_ -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS bench_far' -c 'CREATE DATABASE bench_far'
    orders_postgres
    fill_postgres orders $((ROWS / 10))
    mysql_ -e 'DROP TABLE IF EXISTS orders'
    incremental_ms local "$MYSQL_URL" orders psql -XAtqc "$(incremental_change $((ROWS / 10)) "$here")"
    small=$median_ms
    figure "PostgreSQL to MariaDB, among $((ROWS / 10)) rows" "$small" ms 50
    orders_postgres
    fill_postgres orders "$ROWS"
    mysql_ -e 'DROP TABLE IF EXISTS orders'
    incremental_ms local "$MYSQL_URL" orders psql -XAtqc "$(incremental_change "$ROWS" "$here")"
    figure "PostgreSQL to MariaDB, among $ROWS rows" "$median_ms" ms 50
    incremental_ms "$MYSQL_URL" local orders_back "${mysql[@]}" "$(incremental_change "$ROWS" 'UTC_TIMESTAMP(6)')"
    figure "MariaDB to PostgreSQL, among $ROWS rows" "$median_ms" ms 50
    psql_ -c 'DROP TABLE orders_back'
    incremental_ms local "$far" orders psql -XAtqc "$(incremental_change "$ROWS" "$here")"
    figure "PostgreSQL to PostgreSQL, among $ROWS rows" "$median_ms" ms 50
    incremental_ms local "sqlite:///$lite" orders psql -XAtqc "$(incremental_change "$ROWS" "$here")"
    figure "PostgreSQL to SQLite, among $ROWS rows" "$median_ms" ms 50
    incremental_ms "sqlite:///$lite" local orders_back sqlite3 "$lite" "$(incremental_change "$ROWS" "strftime('%Y-%m-%d %H:%M:%f000', 'now')")"
    figure "SQLite to PostgreSQL, among $ROWS rows" "$median_ms" ms 50
    psql_ -c 'DROP TABLE orders_back' -c 'SET client_min_messages = warning' -c 'DROP DATABASE bench_far WITH (FORCE)'
    rm -f "$lite"
}
