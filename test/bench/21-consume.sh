# shellcheck shell=bash disable=SC2034
# Capture plus consumption against logical decoding by wal2json of the same
# transaction; and reading the journal alone.

changes=$((ROWS * 2 / 5))

make_changes()
{
    psql_ -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" \
        -c "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc'" -c 'VACUUM orders' \
        -c "SELECT pg_create_logical_replication_slot('bench', 'wal2json')" \
        -c "SELECT pythia.create_cdc_worker('bench', '{orders}', options => '{\"track\": \"none\", \"start_from\": \"now\", \"lookback\": 0}')" \
        -c "SELECT pythia.poll('bench')" \
        -c "UPDATE orders SET amount = amount + 1, updated_at = timezone('UTC', clock_timestamp()) WHERE id <= $changes" -c CHECKPOINT >/dev/null
}

recvlogical()
{
    local end
    end=$(psql_ -c 'SELECT pg_current_wal_lsn()')
    rm -f "$PYTHIA_SCRATCH/wal2json" # it would be added to
    pg_recvlogical -d "$PGDATABASE" --slot=bench --start --endpos="$end" --no-loop -o format-version=2 -f "$PYTHIA_SCRATCH/wal2json" 2>/dev/null
    [ "$(grep -c '"action":"U".*"table":"orders"' "$PYTHIA_SCRATCH/wal2json")" = "$changes" ] || { echo "wal2json delivered something else" >&2; exit 1; }
}

peek()
{
    [ "$(psql_ -c "SELECT count(*) FROM pg_logical_slot_peek_changes('bench', NULL, NULL, 'format-version', '2') WHERE data LIKE '%\"action\":\"U\"%\"table\":\"orders\"%'")" = "$changes" ]
}

capture_and_consume()
{
    capture
    consume
}

capture()
{
    local n
    while n=$(psql_ -c "SELECT pythia.poll('bench')") && [ "$n" -gt 0 ]; do :; done
}

captured_already()
{
    make_changes
    capture
}

consume()
{
    local n
    n=$(psql_ -c "SELECT count(new_data) FROM pythia.consume_changes('bench', max_changes => $changes)")
    [ "$n" = "$changes" ] || { echo "consumed $n changes instead of $changes" >&2; exit 1; }
}

# seconds that the statement takes in the session, rolled back
read_in_session()
{
    psql_ <<SQL | tail -n 1
BEGIN;
CREATE TEMP TABLE began AS SELECT clock_timestamp() AS at;
SELECT count(new_data) = $changes AS complete FROM pythia.consume_changes('bench', max_changes => $changes) \gset
\if :complete
SELECT extract(epoch FROM clock_timestamp() - at) FROM began;
\endif
ROLLBACK;
SQL
}

bench_main()
{
    local round all=''
    orders_postgres
    fill_postgres
    title "Delivering $changes changes"
    alternative 'pg_recvlogical, wal2json' recvlogical make_changes
    alternative 'pythia poll + consume_changes' capture_and_consume make_changes 1.0
    compare "$changes"
    title "The same beside reading by pg_logical_slot_peek_changes"
    alternative 'pg_logical_slot_peek_changes' peek make_changes
    alternative 'pythia poll + consume_changes' capture_and_consume make_changes 2.0
    compare "$changes"
    title "Reading $changes changes from the journal, in the session"
    captured_already
    for ((round = 0; round < ROUNDS; round++)); do
        all+=" $(read_in_session)"
    done
    all=$(median "$all")
    figure 'consume_changes' "$(awk "BEGIN { printf \"%d\", $changes / $all }")" changes/s
    figure 'consume_changes, each' "$(awk "BEGIN { printf \"%.2f\", $all / $changes * 1e6 }")" µs 2.0
    psql_ -c "SELECT pg_drop_replication_slot('bench')" -c "SELECT pythia.drop_cdc_worker('bench')" >/dev/null
}
