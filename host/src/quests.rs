//! What the dispatcher and the service need of whoever runs quests. The wasm registry is it in a running host.

use std::{sync::Arc, time::Duration};

use quest_engine::{
    action::{Invocation, Ran},
    model::{Catalog, QuestDefinition},
    world::Runner,
};

/// One consistent state of what is served: whoever holds it sees the same quests, and runs the same code, whatever is reloaded meanwhile.
pub trait Serving: Send + Sync + 'static {
    /// The quests served.
    fn catalog(&self) -> &Arc<Catalog>;

    /// Runs one action to its end, on the caller's thread.
    fn invoke(&self, invocation: Invocation) -> Ran;

    /// The same, unless it takes longer than that, although it may: then it is ended, and what was to be run is given back.
    fn invoke_within(&self, invocation: Invocation, within: Duration) -> Result<Ran, Box<Invocation>>;
}

/// Runs quests.
pub trait Quests: Send + Sync + 'static {
    /// What is served now. A turn, or a query, takes it once and keeps it to its end.
    fn serving(&self) -> Arc<dyn Serving>;

    /// The quests served now.
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(self.serving().catalog())
    }

    /// Runs one action with what is served now.
    fn invoke(&self, invocation: Invocation) -> Ran {
        self.serving().invoke(invocation)
    }
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
