//! One partition's decisions: which entry runs which action when, what its effects become, what waits, what is given up.
//!
//! The owner drives it in turns, and does all I/O between them:
//!
//! 1. read the inbox up to a *horizon* (every entry stamped before it has been read; none can arrive any more);
//! 2. load the contexts that [`Partition::missing`] names, and the backlog windows of [`Partition::backlog_wanted`];
//! 3. [`Partition::begin`], then run what [`Partition::next`] gives and hand the result to [`Partition::complete`], until there is nothing more;
//! 4. [`Partition::finish`] gives one [`Batch`]: commit it, then act on it. If the commit is refused, drop the partition and load it anew.
//!
//! Within a context, deliveries and timers are ordered by stamp and due time; a timer comes after every entry stamped at or before
//! its due time, and only once the horizon has passed it. So a backlog of hours gives the same outcome as no delay.
//!
//! Must not know: stores, clocks, randomness, wasm.

mod broadcast;
mod context;
mod declared;
mod effects;
mod operate;
mod outbox;
mod patterns;
mod retry;
mod route;
mod run;
mod survey;
mod timers;
mod turn;
mod versions;
mod wakes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use broadcast::Chunk;
pub use context::LoadedContext;
pub use outbox::{BROADCAST_LOG, Outgoing};
pub use survey::Survey;
pub use turn::{Answered, Batch, Happened, Happening, Turn};

use context::Context;
use outbox::Outbox;
use turn::Progress;
use wakes::Wakes;

use crate::{
    limits::EngineLimits,
    model::{Body, Catalog, Command, Entry, Millis},
    pattern::Spec,
    record::{BroadcastCursor, RelayCursor, Surveyed, Waiting},
    schedule::{Schedule, Zone},
};

/// What a new owner reads before its first turn.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// [`crate::keys::SEQUENCE`].
    pub sequence: u64,
    /// [`crate::keys::MESSAGES_FIRST`].
    pub messages_first: u64,
    /// [`crate::keys::MESSAGES_NEXT`].
    pub messages_next: u64,
    /// [`crate::keys::BROADCAST`].
    pub broadcast: BroadcastCursor,
    /// [`crate::keys::RELAYS`], with the entries of each list.
    pub outboxes: BTreeMap<u16, (RelayCursor, Vec<Vec<u8>>)>,
    /// [`crate::keys::BACKLOGS`].
    pub backlogs: Vec<String>,
    /// [`crate::keys::QUESTS`].
    pub quests: Vec<String>,
    /// [`crate::keys::SURVEYED`].
    pub surveyed: BTreeMap<String, Surveyed>,
    /// Whether the store's index of due times is known to be empty (a new partition without a store).
    pub is_new: bool,
}

/// One partition's state in memory, as far as it is needed.
#[derive(Debug)]
pub struct Partition {
    number: u16,
    partitions: u16,
    limits: Arc<EngineLimits>,
    /// Names the relay streams that this owner begins.
    nonce: String,
    sequence: u64,
    messages_first: u64,
    messages_next: u64,
    broadcast: BroadcastCursor,
    outboxes: BTreeMap<u16, Outbox>,
    contexts: BTreeMap<String, Context>,
    backlogs: BTreeSet<String>,
    quests: BTreeSet<String>,
    /// Where the rotation over the backlogs stands.
    rotation: String,
    wakes: Wakes,
    /// Contexts that wait for a run set aside.
    aside: BTreeSet<String>,
    turns: u64,
    progress: Option<Progress>,
    /// Counts places among entries of one stamp; in memory only.
    placed: u64,
    /// Cursor fields that the next commit writes.
    dirty: BTreeSet<&'static str>,
    /// The quests that were served last, and how often they were others than before.
    served: Arc<Catalog>,
    catalogs: u64,
    /// What each quest's contexts have met of its definition.
    surveyed: BTreeMap<String, Surveyed>,
    /// The quests that every context has met; none: it is not known.
    all_met: Option<Arc<Catalog>>,
    default_zone: Zone,
    /// Schedules and run-time patterns that were read lately, by their texts.
    schedules: BTreeMap<String, Arc<Schedule>>,
    specs: BTreeMap<String, Arc<Spec>>,
}

impl Partition {
    /// A partition as its new owner finds it. `nonce` is the owner's and never used before.
    pub fn new(number: u16, partitions: u16, nonce: String, limits: Arc<EngineLimits>, start: Start) -> Self {
        // The host refuses a setting that names no zone.
        let default_zone = Zone::parse(&limits.default_zone).unwrap_or_else(|_| Zone::utc());
        let mut partition = Self {
            number,
            partitions,
            limits,
            nonce,
            sequence: start.sequence,
            messages_first: start.messages_first,
            messages_next: start.messages_next,
            broadcast: start.broadcast,
            outboxes: BTreeMap::new(),
            contexts: BTreeMap::new(),
            backlogs: start.backlogs.into_iter().collect(),
            quests: start.quests.into_iter().collect(),
            rotation: String::new(),
            wakes: if start.is_new { Wakes::default() } else { Wakes::unread() },
            aside: BTreeSet::new(),
            turns: 0,
            progress: None,
            placed: 0,
            dirty: BTreeSet::new(),
            served: Arc::default(),
            catalogs: 0,
            surveyed: start.surveyed,
            all_met: None,
            default_zone,
            schedules: BTreeMap::new(),
            specs: BTreeMap::new(),
        };
        for (destination, (cursor, entries)) in start.outboxes {
            partition.outboxes.insert(destination, Outbox::load(cursor, entries));
        }
        partition
    }

    /// Whether the index of due times must be read: the earliest `wakes_cached_max` of it, for [`Partition::refill_wakes`].
    pub fn wants_wakes(&self) -> bool {
        self.wakes.is_used_up(&self.aside)
    }

    /// Takes in the earliest part of the stored index of due times.
    pub fn refill_wakes(&mut self, earliest: Vec<(String, Millis)>) {
        self.wakes.refill(earliest, self.limits.wakes_cached_max);
    }

    /// When the next timer or retry is due, as far as is known.
    pub fn next_wake(&self) -> Option<Millis> {
        self.wakes.next(&self.aside)
    }

    /// The contexts that a turn should take up besides those of its entries: due ones, and some with a backlog.
    pub fn agenda(&mut self, horizon: Millis, due_max: usize) -> Vec<String> {
        let mut names = self.wakes.due(horizon, due_max, &self.aside);
        let max = self.limits.backlogs_turn_max;
        let (done, ahead): (Vec<_>, Vec<_>) = self.backlogs.iter().partition(|name| **name <= self.rotation);
        let ready = ahead.into_iter().chain(done).filter(|name| !self.aside.contains(*name));
        let picked: Vec<String> = ready.take(max).cloned().collect();
        if let Some(last) = picked.last() {
            self.rotation.clone_from(last);
        }
        for name in picked {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Which of `names` must be loaded first.
    pub fn missing<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let unknown: BTreeSet<&str> = names.into_iter().filter(|name| !self.contexts.contains_key(*name)).collect();
        unknown.into_iter().map(str::to_owned).collect()
    }

    /// How many contexts have a stored backlog.
    pub fn backlogs(&self) -> usize {
        self.backlogs.len()
    }

    /// Whether a context has a stored backlog.
    pub fn has_backlog(&self, name: &str) -> bool {
        self.backlogs.contains(name)
    }

    /// Takes in a context as the store has it.
    pub fn load(&mut self, name: String, loaded: LoadedContext) {
        self.contexts.insert(name, Context::load(loaded));
    }

    /// How much of a context's stored backlog to load from its beginning, if any is needed.
    pub fn backlog_wanted(&self, name: &str) -> Option<u64> {
        let context = self.contexts.get(name)?;
        let wanted = context.backlog.is_empty() && context.has_unread_backlog();
        wanted.then_some(self.limits.context_turn_max as u64)
    }

    /// Takes in the first part of a context's stored backlog.
    pub fn load_backlog(&mut self, name: &str, first: Vec<Waiting>) {
        if let Some(context) = self.contexts.get_mut(name) {
            if first.is_empty() {
                // The store has none: what was counted is gone (a rolled-back store is noticed by the commit's chain).
                context.backlog_stored = 0;
            }
            context.backlog = first.into();
        }
    }

    /// The dead letters that commands among `entries`, or in loaded backlogs of `names`, are about: ids, and contexts of which all are needed.
    pub fn dead_wanted<'a>(
        &'a self,
        entries: impl Iterator<Item = &'a Entry>,
        names: &'a [String],
    ) -> (Vec<String>, Vec<String>) {
        let (mut ids, mut contexts) = (Vec::new(), Vec::new());
        let waiting = names.iter().filter_map(|name| self.contexts.get(name)).flat_map(|context| &context.backlog);
        for entry in entries.chain(waiting.map(|waiting| &waiting.entry)) {
            match &entry.body {
                Body::Operate(Command::DeadRetry { dead } | Command::DeadDrop { dead }) => ids.push(dead.clone()),
                Body::Operate(Command::Forget) => contexts.push(entry.context.clone()),
                _ => {}
            }
        }
        (ids, contexts)
    }

    /// Frees what the bounds do not let stay. Call it after a commit.
    pub fn evict(&mut self) {
        let max = self.limits.contexts_cached_max;
        if self.contexts.len() <= max {
            return;
        }
        let mut ages: Vec<u64> = self.contexts.values().map(|context| context.last_used).collect();
        let cut = self.contexts.len() - max * 7 / 8;
        let (_, oldest_kept, _) = ages.select_nth_unstable(cut.min(self.contexts.len() - 1));
        let oldest_kept = *oldest_kept;
        let turns = self.turns;
        self.contexts.retain(|_, context| context.last_used >= oldest_kept.min(turns));
        while self.contexts.len() > max {
            self.contexts.pop_first();
        }
    }

    /// Contexts in memory.
    pub fn cached(&self) -> usize {
        self.contexts.len()
    }

    /// Reads one cached instance's variables (for a driver without a store).
    pub fn variables(&self, context: &str, quest: &str) -> Option<Arc<crate::action::Variables>> {
        Some(Arc::clone(&self.contexts.get(context)?.instances.get(quest)?.variables))
    }

    /// The quests of a cached context (for a driver without a store).
    pub fn quests(&self, context: &str) -> Vec<String> {
        self.contexts.get(context).map(|context| context.instances.keys().cloned().collect()).unwrap_or_default()
    }

    /// A cached instance (for a driver without a store).
    pub fn instance(&self, context: &str, quest: &str) -> Option<&crate::record::Instance> {
        Some(&self.contexts.get(context)?.instances.get(quest)?.record)
    }

    /// The patterns of a cached context, each with what it has seen (for a driver without a store).
    pub fn patterns(&self, context: &str) -> BTreeMap<(String, String), crate::model::Value> {
        let patterns = self.contexts.get(context).map(|context| &context.patterns);
        let seen = patterns
            .into_iter()
            .flatten()
            .filter_map(|(key, it)| Some((key.clone(), crate::pattern::inspect(it.spec.as_ref()?, &it.record.state))));
        seen.collect()
    }

    /// The patterns of a cached instance, as a query sees them (for a driver without a store).
    pub fn patterns_seen(&self, context: &str, quest: &str) -> crate::action::PatternsSeen {
        self.contexts.get(context).map(|context| context.patterns_of(quest)).unwrap_or_default()
    }

    /// The time zone of a cached context (for a driver without a store).
    pub fn zone(&self, context: &str) -> Zone {
        self.contexts.get(context).map_or_else(|| self.default_zone.clone(), |context| self.zone_of(context))
    }

    /// The timers of a cached context (for a driver without a store).
    pub fn timers(&self, context: &str) -> BTreeMap<(String, String), crate::record::Timer> {
        self.contexts.get(context).map(|context| context.timers.clone()).unwrap_or_default()
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.progress.as_ref().map(|progress| Arc::clone(&progress.catalog)).unwrap_or_default()
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.dirty.insert(crate::keys::SEQUENCE);
        self.sequence
    }
}
