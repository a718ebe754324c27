#!/usr/bin/env bash
# Builds target/quest.wasm and prints its path; what it needs: quest-sdk/go/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/go/build.sh target/quest.wasm .
echo "$PWD/target/quest.wasm"
