//! One binary, many modules: the end-to-end tests.

mod broken_input;
mod crashes;
mod stores;
mod wasm;

/// The command under test.
const EXE: &str = env!("CARGO_BIN_EXE_quest-host-e2e");
