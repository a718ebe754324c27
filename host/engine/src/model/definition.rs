//! What a quest declares about itself, and the catalog of the quests that a host serves now.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Seed, plans},
    pattern::Spec,
    record::Pattern,
};

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
    /// Recurrences that begin when the quest is added, by name.
    #[serde(default)]
    pub every: BTreeMap<String, Every>,
    /// Patterns that begin when the quest is added, by name: each spec as JSON text.
    #[serde(default)]
    pub patterns: BTreeMap<String, String>,
    /// Whether its actions may start further patterns: then an event waits for its patterns too where one of its instances waits.
    #[serde(default)]
    pub starts_patterns: bool,
}

/// A declared recurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Every {
    /// The action that it calls.
    pub action: String,
    /// The schedule's text.
    pub schedule: String,
}

impl QuestDefinition {
    /// The actions that run when `event` arrives, in order of name.
    pub fn actions_on<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a str> {
        self.actions
            .iter()
            .filter(move |(_, events)| events.iter().any(|name| name == event))
            .map(|(action, _)| action.as_str())
    }

    /// A digest of all that an instance meets of it: what lives on in the instance (`declared`), and the actions that its timers may call.
    fn digest(&self, declared: &BTreeMap<String, u64>) -> u64 {
        let mut texts: Vec<String> = declared.iter().map(|(label, digest)| format!("{label} {digest}")).collect();
        texts.extend(self.actions.keys().map(|action| format!("action {action}")));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Seed::of(&texts).next_u64()
    }

    /// What it declares that lives on in an instance, each with a digest of its text.
    fn declared(&self) -> BTreeMap<String, u64> {
        let every = self.every.iter().map(|(name, every)| (name, [every.action.as_str(), &every.schedule], "every"));
        let patterns = self.patterns.iter().map(|(name, spec)| (name, [spec.as_str(), ""], "pattern"));
        let digest = |[one, other]: [&str; 2]| Seed::of(&[one, other]).next_u64();
        every.chain(patterns).map(|(name, texts, kind)| (format!("{kind} {name}"), digest(texts))).collect()
    }
}

/// The quests that a host serves now, by name. Replaced whole when a module is reloaded.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    quests: BTreeMap<String, QuestDefinition>,
    add_on: BTreeMap<String, Vec<String>>,
    declared: BTreeMap<String, Declared>,
    digests: BTreeMap<String, u64>,
}

/// What a quest declares that lives on in its instances, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// Each with a digest of its text.
    pub(crate) digests: BTreeMap<String, u64>,
    /// The patterns' specs by name.
    pub(crate) patterns: BTreeMap<String, Arc<Spec>>,
}

impl Catalog {
    /// A catalog of `quests`; of two with one name the last counts (the registry refuses that before).
    pub fn new(quests: impl IntoIterator<Item = QuestDefinition>) -> Self {
        let mut catalog = Catalog::default();
        for quest in quests {
            for event in &quest.add_on {
                catalog.add_on.entry(event.clone()).or_default().push(quest.name.clone());
            }
            let digests = quest.declared();
            catalog.digests.insert(quest.name.clone(), quest.digest(&digests));
            if !quest.every.is_empty() || !quest.patterns.is_empty() {
                // They were checked when they were declared.
                let read = |(name, text): (&String, &String)| Some((name.clone(), plans::known_pattern(text).ok()?));
                let patterns = quest.patterns.iter().filter_map(read).collect();
                catalog.declared.insert(quest.name.clone(), Declared { digests, patterns });
            }
            catalog.quests.insert(quest.name.clone(), quest);
        }
        catalog
    }

    /// What a quest declares that lives on in its instances; none if it declares nothing of the kind.
    pub(crate) fn declared(&self, quest: &str) -> Option<&Declared> {
        self.declared.get(quest)
    }

    /// A digest of what a quest's instances meet of it; none if it is not served.
    pub(crate) fn digest(&self, quest: &str) -> Option<u64> {
        self.digests.get(quest).copied()
    }

    /// A quest by name.
    pub fn get(&self, quest: &str) -> Option<&QuestDefinition> {
        self.quests.get(quest)
    }

    /// What a live pattern of a quest looks for; none while nobody here knows that.
    pub fn spec_of(&self, quest: &str, name: &str, pattern: &Pattern) -> Option<Arc<Spec>> {
        match &pattern.spec {
            Some(text) => plans::known_pattern(text).ok(),
            None => self.declared.get(quest)?.patterns.get(name).cloned(),
        }
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
