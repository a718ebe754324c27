//! What the dispatcher and the service need of whoever runs quests. The wasm registry is it in a running host.

use std::sync::Arc;

use quest_engine::{
    action::{Invocation, Ran},
    model::{Catalog, QuestDefinition},
    world::Runner,
};

/// Runs quests.
pub trait Quests: Send + Sync + 'static {
    /// The quests served now.
    fn catalog(&self) -> Arc<Catalog>;

    /// Runs one action to its end, on the caller's thread.
    fn invoke(&self, invocation: Invocation) -> Ran;
}

/// What is served, for a world on a virtual clock.
pub struct Served(pub Arc<dyn Quests>);

impl Runner for Served {
    fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog()
    }

    fn run(&self, invocation: Invocation, _: Option<&QuestDefinition>) -> Ran {
        self.0.invoke(invocation)
    }
}
