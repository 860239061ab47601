#!/usr/bin/env bash
# Restores the database to a moment, in one command, as the user of PostgreSQL on its machine:
#
#   restore.sh "2026-11-29 21:30:00+00"                the database, in its place
#   restore.sh "2026-11-29 21:30:00+00" --to FOLDER    a copy beside it, to look at or to practise
#
# PostgreSQL must have been stopped, and nothing is overwritten: what is in the data folder is moved aside.
# A copy does not archive. Settings of pgBackRest (PGBACKREST_CONFIG and the like) may be in the
# environment; so may STANZA, PGPORT and START, the command that
# starts PostgreSQL where pg_ctl does not do it (Debian: "pg_ctlcluster 18 main start").
set -euo pipefail

STANZA=${STANZA:-livephoto}
missing=0

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }

refuse() {
    printf 'refused: %s\n' "$*" >&2
    exit 2
}

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

moment=${1:-}
copy=
case $# in
    1) ;;
    3) [ "$2" = --to ] || refuse "the second word can only be --to"
       copy=$(realpath --canonicalize-missing "$3") ;;
    *) refuse 'say the moment: restore.sh "2026-11-29 21:30:00+00" [--to FOLDER]' ;;
esac

[[ $moment =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}[\ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([+-][0-9]{2}(:?[0-9]{2})?|Z)$ ]] \
    || refuse "'$moment' is no moment with a time zone, such as 2026-11-29 21:30:00+00"
moment=${moment/T/ }
moment=${moment/Z/+00}
[ "$(date --date="$moment" +%s)" -le "$(date +%s)" ] || refuse "$moment is still to come"

data=${copy:-${PGDATA:?must name the data folder of PostgreSQL}}
options=(--stanza="$STANZA" --pg1-path="$data")
[ -z "$copy" ] || options+=(--archive-mode=off)

known=$(pgbackrest --stanza="$STANZA" --output=json --log-level-console=off info)
[[ $known == *'"status":{"code":0,'* ]] || refuse "there is no backup of '$STANZA': see pgbackrest info"

# The first line of postmaster.pid is a process, the eighth `ready` once it takes writes.
process() { sed -n "1{s/^$/0/;p}" "$data/postmaster.pid" 2>/dev/null || true; }
runs() { [ -n "$(process)" ] && kill -0 "$(process)" 2>/dev/null; }
takes_writes() {
    [ ! -e "$data/recovery.signal" ] && sed -n 8p "$data/postmaster.pid" 2>/dev/null | grep -q '^ready'
}

# However this ends: pgBackRest refuses, PostgreSQL does not come up, Ctrl-C.
give_back() {
    if rmdir "$data" 2>/dev/null; then
        mv -T "$aside" "$data"
        aside=$data
    fi
    echo "not restored; what was in $data is in $aside" >&2
}

# A postmaster.pid of a machine that died is no running server; a living process of that number is one.
if runs; then
    refuse "PostgreSQL is running in $data: stop it first, and all servers and workers before it"
fi
if [ -n "$copy" ] && [ -n "$(ls -A "$data" 2>/dev/null)" ]; then
    refuse "$data is not empty, and a copy overwrites nothing"
fi

if [ -n "$(ls -A "$data" 2>/dev/null)" ]; then
    aside=$data.before-restore-$(date -u +%Y%m%dT%H%M%S)
    say "1. what is in $data is kept as $aside"
    mv -T "$data" "$aside"
    trap give_back EXIT
    trap 'exit 1' INT TERM
else
    say "1. $data is empty, nothing is moved aside"
fi
mkdir -p "$data"
chmod 700 "$data"

say "2. files of the last backup before $moment are fetched"
pgbackrest "${options[@]}" --log-level-console=warn restore \
    --type=time --target="$moment" --target-action=promote

say "3. PostgreSQL starts and repeats what was logged until $moment"
if [ -n "${START:-}" ]; then
    sh -c "$START"
else
    # Not waited for by pg_ctl: this may take hours.
    pg_ctl --pgdata="$data" --log="$data.restore.log" --no-wait ${PGPORT:+--options="-p $PGPORT"} start >/dev/null
fi

seen=0
until takes_writes; do
    sleep 0.2
    if runs; then
        seen=1
    elif [ $seen = 1 ] || [ $((++missing)) -gt 50 ]; then
        tail -n 20 "$data.restore.log" >&2 2>/dev/null || true
        fail "PostgreSQL has ended before $moment: was the log archived until then? Its own log says more"
    fi
done
trap - EXIT
say "4. the database is that of $moment, and takes writes"

if [ -n "$copy" ]; then
    say "This copy archives nothing. Stop it with: pg_ctl --pgdata='$data' stop"
    exit 0
fi
cat <<NEXT
Before servers and workers start, in this order (docs/backup.md says why):
  python cli.py ledger check                         the books
  python cli.py payments recover --since "$moment"   payments that were made since
  python cli.py user erase-again                     people who were erased since
Later, once nobody wants another moment:
  python cli.py files missing                        photos that are gone
  python cli.py files orphans --older-than 2d        photos that no row knows
  rm -r "$data".before-restore-*                     what was there before
NEXT
