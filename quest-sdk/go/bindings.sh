#!/usr/bin/env bash
# Makes internal/bindings anew from wit/, with `wit-bindgen` (cargo install wit-bindgen-cli --version 0.63.0 --locked --no-default-features
# --features go). internal/wit is what its crate `wit-bindgen-go` brings along for them.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf internal/bindings
wit-bindgen go ../../wit --world quest --out-dir internal/bindings
# The module is this one, and what is exported stands in exports.go.
rm internal/bindings/go.mod internal/bindings/wit_exports.go
find internal/bindings -name '*.go' -exec sed -i 's#"wit_component/#"questhost/quest/internal/bindings/#; s#"go.bytecodealliance.org/pkg/wit/#"questhost/quest/internal/wit/#' {} +
