# shellcheck shell=bash disable=SC2034
# An incremental run after 1,000 changed rows: its time, and that it does not
# grow with the table.

incremental_ms()
{
    local rows=$1 round all='' result
    orders_postgres
    fill_postgres orders "$rows"
    psql_ -c 'VACUUM ANALYZE orders'
    mysql_ -e 'DROP TABLE IF EXISTS orders'
    psql_ -c "SELECT pythia.create_sync_worker('incremental', 'local', '$MYSQL_URL', '{\"mode\": \"incremental\"}', '{orders}')" \
        -c "SELECT pythia.sync_table('incremental', 'orders')" >/dev/null
    for ((round = 0; round < ROUNDS + 1; round++)); do
        psql_ -c "UPDATE orders SET amount = amount + 1, updated_at = timezone('UTC', clock_timestamp()) WHERE id % ($rows / 1000) = 0"
        # past the lookback, so that every run carries this round's rows alone
        sleep 2.5
        result=$(psql_ -c "SELECT rows_synced, round((1000 * duration_seconds)::numeric, 1) FROM pythia.sync_table('incremental', 'orders')")
        [ "${result%%|*}" -ge 1000 ] || { echo "the incremental run carried $result" >&2; exit 1; }
        [ "$round" = 0 ] || all+=" ${result##*|}"
        sleep 2.5
        psql_ -c "SELECT pythia.sync_table('incremental', 'orders')" >/dev/null
    done
    psql_ -c "SELECT pythia.drop_sync_worker('incremental')" >/dev/null
    median_ms=$(median "$all")
}

bench_main()
{
    local small
    title 'PostgreSQL to MariaDB, incremental, 1000 changed rows'
    incremental_ms $((ROWS / 10))
    small=$median_ms
    figure "among $((ROWS / 10)) rows" "$small" ms 50
    incremental_ms "$ROWS"
    figure "among $ROWS rows" "$median_ms" ms 50
}
