#!/usr/bin/env bash
# Builds target/quest.wasm and prints its path; what it needs: quest-sdk/python/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/python/build.sh target/quest.wasm digest.py
echo "$PWD/target/quest.wasm"
