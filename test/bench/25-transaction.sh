# shellcheck shell=bash
# The memory of a backend that writes, captures or reads a transaction of ROWS rows, and
# the same with a hundredth of them.

# grows WHAT RUN [PREPARE]: functions that print a statement on so many rows
grows()
{
    local what=$1 few many
    psql_ -c "$("${3:-:}" $((ROWS / 100)))"
    few=$(backend_mb "$("$2" $((ROWS / 100)))" | tail -n 1)
    psql_ -c "$("${3:-:}" "$ROWS")"
    many=$(backend_mb "$("$2" "$ROWS")" | tail -n 1)
    figure "$what" "$((many - few))" MiB 64
}

update_rows() { echo "UPDATE orders SET amount = amount + 1, updated_at = timezone('UTC', clock_timestamp()) WHERE id <= $1"; }
poll_rows() { echo "SELECT pythia.poll('bench')"; }
read_rows() { echo "SELECT count(new_data) FROM pythia.consume_changes('bench', max_changes => $1)"; }

capture_by()
{
    psql_ -c "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc'" -c 'VACUUM orders' -c CHECKPOINT \
        -c "SELECT pythia.create_cdc_worker('bench', '{orders}', options => '$1')" >/dev/null
}

bench_main()
{
    local track
    orders_postgres
    fill_postgres
    title "Memory of a backend: $ROWS rows in one transaction beyond $((ROWS / 100))"
    psql_ -c "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc'" >/dev/null
    grows 'UPDATE without a trigger' update_rows
    capture_by '{"capture": "trigger"}'
    grows 'UPDATE, capture trigger (the server queues it)' update_rows
    grows 'consume_changes' read_rows
    for track in none keys rows; do
        capture_by "{\"track\": \"$track\", \"lookback\": 0}"
        grows "pythia.poll, track $track" poll_rows update_rows
    done
    psql_ -c "SELECT pythia.drop_cdc_worker('bench')" >/dev/null

    title "The same in MariaDB, captured by a background worker: all of its memory"
    orders_mysql
    fill_mysql
    remote_by 'poll'
    remote_by 'trigger'
}

# The most that the worker's process ever had, without shared buffers.
remote_by()
{
    psql_ -c "SELECT pythia.create_cdc_worker('bench', '{orders}', '$MYSQL_URL', '100 ms', options => '{\"capture\": \"$1\", \"track\": \"none\", \"lookback\": 0}')" \
        -c "SELECT pythia.start_cdc('bench')" >/dev/null
    mysql_ -e "UPDATE orders SET amount = amount + 1, updated_at = UTC_TIMESTAMP(6)"
    until [ "$(psql_ -c "SELECT captured FROM pythia.stat_cdc WHERE worker = 'bench'")" -ge "$ROWS" ]; do sleep 0.5; done
    figure "capture: $1" "$(psql_ -c "CREATE TEMP TABLE status (line text)" \
        -c "DO \$\$BEGIN EXECUTE format('COPY status FROM PROGRAM %L', 'expand /proc/' || (SELECT pid FROM pythia.worker_status WHERE name = 'bench') || '/status'); END\$\$" \
        -c "SELECT line FROM status WHERE line ~ '^(VmHWM|RssShmem|RssFile)'" | resident)" MiB 64
    psql_ -c "SELECT pythia.drop_cdc_worker('bench')" >/dev/null
}
