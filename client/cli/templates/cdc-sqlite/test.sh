#!/bin/sh
# Reads every captured table of {{name}} once, into a scratch state.  Prints TAP.
cd "$(dirname "$0")" || exit 1
pythia=${PYTHIA:-pythia}
connection={{connection_shell}}
state=$(mktemp -d) || exit 1
trap 'rm -rf "$state"' EXIT
failed=0
ok() {
    if [ "$1" -eq 0 ]; then echo "ok $2 - $3"; else echo "not ok $2 - $3"; failed=1; fi
}

echo 1..3
"$pythia" cdc "${PYTHIA_CONNECTION:-$connection}" --once --from beginning --tables {{tables_shell}} \
    --timestamp-column {{timestamp_column_shell}} --state "$state/state.db" --quiet > "$state/changes"
ok $? 1 "the captured tables can be read"
! grep -v '^{"schema":.*"change_type":.*}$' "$state/changes"
ok $? 2 "every line is a change"
# the handler takes every kind of change
for kind in INSERT UPDATE DELETE TRUNCATE; do
    echo "{\"schema\":\"a\",\"table\":\"b\",\"change_type\":\"$kind\",\"primary_key\":{\"id\":1}}"
done | ./handler 2>/dev/null > "$state/answers"
[ "$(grep -cx ok "$state/answers")" -eq 4 ]
ok $? 3 "the handler takes every kind of change"
exit $failed
