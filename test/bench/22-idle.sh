# shellcheck shell=bash
# What an idle poll costs, and that it does not grow with the table.

# milliseconds of one poll: pgbench's mean latency less that of SELECT 1
latency()
{
    printf '%s;\n' "$1" >"$PYTHIA_SCRATCH/statement.sql"
    pgbench -n -c 1 -t "${2:-2000}" -M prepared -f "$PYTHIA_SCRATCH/statement.sql" "$PGDATABASE" 2>/dev/null |
        sed -n 's/^latency average = \([0-9.]*\) ms/\1/p'
}

idle()
{
    local rows=$1 nothing poll round all=''
    orders_postgres
    fill_postgres orders "$rows"
    psql_ -c 'VACUUM ANALYZE orders' -c "SELECT pythia.create_cdc_worker('idle', '{orders}', options => '{\"start_from\": \"now\"}')" >/dev/null
    sleep 2 # longer than the lookback: the creation's own rows are behind low
    latency "SELECT pythia.poll('idle')" 200 >/dev/null
    for ((round = 0; round < ROUNDS; round++)); do
        nothing=$(latency 'SELECT 1')
        poll=$(latency "SELECT pythia.poll('idle')")
        all+=" $(awk "BEGIN { print $poll - $nothing }")"
    done
    psql_ -c "SELECT pythia.drop_cdc_worker('idle')" >/dev/null
    idle_ms=$(median "$all")
}

bench_main()
{
    local small large
    # shellcheck disable=SC2153 # ROWS, not rows
    large=$((ROWS * 10))
    title 'An idle poll of one table (client round trip taken off)'
    idle 10000
    small=$idle_ms
    figure 'of 10000 rows' "$small" ms 0.3
    idle "$large"
    figure "of $large rows" "$idle_ms" ms 0.3
    figure 'ratio' "$(awk "BEGIN { printf \"%.2f\", $idle_ms / $small }")" '' 1.2
}
