//! Entries: what stands in an inbox, a backlog or behind a held delivery, waiting for its turn.
//!
//! Stored as MessagePack. Fields are only ever added at the end, with a default.

use serde::{Deserialize, Serialize};

use super::{Millis, Value};
use crate::record::Before;

/// One thing to do in one context (or, before it is spread over the partitions, a broadcast).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The context; empty only in the broadcast log.
    pub context: String,
    /// The event's id: the producer's own, or one drawn when it was accepted. Children derive theirs from it.
    pub id: String,
    /// How many emits led here; 0 for what came from outside.
    pub hops: u16,
    /// Who asked for the answer, if anybody.
    pub reply: Option<ReplyTo>,
    /// What to do.
    pub body: Body,
    /// How many events may follow from it, over all hops; none: as many as from what came from outside.
    #[serde(default)]
    pub left: Option<u32>,
}

impl Entry {
    /// The context of a stored entry, also of one that this version cannot read whole: it stands first, whatever follows.
    pub fn context_of(mut bytes: &[u8]) -> Option<&str> {
        rmp::decode::read_array_len(&mut bytes).ok().filter(|fields| *fields > 0)?;
        rmp::decode::read_str_from_slice(bytes).ok().map(|(context, _)| context)
    }
}

/// What an entry asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// To every subscribed action of the context; in the broadcast log, of every context.
    Emit {
        /// The event's name.
        name: String,
        /// The event's payload.
        payload: Value,
    },
    /// To one action of one quest; with an instance, only if that one still lives.
    Send {
        /// The quest.
        quest: String,
        /// The action.
        action: String,
        /// The instance that it is meant for, or whichever lives then.
        instance: Option<String>,
        /// The event's name, if the producer gave one.
        name: Option<String>,
        /// The event's payload.
        payload: Value,
    },
    /// A broadcast's share for one quest of a context.
    Spread {
        /// The quest.
        quest: String,
        /// The event's name.
        name: String,
        /// The event's payload.
        payload: Value,
        /// The partition's sequence when it reached the broadcast: instances added later do not get it.
        reached: u64,
    },
    /// Adds a quest to the context, unless it is there.
    Add {
        /// The quest.
        quest: String,
    },
    /// Removes a quest from the context.
    Remove {
        /// The quest.
        quest: String,
    },
    /// A routed delivery: what routing made of an `Emit` or `Send`, stamped with its instance.
    Deliver {
        /// The quest.
        quest: String,
        /// The action.
        action: String,
        /// The instance that it is meant for.
        instance: String,
        /// Why it runs.
        cause: Cause,
        /// The event's name; empty when there is none.
        name: String,
        /// The event's payload.
        payload: Value,
        /// 1 at the first try.
        attempt: u32,
        /// For a recurrence: runs that were left out just before this one.
        #[serde(default)]
        missed: u64,
    },
    /// An event for the patterns of an instance, in its order.
    Observe {
        /// The quest.
        quest: String,
        /// The instance that it is meant for.
        instance: String,
        /// The event's name.
        name: String,
        /// The event's payload.
        payload: Value,
    },
    /// An operator's command on the context.
    Operate(Command),
}

impl Body {
    /// The quest and the action that it is for; empty where none is concerned.
    pub fn aim(&self) -> (&str, &str) {
        match self {
            Body::Deliver { quest, action, .. } | Body::Send { quest, action, .. } => (quest, action),
            Body::Add { quest } => (quest, "init"),
            Body::Remove { quest } | Body::Spread { quest, .. } | Body::Observe { quest, .. } => (quest, ""),
            Body::Emit { .. } | Body::Operate(_) => ("", ""),
        }
    }

    /// The event's payload, if this has one.
    pub fn payload_mut(&mut self) -> Option<&mut Value> {
        match self {
            Body::Emit { payload, .. }
            | Body::Send { payload, .. }
            | Body::Spread { payload, .. }
            | Body::Observe { payload, .. }
            | Body::Deliver { payload, .. } => Some(payload),
            Body::Add { .. } | Body::Remove { .. } | Body::Operate(_) => None,
        }
    }
}

/// Why an action runs; what `current.cause` tells a quest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// An event arrived.
    Event,
    /// A timer fired.
    Timer,
    /// It was called directly.
    Call,
    /// A read-only question.
    Query,
    /// The quest was added, removed or upgraded.
    Lifecycle,
    /// A pattern over events was met, or its time passed.
    Pattern,
}

impl Cause {
    /// The word that quests and people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Event => "event",
            Cause::Timer => "timer",
            Cause::Call => "call",
            Cause::Query => "query",
            Cause::Lifecycle => "lifecycle",
            Cause::Pattern => "pattern",
        }
    }
}

/// Operators' commands: they are made by a partition's owner, in order with everything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Erases all of the context: state, timers, held, dead letters, ids.
    Forget,
    /// Accepts a dead letter anew, for the same living instance only.
    DeadRetry {
        /// The dead letter's id.
        dead: String,
    },
    /// Deletes a dead letter.
    DeadDrop {
        /// The dead letter's id.
        dead: String,
    },
    /// Fires a timer now (its payload as set), ahead of its due time.
    TimerFire {
        /// The quest.
        quest: String,
        /// The timer's name.
        timer: String,
    },
    /// Moves a timer.
    TimerMove {
        /// The quest.
        quest: String,
        /// The timer's name.
        timer: String,
        /// The new due time.
        due: Millis,
    },
    /// Cancels a timer.
    TimerCancel {
        /// The quest.
        quest: String,
        /// The timer's name.
        timer: String,
    },
    /// Cancels a pattern.
    PatternCancel {
        /// The quest.
        quest: String,
        /// The pattern's name.
        pattern: String,
    },
    /// Sets the context's time zone; none: the host's default again.
    ZoneSet {
        /// The zone's name in the IANA database.
        zone: Option<String>,
    },
    /// Puts an instance back to what it was before its last upgrade.
    Restore {
        /// The quest.
        quest: String,
        /// What it was.
        before: Before,
    },
}

impl Command {
    /// The command's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Forget => "forget",
            Command::DeadRetry { .. } => "dead-retry",
            Command::DeadDrop { .. } => "dead-drop",
            Command::TimerFire { .. } => "timer-fire",
            Command::TimerMove { .. } => "timer-move",
            Command::TimerCancel { .. } => "timer-cancel",
            Command::PatternCancel { .. } => "pattern-cancel",
            Command::ZoneSet { .. } => "zone-set",
            Command::Restore { .. } => "restore",
        }
    }
}

/// Where an answer goes: stored under the entry's id, and the host that waits is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The id of the host that was asked.
    pub host: String,
}

/// What became of a call: stored for a while under the call's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The action succeeded; its answer, null when it set none.
    Answered(Value),
    /// The action did not happen, or failed for good.
    Failed {
        /// A stable code (docs/errors.md).
        code: String,
        /// Text for people.
        message: String,
    },
}

/// An entry that was given up, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its own id.
    pub id: String,
    /// The entry as it stood when it was given up.
    pub entry: Entry,
    /// When the entry was accepted.
    pub stamp: Millis,
    /// When it was given up.
    pub died_at: Millis,
    /// A stable code (docs/errors.md).
    pub code: String,
    /// Text for people.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
}
