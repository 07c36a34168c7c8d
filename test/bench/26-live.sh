# shellcheck shell=bash
# A target that follows: single-row transactions until all of them are there, and from a commit until it can be seen there.

LIVE_TRANSACTIONS=${LIVE_TRANSACTIONS:-$((ROWS / 20))}
live_follower=''

live_a() { psql_ -d live_source "$@"; }
live_b() { psql_ -d live_target "$@"; }
live_sync() { build/pythia sync --source "${PG_URL%/*}/live_source" --target "$live_target" --tables items --mode live "$@"; }

# The total of the target; as many transactions, each of which adds 1, as the source has had.
live_total()
{
    if [ "$live_target" = "$MYSQL_URL" ]; then mysql_ -e 'SELECT SUM(n) FROM items'; else live_b -c 'SELECT SUM(n) FROM items'; fi
}

write_and_wait()
{
    local want
    pgbench -n -f "$PYTHIA_SCRATCH/one.sql" -c 4 -j 1 -t $((LIVE_TRANSACTIONS / 4)) live_source > /dev/null 2>&1
    want=$(live_a -c 'SELECT SUM(n) FROM items')
    until [ "$(live_total)" = "$want" ]; do sleep 0.01; done
}

stop_following()
{
    [ -z "$live_follower" ] || { kill "$live_follower"; wait "$live_follower" || true; }
    live_follower=''
    [ "$(live_b -c "SELECT count(*) FROM pg_subscription WHERE subname = 'live_bench'")" = 0 ] || live_b -c 'DROP SUBSCRIPTION live_bench'
    live_target=$MYSQL_URL live_sync --drop --quiet
    live_target=${PG_URL%/*}/live_target live_sync --drop --quiet
    live_b -c 'TRUNCATE items'
    mysql_ -e 'TRUNCATE items'
}

follow_natively()
{
    stop_following
    live_target=${PG_URL%/*}/live_target
    # (in one server the slot has to be there before)
    live_a -c "SELECT pg_create_logical_replication_slot('live_bench', 'pgoutput')" > /dev/null
    live_b -c "CREATE SUBSCRIPTION live_bench CONNECTION '$(live_dsn)' PUBLICATION live_bench WITH (create_slot = false, slot_name = 'live_bench')" > /dev/null
    wait_for_copy
}
live_dsn() { echo "host=$PGHOST port=$PGPORT user=$PGUSER dbname=live_source"; }
wait_for_copy() { until [ "$(live_total)" = "$(live_a -c 'SELECT SUM(n) FROM items')" ]; do sleep 0.05; done; }

follow_live()
{
    stop_following
    live_target=$1
    live_sync --once --quiet > /dev/null
    live_sync --quiet > /dev/null 2> "$PYTHIA_SCRATCH/live.err" &
    live_follower=$!
}
follow_postgres() { follow_live "${PG_URL%/*}/live_target"; }
follow_mysql() { follow_live "$MYSQL_URL"; }

# Milliseconds from a commit until another session of the target sees it, median of 50
seen_ms()
{
    local i id from
    for i in $(seq 50); do
        id=$((2000000000 + RANDOM * 1000 + i))
        # (the commit is over when the clock is read)
        from=$(live_a -c "INSERT INTO items VALUES ($id, 0, 'new')" -c 'SELECT extract(epoch FROM clock_timestamp())')
        live_b -c "DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM items WHERE id = $id) LOOP PERFORM pg_sleep(0.0005); END LOOP; END \$\$" \
            -c "SELECT 1000 * (extract(epoch FROM clock_timestamp()) - $from)"
        sleep "0.0$((RANDOM % 9))"
    done | sort -n | awk '{ all[NR] = $1 } END { printf "%.1f\n", all[int((NR + 1) / 2)] }'
}

bench_main()
{
    local native live
    command -v pgbench > /dev/null || PATH=$PATH:$(${PG_CONFIG:-pg_config} --bindir)
    psql_ -c 'DROP DATABASE IF EXISTS live_source WITH (FORCE)' -c 'DROP DATABASE IF EXISTS live_target WITH (FORCE)' \
        -c 'CREATE DATABASE live_source' -c 'CREATE DATABASE live_target'
    for side in live_source live_target; do psql_ -d "$side" -c 'CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, what text)'; done
    mysql_ -e 'DROP TABLE IF EXISTS items; CREATE TABLE items (id int PRIMARY KEY, n int NOT NULL, what longtext)'
    live_a -c "INSERT INTO items SELECT i, 0, repeat('x', 60) FROM generate_series(1, 100000) AS i" -c 'CREATE PUBLICATION live_bench FOR TABLE items'
    printf '%s\n' '\set id random(1, 100000)' 'UPDATE items SET n = n + 1 WHERE id = :id;' > "$PYTHIA_SCRATCH/one.sql"
    title "$LIVE_TRANSACTIONS transactions of one row each, written and followed, by 4 clients"
    alternative 'native logical replication' write_and_wait follow_natively
    alternative 'pythia sync --mode live, PostgreSQL' write_and_wait follow_postgres 1.0
    alternative 'pythia sync --mode live, MariaDB' write_and_wait follow_mysql
    compare "$LIVE_TRANSACTIONS"
    title 'Commit to visible in the target, median of 50 commits'
    follow_natively
    native=$(seen_ms)
    figure 'native logical replication' "$native" ms
    follow_postgres
    live=$(seen_ms)
    figure 'pythia sync --mode live' "$live" ms 20
    stop_following
}
