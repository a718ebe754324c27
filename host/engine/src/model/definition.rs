//! What a quest declares about itself, and the catalog of the quests that a host serves now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One quest as its module's `define` described it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestDefinition {
    /// The quest's name.
    pub name: String,
    /// One line for people; empty when the author gave none.
    pub description: String,
    /// Version of the variables' shape, 1 unless said.
    pub version: u32,
    /// Each action with the events that it is on. `dealloc` and `upgrade` stand here when declared; `init` always exists.
    pub actions: BTreeMap<String, Vec<String>>,
    /// Events whose arrival adds the quest to the context.
    pub add_on: Vec<String>,
    /// Names of the read-only actions.
    pub queries: Vec<String>,
}

impl QuestDefinition {
    /// The actions that run when `event` arrives, in order of name.
    pub fn actions_on<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a str> {
        self.actions
            .iter()
            .filter(move |(_, events)| events.iter().any(|name| name == event))
            .map(|(action, _)| action.as_str())
    }
}

/// The quests that a host serves now, by name. Replaced whole when a module is reloaded.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    quests: BTreeMap<String, QuestDefinition>,
    add_on: BTreeMap<String, Vec<String>>,
}

impl Catalog {
    /// A catalog of `quests`; of two with one name the last counts (the registry refuses that before).
    pub fn new(quests: impl IntoIterator<Item = QuestDefinition>) -> Self {
        let mut catalog = Catalog::default();
        for quest in quests {
            for event in &quest.add_on {
                catalog.add_on.entry(event.clone()).or_default().push(quest.name.clone());
            }
            catalog.quests.insert(quest.name.clone(), quest);
        }
        catalog
    }

    /// A quest by name.
    pub fn get(&self, quest: &str) -> Option<&QuestDefinition> {
        self.quests.get(quest)
    }

    /// All quests, in order of name.
    pub fn quests(&self) -> impl Iterator<Item = &QuestDefinition> {
        self.quests.values()
    }

    /// The quests that `event` adds to the context in which it arrives.
    pub fn added_on(&self, event: &str) -> &[String] {
        self.add_on.get(event).map_or(&[], Vec::as_slice)
    }
}
