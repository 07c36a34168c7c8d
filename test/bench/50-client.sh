# shellcheck shell=bash disable=SC2034
# Capture in SQLite against a poll in Python as a worker of that language does
# it, and the command's rate of JSON lines.

changed=$((ROWS / 5))

changed_sqlite()
{
    rm -f "$sqlite_file" "$sqlite_file"-*
    psql_ -c 'COPY orders TO STDOUT (FORMAT csv)' | sqlite3 -csv "$sqlite_file" 'CREATE TABLE orders (id INTEGER PRIMARY KEY,
        customer_id INTEGER, status TEXT, amount REAL, rate REAL, note TEXT, created_at TEXT, updated_at TEXT);
        CREATE INDEX orders_updated_at ON orders (updated_at);' '.import /dev/stdin orders'
}

touch_sqlite()
{
    sqlite3 "$sqlite_file" "UPDATE orders SET amount = amount + 1, updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id <= $changed"
    # a stamp is past once its second is
    sleep 2
}

sqlite_worker_then_touch()
{
    changed_sqlite
    sqlite3 -cmd ".load $sqlite_extension" "$sqlite_file" \
        "SELECT pythia_create_cdc_worker('bench', '[\"orders\"]', NULL, 5, 'updated_at', '{\"track\": \"none\", \"start_from\": \"now\"}')" >/dev/null
    touch_sqlite
}

python_then_touch()
{
    changed_sqlite
    touch_sqlite
}

python_poll()
{
    /usr/bin/python3 test/bench/poll.py "$sqlite_file" "$changed"
}

sqlite_poll()
{
    local n
    n=$(sqlite3 -cmd ".load $sqlite_extension" "$sqlite_file" "SELECT pythia_poll('bench')")
    [ "$n" = "$changed" ] || { echo "captured $n changes instead of $changed" >&2; exit 1; }
}

# The command prints every row once, from the beginning.
cdc_lines()
{
    rm -f "$PYTHIA_SCRATCH/cdc.state"
    "$pythia" cdc "$PG_URL" --tables orders --once --from beginning --state "$PYTHIA_SCRATCH/cdc.state" >"$PYTHIA_SCRATCH/cdc.json"
    [ "$(wc -l <"$PYTHIA_SCRATCH/cdc.json")" = "$ROWS" ] || { echo "$(wc -l <"$PYTHIA_SCRATCH/cdc.json") lines instead of $ROWS" >&2; exit 1; }
}

copy_json()
{
    psql_ -c 'COPY (SELECT to_jsonb(o) FROM orders o ORDER BY updated_at) TO STDOUT' >"$PYTHIA_SCRATCH/copy.json"
}

first_change()
{
    rm -f "$PYTHIA_SCRATCH/cdc.state"
    local start=$EPOCHREALTIME
    "$pythia" cdc "$PG_URL" --tables few --once --from beginning --state "$PYTHIA_SCRATCH/cdc.state" | head -n 1 >"$PYTHIA_SCRATCH/first"
    measured=$(awk "BEGIN { print $EPOCHREALTIME - $start }")
    [ -s "$PYTHIA_SCRATCH/first" ] || { echo "no change came" >&2; exit 1; }
}

bench_main()
{
    local round all=''
    sqlite_file=$PYTHIA_SCRATCH/capture.db
    sqlite_extension=$PYTHIA_TOP/build/sqlite/pythia_db
    pythia=$PYTHIA_TOP/build/pythia
    orders_postgres
    fill_postgres
    title "Capturing $changed changed rows of a SQLite table"
    alternative 'Python: SQLAlchemy, aiosqlite, a dict a row' python_poll python_then_touch
    alternative 'pythia_poll in SQLite' sqlite_poll sqlite_worker_then_touch 1.0
    compare "$changed"

    title "pythia cdc: JSON lines from PostgreSQL"
    alternative 'COPY (SELECT to_jsonb(t))' copy_json
    alternative 'pythia cdc --once (aim: 300000 lines a second)' cdc_lines
    compare "$ROWS"

    psql_ -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS few' -c 'CREATE TABLE few AS SELECT * FROM orders LIMIT 10' -c 'ALTER TABLE few ADD PRIMARY KEY (id)'
    for ((round = 0; round < 20; round++)); do
        first_change
        all+=" $(awk "BEGIN { print 1000 * $measured }")"
    done
    title 'pythia cdc: from start to the first change'
    figure 'median of 20' "$(median "$all")" ms 30
    psql_ -c 'DROP TABLE few'
    rm -f "$sqlite_file" "$PYTHIA_SCRATCH"/{cdc,copy}.json
}
