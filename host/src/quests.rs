//! What the dispatcher and the service need of whoever runs quests. The wasm registry is it in a running host.

use std::sync::Arc;

use quest_engine::{
    action::{Invocation, Ran},
    model::Catalog,
};

/// Runs quests.
pub trait Quests: Send + Sync + 'static {
    /// The quests served now.
    fn catalog(&self) -> Arc<Catalog>;

    /// Runs one action to its end, on the caller's thread.
    fn invoke(&self, invocation: Invocation) -> Ran;
}
