# shellcheck shell=bash disable=SC2034
# An incremental run after 1,000 changed rows, in a session that has run before (as a worker's turns do):
# its time, in all nine directions, and that it does not grow with the table.
#
# Every engine holds two tables, orders and orders_few, a tenth as long, each filled once.  In one session
# rows of all of them are changed, then every direction runs for either table, turn by turn.

few=orders_few

# change_rows TABLE ROWS STAMP: always the same 1,000 rows, so that a run carries these alone
change_rows()
{
    echo "UPDATE $1 SET amount = amount + 1, updated_at = $3 WHERE id % ($2 / 1000) = 0;"
}

change_both()
{
    change_rows orders "$ROWS" "$1"
    change_rows "$few" $((ROWS / 10)) "$1"
}

mysql_shell()
{
    printf '%q ' "$MYSQL_CLIENT" --no-defaults "--socket=$MYSQL_SOCKET" "--user=$MYSQL_USER" "--password=$MYSQL_PASSWORD" pythia
}

# The command by which the measuring session changes 1,000 rows of each table in each engine.
write_changes()
{
    {
        printf 'set -e\npsql -Xqc %q\n' "BEGIN; $(change_both "timezone('UTC', clock_timestamp())") COMMIT"
        printf '%s -e %q\n' "$(mysql_shell)" "$(change_both 'UTC_TIMESTAMP(6)')"
        printf 'sqlite3 %q %q\n' "$lite" "BEGIN; $(change_both "strftime('%Y-%m-%d %H:%M:%f000', 'now')") COMMIT"
    } >"$PYTHIA_SCRATCH/change"
}

fill_sources()
{
    orders_postgres
    fill_postgres
    orders_postgres "$few"
    psql_ -c "INSERT INTO $few SELECT * FROM orders WHERE id <= $ROWS / 10" -c "ANALYZE $few"
    orders_mysql
    fill_mysql
    orders_mysql "$few"
    mysql_ -e "INSERT INTO $few SELECT * FROM orders WHERE id <= $ROWS / 10; ANALYZE TABLE $few" >/dev/null
    psql_ -c "SELECT pythia.sync_between('local', 'sqlite:///$lite', t, '{\"mode\": \"full\"}') FROM unnest('{orders,$few}'::text[]) t" >/dev/null
}

# direction SOURCE TARGET: a worker that has carried all rows once, into tables that it made
direction()
{
    local name=incremental_${#directions[@]} map="{\"orders\": \"orders_from_$1\", \"$few\": \"${few}_from_$1\"}"
    directions+=("${engines[$1]} to ${engines[$2]}")
    psql_ -c "SELECT pythia.create_sync_worker('$name', '${out_of[$1]}', '${into[$2]}', '{\"mode\": \"incremental\", \"table_map\": $map}', '{orders,$few}')" \
        -c "SELECT pythia.sync_table('$name', 'orders'), pythia.sync_table('$name', '$few')" >/dev/null
}

# What loading left to be written is written before anything is measured.
settle()
{
    psql_ -c CHECKPOINT
    mysql_ -e "SHOW TABLES LIKE 'orders%'" | paste -sd, | sed 's/.*/FLUSH TABLES & FOR EXPORT; UNLOCK TABLES/' | mysql_
    sync
}

# Lines "run DIRECTION TABLE ROWS MILLISECONDS"; the first round has yet to open the connections.
measure()
{
    local round i table
    for ((round = 0; round <= 3 * ROUNDS; round++)); do
        echo "\\! bash $PYTHIA_SCRATCH/change >/dev/null"
        for i in "${!directions[@]}"; do
            for table in orders "$few"; do
                echo 'SELECT pg_sleep(0.1);'
                echo "SELECT '$( ((round)) && echo run || echo first)', $i, '$table', rows_synced, round((1000 * duration_seconds)::numeric, 1) FROM pythia.sync_table('incremental_$i', '$table');"
            done
        done
    done | psql_ -F ' ' | grep '^run' >"$PYTHIA_SCRATCH/runs"
    if awk '$4 < 1000' "$PYTHIA_SCRATCH/runs" | grep .; then
        echo "these runs did not carry the changed rows" >&2
        exit 1
    fi
}

# figures LABEL MILLISECONDS_FEW MILLISECONDS [AT_MOST]
figures()
{
    figure "$1, among $((ROWS / 10)) rows" "$2" ms "${@:4}"
    figure "$1, among $ROWS rows" "$3" ms "${@:4}"
    figure '  in proportion' "$(awk "BEGIN { printf \"%.2f\", $3 / $2 }")" ''
}

# times_of DIRECTION TABLE
times_of()
{
    awk -v i="$1" -v t="$2" '$2 == i && $3 == t { printf "%s ", $5 }' "$PYTHIA_SCRATCH/runs"
}

# What no sync can do without: the same number of rows, in the target already, put into the table by one
# statement of the engine's own client.
floor_sets()
{
    local column text=''
    for column in customer_id status amount rate note created_at updated_at; do
        text+=", $1$column = s.$column"
    done
    echo "${text#, }"
}

floor_postgres()
{
    local round table=$1 rows=$2
    {
        echo "CREATE TEMP TABLE changed AS SELECT * FROM $table WHERE id % ($rows / 1000) = 0;"
        for ((round = 0; round < 3 * ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = updated_at + interval '1 s';"
            echo 'SELECT clock_timestamp() AS began \gset'
            echo "UPDATE $table AS t SET $(floor_sets '') FROM changed s WHERE t.id = s.id;"
            echo "SELECT round(1000 * extract(epoch FROM clock_timestamp() - :'began'), 1);"
        done
    } | psql_
}

floor_mysql()
{
    local round table=$1 rows=$2
    {
        echo "CREATE TEMPORARY TABLE changed (PRIMARY KEY (id)) AS SELECT * FROM $table WHERE id % ($rows / 1000) = 0;"
        for ((round = 0; round < 3 * ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = updated_at + INTERVAL 1 SECOND; SET @began = SYSDATE(6);"
            echo "UPDATE $table AS t JOIN changed s ON t.id = s.id SET $(floor_sets t.);"
            echo "SELECT ROUND(TIMESTAMPDIFF(MICROSECOND, @began, SYSDATE(6)) / 1000, 1);"
        done
    } | mysql_
}

floor_sqlite()
{
    local round table=$1 rows=$2
    {
        echo "CREATE TEMP TABLE changed AS SELECT * FROM $table WHERE id % ($rows / 1000) = 0;"
        for ((round = 0; round < 3 * ROUNDS; round++)); do
            echo "UPDATE changed SET amount = amount + 1, updated_at = strftime('%Y-%m-%d %H:%M:%f', updated_at, '+1 second');"
            echo ".timer on"
            echo "UPDATE $table AS t SET $(floor_sets '') FROM changed s WHERE t.id = s.id;"
            echo ".timer off"
        done
    } | as_user sqlite3 "$lite" | awk '/^Run Time/ { print 1000 * $4 }'
}

# floor LABEL FUNCTION
floor()
{
    figures "$1, UPDATE alone" "$(median "$("$2" "$few" $((ROWS / 10)) | tr '\n' ' ')")" "$(median "$("$2" orders "$ROWS" | tr '\n' ' ')")"
}

bench_main()
{
    local lite=$PYTHIA_SCRATCH/bench_incremental.db far=postgresql://postgres@127.0.0.1:$PGPORT/bench_far from to i
    local -A engines=([p]=PostgreSQL [m]=MariaDB [s]=SQLite)
    local -A out_of=([p]=local [m]=$MYSQL_URL [s]=sqlite:///$lite)
    local -A into=([p]=local [m]=$MYSQL_URL [s]='')
    local -a directions=()
    title 'Incremental, 1000 changed rows'
    psql_ -c 'DROP DATABASE IF EXISTS bench_far' -c 'CREATE DATABASE bench_far'
    rm -f "$lite"*
    fill_sources
    for from in p m s; do
        for to in p m s; do
            into[p]=$([ $from = p ] && echo "$far" || echo local)
            into[s]=sqlite:///$lite.from_$from
            direction $from $to
        done
    done
    write_changes
    settle
    measure
    for i in "${!directions[@]}"; do
        figures "${directions[$i]}" "$(median "$(times_of "$i" "$few")")" "$(median "$(times_of "$i" orders)")" 50
        psql_ -c "SELECT pythia.drop_sync_worker('incremental_$i')" >/dev/null
    done
    floor PostgreSQL floor_postgres
    floor MariaDB floor_mysql
    floor SQLite floor_sqlite
    psql_ -c 'DROP DATABASE bench_far WITH (FORCE)' -c "DROP TABLE $few, orders_from_m, ${few}_from_m, orders_from_s, ${few}_from_s"
    mysql_ -e "DROP TABLE $few, orders_from_p, ${few}_from_p, orders_from_m, ${few}_from_m, orders_from_s, ${few}_from_s"
    rm -f "$lite"*
    directions=()
}
