#!/bin/sh
# The servers that tests of the stores talk to: `services.sh start`, `stop` or `status`.
#
# For each of PostgreSQL and Redis, `start` takes the first that answers of: the address in
# ONCUE_POSTGRES_URL / ONCUE_REDIS_URL; the one it noted before; the machine's own on loopback
# (PostgreSQL with a database `test` that lets this user in, Redis without a password; not with
# ONCUE_SERVICES=own). Else it starts one of its own: on loopback, on a free port, behind a random
# password, its files in a private folder. The address is noted in .cache/services/NAME.url, where
# tests/conftest.py finds it. `stop` ends what `start` started and nothing else: NAME.home notes the
# folder of a server of ours, and `stop` goes by what lies in that folder, never by NAME.url, which
# may since name a server of somebody else.
set -eu
umask 077
cd "$(dirname "$0")/.." && cd -P .
NOTES=.cache/services
mkdir -p "$NOTES"

say() { echo "$1: $2"; }
complain() { echo "$1: $2" >&2; }
random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
address() { sed 's|//[^/@]*@|//|' "$NOTES/$1.url"; }      # without the password

free_port() {
    for python in .venv/bin/python python3 python; do
        "$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])' \
            2>/dev/null && return
    done
    complain services "no Python to find a free port with"
    return 1
}

# --- PostgreSQL ---------------------------------------------------------------------------------

postgres_tool() { # PATH first, then where Debian and Homebrew keep the server's programs
    command -v "$1" 2>/dev/null && return
    for folder in $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
            /opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -rV); do
        [ -x "$folder/$1" ] && echo "$folder/$1" && return
    done
    return 1
}

postgres_answers() {
    psql=$(postgres_tool psql) || return 1
    PGCONNECT_TIMEOUT=3 "$psql" -X -w -d "$1" -c 'select 1' >/dev/null 2>&1 </dev/null
}

postgres_usual() { echo "postgresql://127.0.0.1:5432/test"; }

# PostgreSQL refuses to run as root, so root borrows the account `postgres`; its folder lies in
# the temporary folder then, because it may not be able to enter this one.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then (cd / && exec runuser -u postgres -- "$@"); else "$@"; fi
}

postgres_start() {
    initdb=$(postgres_tool initdb) && pg_ctl=$(postgres_tool pg_ctl) || return 2
    if [ "$(id -u)" -eq 0 ]; then
        id postgres >/dev/null 2>&1 || return 2
        home=$(as_server mktemp -d "${TMPDIR:-/tmp}/oncue-postgres.XXXXXX")
    else
        home=$(mktemp -d "$PWD/$NOTES/postgres.XXXXXX")
    fi
    [ -n "$home" ] && port=$(free_port) && password=$(random) || return 1
    echo "$home" > "$NOTES/postgres.home"
    echo "postgresql://oncue:$password@127.0.0.1:$port/postgres" > "$NOTES/postgres.url"
    echo "$password" | as_server sh -c 'umask 077; cat > "$0"' "$home/password" &&
    as_server "$initdb" -D "$home/data" -U oncue --pwfile "$home/password" -A scram-sha-256 \
        -E UTF8 --locale=C >/dev/null &&
    as_server "$pg_ctl" -D "$home/data" -l "$home/log" -w -t 60 -s start -o \
        "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=''" \
        >/dev/null </dev/null
}

postgres_stop() {
    home=$(cat "$NOTES/postgres.home")
    if [ -f "$home/data/postmaster.pid" ]; then
        as_server "$(postgres_tool pg_ctl)" -D "$home/data" -m fast -w -s stop || true
    fi
    rm -rf "$home"
}

postgres_advice() {
    echo "  Debian, Ubuntu: apt install postgresql    macOS: brew install postgresql"
    echo "  or set ONCUE_POSTGRES_URL to a database that tests may use"
}

# --- Redis --------------------------------------------------------------------------------------

redis_answers() {
    command -v redis-cli >/dev/null 2>&1 || return 1
    [ "$(redis-cli --no-auth-warning -u "$1" ping 2>/dev/null </dev/null)" = PONG ]
}

redis_usual() { echo "redis://127.0.0.1:6379/15"; }

redis_start() {
    command -v redis-server >/dev/null 2>&1 || return 2
    home=$(mktemp -d "$PWD/$NOTES/redis.XXXXXX") && port=$(free_port) || return 1
    password=$(random)
    url="redis://default:$password@127.0.0.1:$port/0"
    echo "$home" > "$NOTES/redis.home"
    echo "$url" > "$home/url"
    echo "$url" > "$NOTES/redis.url"
    redis-server - >/dev/null <<END || return 1
bind 127.0.0.1
port $port
requirepass $password
daemonize yes
dir "$home"
pidfile "$home/pid"
logfile "$home/log"
save ""
END
    tries=0
    until redis_answers "$url"; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || return 1
        sleep 0.1
    done
}

redis_stop() {
    home=$(cat "$NOTES/redis.home")
    if [ -f "$home/url" ]; then
        own="redis-cli --no-auth-warning -u $(cat "$home/url")"
        if [ "$($own config get dir 2>/dev/null | tail -n 1)" = "$home" ]; then
            $own shutdown nosave || true
        fi
    fi
    rm -rf "$home"
}

redis_advice() {
    echo "  Debian, Ubuntu: apt install redis-server    macOS: brew install redis"
    echo "  or set ONCUE_REDIS_URL to a database that tests may use"
}

# --- the same for each --------------------------------------------------------------------------

found() { # the address of a server that answers, noted for the tests
    case $1 in postgres) given=${ONCUE_POSTGRES_URL:-} ;; redis) given=${ONCUE_REDIS_URL:-} ;; esac
    if [ -n "$given" ]; then
        "$1_answers" "$given" && echo "$given" > "$NOTES/$1.url"
        return
    fi
    [ -f "$NOTES/$1.url" ] && "$1_answers" "$(cat "$NOTES/$1.url")" && return
    [ "${ONCUE_SERVICES:-}" != own ] && "$1_answers" "$("$1_usual")" \
        && "$1_usual" > "$NOTES/$1.url"
}

start() {
    if found "$1"; then say "$1" "answers at $(address "$1")"; return; fi
    if [ -n "$given" ]; then complain "$1" "nothing answers at the address you gave"; return 1; fi
    [ ! -f "$NOTES/$1.home" ] || stop "$1" >/dev/null
    rm -f "$NOTES/$1.url"
    code=0
    "$1_start" || code=$?
    case $code in
        0) say "$1" "started at $(address "$1")" ;;
        2) complain "$1" "no server answers on loopback and none is installed"; "$1_advice" >&2 ;;
        *) complain "$1" "could not be started"
           [ ! -f "$NOTES/$1.home" ] || tail -n 20 "$(cat "$NOTES/$1.home")/log" >&2 || true
           stop "$1" >/dev/null ;;
    esac
    return $code
}

stop() {
    if [ ! -f "$NOTES/$1.home" ]; then say "$1" "not started from here; nothing to stop"; return; fi
    "$1_stop"
    rm -f "$NOTES/$1.home" "$NOTES/$1.url"
    say "$1" "stopped"
}

status() {
    if found "$1"; then say "$1" "answers at $(address "$1")"; else say "$1" "no answer"; fi
}

case "${1:-}" in
    start | stop | status) ;;
    *) echo "usage: $0 start | stop | status" >&2; exit 2 ;;
esac
failed=0
for service in postgres redis; do "$1" "$service" || failed=1; done
exit $failed
