#!/bin/sh
# Runs {{name}} once and tells whether source and target are equal.  Prints TAP.
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
ok $? 1 "one run of {{name}}"
"$pythia" run . --once --quiet
ok $? 2 "a second run, with nothing left to do"
"$pythia" validate --quiet --source "${PYTHIA_SOURCE:-$source}" --target "${PYTHIA_TARGET:-$target}" \
    --tables {{tables_shell}}
ok $? 3 "source and target are equal"
exit $failed
