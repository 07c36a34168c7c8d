# shellcheck shell=bash disable=SC2034
# PostgreSQL to SQLite and back, against the sqlite3 shell's own import and export.

sqlite_table='CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, status TEXT NOT NULL,
    amount TEXT NOT NULL, rate REAL, note TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
    CREATE INDEX orders_updated_at ON orders (updated_at);'

empty_sqlite()
{
    # the server writes this file, too
    rm -f "$sqlite_file" "$sqlite_file"-*
    as_user sqlite3 "$sqlite_file" "$sqlite_table"
}

sqlite_count()
{
    [ "$(sqlite3 "$sqlite_file" 'SELECT count(*) FROM orders')" = "$ROWS" ] || { echo "not all rows arrived in SQLite" >&2; exit 1; }
}

import_to_sqlite()
{
    psql_ -c 'COPY orders TO STDOUT (FORMAT csv)' | as_user sqlite3 -csv "$sqlite_file" '.import "|cat -" orders'
    sqlite_count
}

pythia_to_sqlite()
{
    psql_ -c "SELECT pythia.sync_between('local', 'sqlite:///$sqlite_file', 'orders', '{\"mode\": \"full\"}')" >/dev/null
    sqlite_count
}

empty_back()
{
    orders_postgres orders_copy
}

export_from_sqlite()
{
    sqlite3 -csv "$sqlite_file" 'SELECT * FROM orders' | psql_ -c 'COPY orders_copy FROM STDIN (FORMAT csv)'
    [ "$(psql_ -c 'SELECT count(*) FROM orders_copy')" = "$ROWS" ]
}

pythia_from_sqlite()
{
    psql_ -c "SELECT pythia.sync_between('sqlite:///$sqlite_file', 'local', 'orders', '{\"mode\": \"full\", \"table_map\": {\"orders\": \"orders_copy\"}}')" >/dev/null
    [ "$(psql_ -c 'SELECT count(*) FROM orders_copy')" = "$ROWS" ] || { echo "not all rows arrived in PostgreSQL" >&2; exit 1; }
}

bench_main()
{
    sqlite_file=$PYTHIA_SCRATCH/bench.db
    orders_postgres
    fill_postgres
    title "PostgreSQL to SQLite, full"
    alternative 'COPY | sqlite3 .import' import_to_sqlite empty_sqlite
    alternative 'pythia sync_between' pythia_to_sqlite empty_sqlite 1.0
    compare "$ROWS"
    title "SQLite to PostgreSQL, full"
    alternative 'sqlite3 | COPY' export_from_sqlite empty_back
    alternative 'pythia sync_between' pythia_from_sqlite empty_back 0.8
    compare "$ROWS"
    psql_ -c 'DROP TABLE orders_copy'
    rm -f "$sqlite_file"
}
