//! What a test looks at.

use serde::de::DeserializeOwned;

use crate::{Level, Value};

/// A message that a quest published.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// Its key: the same at each delivery.
    pub key: String,
    /// When the event that caused it was accepted, in Unix milliseconds.
    pub at: u64,
    pub(super) payload: Value,
}

impl Message {
    /// The payload. Panics if it is no `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> T {
        super::read(self.payload.clone(), &self.topic)
    }
}

/// An event that an action caused.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The context of the action that caused it.
    pub from: String,
    /// The context that it goes to; empty for every context.
    pub context: String,
    /// Its name; empty if it is for one action.
    pub name: String,
    /// The quest and the action that it is for, if it is for one.
    pub selector: Option<(String, String)>,
    pub(super) payload: Value,
}

impl Event {
    /// The payload. Panics if it is no `T`.
    pub fn payload<T: DeserializeOwned>(&self) -> T {
        super::read(self.payload.clone(), &self.name)
    }
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// The quest.
    pub quest: String,
    /// Its name.
    pub name: String,
    /// The action that it calls.
    pub action: String,
    /// When it is due, in Unix milliseconds.
    pub due: u64,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// The context.
    pub context: String,
    /// The quest; empty where none is concerned.
    pub quest: String,
    /// The action; empty where none is concerned.
    pub action: String,
    /// A stable code: the action's own, a refusal's, or `trap` for a panic.
    pub code: String,
    /// Text for people.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// A line that a quest logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The quest.
    pub quest: String,
    /// How grave it is.
    pub level: Level,
    /// The text.
    pub message: String,
}

/// Why a call or a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// A stable code; `pending` when the action failed and will be tried again.
    pub code: String,
    /// Text for people.
    pub message: String,
}
