//! The state of one context, and what happened in it: a value to compare, and a text to keep.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{
    Runner, World,
    time::{Zone, show},
    timeline::{beside, caused, json, log, plain},
};
use crate::{
    action::{LogLine, Variables},
    model::{Body, DeadLetter, Millis, Value},
    record::{Held, Message, Timer},
};

/// One context at one time. As text: quests with their variables, timers, and then what was caused, published, given up and logged since
/// the world began; what there is none of is left out.
#[derive(Clone, PartialEq)]
pub struct Snapshot {
    /// The context.
    pub context: String,
    /// The time.
    pub now: Millis,
    /// Its quests.
    pub quests: BTreeMap<String, QuestState>,
    /// Its timers by quest and name.
    pub timers: BTreeMap<(String, String), Timer>,
    /// Its live patterns by quest and name, each with what it has seen.
    pub patterns: BTreeMap<(String, String), Value>,
    /// What its actions caused, a line each.
    pub events: Vec<String>,
    /// What its quests published.
    pub messages: Vec<Message>,
    /// Its dead letters.
    pub dead: Vec<DeadLetter>,
    /// What its quests logged, each line with its quest.
    pub log: Vec<(String, LogLine)>,
    /// The zone that times are shown in.
    pub zone: Zone,
}

/// One quest of a context.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestState {
    /// Version of the code that last wrote it.
    pub version: u32,
    /// Its variables.
    pub variables: Arc<Variables>,
    /// Why its deliveries wait, if they do.
    pub held: Option<Held>,
}

impl Snapshot {
    pub(super) fn of<R: Runner>(world: &World<R>, context: &str, zone: Zone) -> Self {
        let state = |quest: String| {
            let instance = world.instance(context, &quest)?;
            let variables = world.variables(context, &quest)?;
            Some((quest, QuestState { version: instance.version, variables, held: instance.held.clone() }))
        };
        let own = || world.moments().iter().filter(|moment| moment.context() == context);
        let logs = own().flat_map(|moment| {
            let (quest, lines) = moment.logs();
            lines.iter().map(move |line| (quest.to_owned(), line.clone()))
        });
        let is_published = |effect: &crate::action::Effect| matches!(effect, crate::action::Effect::Publish { .. });
        Self {
            context: context.to_owned(),
            now: world.now(),
            quests: world.quests(context).into_iter().filter_map(state).collect(),
            timers: world.timers(context),
            patterns: world.patterns(context),
            events: own()
                .flat_map(super::Moment::caused)
                .filter(|it| !is_published(it.effect))
                .map(|it| format!("{}.{}: {}", it.by.quest, it.by.action, caused(context, it.effect)))
                .collect(),
            messages: world.messages().iter().filter(|message| message.context == context).cloned().collect(),
            dead: world.dead().iter().filter(|letter| letter.entry.context == context).cloned().collect(),
            log: logs.collect(),
            zone,
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at {} {}", self.context, show(self.now, &self.zone), self.zone)?;
        let mut section = Section { out, named: "" };
        for (quest, state) in &self.quests {
            let version = if state.version == 1 { String::new() } else { format!(" (version {})", state.version) };
            section.line("quests", &format!("{quest}{version}"))?;
            for (name, value) in state.variables.iter() {
                section.line("quests", &format!("  {name} = {}", json(value)))?;
            }
            if let Some(Held { retry_at, code, message, .. }) = &state.held {
                let until = retry_at.map_or(String::new(), |at| format!(" until {}", show(at, &self.zone)));
                section.line("quests", &format!("  waits{until}: {code}: {}", plain(message)))?;
            }
        }
        for ((quest, name), timer) in &self.timers {
            let due = show(timer.due, &self.zone);
            let payload = beside(&timer.payload);
            let again = timer.recurrence.as_ref().map_or(String::new(), |it| format!(", {}", it.schedule));
            section.line("timers", &format!("{quest}.{name} → {} at {due}{again}{payload}", timer.action))?;
        }
        for ((quest, name), seen) in &self.patterns {
            section.line("patterns", &format!("{quest}.{name} {}", json(seen)))?;
        }
        for event in &self.events {
            section.line("events", event)?;
        }
        for message in &self.messages {
            section.line("messages", &format!("{}{}", message.topic, beside(&message.payload)))?;
        }
        for DeadLetter { entry, code, message, .. } in &self.dead {
            section.line("dead", &format!("{} {code}: {}", aim(&entry.body), plain(message)))?;
        }
        for (quest, line) in &self.log {
            section.line("log", &format!("{quest}: {}", log(line)))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Lines under headings.
struct Section<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    named: &'static str,
}

impl Section<'_, '_> {
    fn line(&mut self, name: &'static str, text: &str) -> fmt::Result {
        if self.named != name {
            self.named = name;
            write!(self.out, "\n{name}")?;
        }
        write!(self.out, "\n  {text}")
    }
}

/// What an entry was for.
fn aim(body: &Body) -> String {
    match body {
        Body::Emit { name, .. } => name.clone(),
        Body::Operate(command) => command.name().to_owned(),
        body => match body.aim() {
            (quest, "") => quest.to_owned(),
            (quest, action) => format!("{quest}.{action}"),
        },
    }
}
