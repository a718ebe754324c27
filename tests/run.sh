#!/usr/bin/env bash
# Runs every test. Installs what is missing first: the pinned Rust with its wasm targets, redis-server, curl, the compilers of other languages.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

say "Rust, as rust-toolchain.toml pins it"
rustup toolchain install

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v cc >/dev/null || missing+=(build-essential)
command -v curl >/dev/null || missing+=(curl)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
  say "from Debian: ${missing[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

say "the quest in C"
if ! bash quests/hello-c/build.sh; then
  bash quests/hello-c/build.sh --install
fi

say "the tests (a first build takes about ten minutes: a whole wasm compiler is in it)"
cargo test --workspace --locked "$@"

# With arguments some tests are meant, not all.
if [ $# -eq 0 ]; then
  say "quests in languages with compilers of their own"
  bash tests/languages.sh
fi
