//! Drives the engine's partition as a host does, with everything in memory: one partition, all contexts loaded, no store.

use std::{collections::BTreeMap, sync::Arc};

use quest_engine::{
    action::{Level as EngineLevel, LogLine as EngineLine},
    limits::{ActionLimits, EngineLimits},
    model::{Body, Catalog, Entry as EngineEntry, Millis, Outcome, QuestDefinition, ReplyTo, Value},
    partition::{Batch, Chunk, LoadedContext, Partition, Start, Turn},
    query::{self, Question},
    record::Record,
};

use super::seen::{Dead, Failed, LogLine, Message, Timer};
use crate::{Level, host, quest::Entry};

/// 2026-01-01T00:00:00Z.
const BEGINNING: Millis = 1_767_225_600_000;

/// Turns without an end are a loop between quests that the limit on hops did not see.
const TURNS_MAX: usize = 100_000;

pub(super) struct Driver {
    entries: Vec<Entry>,
    definitions: Vec<QuestDefinition>,
    catalog: Arc<Catalog>,
    config: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    partition: Partition,
    now: Millis,
    ids: u64,
    inbox: Vec<(Millis, EngineEntry)>,
    broadcasts: Vec<EngineEntry>,
    contexts: Vec<String>,
    messages: Vec<Message>,
    logs: Vec<LogLine>,
    dead: Vec<Dead>,
    outcomes: BTreeMap<String, Outcome>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Driver").field("quests", &self.definitions).field("now", &self.now).finish_non_exhaustive()
    }
}

impl Driver {
    pub(super) fn new(entries: &[Entry]) -> Self {
        // Nothing can be loaded again: everything stays.
        let limits = EngineLimits {
            contexts_cached_max: usize::MAX / 8,
            wakes_cached_max: usize::MAX / 8,
            ..EngineLimits::default()
        };
        let start = Start { is_new: true, ..Start::default() };
        let mut driver = Self {
            entries: entries.to_vec(),
            definitions: Vec::new(),
            catalog: Arc::default(),
            config: BTreeMap::new(),
            partition: Partition::new(0, 1, "test".to_owned(), Arc::new(limits), start),
            now: BEGINNING,
            ids: 0,
            inbox: Vec::new(),
            broadcasts: Vec::new(),
            contexts: Vec::new(),
            messages: Vec::new(),
            logs: Vec::new(),
            dead: Vec::new(),
            outcomes: BTreeMap::new(),
        };
        driver.define();
        driver
    }

    pub(super) fn replace(&mut self, entry: Entry) {
        self.entries.retain(|other| other.name != entry.name);
        self.entries.push(entry);
        self.define();
    }

    fn define(&mut self) {
        self.definitions =
            host::define(&self.entries).unwrap_or_else(|error| panic!("the host would refuse this module: {error}"));
        self.catalog = Arc::new(Catalog::new(self.definitions.iter().cloned()));
    }

    pub(super) fn configure(&mut self, quest: &str, name: &str, value: &str) {
        let settings = self.config.entry(quest.to_owned()).or_default();
        Arc::make_mut(settings).insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn accept(&mut self, context: &str, body: Body) {
        let entry = self.entry(context, None, body);
        self.inbox.push((self.now, entry));
        self.settle();
    }

    pub(super) fn call(&mut self, context: &str, body: Body) -> Option<Outcome> {
        let entry = self.entry(context, Some(ReplyTo { host: "test".to_owned() }), body);
        let id = entry.id.clone();
        self.inbox.push((self.now, entry));
        self.settle();
        self.outcomes.remove(&id)
    }

    pub(super) fn broadcast(&mut self, event: &str, payload: Value) {
        let entry = self.entry("", None, Body::Emit { name: event.to_owned(), payload });
        self.broadcasts.push(entry);
        self.settle();
    }

    pub(super) fn query(&mut self, context: &str, quest: &str, query: &str, payload: Value) -> Result<Value, Failed> {
        let Some(definition) = self.definitions.iter().find(|definition| definition.name == quest) else {
            let message = format!("no quest {quest:?} is served");
            return Err(Failed { code: "unknown-query".to_owned(), message });
        };
        let (Some(variables), Some(instance)) =
            (self.partition.variables(context, quest), self.partition.instance(context, quest))
        else {
            let message = format!("the context does not have the quest {quest:?}");
            return Err(Failed { code: "not-active".to_owned(), message });
        };
        let timers = self.partition.timers(context).into_iter().filter(|((of, _), _)| of == quest);
        self.ids += 1;
        let question = Question {
            definition,
            instance,
            context: context.to_owned(),
            query: query.to_owned(),
            payload,
            id: format!("query-{}", self.ids),
            now: self.now,
            variables,
            timers: Arc::new(timers.map(|((_, name), timer)| (name, Arc::new(timer.seen()))).collect()),
            patterns: Arc::new(self.partition.patterns_seen(context, quest)),
            zone: self.partition.zone(context),
            active: Arc::new(self.partition.quests(context)),
            config: self.config.get(quest).cloned().unwrap_or_default(),
        };
        let run = |invocation| host::run(&self.entries, Some(definition), invocation, &ActionLimits::default());
        let ran = query::answer(question, run);
        self.logs.extend(ran.logs.into_iter().map(|line| log_line(quest, line)));
        match ran.result {
            Ok(changes) => Ok(changes.reply.unwrap_or_default()),
            Err(failure) => Err(Failed { code: failure.code, message: failure.message }),
        }
    }

    pub(super) fn advance_to(&mut self, time: Millis) {
        while let Some(wake) = self.partition.next_wake().filter(|wake| *wake <= time) {
            self.now = self.now.max(wake);
            self.settle();
        }
        self.now = self.now.max(time);
        self.settle();
    }

    pub(super) fn now(&self) -> Millis {
        self.now
    }

    pub(super) fn variable(&self, context: &str, quest: &str, name: &str) -> Option<Value> {
        self.partition.variables(context, quest)?.get(name).cloned()
    }

    pub(super) fn quests(&self, context: &str) -> Vec<String> {
        self.partition.quests(context)
    }

    pub(super) fn timers(&self, context: &str) -> Vec<Timer> {
        let timers = self.partition.timers(context).into_iter();
        timers.map(|((quest, name), timer)| Timer { quest, name, action: timer.action, due: timer.due }).collect()
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

    fn entry(&mut self, context: &str, reply: Option<ReplyTo>, body: Body) -> EngineEntry {
        self.ids += 1;
        EngineEntry { context: context.to_owned(), id: format!("test-{}", self.ids), hops: 0, reply, body }
    }

    /// Turns until nothing is left to do at this time.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let horizon = self.now + 1;
            let agenda = self.partition.agenda(horizon, 512);
            let broadcast = self.next_broadcast();
            if self.inbox.is_empty() && agenda.is_empty() && broadcast.is_none() {
                return;
            }
            self.turn(horizon, agenda, broadcast);
        }
        panic!("the quests do not come to rest: do timers without a delay set each other?");
    }

    fn turn(&mut self, horizon: Millis, agenda: Vec<String>, broadcast: Option<Chunk>) {
        let entries = std::mem::take(&mut self.inbox);
        let reached = broadcast.iter().flat_map(|chunk| &chunk.contexts);
        let names = entries.iter().map(|(_, entry)| &entry.context).chain(&agenda).chain(reached).map(String::as_str);
        for name in self.partition.missing(names) {
            self.contexts.push(name.clone());
            self.partition.load(name, LoadedContext::default());
        }
        self.partition.begin(Turn {
            now: self.now,
            horizon,
            entries,
            agenda,
            broadcast,
            catalog: Arc::clone(&self.catalog),
            config: self.config.clone(),
            ..Turn::default()
        });
        while let Some(invocation) = self.partition.next() {
            let definition = self.definitions.iter().find(|definition| definition.name == invocation.quest);
            let ran = host::run(&self.entries, definition, invocation, &ActionLimits::default());
            self.partition.complete(ran);
        }
        let batch = self.partition.finish();
        self.take_in(batch);
    }

    /// All contexts of the quest that the broadcast has reached, in one chunk.
    fn next_broadcast(&self) -> Option<Chunk> {
        let number = self.partition.broadcast_position();
        let entry = self.broadcasts.get(number as usize)?.clone();
        let wanted = self.partition.broadcast_wanted(&entry, &self.catalog);
        let quest = wanted.map(|(quest, _)| quest);
        let has =
            |context: &&String| quest.as_ref().is_some_and(|quest| self.partition.instance(context, quest).is_some());
        let contexts = self.contexts.iter().filter(has).cloned().collect();
        Some(Chunk { number, entry, quest, contexts, more: false })
    }

    fn take_in(&mut self, batch: Batch) {
        self.inbox.extend(batch.accept.into_iter().map(|entry| (self.now, entry)));
        self.messages.extend(batch.messages.into_iter().map(|message| Message {
            topic: message.topic,
            context: message.context,
            quest: message.quest,
            key: message.key,
            at: message.at,
            payload: message.payload.into(),
        }));
        for happening in batch.happenings {
            let lines = happening.logs.into_iter().map(|line| log_line(&happening.quest, line));
            self.logs.extend(lines);
        }
        self.dead.extend(batch.dead.into_iter().map(|letter| {
            let (quest, action) = match &letter.entry.body {
                Body::Deliver { quest, action, .. } | Body::Send { quest, action, .. } => {
                    (quest.as_str(), action.as_str())
                }
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
        }));
        self.outcomes.extend(batch.answered.into_iter().map(|answered| (answered.id, answered.outcome)));
        for outgoing in self.partition.outgoing(usize::MAX) {
            // With one partition, only broadcasts go out.
            let next = outgoing.first + outgoing.entries.len() as u64;
            self.broadcasts.extend(outgoing.entries.iter().filter_map(|bytes| EngineEntry::from_bytes(bytes).ok()));
            self.partition.relayed(outgoing.destination, next);
        }
    }
}

fn log_line(quest: &str, line: EngineLine) -> LogLine {
    let level = match line.level {
        EngineLevel::Debug => Level::Debug,
        EngineLevel::Info => Level::Info,
        EngineLevel::Warn => Level::Warn,
        EngineLevel::Error => Level::Error,
    };
    LogLine { quest: quest.to_owned(), level, message: line.message }
}
