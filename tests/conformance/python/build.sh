#!/usr/bin/env bash
# Builds target/conformance.wasm and prints its path; what it needs: quest-sdk/python/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/python/build.sh target/conformance.wasm conformance.py
echo "$PWD/target/conformance.wasm"
