#!/bin/sh
# Brings {{name}} up to now and tells whether source and target are equal.  Prints TAP.
cd "$(dirname "$0")" || exit 1
pythia=${PYTHIA:-pythia}
source={{source_shell}}
target={{target_shell}}
failed=0
ok() {
    if [ "$1" -eq 0 ]; then echo "ok $2 - $3"; else echo "not ok $2 - $3"; failed=1; fi
}

echo 1..3
"$pythia" run . --once --quiet
ok $? 1 "{{name}} is copied, and live"
"$pythia" run . --once --quiet
ok $? 2 "once more, with nothing left to do"
"$pythia" validate --quiet --source "${PYTHIA_SOURCE:-$source}" --target "${PYTHIA_TARGET:-$target}" \
    --tables {{tables_shell}}
ok $? 3 "source and target are equal"
exit $failed
