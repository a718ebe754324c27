#!/usr/bin/env bash
# Builds a quest in Python: `build.sh OUT.wasm FILE.py`. What FILE.py imports is looked for in its folder, and in those of PYTHONPATH.
# Needs componentize-py: `pip install componentize-py==0.25.1`.
set -euo pipefail
sdk=$(cd "$(dirname "$0")" && pwd)
# In a project of `quest-host new` the contract lies beside the library.
wit=$sdk/../wit
[ -d "$wit" ] || wit=$sdk/../../wit
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
command -v componentize-py >/dev/null || { echo "componentize-py is not installed: pip install componentize-py==0.25.1" >&2; exit 1; }

out=$1
folder=$(cd "$(dirname "$2")" && pwd)
main=$(basename "$2" .py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "MAIN = \"$main\"" >"$work/quest_sdk_main.py"
paths=(-p "$folder" -p "$sdk" -p "$work")
IFS=: read -ra more <<<"${PYTHONPATH:-}"
for path in "${more[@]}"; do paths+=(-p "$path"); done
# What went wrong in the quest is told as its own traceback: without the tool's, which stands around it.
RUST_BACKTRACE=0 componentize-py -d "$wit" -w quest componentize quest_sdk.app "${paths[@]}" -o "$work/new.wasm" >"$work/log" 2>&1 || {
  if grep -q '^AssertionError: ' "$work/log"; then sed -i '1,/^AssertionError: /d; /^Caused by:/,$d' "$work/log"; fi
  cat "$work/log" >&2
  exit 1
}
mkdir -p "$(dirname "$out")"
mv "$work/new.wasm" "$out"
