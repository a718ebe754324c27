#!/usr/bin/env bash
# Builds target/hello.wasm if anything changed, and prints its path last. What it needs: quest-host doctor --lang c
set -euo pipefail
cd "$(dirname "$0")"
module=target/hello.wasm

made=(-name target -o -name '.?*' -o -name __pycache__) others=(! -name '*.toml' ! -name '*.md')
sources=$(find . \( "${made[@]}" \) -prune -o -type f "${others[@]}" -print | sort)
newer=$([[ ! -f $module ]] || find . \( "${made[@]}" \) -prune -o -type f "${others[@]}" -newer "$module" -print)
if [[ ! -f $module || -n $newer || $sources != "$(cat target/sources 2>/dev/null)" ]]; then
  bash quest-sdk/c/build.sh "$module" ./*.c
  echo "$sources" >target/sources
fi
echo "$module"
