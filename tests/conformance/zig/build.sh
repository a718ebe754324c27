#!/usr/bin/env bash
# Builds target/conformance.wasm and prints its path; what it needs: quest-sdk/zig/build.sh.
set -euo pipefail
cd "$(dirname "$0")"
bash ../../../quest-sdk/zig/build.sh target/conformance.wasm quest.zig
echo "$PWD/target/conformance.wasm"
