# shellcheck shell=bash
# What an idle poll costs, that it does not grow with the table, and that it leaves nothing behind.

# milliseconds of one poll: pgbench's mean latency less that of SELECT 1
latency()
{
    printf '%s;\n' "$1" >"$PYTHIA_SCRATCH/statement.sql"
    pgbench -n -c 1 -t "${2:-5000}" -M prepared -f "$PYTHIA_SCRATCH/statement.sql" "$PGDATABASE" 2>/dev/null |
        sed -n 's/^latency average = \([0-9.]*\) ms/\1/p'
}

# idle_table NAME ROWS: a table and its worker of that name
idle_table()
{
    orders_postgres "$1"
    fill_postgres "$1" "$2"
    psql_ -c "VACUUM ANALYZE $1" -c "SELECT pythia.create_cdc_worker('$1', '{$1}', options => '{\"start_from\": \"now\", \"lookback\": 0, \"delete_interval\": \"1 day\"}')" >/dev/null
    latency "SELECT pythia.poll('$1')" 200 >/dev/null
}

left_behind()
{
    psql_ -c "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'pythia'::regnamespace AND relkind = 'r'"
}

bench_main()
{
    local nothing small='' large='' round before xid statements=0
    # shellcheck disable=SC2153 # ROWS, not rows
    title 'An idle poll of one table (client round trip taken off)'
    idle_table idle_small 10000
    idle_table idle_large "$((ROWS * 10))"
    for ((round = 0; round < ROUNDS; round++)); do
        nothing=$(latency 'SELECT 1')
        small+=" $(awk "BEGIN { print $(latency "SELECT pythia.poll('idle_small')") - $nothing }")"
        large+=" $(awk "BEGIN { print $(latency "SELECT pythia.poll('idle_large')") - $nothing }")"
    done
    small=$(median "$small") large=$(median "$large")
    figure 'of 10000 rows' "$small" ms 0.3
    figure "of $((ROWS * 10)) rows" "$large" ms 0.3
    figure 'ratio' "$(awk "BEGIN { printf \"%.2f\", $large / $small }")" '' 1.2
    # what tracking keys costs beside, once a delete_interval
    psql_ -c "SELECT pythia.alter_cdc_worker('idle_large', options => '{\"delete_interval\": \"1 ms\"}')" >/dev/null
    figure "a sweep of $((ROWS * 10)) rows for deletes" "$(psql_ -c '\timing on' -c "SELECT pythia.poll('idle_large')" | awk '/^Time:/ { print $2 / 1000 }')" s

    title '100000 idle polls'
    psql_ -c "ALTER SYSTEM SET shared_preload_libraries = '$preload', 'pg_stat_statements'" -c "ALTER SYSTEM SET pg_stat_statements.track = 'all'" 2>/dev/null || true
    server_restart pg
    psql_ -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements' \
        -c "SELECT pythia.poll('idle_small')" -c 'SELECT pg_stat_statements_reset()' >/dev/null
    before=$(left_behind) xid=$(psql_ -c 'SELECT pg_snapshot_xmax(pg_current_snapshot())')
    statements=$(psql_ -c 'SELECT count(*) FROM pg_stat_statements')
    figure 'each' "$(latency "SELECT pythia.poll('idle_small')" 100000)" ms
    figure 'statements in pg_stat_statements' "$(($(psql_ -c 'SELECT count(*) FROM pg_stat_statements') - statements))" '' 8
    figure 'growth of all relations' "$(($(left_behind) - before))" bytes 0
    figure 'transaction ids spent' "$(($(psql_ -c 'SELECT pg_snapshot_xmax(pg_current_snapshot())') - xid))" '' 0
    psql_ -c 'DROP EXTENSION pg_stat_statements' -c "SELECT pythia.drop_cdc_worker('idle_small'), pythia.drop_cdc_worker('idle_large')" \
        -c 'DROP TABLE idle_small, idle_large' -c "ALTER SYSTEM SET shared_preload_libraries = '$preload'" -c 'ALTER SYSTEM RESET pg_stat_statements.track' >/dev/null
    server_restart pg
}
