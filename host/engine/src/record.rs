//! What is stored under the keys, beyond variables: small MessagePack records. Fields are only ever added at the end, with a default.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    action::TimerSet,
    model::{Entry, Millis, Value},
    pattern::State,
    schedule::Plan,
};

/// A stored record.
pub trait Record: Serialize + DeserializeOwned {
    /// The record as MessagePack.
    fn to_bytes(&self) -> Vec<u8> {
        // Plain data in memory: serialising cannot fail.
        rmp_serde::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; an error means that the store holds what this version did not write.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        rmp_serde::from_slice(bytes).map_err(|error| Unreadable(error.to_string()))
    }
}

impl<T: Serialize + DeserializeOwned> Record for T {}

/// A record that does not read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored record is unreadable: {0}")]
pub struct Unreadable(pub String);

/// A living instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id, lower-case hexadecimal.
    pub id: String,
    /// Version of the code that last wrote it.
    pub version: u32,
    /// Its place in the partition's order: a broadcast reached earlier does not meet it.
    pub added: u64,
    /// When it was added.
    pub added_at: Millis,
    /// Whether `init` still has to succeed.
    pub starting: bool,
    /// Set while a delivery failed transiently: later ones wait behind it.
    pub held: Option<Held>,
    /// Whether it has timers: if no instance of a context has, its timers need not be looked for. Where nothing is said they are.
    #[serde(default = "unknown_timers")]
    pub has_timers: bool,
    /// Whether it has patterns: if no instance of a context has, its patterns need not be looked for.
    #[serde(default)]
    pub has_patterns: bool,
    /// The recurrences and patterns that its quest declared when it last met it, each with a digest of its text: what is new, changed or
    /// gone is told apart from what the quest itself moved or cancelled.
    #[serde(default)]
    pub declared: BTreeMap<String, u64>,
    /// What is kept from before its last upgrade, if anything is: see [`Before`].
    #[serde(default)]
    pub kept: Option<Kept>,
}

/// That there is a [`Before`] of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The version that it was then.
    pub from: u32,
    /// When it was upgraded.
    pub at: Millis,
}

/// An instance as it was before its last upgrade: what a rollback puts back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// The instance's id.
    pub instance: String,
    /// The version that wrote the variables.
    pub from: u32,
    /// The version that it was upgraded to.
    pub to: u32,
    /// The variables.
    pub variables: BTreeMap<String, Value>,
}

fn unknown_timers() -> bool {
    true
}

/// Why an instance's deliveries wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// When the first of them is tried again; none: when code that may run it is there.
    pub retry_at: Option<Millis>,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure's code.
    pub code: String,
    /// The last failure's text.
    pub message: String,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// The instance that set it.
    pub instance: String,
    /// The action that it calls.
    pub action: String,
    /// When it is due.
    pub due: Millis,
    /// The payload that the action gets. Shared: each run of the instance sees all of its timers.
    #[serde(serialize_with = "shared::serialize", deserialize_with = "shared::deserialize")]
    pub payload: Arc<Value>,
    /// The id of the event that set it; the id of its own event derives from it.
    pub set_by: String,
    /// Its place among timers of the same due time.
    pub sequence: u64,
    /// How it comes again, if it does.
    #[serde(default)]
    pub recurrence: Option<Recurrence>,
}

impl Timer {
    /// It, as an action sees it.
    pub fn seen(&self) -> TimerSet {
        TimerSet {
            action: self.action.clone(),
            due: self.due,
            payload: Arc::clone(&self.payload),
            recurrence: self.recurrence.clone(),
        }
    }
}

/// A shared value is stored as the value itself.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Value;

    pub(super) fn serialize<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
        Value::deserialize(deserializer).map(Arc::new)
    }
}

/// How a timer comes again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recurrence {
    /// The schedule's text.
    pub schedule: String,
    /// Where it stands.
    pub plan: Plan,
}

/// A live pattern of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The instance that it belongs to.
    pub instance: String,
    /// Its spec as JSON text; none: as its quest declares the pattern of this name.
    pub spec: Option<String>,
    /// Its place among what is due at the same time.
    pub sequence: u64,
    /// When its next deadline is due.
    pub due: Option<Millis>,
    /// What it has seen.
    pub state: State,
}

/// An entry that waits in a backlog or behind a held delivery, with the stamp that it had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// When it was accepted.
    pub stamp: Millis,
    /// Whether it still counts in its context's share of the bounds.
    pub counted: bool,
    /// The entry.
    pub entry: Entry,
}

/// A message for the world outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its number in its partition, from 0.
    pub number: u64,
    /// The same at each delivery, also if the commit was repeated: what a consumer remembers to do things once.
    pub key: String,
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// The instance.
    pub instance: String,
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Value,
    /// When the event that caused it was accepted.
    pub at: Millis,
}

/// How far a partition is in the broadcast log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BroadcastCursor {
    /// The entry that is worked on, or the next.
    pub entry: u64,
    /// Where it stands within that entry; none: not yet reached.
    pub within: Option<BroadcastPlace>,
}

/// A place within a broadcast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BroadcastPlace {
    /// The partition's sequence when it reached the entry: instances added later do not get it.
    pub reached: u64,
    /// The partition's clock when it reached the entry: the stamp of its deliveries.
    pub stamp: Millis,
    /// The quest whose contexts are gone through.
    pub quest: String,
    /// The last context that was given it; none at a quest's beginning.
    pub after: Option<String>,
}

/// What the contexts of a quest have met of its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The digest of the definition that all of them have met; none: nobody knows.
    pub digest: Option<u64>,
    /// The survey under way, if one is.
    pub ahead: Option<Surveying>,
}

/// A survey under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveying {
    /// The digest of the definition that is met.
    pub digest: u64,
    /// The last context that has met it; none at the beginning.
    pub after: Option<String>,
}

/// How far a relay to one destination is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RelayCursor {
    /// The stream's id.
    pub stream: String,
    /// Number of the first entry in the list.
    pub first: u64,
    /// Number of the next entry.
    pub next: u64,
    /// The number from which on entries were added by owners that had not compared with the destination yet: none of them was sent.
    #[serde(default)]
    pub unsent: Option<u64>,
}
