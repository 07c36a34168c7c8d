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

# cdc_lines OPTION...: the command prints every row once, from the beginning.
cdc_lines()
{
    rm -f "$PYTHIA_SCRATCH"/cdc.state*
    "$pythia" cdc "$PG_URL" --tables orders --once --from beginning --state "$PYTHIA_SCRATCH/cdc.state" "$@" | cat >"$PYTHIA_SCRATCH/cdc.json"
    [ "$(wc -l <"$PYTHIA_SCRATCH/cdc.json")" = "$ROWS" ] || { echo "$(wc -l <"$PYTHIA_SCRATCH/cdc.json") lines instead of $ROWS" >&2; exit 1; }
}

cdc_none() { cdc_lines --track none; }
cdc_keys() { cdc_lines --track keys; }

copy_json()
{
    psql_ -c 'COPY (SELECT to_jsonb(o) FROM orders o ORDER BY updated_at, id) TO STDOUT' | cat >"$PYTHIA_SCRATCH/copy.json"
}

# microseconds_a_line RUN: the median of ROUNDS
microseconds_a_line()
{
    local start all='' round
    for ((round = 0; round < ROUNDS; round++)); do
        start=$EPOCHREALTIME
        "$1"
        all+=" $(awk "BEGIN { print 1000000 * ($EPOCHREALTIME - $start) / $ROWS }")"
    done
    median "$all"
}

# first_line COMMAND...: milliseconds from its start to its first line
first_line()
{
    local start=$EPOCHREALTIME end line
    exec {from}< <(exec "$@")
    read -r line <&"$from" || { echo "no line came from $*" >&2; exit 1; }
    end=$EPOCHREALTIME
    cat <&"$from" >/dev/null
    exec {from}<&-
    awk "BEGIN { print 1000 * ($end - $start) }"
}

first_change()
{
    rm -f "$PYTHIA_SCRATCH"/cdc.state*
    first_line "$pythia" cdc "$PG_URL" --tables few --once --from beginning --state "$PYTHIA_SCRATCH/cdc.state"
}

# The state is there from the start before: one row has changed since.
first_change_again()
{
    psql_ -c 'UPDATE few SET updated_at = now() WHERE id = (SELECT min(id) FROM few)'
    first_line "$pythia" cdc "$PG_URL" --tables few --once --from beginning --state "$PYTHIA_SCRATCH/cdc.state"
}

bench_main()
{
    local round first='' again='' query=''
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
    alternative 'psql: COPY (SELECT to_jsonb(t))' copy_json
    alternative 'pythia cdc --once --track none' cdc_none
    alternative 'pythia cdc --once (--track keys)' cdc_keys
    compare "$ROWS"
    figure 'track none (3.33: 300,000 a second)' "$(microseconds_a_line cdc_none)" 'us a line' 3.33
    figure 'track keys (3.33: 300,000 a second)' "$(microseconds_a_line cdc_keys)" 'us a line' 3.33

    psql_ -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS few' -c 'CREATE TABLE few AS SELECT * FROM orders LIMIT 10' -c 'ALTER TABLE few ADD PRIMARY KEY (id)'
    for ((round = 0; round < 20; round++)); do
        query+=" $(first_line psql -XAtqc 'SELECT * FROM few ORDER BY id')"
        first+=" $(first_change)"
        again+=" $(first_change_again)"
    done
    title 'pythia cdc: from start to the first change, medians of 20'
    figure 'for comparison: psql and a SELECT' "$(median "$query")" ms
    figure 'a new state file' "$(median "$first")" ms 30
    figure 'a state file that is there' "$(median "$again")" ms 30
    psql_ -c 'DROP TABLE few'
    rm -f "$sqlite_file" "$PYTHIA_SCRATCH"/{cdc,copy}.json "$PYTHIA_SCRATCH"/cdc.state*
}
