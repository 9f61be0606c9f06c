#!/bin/sh
# The main job on real input: five answers, the decision, the plan, a model, every promise.
# `make demo` runs it. DATA names a Parquet file of transactions; without one they are simulated.
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
