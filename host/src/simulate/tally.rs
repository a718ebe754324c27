//! Counts what happens.

use std::collections::BTreeMap;

use quest_engine::{
    action::Effect,
    model::Cause,
    partition::Happened,
    world::{Moment, Told},
};
use serde::Serialize;

/// How much of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Events from outside.
    pub events: u64,
    /// Actions that ran, failed ones included.
    pub actions: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Actions that patterns called.
    pub patterns: u64,
    /// Quests added to contexts.
    pub added: u64,
    /// Quests removed from contexts.
    pub removed: u64,
    /// Failures that are tried again.
    pub retried: u64,
    /// Messages by topic.
    pub messages: BTreeMap<String, u64>,
    /// Dead letters by code.
    pub dead: BTreeMap<String, u64>,
    /// Events and commands that nothing came of, by reason.
    pub ignored: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn add(&mut self, moment: &Moment) {
        for caused in moment.caused() {
            if let Effect::Publish { topic, .. } = caused.effect {
                *self.messages.entry(topic.clone()).or_default() += 1;
            }
        }
        let Told::Happened { happening, .. } = &moment.told else { return };
        let mut ran = true;
        match &happening.what {
            Happened::Done => {}
            Happened::Added => self.added += 1,
            Happened::Retried { .. } => self.retried += 1,
            Happened::Dead { code, .. } => *self.dead.entry(code.clone()).or_default() += 1,
            Happened::Removed => {
                self.removed += 1;
                ran = false;
            }
            Happened::Ignored { reason } => {
                *self.ignored.entry((*reason).to_owned()).or_default() += 1;
                ran = false;
            }
            Happened::Operated => ran = false,
        }
        // A dead letter may be of an entry that reached no action.
        if ran && !happening.instance.is_empty() {
            self.actions += 1;
            self.timers += u64::from(happening.cause == Cause::Timer);
            self.patterns += u64::from(happening.cause == Cause::Pattern);
        }
    }
}
