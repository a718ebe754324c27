//! What happened in a world, and what it caused.

use std::collections::VecDeque;

use crate::{
    action::{Changes, Effect, Failure, Invocation, LogLine, Ran},
    model::{Entry, Millis, Value},
    partition::{Happened, Happening},
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The world's time when it happened.
    pub at: Millis,
    /// What it was.
    pub told: Told,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An entry came from outside.
    Accepted(Box<Entry>),
    /// Something became of a delivery or an entry.
    Happened {
        /// As the live log tells it.
        happening: Happening,
        /// What the action changed, if it is kept.
        changes: Option<Box<Changes>>,
    },
    /// A query was asked.
    Asked {
        /// The context.
        context: String,
        /// The quest.
        quest: String,
        /// The query.
        query: String,
        /// Its answer.
        result: Result<Value, Failure>,
        /// What the quest wrote to its log.
        logs: Vec<LogLine>,
    },
}

/// What an action caused beyond its own variables and timers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caused<'a> {
    /// When, by the world's time.
    pub at: Millis,
    /// By whom.
    pub by: &'a Happening,
    /// What.
    pub effect: &'a Effect,
}

impl Moment {
    /// The context that it is about; empty for a broadcast that came from outside.
    pub fn context(&self) -> &str {
        match &self.told {
            Told::Accepted(entry) => &entry.context,
            Told::Happened { happening, .. } => &happening.context,
            Told::Asked { context, .. } => context,
        }
    }

    /// The quest that wrote lines to its log, and the lines.
    pub fn logs(&self) -> (&str, &[LogLine]) {
        match &self.told {
            Told::Accepted(_) => ("", &[]),
            Told::Happened { happening, .. } => (&happening.quest, &happening.logs),
            Told::Asked { quest, logs, .. } => (quest, logs),
        }
    }

    /// What was caused.
    pub fn caused(&self) -> impl Iterator<Item = Caused<'_>> {
        let kept = match &self.told {
            Told::Happened { happening, changes: Some(changes) } => Some((happening, changes)),
            _ => None,
        };
        kept.into_iter()
            .flat_map(move |(by, changes)| changes.effects.iter().map(move |effect| Caused { at: self.at, by, effect }))
    }
}

/// The runs of one turn whose happenings are not told yet.
#[derive(Debug, Default)]
pub(super) struct Runs(VecDeque<Run>);

/// One run: which delivery it was of, and what it changed if it succeeded.
#[derive(Debug)]
pub(super) struct Run {
    event_id: String,
    instance: String,
    /// Of an `upgrade`, the action that comes next is not known yet.
    action: Option<String>,
    changes: Option<Changes>,
}

impl Runs {
    pub(super) fn begin(&self, invocation: &Invocation) -> Run {
        let is_upgrade = invocation.action == "upgrade";
        Run {
            event_id: invocation.event_id.clone(),
            instance: invocation.instance.clone(),
            action: (!is_upgrade).then(|| invocation.action.clone()),
            changes: None,
        }
    }

    pub(super) fn end(&mut self, run: Run, ran: &Ran) {
        self.0.push_back(Run { changes: ran.result.as_ref().ok().cloned(), ..run });
    }

    /// What the runs of a happening's delivery changed, if they are kept.
    pub(super) fn changes_of(&mut self, happening: &Happening) -> Option<Box<Changes>> {
        let is_kept = matches!(happening.what, Happened::Done | Happened::Added);
        let same = |run: &Run| {
            run.event_id == happening.event_id
                && run.instance == happening.instance
                && run.action.as_ref().is_none_or(|action| *action == happening.action)
        };
        let first = self.0.iter().position(same)?;
        let mut changes = Changes::default();
        while let Some(run) = self.0.get(first).filter(|run| same(run)) {
            let is_last = run.action.is_some();
            let run = self.0.remove(first)?;
            let Changes { variables, timers, patterns, zone, effects, reply } = run.changes.unwrap_or_default();
            changes.variables.extend(variables);
            changes.timers.extend(timers);
            changes.patterns.extend(patterns);
            changes.zone = zone.or(changes.zone);
            changes.effects.extend(effects);
            changes.reply = reply;
            if is_last {
                break;
            }
        }
        is_kept.then(|| Box::new(changes))
    }
}
