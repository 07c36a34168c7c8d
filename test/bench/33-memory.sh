# shellcheck shell=bash
# The memory of a backend that copies wide rows: its high-water mark above an
# idle backend's, with 1 kB and with 10 MB a row.

wide()
{
    local label=$1 rows=$2 bytes=$3 type=${4:-text} idle
    psql_ -c 'SET client_min_messages = warning' -c 'DROP TABLE IF EXISTS wide' \
        -c "CREATE TABLE wide (id int PRIMARY KEY, body $type)" -c 'ALTER TABLE wide ALTER body SET STORAGE EXTERNAL' \
        -c "INSERT INTO wide SELECT i, repeat(md5(i::text), $bytes / 32)::$type FROM generate_series(1, $rows) i"
    mysql_ -e "DROP TABLE IF EXISTS wide; CREATE TABLE wide (id INT PRIMARY KEY, body $([ "$type" = bytea ] && echo LONGBLOB || echo LONGTEXT))"
    idle=$(backend_mb 'SELECT 1')
    figure "to SQLite, $label" $(($(backend_mb "SELECT rows_synced FROM pythia.sync_between('local', 'sqlite:///$PYTHIA_SCRATCH/wide.db', 'wide', '{\"mode\": \"full\"}')" | tail -n 1) - idle)) MiB 64
    rm -f "$PYTHIA_SCRATCH/wide.db"
    figure "to MariaDB, $label" $(($(backend_mb "SELECT rows_synced FROM pythia.sync_between('local', '$MYSQL_URL', 'wide', '{\"mode\": \"full\"}')" | tail -n 1) - idle)) MiB 64
    psql_ -c 'TRUNCATE wide'
    figure "from MariaDB, $label" $(($(backend_mb "SELECT rows_synced FROM pythia.sync_between('$MYSQL_URL', 'local', 'wide', '{\"mode\": \"full\"}')" | tail -n 1) - idle)) MiB 64
}

bench_main()
{
    title 'Memory of a copying backend above an idle one'
    wide "$((ROWS / 5)) rows of 1 kB" $((ROWS / 5)) 1024
    wide '20 rows of 10 MB' 20 10485760
    wide '10 rows of 10 MB of bytes' 10 10485760 bytea
    mysql_ -e 'DROP TABLE wide'
    psql_ -c 'DROP TABLE wide'
}
