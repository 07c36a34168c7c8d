# Sourced by the tests of live sync: databases of their own for both sides, in each engine that is here.
# shellcheck shell=bash
. "$(dirname "$0")/lib.sh"

engines=(sqlite)
[ -n "${PG_URL:-}" ] && engines+=(postgres)
[ -n "${MYSQL_URL:-}" ] && engines+=(mysql)
[ ${#engines[@]} -eq 3 ] || echo "# not all engines are here: ${engines[*]}"

# A database of its own for each side: prepare SIDE ENGINE sets url_SIDE.
prepare() {
    case $2 in
        sqlite)
            rm -f "$1".db*
            sqlite3 "$1.db" "PRAGMA journal_mode = WAL" > /dev/null
            eval "url_$1=sqlite:///\$work/$1.db"
            ;;
        postgres)
            psql -qX -d "$PG_URL" -c "DROP DATABASE IF EXISTS ${0##*/}_$1 WITH (FORCE)" -c "CREATE DATABASE ${0##*/}_$1" 2> /dev/null
            eval "url_$1=\${PG_URL%/*}/${0##*/}_$1"
            ;;
        mysql)
            mysql_run "" "DROP DATABASE IF EXISTS ${0##*/}_$1; CREATE DATABASE ${0##*/}_$1"
            eval "url_$1=\${MYSQL_URL%/*}/${0##*/}_$1"
            ;;
    esac
    eval "engine_$1=$2"
}
mysql_run() { # DATABASE SQL
    MYSQL_PWD=$MYSQL_PASSWORD mariadb --socket="$MYSQL_SOCKET" -u "$MYSQL_USER" -BN ${1:+"$1"} -e "$2"
}
# query SIDE SQL: what a side answers, columns between bars
query() {
    local engine=engine_$1
    case ${!engine} in
        sqlite) sqlite3 -cmd ".timeout 10000" "$1.db" "$2" ;;
        postgres) psql -qXAt -d "${PG_URL%/*}/${0##*/}_$1" -v ON_ERROR_STOP=1 -c "$2" ;;
        mysql) mysql_run "${0##*/}_$1" "$2" | tr '\t' '|' ;;
    esac
}
# Equal to the row, whatever the engines.
equal() { # NAME TABLES
    pythia validate -s "$url_a" -t "$url_b" --tables "$2" --quiet
    is "$code:$err" "0:" "$direction: $1"
}
live() { pythia sync -s "$url_a" -t "$url_b" --mode live "$@"; }
