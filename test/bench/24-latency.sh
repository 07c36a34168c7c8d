# shellcheck shell=bash
# From a writer's commit to its change in the handler.

handled_ms()
{
    local options=$1 interval=$2 tries
    psql_ -c 'TRUNCATE seen, latency_source' \
        -c "SELECT pythia.create_cdc_worker('latency', '{latency_source}', poll_interval => '$interval', handler => 'note_latency', options => '$options')" \
        -c "SELECT pythia.start_cdc('latency')" >/dev/null
    for ((tries = 0; tries < 200; tries++)); do
        [ "$(psql_ -c "SELECT count(*) FROM pythia.worker_status WHERE name = 'latency' AND state = 'running'")" = 1 ] && break
        sleep 0.05
    done
    # 100 commits, not in step with the interval
    psql_ -f - >/dev/null < <(for i in $(seq 100); do
        echo "INSERT INTO latency_source VALUES ($i, clock_timestamp()); SELECT pg_sleep(0.031 + 0.0$((i % 7)));"
    done)
    for ((tries = 0; tries < 200; tries++)); do
        [ "$(psql_ -c 'SELECT count(*) FROM seen')" = 100 ] && break
        sleep 0.05
    done
    [ "$(psql_ -c 'SELECT count(*) FROM seen')" = 100 ] || { echo "the handler saw $(psql_ -c 'SELECT count(*) FROM seen') of 100 changes" >&2; exit 1; }
    latency_ms=$(psql_ -c "SELECT round((1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM handled - stamped)))::numeric, 2) FROM seen")
    psql_ -c "SELECT pythia.stop_cdc('latency')" -c "SELECT pythia.drop_cdc_worker('latency')" >/dev/null
}

bench_main()
{
    psql_ <<'SQL'
SET client_min_messages = warning;
DROP TABLE IF EXISTS latency_source, seen;
CREATE TABLE latency_source (id int PRIMARY KEY, updated_at timestamptz);
CREATE INDEX ON latency_source (updated_at);
CREATE TABLE seen (stamped timestamptz, handled timestamptz);
CREATE OR REPLACE FUNCTION note_latency(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO seen VALUES ((c.new_data->>'updated_at')::timestamptz, clock_timestamp());
    RETURN NULL; END$$;
SQL
    title 'Commit to handler, median of 100 commits'
    handled_ms '{"capture": "trigger"}' '5 s'
    figure 'capture trigger' "$latency_ms" ms 5
    handled_ms '{"lookback": 0}' '200 ms'
    figure 'capture poll, poll_interval 200 ms (half of it)' "$latency_ms" ms 100
}
