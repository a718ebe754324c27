#!/usr/bin/env bash
# Builds target/quest.wasm and prints its path; what it needs: quest-sdk/zig/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/zig/build.sh target/quest.wasm freezer.zig
echo "$PWD/target/quest.wasm"
