//! quest-host: runs quests, small stateful WebAssembly programs that react to a user's events over time.

pub mod api;
pub mod cli;
pub mod dispatcher;
pub mod folders;
pub mod host;
pub mod ingress;
pub mod quests;
pub mod reload;
mod replies;
pub mod scenario;
pub mod service;
pub mod settings;
pub mod simulate;
pub mod store;
mod threads;
pub mod wasm;
mod watch;
