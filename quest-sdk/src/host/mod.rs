//! The contract's functions, on two backends of one shape: the host's imports in wasm, the engine's recorder natively.
//!
//! Everything above this module is the same code on both.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
pub(crate) mod wasm;

#[cfg(not(target_family = "wasm"))]
pub use native::*;
#[cfg(target_family = "wasm")]
pub use wasm::*;

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever debugs the quest.
    Debug,
    /// Worth telling.
    Info,
    /// Not as it should be.
    Warn,
    /// Something failed.
    Error,
}
