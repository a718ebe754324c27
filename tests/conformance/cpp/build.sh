#!/usr/bin/env bash
# Builds target/conformance.wasm and prints its path; what it needs: quest-sdk/c/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/c/build.sh target/conformance.wasm quest.cpp
echo "$PWD/target/conformance.wasm"
