#!/usr/bin/env bash
# The same load on quest-host and on a BullMQ worker, one after the other, twice, on one Redis of its own (appendfsync everysec).
#   bash tests/peers/run.sh [EVENTS]      needs redis-server, node and npm; not part of the tests
set -euo pipefail
cd "$(dirname "$0")/../.."

events="${1:-100000}"
target="${CARGO_TARGET_DIR:-target}"
cargo build --release --locked -p quest-host
cargo build --locked --profile quest --target wasm32-wasip2 -p quest-counter
npm ci --prefix tests/peers/bullmq --no-audit --no-fund --silent

folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --dir "$folder" --appendonly yes --appendfsync everysec --save "" \
  --maxmemory-policy noeviction --loglevel warning &
server=$!
trap 'kill "$server"; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

for run in 1 2; do
  echo "run $run" >&2
  "$target/release/quest-host" bench "$target/wasm32-wasip2/quest/quest_counter.wasm" \
    --store "redis://127.0.0.1:$port" --events "$events" --no-ceilings --format json
  node tests/peers/bullmq/bench.mjs "redis://127.0.0.1:$port" "$events"
done
