#!/usr/bin/env bash
# Builds target/conformance.wasm and prints its path; what it needs: quest-sdk/go/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/go/build.sh target/conformance.wasm .
echo "$PWD/target/conformance.wasm"
