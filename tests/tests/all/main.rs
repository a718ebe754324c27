//! One binary, many modules: the end-to-end tests.

mod wasm;
