#!/usr/bin/env bash
# The long form of the tests: the same ones, hours of them. `bash tests/long.sh FILTER…` runs those whose names hold a filter, e.g. `simulation`.
set -euo pipefail
cd "$(dirname "$0")/.."

export QUEST_LONG=1
cargo test --locked -p quest-host-tests --test all -- --nocapture --test-threads=1 "$@"
