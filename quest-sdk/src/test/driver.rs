//! The engine's world with this crate's quests in it, run natively; and what happened there in this crate's own types.

use std::sync::Arc;

use quest_engine::{
    action::{Effect, Failure, Invocation, LogLine as EngineLine, Ran},
    limits::ActionLimits,
    model::{Body, Catalog, DeadLetter, Millis, Outcome, QuestDefinition, Value},
    record,
    world::{self, Moment, Options, Restless, Runner, Snapshot, Zone, time},
};

use super::seen::{Dead, Event, Failed, LogLine, Message, Timer};
use crate::{Level, host, quest::Entry};

/// Runs quests natively.
pub(super) struct Native {
    entries: Vec<Entry>,
    catalog: Arc<Catalog>,
}

impl Native {
    fn new(entries: Vec<Entry>) -> Self {
        let definitions =
            host::define(&entries).unwrap_or_else(|error| panic!("the host would refuse this module: {error}"));
        Self { entries, catalog: Arc::new(Catalog::new(definitions)) }
    }
}

impl Runner for Native {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn run(&self, invocation: Invocation, definition: Option<&QuestDefinition>) -> Ran {
        host::run(&self.entries, definition, invocation, &ActionLimits::default())
    }
}

#[derive(Debug)]
pub(super) struct Driver {
    world: world::World<Native>,
    zone: Zone,
    messages: Vec<Message>,
    logs: Vec<LogLine>,
    dead: Vec<Dead>,
    /// Moments that are in `logs`.
    seen: usize,
}

impl Driver {
    pub(super) fn new(entries: &[Entry]) -> Self {
        Self {
            world: world::World::new(Native::new(entries.to_vec()), Options::default()),
            zone: Zone::utc(),
            messages: Vec::new(),
            logs: Vec::new(),
            dead: Vec::new(),
            seen: 0,
        }
    }

    pub(super) fn replace(&mut self, entry: Entry) {
        let native = self.world.runner_mut();
        let mut entries = std::mem::take(&mut native.entries);
        entries.retain(|other| other.name != entry.name);
        entries.push(entry);
        *native = Native::new(entries);
    }

    pub(super) fn configure(&mut self, quest: &str, name: &str, value: &str) {
        self.world.configure(quest, name, value);
    }

    pub(super) fn accept(&mut self, context: &str, body: Body) {
        self.done(|world| world.accept(context, body));
    }

    pub(super) fn call(&mut self, context: &str, body: Body) -> Option<Outcome> {
        self.done(|world| world.call(context, body))
    }

    pub(super) fn broadcast(&mut self, event: &str, payload: Value) {
        self.done(|world| world.broadcast(event, payload));
    }

    pub(super) fn query(&mut self, context: &str, quest: &str, query: &str, payload: Value) -> Result<Value, Failed> {
        let answer = self.done(|world| Ok(world.query(context, quest, query, payload)));
        answer.map_err(|Failure { code, message, .. }| Failed { code, message })
    }

    pub(super) fn advance_to(&mut self, time: Millis) {
        self.done(|world| world.advance_to(time));
    }

    pub(super) fn set_zone(&mut self, name: &str) {
        self.zone = time::zone(name).unwrap_or_else(|error| panic!("{error}"));
    }

    pub(super) fn time(&self, text: &str) -> Millis {
        time::read(text, &self.zone).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn now(&self) -> Millis {
        self.world.now()
    }

    pub(super) fn variable(&self, context: &str, quest: &str, name: &str) -> Option<Value> {
        self.world.variables(context, quest)?.get(name).cloned()
    }

    pub(super) fn quests(&self, context: &str) -> Vec<String> {
        self.world.quests(context)
    }

    pub(super) fn timers(&self, context: &str) -> Vec<Timer> {
        let timers = self.world.timers(context).into_iter();
        timers.map(|((quest, name), timer)| Timer { quest, name, action: timer.action, due: timer.due }).collect()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.world.events().filter_map(|caused| event(caused.by.context.clone(), caused.effect)).collect()
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    pub(super) fn dead(&self) -> &[Dead] {
        &self.dead
    }

    pub(super) fn snapshot(&self, context: &str) -> Snapshot {
        self.world.snapshot(context, &self.zone)
    }

    pub(super) fn timeline(&self) -> String {
        self.world.timeline(&self.zone).to_string()
    }

    /// Does something, and takes in what came of it.
    fn done<T>(&mut self, work: impl FnOnce(&mut world::World<Native>) -> Result<T, Restless>) -> T {
        let result = work(&mut self.world).unwrap_or_else(|error| panic!("{error}"));
        self.logs.extend(self.world.moments()[self.seen..].iter().flat_map(log_lines));
        self.seen = self.world.moments().len();
        self.messages.extend(self.world.messages()[self.messages.len()..].iter().cloned().map(message));
        self.dead.extend(self.world.dead()[self.dead.len()..].iter().cloned().map(dead));
        result
    }
}

fn log_lines(moment: &Moment) -> impl Iterator<Item = LogLine> {
    let (quest, lines) = moment.logs();
    lines.iter().map(move |line| log_line(quest, line.clone()))
}

fn log_line(quest: &str, line: EngineLine) -> LogLine {
    LogLine { quest: quest.to_owned(), level: Level::from(line.level), message: line.message }
}

fn message(message: record::Message) -> Message {
    Message {
        topic: message.topic,
        context: message.context,
        quest: message.quest,
        key: message.key,
        at: message.at,
        payload: message.payload.into(),
    }
}

fn dead(letter: DeadLetter) -> Dead {
    let (quest, action) = match &letter.entry.body {
        Body::Deliver { quest, action, .. } | Body::Send { quest, action, .. } => (quest.as_str(), action.as_str()),
        Body::Add { quest } => (quest.as_str(), "init"),
        _ => ("", ""),
    };
    Dead {
        quest: quest.to_owned(),
        action: action.to_owned(),
        context: letter.entry.context,
        code: letter.code,
        message: letter.message,
        attempts: letter.attempts,
    }
}

/// An event that an action caused; none for what is no event.
fn event(from: String, effect: &Effect) -> Option<Event> {
    let (context, name, selector, payload) = match effect {
        Effect::Emit { context, name, payload } => (context.clone(), name.clone(), None, payload),
        Effect::Send { context, quest, action, payload } => {
            (context.clone(), String::new(), Some((quest.clone(), action.clone())), payload)
        }
        Effect::Broadcast { name, payload } => (String::new(), name.clone(), None, payload),
        Effect::Add { .. } | Effect::Remove { .. } | Effect::Publish { .. } => return None,
    };
    Some(Event { from, context, name, selector, payload: payload.clone().into() })
}
