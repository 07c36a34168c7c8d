# shellcheck shell=bash disable=SC2034
# Throwaway servers for tests, the demo and the benchmarks; to be sourced by bash.
#
#   servers_init               a scratch directory, $PYTHIA_SCRATCH, removed at exit
#   servers_in_memory          MariaDBs started afterwards have their data in memory, where there is room
#   pg_start NAME [LINE...]    a PostgreSQL of build/tmp_install; the lines go to postgresql.conf.
#                              Sets PG_PORT, PG_DATA, PG_URL, whose role has what doc/urls.md tells and no more,
#                              PG_SUPERUSER_URL, and PGHOST PGPORT PGUSER PGDATABASE, which are a superuser's, too.
#   mysql_start NAME [ARG...]  a MariaDB, or a MySQL where MYSQLD names its server (or there is no other); the
#                              arguments go to it.
#                              Sets MYSQL_PORT, MYSQL_DATA, MYSQL_SOCKET, MYSQL_URL, whose account has the privileges that
#                              doc/urls.md tells and no others, and MYSQL_USER, MYSQL_PASSWORD, who may do all.
#   server_stop NAME [SIGNAL]  stops one of them (default: fast, by SIGINT or SIGTERM)
#   server_restart NAME        the same data, port and options again
#   as_user COMMAND...         runs it as the unprivileged user that the servers run as
#
# PYTHIA_OTHER_POSTGRES names a folder whose bin has initdb, postgres, pg_ctl, psql and
# pg_config of another version: pg_start starts that one, without pythia_db, for tests
# that know it as a source and target alone.  test/matrix/other-postgres makes such folders.
#
# Servers listen on loopback and free ports, their data lie below the scratch
# directory, and they are stopped by pid when the script ends, however it ends:
# an EXIT trap for the usual ways, the kernel's parent-death signal for SIGKILL.

PYTHIA_TOP=${PYTHIA_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
# The system's own, also once the private copy's is first in PATH.
PYTHIA_PG_CONFIG=${PYTHIA_PG_CONFIG:-$(command -v "${PG_CONFIG:-pg_config}")}
export PYTHIA_PG_CONFIG
PYTHIA_INSTALL=$PYTHIA_TOP/build/tmp_install
PG_BIN=$PYTHIA_INSTALL$("$PYTHIA_PG_CONFIG" --bindir)
export PATH="$PG_BIN:$PATH:/usr/sbin:/usr/local/sbin"
# MariaDB's clients, or MySQL's where there are no others: both speak to either server.
MYSQL_CLIENT=$(command -v mariadb || command -v mysql)
MYSQL_ADMIN=$(command -v mariadb-admin || command -v mysqladmin)
export MYSQL_CLIENT
if [ -z "${MYSQLD:-}" ] && ! command -v mariadbd >/dev/null && command -v mysqld >/dev/null; then
    MYSQLD=$(command -v mysqld)
    export MYSQLD
fi

server_memory=
declare -A server_pid server_kind server_command

# The user to run servers as: ourselves, or where we are root, postgres or nobody.
PYTHIA_USER=$(id -un)
if [ "$(id -u)" = 0 ]; then
    PYTHIA_USER=nobody
    id postgres >/dev/null 2>&1 && PYTHIA_USER=postgres
fi

# Replaces this process by the command, as that user, to be ended when its parent ends.
exec_as_user()
{
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid="$PYTHIA_USER" --regid="$(id -g "$PYTHIA_USER")" --clear-groups -- \
            env HOME="$PYTHIA_SCRATCH" USER="$PYTHIA_USER" LOGNAME="$PYTHIA_USER" "$@"
    else
        exec "$@"
    fi
}

as_user()
{
    (exec_as_user "$@")
}

servers_init()
{
    [ -z "${PYTHIA_SCRATCH:-}" ] || return 0
    PYTHIA_SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/pythia.XXXXXX")
    chmod 755 "$PYTHIA_SCRATCH"
    [ "$(id -u)" != 0 ] || chown "$PYTHIA_USER:" "$PYTHIA_SCRATCH"
    # PostgreSQL's test modules note the ports they take here, each test for the others.
    export PYTHIA_SCRATCH PG_TEST_PORT_DIR=${PG_TEST_PORT_DIR:-$PYTHIA_SCRATCH/ports}
    trap servers_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

# A MariaDB waits for the disk at every CREATE TABLE, which is most of what small tests do.
servers_in_memory()
{
    local room available
    room=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
    available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo 2>/dev/null)
    # not another harness's
    export PYTHIA_MEMORY=
    if [ "${room:-0}" -gt 6000000 ] && [ "${available:-0}" -gt 10000000 ] &&
        server_memory=$(mktemp -d /dev/shm/pythia.XXXXXX 2>/dev/null); then
        [ "$(id -u)" != 0 ] || chown "$PYTHIA_USER:" "$server_memory"
        PYTHIA_MEMORY=$server_memory
    fi
}

servers_cleanup()
{
    local status=$? name
    trap '' INT TERM HUP
    for name in "${!server_pid[@]}"; do
        server_stop "$name" || true
    done
    [ -z "${PYTHIA_SCRATCH:-}" ] || end_leftovers
    [ -z "${PYTHIA_SCRATCH:-}" ] || [ -n "${PYTHIA_KEEP:-}" ] || rm -rf "$PYTHIA_SCRATCH"
    [ -z "$server_memory" ] || rm -rf "$server_memory"
    return $status
}

# Ends what a broken test left running: servers whose data lie in our scratch directory, or in memory.
end_leftovers()
{
    local signal file pid left ours=$PYTHIA_SCRATCH
    [ -z "$server_memory" ] || ours="($ours|$server_memory)"
    for signal in INT TERM KILL; do
        left=
        for file in /proc/[0-9]*/cmdline; do
            pid=${file#/proc/}
            pid=${pid%/cmdline}
            if [ "$pid" != "$$" ] && { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -qE "^[^ ]*/(postgres|mariadbd|mysqld) .*$ours/"; then
                left=yes
                kill -s "$signal" "$pid" 2>/dev/null || true
            fi
        done
        [ -n "$left" ] || return 0
        sleep 1
    done
}

free_port()
{
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

# Waits up to 60 s for the condition; fails at once where the server has died.
wait_until_up()
{
    local name=$1 tries
    shift
    for ((tries = 0; tries < 600; tries++)); do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        kill -0 "${server_pid[$name]}" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

server_start_again()
{
    local name=$1 log=$PYTHIA_SCRATCH/$1.log signal=TERM
    [ "${server_kind[$name]}" = mariadb ] || signal=INT
    # shellcheck disable=SC2086 # a command line of ours, without blanks in its words
    (
        trap - INT TERM HUP
        # A background job of a shell ignores SIGINT; the servers want it.
        exec_as_user env --default-signal=INT,QUIT setpriv --pdeathsig "$signal" -- ${server_command[$name]} </dev/null >>"$log" 2>&1
    ) &
    server_pid[$name]=$!
    disown
    if [ "${server_kind[$name]}" = postgresql ]; then
        wait_until_up "$name" pg_isready -q -h 127.0.0.1 -p "$PG_PORT"
    else
        wait_until_up "$name" "$MYSQL_ADMIN" --no-defaults --socket="$MYSQL_SOCKET" --user=root ping
    fi
}

server_restart()
{
    server_stop "$1" && server_start_again "$1"
}

server_stop()
{
    local name=$1 signal=${2:-} pid=${server_pid[$1]:-} tries
    [ -n "$pid" ] || return 0
    if [ -z "$signal" ]; then
        signal=TERM
        [ "${server_kind[$name]}" = postgresql ] && signal=INT
    fi
    kill -s "$signal" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    unset "server_pid[$name]"
}

server_failed()
{
    echo "the server $1 did not start; the end of its log:" >&2
    tail -n 20 "$PYTHIA_SCRATCH/$1.log" >&2
    return 1
}

pg_start()
{
    local name=$1 attempt bin=${PYTHIA_OTHER_POSTGRES:+$PYTHIA_OTHER_POSTGRES/bin}
    shift
    servers_init
    PG_DATA=$PYTHIA_SCRATCH/$name
    as_user "${bin:-$PG_BIN}/initdb" --pgdata="$PG_DATA" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
        --no-instructions >"$PYTHIA_SCRATCH/$name.log" 2>&1 || server_failed "$name" || return 1
    for attempt in 1 2 3; do
        PG_PORT=$(free_port)
        as_user tee "$PG_DATA/postgresql.auto.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $PG_PORT
unix_socket_directories = '$PYTHIA_SCRATCH'
fsync = off
timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
$(printf '%s\n' "$@")
CONF
        server_kind[$name]=postgresql
        server_command[$name]="${bin:-$PG_BIN}/postgres -D $PG_DATA"
        if server_start_again "$name"; then
            export PGHOST=127.0.0.1 PGPORT=$PG_PORT PGUSER=postgres PGDATABASE=postgres
            psql -XqAt -v ON_ERROR_STOP=1 -f "$PYTHIA_TOP/test/lib/role.sql" || return 1
            export PG_PORT PG_DATA PG_URL="postgresql://pythia:secret@127.0.0.1:$PG_PORT/postgres"
            export PG_SUPERUSER_URL="postgresql://postgres@127.0.0.1:$PG_PORT/postgres"
            return 0
        fi
        server_stop "$name" KILL
    done
    server_failed "$name"
}

mysql_server()
{
    echo "${MYSQLD:-$(command -v mariadbd)}"
}

# A data directory; of MySQL, which takes its time, a copy of one that was made once.
mysql_prepare()
{
    local template=$PYTHIA_SCRATCH/mysqld.template
    if [ -z "${MYSQLD:-}" ]; then
        as_user mkdir -p "$MYSQL_DATA"
        as_user mariadb-install-db --no-defaults --datadir="$MYSQL_DATA" --auth-root-authentication-method=normal \
            --tmpdir="$MYSQL_DATA.tmp" --skip-test-db --skip-name-resolve --skip-log-bin
        return
    fi
    [ -d "$template" ] || as_user "$MYSQLD" --no-defaults --initialize-insecure --datadir="$template" \
        --secure-file-priv=NULL || return 1
    # without its name, which would be that of two servers
    as_user cp -a "$template" "$MYSQL_DATA" && as_user rm -f "$MYSQL_DATA/auto.cnf"
}

mysql_start()
{
    local name=$1 attempt
    shift
    servers_init
    MYSQL_DATA=${server_memory:-$PYTHIA_SCRATCH}/$name
    MYSQL_SOCKET=$PYTHIA_SCRATCH/$name.sock
    MYSQL_USER=maker
    MYSQL_PASSWORD=all
    # A folder for temporary files of its own: a server that starts deletes those it finds.
    as_user mkdir -p "$MYSQL_DATA.tmp"
    mysql_prepare >"$PYTHIA_SCRATCH/$name.log" 2>&1 || server_failed "$name" || return 1
    for attempt in 1 2 3; do
        MYSQL_PORT=$(free_port)
        server_kind[$name]=mariadb
        server_command[$name]="$(mysql_server) --no-defaults --datadir=$MYSQL_DATA --socket=$MYSQL_SOCKET \
            --port=$MYSQL_PORT --bind-address=127.0.0.1 --pid-file=$PYTHIA_SCRATCH/$name.pid --skip-log-bin \
            --local-infile=1 --skip-name-resolve --character-set-server=utf8mb4 --innodb-flush-log-at-trx-commit=2 \
            --tmpdir=$MYSQL_DATA.tmp ${MYSQLD:+--mysqlx=OFF --secure-file-priv=NULL --collation-server=utf8mb4_bin} $*"
        if server_start_again "$name"; then
            "$MYSQL_CLIENT" --no-defaults --socket="$MYSQL_SOCKET" --user=root <<SQL || return 1
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON *.* TO '$MYSQL_USER'@'%' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS pythia;
$(cat "$PYTHIA_TOP/test/lib/account.sql")
SQL
            MYSQL_URL="mariadb://pythia:secret@127.0.0.1:$MYSQL_PORT/pythia"
            export MYSQL_PORT MYSQL_DATA MYSQL_SOCKET MYSQL_USER MYSQL_PASSWORD MYSQL_URL
            return 0
        fi
        server_stop "$name" KILL
    done
    server_failed "$name"
}
