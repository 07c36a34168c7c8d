# shellcheck shell=bash disable=SC2034
# Capturing changed rows of this database into the journal, against what a plain
# INSERT … SELECT of the same rows into a log table costs.

changed=$((ROWS / 5))

# Every alternative finds the same: a vacuumed table of which a fifth has just changed.
change_rows()
{
    psql_ -c 'TRUNCATE change_log' -c 'VACUUM orders' -c "UPDATE orders SET amount = amount + 1, updated_at = timezone('UTC', clock_timestamp()) WHERE id <= $changed" -c CHECKPOINT
}

worker_then_change()
{
    psql_ -c "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc'" \
        -c "SELECT pythia.create_cdc_worker('bench', '{orders}', options => '{\"track\": \"$1\", \"start_from\": \"now\", \"lookback\": 0, \"delete_interval\": \"1 day\"}')" \
        -c "SELECT pythia.poll('bench')" >/dev/null
    change_rows
}
worker_none() { worker_then_change none; }
worker_keys() { worker_then_change keys; }
worker_rows() { worker_then_change rows; }

plain_log()
{
    psql_ -c "INSERT INTO change_log (key, image) SELECT jsonb_build_object('id', id), to_jsonb(o) FROM orders o WHERE updated_at >= now() - interval '10 minutes' ORDER BY updated_at, id"
    [ "$(psql_ -c 'SELECT count(*) FROM change_log')" -ge "$changed" ]
}

poll_all()
{
    local total=0 n
    while n=$(psql_ -c "SELECT pythia.poll('bench')") && [ "$n" -gt 0 ]; do
        total=$((total + n))
    done
    [ "$total" = "$changed" ] || { echo "captured $total changes instead of $changed" >&2; exit 1; }
}

bench_main()
{
    orders_postgres
    fill_postgres
    psql_ -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS change_log' \
        -c "CREATE TABLE change_log (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), key jsonb, image jsonb)"
    title "Capturing $changed changed rows of $ROWS by polling"
    alternative 'INSERT INTO log SELECT to_jsonb(t)' plain_log change_rows
    alternative 'pythia.poll, track none' poll_all worker_none 1.0
    alternative 'pythia.poll, track keys' poll_all worker_keys 1.6
    alternative 'pythia.poll, track rows' poll_all worker_rows 2.0
    compare "$changed"
    psql_ -c "SELECT pythia.drop_cdc_worker('bench')" >/dev/null
}
