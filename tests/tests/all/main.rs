//! One binary, many modules: the end-to-end tests.
// A test that cannot go on should stop with a backtrace; and what it was doing is shown when it fails.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod api_description;
mod api_streams;
mod aside;
mod bench;
mod broken_input;
mod cluster;
mod codes;
mod commands;
mod conformance;
mod crashes;
mod disk;
mod docs;
mod examine;
mod faults;
mod fuzz;
mod hello_c;
mod modules;
mod permissions;
mod races;
mod readme;
mod reload;
mod ruby;
mod scale;
mod scenarios;
mod scripts;
mod settings;
mod simulate;
mod simulation;
mod start;
mod stores;
mod time;
mod wasm;

/// The command under test.
const EXE: &str = env!("CARGO_BIN_EXE_quest-host-e2e");
