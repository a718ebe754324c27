//! The sans-IO core of quest-host.
//!
//! In the order that data flows: [`model`] holds the plain types, `partition` decides (route an entry to
//! invocations, apply what came back, order time, retry), [`action`] is what one run of a quest sees and records;
//! [`query`] answers questions beside that order. [`world`] is a host in miniature: it drives all of it in memory, on a clock that its user moves.
//!
//! Nothing here awaits, reads a clock, draws randomness or knows tokio, redis or wasmtime: time and seeds are arguments,
//! decisions come out as closed enums. The host's stores and wasm runtime, the SDK's test harness and the simulator
//! all drive this same code.

pub mod action;
pub mod keys;
pub mod limits;
pub mod model;
pub mod partition;
pub mod pattern;
#[doc(hidden)]
pub mod planted;
pub mod query;
pub mod record;
pub mod schedule;
pub mod world;
pub mod write;
