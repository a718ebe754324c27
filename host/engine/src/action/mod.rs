//! One run of a quest: what it is given ([`Invocation`]), what it sees and records while it runs ([`Recorder`]), and
//! what is left afterwards ([`Ran`]).
//!
//! The recorder is the meaning of every host function. The wasm border and the SDK's native harness are thin
//! layers over it, so a quest meets the same rules, limits and refusals in a unit test as in production.

mod definer;
pub(crate) mod plans;
mod recorder;
mod seed;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

pub use definer::Definer;
pub use recorder::{Given, Recorder};
pub use seed::Seed;

use crate::{
    model::{Cause, Millis, Value},
    pattern::Spec,
    record::{Pattern, Record, Recurrence},
    schedule::Zone,
};

/// An instance's variables.
pub type Variables = BTreeMap<String, Value>;

/// An instance's timers, as an action sees them.
pub type TimersSeen = BTreeMap<String, Arc<TimerSet>>;

/// An instance's patterns, as an action sees them.
pub type PatternsSeen = BTreeMap<String, PatternSeen>;

/// A live pattern, as an action sees it.
#[derive(Debug, Clone)]
pub struct PatternSeen {
    /// Its spec.
    pub spec: Arc<Spec>,
    /// Its record, with what it has seen.
    pub record: Arc<Pattern>,
}

/// Which export of the module runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// `init`.
    Init,
    /// `perform`, with the invocation's action.
    Perform,
}

/// Everything that one run of a quest depends on. The same invocation gives the same effects.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Which export runs.
    pub export: Export,
    /// The quest.
    pub quest: String,
    /// The action; `init` for [`Export::Init`].
    pub action: String,
    /// The context.
    pub context: String,
    /// The instance's id.
    pub instance: String,
    /// The event's name; empty when there is none.
    pub event_name: String,
    /// The event's id.
    pub event_id: String,
    /// Why the action runs.
    pub cause: Cause,
    /// When the event was accepted, or the timer was due: the clock that the quest sees.
    pub accepted_at: Millis,
    /// When this run began.
    pub processed_at: Millis,
    /// 1 at the first try.
    pub attempt: u32,
    /// How many emits led here.
    pub hops: u16,
    /// The event's payload.
    pub payload: Value,
    /// The instance's variables before the run.
    pub variables: Arc<Variables>,
    /// The instance's timers before the run, by name.
    pub timers: Arc<TimersSeen>,
    /// The instance's patterns before the run, by name.
    pub patterns: Arc<PatternsSeen>,
    /// The context's time zone.
    pub zone: Zone,
    /// For a recurrence: runs that were left out just before this one.
    pub missed: u64,
    /// The context's quests.
    pub active: Arc<Vec<String>>,
    /// The operator's settings for this quest.
    pub config: Arc<BTreeMap<String, String>>,
}

impl Invocation {
    /// An event's first delivery to an action of an instance without any state: for tests and measurements, which say what else there is.
    pub fn bare(quest: &str, action: &str) -> Self {
        Self {
            export: Export::Perform,
            quest: quest.to_owned(),
            action: action.to_owned(),
            context: "c".to_owned(),
            instance: "i".to_owned(),
            event_name: "e".to_owned(),
            event_id: "id".to_owned(),
            cause: Cause::Event,
            accepted_at: 1_000,
            processed_at: 1_000,
            attempt: 1,
            hops: 0,
            payload: Value::Null,
            variables: Arc::default(),
            timers: Arc::default(),
            patterns: Arc::default(),
            zone: Zone::utc(),
            missed: 0,
            active: Arc::default(),
            config: Arc::default(),
        }
    }

    /// Whether effects are refused (a query).
    pub fn is_read_only(&self) -> bool {
        self.cause == Cause::Query
    }

    /// Whether what came of the other is what would come of this: they differ in when they began at most. Both are by the same definitions,
    /// which have the patterns' specs.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self {
            export,
            quest,
            action,
            context,
            instance,
            event_name,
            event_id,
            cause,
            accepted_at,
            processed_at: _,
            attempt,
            hops,
            payload,
            variables,
            timers,
            patterns,
            zone,
            missed,
            active,
            config,
        } = self;
        let names = [quest, action, context, instance, event_name, event_id];
        // As stored: a sum that is no number any more equals itself there.
        let is_same_pattern = |((name, seen), (other, theirs)): ((&String, &PatternSeen), (&String, &PatternSeen))| {
            name == other
                && (Arc::ptr_eq(&seen.record, &theirs.record) || seen.record.to_bytes() == theirs.record.to_bytes())
        };
        names == [&other.quest, &other.action, &other.context, &other.instance, &other.event_name, &other.event_id]
            && (*export, *cause, *accepted_at) == (other.export, other.cause, other.accepted_at)
            && (*attempt, *hops, *missed) == (other.attempt, other.hops, other.missed)
            && *payload == other.payload
            && is_same(variables, &other.variables)
            && is_same(timers, &other.timers)
            && patterns.len() == other.patterns.len()
            && patterns.iter().zip(other.patterns.iter()).all(is_same_pattern)
            && *zone == other.zone
            && is_same(active, &other.active)
            && is_same(config, &other.config)
    }
}

/// What a context in memory has is the same piece each time.
fn is_same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// A host function's refusal, as a quest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code (docs/errors.md).
    pub code: &'static str,
    /// Text for people.
    pub message: String,
}

/// How a run that did not succeed is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Tried again with backoff.
    Transient,
    /// To the dead letters at once.
    Permanent,
}

/// Why a run did not succeed. Nothing of what it did is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is done about it.
    pub kind: FailureKind,
    /// A stable code: the quest's own, a refusal's, or `trap`, `timeout`, ….
    pub code: String,
    /// Text for people.
    pub message: String,
}

/// Bytes of a failure's code: programs branch on it.
const CODE_BYTES_MAX: usize = 128;
/// Bytes of a failure's message: it is a guest's text, and is stored with each dead letter.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

impl Failure {
    /// What an `err` result of the guest means: the code `transient`, or a refusal that passes by itself, asks for a retry.
    pub fn of_guest(code: String, message: String) -> Self {
        let kind = match code.as_str() {
            "transient" | "too-many-pending" => FailureKind::Transient,
            _ => FailureKind::Permanent,
        };
        Self { kind, code: cut(code, CODE_BYTES_MAX), message: cut(message, MESSAGE_BYTES_MAX) }
    }

    /// A trap: a bug of the quest, or a limit that ends it.
    pub fn trap(message: String) -> Self {
        Self { kind: FailureKind::Permanent, code: "trap".to_owned(), message: cut(message, MESSAGE_BYTES_MAX) }
    }

    /// A bug of the host, which is no fault of the quest's.
    pub fn host_bug(message: String) -> Self {
        Self { kind: FailureKind::Permanent, code: "host-bug".to_owned(), message }
    }

    /// The limit of time. Counts as transient: a machine may just have been busy.
    pub fn timeout(message: String) -> Self {
        Self { kind: FailureKind::Transient, code: "timeout".to_owned(), message }
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// A timer as it was set.
#[derive(Debug, Clone, PartialEq)]
pub struct TimerSet {
    /// The action that it calls.
    pub action: String,
    /// When it is due.
    pub due: Millis,
    /// The payload that the action gets.
    pub payload: Arc<Value>,
    /// How it comes again, if it does.
    pub recurrence: Option<Recurrence>,
}

/// What an action does beyond its own variables and timers, in the order that it did it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An event to every subscribed action of a context.
    Emit {
        /// The context.
        context: String,
        /// The event's name.
        name: String,
        /// Its payload.
        payload: Value,
    },
    /// An event to one action of one quest.
    Send {
        /// The context.
        context: String,
        /// The quest.
        quest: String,
        /// The action.
        action: String,
        /// Its payload.
        payload: Value,
    },
    /// An event to every context with a subscribed quest.
    Broadcast {
        /// The event's name.
        name: String,
        /// Its payload.
        payload: Value,
    },
    /// Adds a quest to a context.
    Add {
        /// The quest.
        quest: String,
        /// The context.
        context: String,
    },
    /// Removes a quest from a context.
    Remove {
        /// The quest.
        quest: String,
        /// The context.
        context: String,
    },
    /// A message for the world outside.
    Publish {
        /// The topic.
        topic: String,
        /// Its payload.
        payload: Value,
    },
}

/// What a successful run changes. Only what differs from before is here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Variables written, or removed (none).
    pub variables: BTreeMap<String, Option<Value>>,
    /// Timers set, or cancelled (none).
    pub timers: BTreeMap<String, Option<TimerSet>>,
    /// Patterns started, each with its spec as JSON text, or cancelled (none).
    pub patterns: BTreeMap<String, Option<String>>,
    /// The context's time zone, if it was changed.
    pub zone: Option<Zone>,
    /// Everything else, in order.
    pub effects: Vec<Effect>,
    /// The answer, if one was set.
    pub reply: Option<Value>,
}

impl Effect {
    /// Bytes that it counts for against limits.
    pub fn size(&self) -> usize {
        match self {
            Effect::Emit { context, name, payload } => context.len() + name.len() + payload.size(),
            Effect::Send { context, quest, action, payload } => {
                context.len() + quest.len() + action.len() + payload.size()
            }
            Effect::Broadcast { name, payload } => name.len() + payload.size(),
            Effect::Add { quest, context } | Effect::Remove { quest, context } => quest.len() + context.len(),
            Effect::Publish { topic, payload } => topic.len() + payload.size(),
        }
    }
}

impl Changes {
    /// Bytes of all changes, about.
    pub(crate) fn size(&self) -> usize {
        let variables = self.variables.values().flatten().map(Value::size);
        let timers = self.timers.values().flatten().map(|timer| timer.payload.size());
        let reply = self.reply.as_ref().map_or(0, Value::size);
        let patterns = self.patterns.values().flatten().map(String::len);
        variables.chain(timers).chain(patterns).chain(self.effects.iter().map(Effect::size)).sum::<usize>() + reply
    }

    /// Puts the changes over the state that a further run of the same delivery sees. Patterns that were started show only afterwards.
    pub(crate) fn overlay(&self, variables: &mut Variables, timers: &mut TimersSeen) {
        overlay(variables, &self.variables, Value::clone);
        overlay(timers, &self.timers, |timer| Arc::new(timer.clone()));
    }
}

fn overlay<T, U>(state: &mut BTreeMap<String, U>, changes: &BTreeMap<String, Option<T>>, value: impl Fn(&T) -> U) {
    for (name, change) in changes {
        match change {
            Some(changed) => state.insert(name.clone(), value(changed)),
            None => state.remove(name),
        };
    }
}

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

/// A line that a quest wrote. Lines survive a failed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// The text, without a newline.
    pub message: String,
}

/// What is left of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The changes, or why there are none.
    pub result: Result<Changes, Failure>,
    /// What the quest wrote to its log.
    pub logs: Vec<LogLine>,
}

impl From<Failure> for Ran {
    /// A run that never began, or left no log.
    fn from(failure: Failure) -> Self {
        Self { result: Err(failure), logs: Vec::new() }
    }
}
