//! A host in miniature: drives a partition as its owner does, with everything in memory, on a clock that only its user moves.
//!
//! One partition, every context loaded, no store. Who runs the quests is the user's ([`Runner`]): natively in a unit test, as wasm on the
//! command line. What happened is kept as [`Moment`]s, and shown by a [`Timeline`] and a [`Snapshot`].
//!
//! Must not know: stores, wasm, clocks.

mod moment;
mod snapshot;
pub mod time;
mod timeline;

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    action::{Failure, FailureKind, Invocation, Ran, Variables},
    limits::EngineLimits,
    model::{Body, Catalog, DeadLetter, Entry, Millis, Outcome, QuestDefinition, ReplyTo, Value},
    partition::{Batch, Chunk, LoadedContext, Partition, Start, Survey, Turn},
    query::{self, Question},
    record::{Instance, Message, Record as _, Timer},
};

use moment::Runs;
pub use moment::{Caused, Moment, Told};
pub use snapshot::{QuestState, Snapshot};
pub use time::Zone;
pub use timeline::Timeline;

/// 2026-01-01T00:00:00Z: when a world begins unless it is told.
pub const BEGINNING: Millis = 1_767_225_600_000;

/// Turns at one time: more are a loop between quests that the limit on hops did not see. Two million contexts may be due at one time.
const TURNS_MAX: usize = 4_000;
/// Times at which something is due in one step of the user's: more are a timer that sets itself without end. A year of minutes is half.
const WAKES_MAX: usize = 1_000_000;
/// Contexts with something due that one turn takes up.
const DUE_MAX: usize = 512;

/// Who runs the quests of a world.
pub trait Runner {
    /// The quests served now.
    fn catalog(&self) -> Arc<Catalog>;

    /// Runs one invocation to its end. `definition` is its quest's, if it is served.
    fn run(&self, invocation: Invocation, definition: Option<&QuestDefinition>) -> Ran;
}

/// How a world begins.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub start: Millis,
    /// The bounds of the engine.
    pub limits: EngineLimits,
    /// The operator's settings by quest.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// What ids begin with. Ids seed what quests draw at random.
    pub name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { start: BEGINNING, limits: EngineLimits::default(), config: BTreeMap::new(), name: "test".to_owned() }
    }
}

/// The quests do not come to rest: there is always something more to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Restless {
    /// At one time.
    #[error("the quests do not come to rest: do timers without a delay set each other?")]
    AtOnce,
    /// In one step.
    #[error(
        "more than {WAKES_MAX} timers and retries came due in one step: is one set again and again after a moment?"
    )]
    Long,
}

/// Partition, clock, and what happened so far.
pub struct World<R> {
    runner: R,
    partition: Partition,
    config: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    name: String,
    now: Millis,
    ids: u64,
    inbox: Vec<(Millis, Entry)>,
    broadcasts: Vec<Entry>,
    /// Broadcasts forgotten since.
    broadcasts_first: u64,
    contexts: Vec<String>,
    moments: Vec<Moment>,
    messages: Vec<Message>,
    dead: Vec<DeadLetter>,
    outcomes: BTreeMap<String, Outcome>,
}

impl<R: Runner> World<R> {
    /// A world without contexts.
    pub fn new(runner: R, options: Options) -> Self {
        // Nothing can be loaded again: everything stays.
        let limits =
            EngineLimits { contexts_cached_max: usize::MAX / 8, wakes_cached_max: usize::MAX / 8, ..options.limits };
        let start = Start { is_new: true, ..Start::default() };
        Self {
            runner,
            partition: Partition::new(0, 1, options.name.clone(), Arc::new(limits), start),
            config: options.config.into_iter().map(|(quest, values)| (quest, Arc::new(values))).collect(),
            name: options.name,
            now: options.start,
            ids: 0,
            inbox: Vec::new(),
            broadcasts: Vec::new(),
            broadcasts_first: 0,
            contexts: Vec::new(),
            moments: Vec::new(),
            messages: Vec::new(),
            dead: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Who runs the quests.
    pub fn runner(&self) -> &R {
        &self.runner
    }

    /// As [`World::runner`], to be changed: what it serves counts from the next turn on.
    pub fn runner_mut(&mut self) -> &mut R {
        &mut self.runner
    }

    /// Sets one of the operator's settings of a quest.
    pub fn configure(&mut self, quest: &str, name: &str, value: &str) {
        let settings = self.config.entry(quest.to_owned()).or_default();
        Arc::make_mut(settings).insert(name.to_owned(), value.to_owned());
    }

    /// Accepts an entry from outside now, and does all that it leads to. Names, sizes and the context are the caller's to check.
    pub fn accept(&mut self, context: &str, body: Body) -> Result<(), Restless> {
        let entry = self.entry(context, None, body);
        self.take(entry)
    }

    /// As [`World::accept`], for an entry that has an id of its own.
    pub fn accept_as(&mut self, context: &str, id: &str, body: Body) -> Result<(), Restless> {
        let entry = Entry { context: context.to_owned(), id: id.to_owned(), hops: 0, reply: None, body, left: None };
        self.take(entry)
    }

    /// Accepts a call, and gives its outcome; none if it failed and is tried again later.
    pub fn call(&mut self, context: &str, body: Body) -> Result<Option<Outcome>, Restless> {
        let entry = self.entry(context, Some(ReplyTo { host: self.name.clone() }), body);
        let id = entry.id.clone();
        self.take(entry)?;
        Ok(self.outcomes.remove(&id))
    }

    /// Accepts an event for every context with a subscribed quest.
    pub fn broadcast(&mut self, event: &str, payload: Value) -> Result<(), Restless> {
        self.accept("", Body::Emit { name: event.to_owned(), payload })
    }

    /// Asks a query of the state as it is. Besides what [`query::answer`] fails with: `unknown-query`, `not-active`.
    pub fn query(&mut self, context: &str, quest: &str, query: &str, payload: Value) -> Result<Value, Failure> {
        let catalog = self.runner.catalog();
        let refuse =
            |code: &str, message: String| Failure { kind: FailureKind::Permanent, code: code.to_owned(), message };
        let definition =
            catalog.get(quest).ok_or_else(|| refuse("unknown-query", format!("no quest {quest:?} is served")))?;
        let (Some(variables), Some(instance)) =
            (self.partition.variables(context, quest), self.partition.instance(context, quest))
        else {
            return Err(refuse("not-active", format!("the context does not have the quest {quest:?}")));
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
        let ran = query::answer(question, |invocation| self.runner.run(invocation, Some(definition)));
        let result = ran.result.map(|changes| changes.reply.unwrap_or_default());
        let told = Told::Asked {
            context: context.to_owned(),
            quest: quest.to_owned(),
            query: query.to_owned(),
            result: result.clone(),
            logs: ran.logs,
        };
        self.moments.push(Moment { at: self.now, told });
        result
    }

    /// Lets time pass: every timer and retry due by then runs, each at its time. What is accepted afterwards comes after them. Time never
    /// goes back.
    pub fn advance_to(&mut self, time: Millis) -> Result<(), Restless> {
        self.advance(time, |wake| wake <= time)?;
        self.settle()
    }

    /// As [`World::advance_to`], but what is due at that very time comes after what is accepted next, as it would after everything that a
    /// host accepts in that millisecond.
    pub fn advance_before(&mut self, time: Millis) -> Result<(), Restless> {
        self.advance(time, |wake| wake < time)
    }

    fn advance(&mut self, time: Millis, is_due: impl Fn(Millis) -> bool) -> Result<(), Restless> {
        let mut wakes = 0;
        while let Some(wake) = self.next_wake().filter(|wake| is_due(*wake)) {
            wakes += 1;
            if wakes > WAKES_MAX {
                return Err(Restless::Long);
            }
            self.now = self.now.max(wake);
            self.settle()?;
        }
        self.now = self.now.max(time);
        Ok(())
    }

    /// The time, in Unix milliseconds.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// When the next timer or retry is due.
    pub fn next_wake(&self) -> Option<Millis> {
        self.partition.next_wake()
    }

    /// The contexts that anything happened in, in order of their first.
    pub fn contexts(&self) -> &[String] {
        &self.contexts
    }

    /// The variables of an instance.
    pub fn variables(&self, context: &str, quest: &str) -> Option<Arc<Variables>> {
        self.partition.variables(context, quest)
    }

    /// An instance's record.
    pub fn instance(&self, context: &str, quest: &str) -> Option<&Instance> {
        self.partition.instance(context, quest)
    }

    /// The quests of a context, by name.
    pub fn quests(&self, context: &str) -> Vec<String> {
        self.partition.quests(context)
    }

    /// The timers of a context, by quest and name.
    pub fn timers(&self, context: &str) -> BTreeMap<(String, String), Timer> {
        self.partition.timers(context)
    }

    /// The live patterns of a context with what they have seen, by quest and name.
    pub fn patterns(&self, context: &str) -> BTreeMap<(String, String), Value> {
        self.partition.patterns(context)
    }

    /// The time zone of a context.
    pub fn zone(&self, context: &str) -> crate::schedule::Zone {
        self.partition.zone(context)
    }

    /// What happened so far, in order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// What actions caused so far, in order.
    pub fn events(&self) -> impl Iterator<Item = Caused<'_>> {
        self.moments.iter().flat_map(Moment::caused)
    }

    /// The messages published so far.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The dead letters made so far.
    pub fn dead(&self) -> &[DeadLetter] {
        &self.dead
    }

    /// The state of one context, and what happened in it.
    pub fn snapshot(&self, context: &str, zone: &Zone) -> Snapshot {
        Snapshot::of(self, context, zone.clone())
    }

    /// What happened so far, for people.
    pub fn timeline(&self, zone: &Zone) -> Timeline<'_> {
        Timeline::new(&self.moments, zone.clone())
    }

    /// Drops what happened so far, the state excepted: bounds the memory of a long run.
    pub fn forget_past(&mut self) {
        self.moments.clear();
        self.messages.clear();
        self.dead.clear();
        let done = self.partition.broadcast_position() - self.broadcasts_first;
        self.broadcasts.drain(..(done as usize).min(self.broadcasts.len()));
        self.broadcasts_first += done;
    }

    fn entry(&mut self, context: &str, reply: Option<ReplyTo>, body: Body) -> Entry {
        self.ids += 1;
        Entry {
            context: context.to_owned(),
            id: format!("{}-{}", self.name, self.ids),
            hops: 0,
            reply,
            body,
            left: None,
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), Restless> {
        self.moments.push(Moment { at: self.now, told: Told::Accepted(Box::new(entry.clone())) });
        match entry.context.is_empty() {
            true => self.broadcasts.push(entry),
            false => self.inbox.push((self.now, entry)),
        }
        self.settle()
    }

    /// Turns until nothing is left to do at this time.
    fn settle(&mut self) -> Result<(), Restless> {
        for _ in 0..TURNS_MAX {
            let horizon = self.now + 1;
            let agenda = self.partition.agenda(horizon, DUE_MAX);
            let catalog = self.runner.catalog();
            let broadcast = self.next_broadcast(&catalog);
            let survey = self.next_survey(&catalog);
            if self.inbox.is_empty() && agenda.is_empty() && broadcast.is_none() && survey.is_none() {
                return Ok(());
            }
            self.turn(horizon, agenda, (broadcast, survey), &catalog);
        }
        Err(Restless::AtOnce)
    }

    fn turn(
        &mut self,
        horizon: Millis,
        agenda: Vec<String>,
        (broadcast, survey): (Option<Chunk>, Option<Survey>),
        catalog: &Arc<Catalog>,
    ) {
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
            survey,
            catalog: Arc::clone(catalog),
            config: self.config.clone(),
            ..Turn::default()
        });
        let mut runs = Runs::default();
        while let Some(invocation) = self.partition.next() {
            let definition = catalog.get(&invocation.quest);
            let run = runs.begin(&invocation);
            let ran = self.runner.run(invocation, definition);
            runs.end(run, &ran);
            self.partition.complete(ran);
        }
        let batch = self.partition.finish();
        self.take_in(batch, runs);
    }

    /// All contexts of the quest that the broadcast has reached, in one chunk.
    fn next_broadcast(&self, catalog: &Catalog) -> Option<Chunk> {
        let number = self.partition.broadcast_position();
        let entry = self.broadcasts.get((number - self.broadcasts_first) as usize)?.clone();
        let wanted = self.partition.broadcast_wanted(&entry, catalog);
        let quest = wanted.map(|(quest, _)| quest);
        let has =
            |context: &&String| quest.as_ref().is_some_and(|quest| self.partition.instance(context, quest).is_some());
        let contexts = self.contexts.iter().filter(has).cloned().collect();
        Some(Chunk { number, entry, quest, contexts, more: false })
    }

    /// All contexts of a quest whose definition changed, in one chunk.
    fn next_survey(&mut self, catalog: &Arc<Catalog>) -> Option<Survey> {
        let (quest, _) = self.partition.survey_wanted(catalog)?;
        let has = |context: &&String| self.partition.instance(context, &quest).is_some();
        let contexts = self.contexts.iter().filter(has).cloned().collect();
        Some(Survey { quest, contexts, more: false })
    }

    fn take_in(&mut self, batch: Batch, mut runs: Runs) {
        self.inbox.extend(batch.accept.into_iter().map(|entry| (self.now, entry)));
        for happening in batch.happenings {
            let changes = runs.changes_of(&happening);
            self.moments.push(Moment { at: self.now, told: Told::Happened { happening, changes } });
        }
        self.messages.extend(batch.messages);
        self.dead.extend(batch.dead);
        self.outcomes.extend(batch.answered.into_iter().map(|answered| (answered.id, answered.outcome)));
        for outgoing in self.partition.outgoing(usize::MAX) {
            // With one partition, only broadcasts go out.
            let next = outgoing.first + outgoing.entries.len() as u64;
            self.broadcasts.extend(outgoing.entries.iter().filter_map(|bytes| Entry::from_bytes(bytes).ok()));
            self.partition.relayed(outgoing.destination, next);
        }
    }
}

impl<R: Runner> fmt::Debug for World<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("World").field("now", &self.now).field("contexts", &self.contexts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
