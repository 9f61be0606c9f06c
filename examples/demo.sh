#!/bin/sh
# The main job on real input, twice: five answers, the decision, the plan, a model, every promise.
# `make demo` runs it. First requests that nobody foresaw, scored live: DATA names a Parquet file of
# transactions, without one they are simulated. Then customers who are all known, scored on a
# schedule.
set -eu
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

rm -rf "$DEMO"
mkdir -p "$(dirname "$DEMO")"
say groundplan new "$DEMO" --from fraud
say cat "$DEMO/groundplan.toml"
say groundplan decide "$DEMO"
say groundplan plan "$DEMO"
if [ -n "${DATA:-}" ]; then
    say groundplan build "$DEMO" --data "$DATA"
else
    say groundplan build "$DEMO"
fi
say groundplan verify "$DEMO"

BATCH="$(dirname "$DEMO")/churn"
rm -rf "$BATCH"
say groundplan new "$BATCH" --from churn
say groundplan decide "$BATCH"
say groundplan build "$BATCH"
say groundplan score "$BATCH"
say groundplan verify "$BATCH" --seconds 10
