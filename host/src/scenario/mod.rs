//! Scenario files: what a quest is given, when, and what is expected of it, for quests in any language (docs/testing.md).
//!
//! [`File::read`] reads one; [`run`] runs a scenario of it on the real engine, with whoever runs the quests, on a virtual clock.
//!
//! Must not know: wasm, the command line, terminals.

mod expect;
mod fit;
mod found;
pub mod keys;
mod lines;
mod read;
mod run;
mod toml_text;
mod values;

use std::{collections::BTreeMap, path::PathBuf};

pub use expect::{Expect, TimerExpected};
pub use lines::{Line, Side};
use quest_engine::{
    model::Millis,
    world::{Zone, time::Pause},
};
pub use run::{Failure, Report, run};
use serde_json::Value as Json;
pub use toml_text::Fault;

/// A scenario file.
#[derive(Debug, Clone)]
pub struct File {
    /// Modules or folders with quests, relative to the file's folder.
    pub modules: Vec<PathBuf>,
    /// The scenarios, in order.
    pub scenarios: Vec<Scenario>,
}

/// One scenario: a world of its own.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// The zone of its civil times.
    pub zone: Zone,
    /// When it begins.
    pub start: Millis,
    /// The operator's settings by quest.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// What is done.
    pub steps: Vec<Step>,
}

/// One step. First time passes, then something is done, then it is compared.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its line in the file, from 1.
    pub line: usize,
    /// How time passes.
    pub when: Option<When>,
    /// What is done.
    pub verb: Option<Verb>,
    /// The payload of what is sent, called or asked.
    pub payload: Json,
    /// The context that it is about.
    pub context: String,
    /// How often time passes and it is done.
    pub repeat: u64,
    /// What a call or a query answers.
    pub answer: Option<Answer>,
    /// What is there then, among other things.
    pub expect: Option<Expect>,
    /// What is there then, and nothing else.
    pub exactly: Option<Expect>,
}

/// How time passes before a step.
#[derive(Debug, Clone)]
pub enum When {
    /// So long.
    After(Pause),
    /// Until then.
    At(Millis),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Adds a quest to the context.
    Add(String),
    /// Removes a quest from the context.
    Remove(String),
    /// Sends an event to the context.
    Send(String),
    /// Sends an event to one action.
    SendTo(String, String),
    /// Sends an event to every context.
    Broadcast(String),
    /// Calls an action.
    Call(String, String),
    /// Asks a query.
    Query(String, String),
    /// Sets the context's time zone, as an operator does.
    SetZone(String),
}

/// What is expected of a call or a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// This value; whole, or at least this much of it.
    Is {
        /// The value.
        value: Json,
        /// Whether there is nothing else in it.
        whole: bool,
    },
    /// A failure: its `code`, its `message`, or both.
    Fails(Json),
}
