# Sourced by the tests of the command and of the SQLite extension: a scratch
# folder, a run of a command with its output and code, and TAP.
# shellcheck shell=bash
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
PYTHIA=${PYTHIA:-$top/build/pythia}
EXTENSION=${PYTHIA_SQLITE_EXTENSION:-$top/build/sqlite/pythia_db}
work=$(mktemp -d "${TMPDIR:-/tmp}/pythia-client.XXXXXX") || exit 1
children=()
finish() {
    local pid
    for pid in "${children[@]}"; do kill "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
export HOME=$work XDG_STATE_HOME=$work/state PYTHIA
unset PYTHIA_SOURCE PYTHIA_TARGET NO_COLOR
tests=0
failures=0
# An extension built with a sanitizer wants its runtime loaded first.
sanitizer=$(ldd "$EXTENSION.so" 2> /dev/null | awk '/lib[a-z]*asan/ {print $3}')
loading() { # COMMAND...: a program that loads the extension
    if [ -n "$sanitizer" ]; then
        ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} LD_PRELOAD=$sanitizer "$@"
    else
        "$@"
    fi
}

# Sets python to the first python3 whose module can load extensions: Debian's can, others are built without.
python_for_sqlite() {
    for python in /usr/bin/python3 python3; do
        "$python" -c 'import sqlite3; sqlite3.connect(":memory:").enable_load_extension(True)' 2> /dev/null && return
    done
    echo "1..0 # SKIP no python3 whose sqlite3 module can load extensions"
    exit 0
}

# ok STATUS NAME: STATUS 0 passes
ok() {
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        failures=$((failures + 1))
        [ -z "${out:-}" ] || sed 's/^/# out: /' <<< "$out" | head -20
        [ -z "${err:-}" ] || sed 's/^/# err: /' <<< "$err" | head -20
    fi
}
is() { # GOT WANT NAME
    [ "$1" = "$2" ]
    local status=$?
    ok $status "$3"
    [ $status -eq 0 ] || printf '#  got: %s\n# want: %s\n' "${1//$'\n'/$'\n#       '}" "${2//$'\n'/$'\n#       '}"
}
# matches TEXT PATTERN: some line of it does, as grep -E would say, without a process: tests ask this thousands of times
matches() {
    local line
    while IFS= read -r line; do
        if [[ $line =~ $2 ]]; then return 0; fi
    done <<< "$1"
    return 1
}
like() { # TEXT PATTERN(extended regular expression) NAME
    matches "$1" "$2"
    local status=$?
    ok $status "$3"
    [ $status -eq 0 ] || printf '#     got: %s\n# pattern: %s\n' "${1//$'\n'/$'\n#          '}" "$2"
}
unlike() { # TEXT PATTERN NAME
    ! matches "$1" "$2"
    ok $? "$3"
}
skip() { # COUNT REASON
    local i
    for ((i = 0; i < $1; i++)); do
        tests=$((tests + 1))
        echo "ok $tests # SKIP $2"
    done
}
# run COMMAND...: sets out, err, code; the command reads the file $input
input=
run() {
    "$@" > "$work/.out" 2> "$work/.err" < "${input:-/dev/null}"
    code=$?
    contents out "$work/.out"
    contents err "$work/.err"
}
# numbers COUNT: what stands behind FROM for rows of seq from 1 to COUNT (100,000 at most), in MariaDB and MySQL
numbers() {
    echo "(WITH ten(d) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)
        SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS seq FROM ten a, ten b, ten c, ten e, ten f) numbers WHERE seq <= $1"
}
# Built with libmysqlclient, which loads no rows by LOAD DATA
by_oracles_library() { [[ $(ldd "$PYTHIA") = *libmysqlclient* ]]; }
# contents VARIABLE FILE: as VARIABLE=$(cat FILE), without a process
contents() {
    local text
    IFS= read -rd '' text < "$2"
    printf -v "$1" %s "${text%"${text##*[!$'\n']}"}"
}
# said ARRAY NAME...: of each table what the lines of JSON in out have under these names (numbers, true, false), with
# blanks between, in that array; jq takes longer than most commands
said() {
    local -n said=$1
    local line name table values
    said=()
    while IFS= read -r line; do
        [[ $line =~ \"table\":\"([^\"]*)\" ]] || continue
        table=${BASH_REMATCH[1]} values=''
        for name in "${@:2}"; do
            [[ $line =~ \"$name\":([a-z0-9]+) ]] && values+="${values:+ }${BASH_REMATCH[1]}"
        done
        # shellcheck disable=SC2004 # the caller's array has texts for keys
        said[$table]=$values
    done <<< "$out"
}
# A program that follows the file may hold its lock for a moment.
sqlite3() { command sqlite3 -cmd ".timeout 10000" "$@"; }
# Looking for leaks is a third of what a sanitized start takes: the first run of each command in a file does it, and
# each fifth after that.
# by: what runs the command, as timeout does
declare -A started=()
by=()
pythia() {
    local -i before=${started[_${1-}]:-0}
    started[_${1-}]=$((before + 1))
    if [ -n "$sanitizer" ] && ((before % 5)); then
        ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} run "${by[@]}" "$PYTHIA" "$@"
    else
        run "${by[@]}" "$PYTHIA" "$@"
    fi
}
# sql FILE STATEMENT...: the sqlite3 shell with the extension
sql() {
    local file=$1
    shift
    run loading sqlite3 -batch -cmd ".load $EXTENSION" "$file" "$@"
}
# within SECONDS COMMAND...: waits until it succeeds
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.02
    done
}
# late_commit INSERT COMMAND...: where open transactions cannot be seen, one that INSERT puts row 101 into commits after
# COMMAND has committed row 102. The caller's `session` runs the SQL on its stdin, `blind` polls, and `blind_sync` copies
# table t into blind_copy.db.
late_commit() {
    mkfifo late
    session < late > late.out 2>&1 &
    exec 9> late
    echo "BEGIN; $1; SELECT 'there';" >&9
    within 10 grep -q there late.out
    blind
    like "$code:$err" '^0:.*open transactions of .* cannot be seen' "and tells where it may not"
    blind_sync
    like "$code:$err" '^0:.*open transactions of .* cannot be seen' "in a sync, too"
    "${@:2}"
    blind
    blind_sync
    echo "COMMIT; SELECT 'ended';" >&9
    exec 9>&-
    within 10 grep -q ended late.out
    blind
    is "$code:$(grep -c '"id": 101' <<< "$out")" 0:1 "but goes back far enough for one that commits late"
    blind_sync
    is "$(sqlite3 blind_copy.db 'SELECT v FROM t WHERE id IN (101, 102)')" $'late\nsoon' "as a sync does"
}
done_testing() {
    echo "1..$tests"
    [ "$failures" -eq 0 ]
    exit
}
