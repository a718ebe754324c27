//! The tokio side of a host: one task per owned partition, which partitions are owned, and the end of it all.
//!
//! Everything is decided by the engine; this is the part that reads, waits, commits and then acts, in that order.
//!
//! Must not know: how stores work inside, wasmtime, HTTP.

mod aside;
mod load;
mod lookout;
mod owner;
mod ownership;
mod relay;
mod share;
mod tidy;
mod turns;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use quest_engine::{
    limits::EngineLimits,
    partition::{Answered, Happening, Partition},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    quests::Quests,
    store::{self, AcceptBounds, PartitionId, Store},
};

/// The operator's settings for quests, by quest.
pub type QuestConfig = BTreeMap<String, Arc<BTreeMap<String, String>>>;

/// How a host drives its partitions.
#[derive(Debug, Clone)]
pub struct Options {
    /// This host's id, new at each start.
    pub host: String,
    /// Partitions of the store.
    pub partitions: PartitionId,
    /// The engine's bounds.
    pub limits: Arc<EngineLimits>,
    /// The stores' bounds for entries from within.
    pub accept: AcceptBounds,
    /// The dispatcher's own bounds and times.
    pub pace: Pace,
    /// The operator's settings for quests.
    pub config: QuestConfig,
    /// Whether turns run on the thread that drives the partitions, for a simulation whose order must be its own. A host runs them on
    /// threads where waiting for a quest holds up nothing else.
    pub runs_in_place: bool,
}

/// Bounds and times of the dispatcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How long a lease is good for without being renewed, in milliseconds: the time until a dead host's partitions are taken.
    pub lease_ms: u64,
    /// Entries that one turn takes from an inbox: large enough to share a commit, small enough to keep latency.
    pub turn_entries_max: u64,
    /// Due contexts that one turn takes up.
    pub turn_due_max: usize,
    /// Processor time after which a turn ends and leaves the rest to the next, in milliseconds.
    pub turn_ms_max: u64,
    /// Contexts of one chunk of a broadcast.
    pub broadcast_chunk: u64,
    /// Entries of one transfer to another partition.
    pub relay_chunk: usize,
    /// How often the inboxes of all owned partitions are looked at, in one call, without having been rung, in milliseconds.
    pub idle_poll_ms: u64,
    /// How long the outcome of a call is kept, in milliseconds.
    pub outcome_kept_ms: u64,
    /// How often outcomes, dead letters and the broadcast log are swept, in milliseconds.
    pub tidy_ms: u64,
    /// Dead letters of one partition; past it the oldest are dropped, counted and said in the log.
    pub dead_max: u64,
    /// Turns that run at once; more than cores, so that one endless quest does not stop the rest.
    pub turns_parallel: usize,
    /// Of the time that passes, what those runs of an action may take that are slow or end at a limit, in percent: others wait for as long. 100:
    /// as much as they do.
    pub slow_share: u64,
    /// After how long a run is taken out of its turn, in milliseconds, where `slow_share` is below 100: it is begun anew beside the turns.
    pub aside_after_ms: u64,
    /// Pause before a failed store call is tried again, in milliseconds; doubles up to 20 times it.
    pub store_retry_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lease_ms: 10_000,
            turn_entries_max: 512,
            turn_due_max: 512,
            turn_ms_max: 100,
            broadcast_chunk: 256,
            relay_chunk: 256,
            idle_poll_ms: 1_000,
            outcome_kept_ms: 3_600_000,
            tidy_ms: 60_000,
            dead_max: 100_000,
            turns_parallel: 4,
            slow_share: 10,
            aside_after_ms: 50,
            store_retry_ms: 50,
        }
    }
}

/// Counts since the host started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Turns committed.
    pub commits: AtomicU64,
    /// Inbox entries consumed.
    pub entries: AtomicU64,
    /// Actions run.
    pub actions: AtomicU64,
    /// Runs that were set aside, since they take long.
    pub aside: AtomicU64,
    /// Partitions lost to another host, or to a store that was rolled back.
    pub losses: AtomicU64,
    /// Commits that found the store behind what this host had seen.
    pub regressions: AtomicU64,
    /// Entries that could not be decoded.
    pub unreadable: AtomicU64,
    /// Dead letters dropped at the bound.
    pub dead_dropped: AtomicU64,
}

/// What a commit of this host brought, for whoever listens on it.
#[derive(Debug, Default)]
pub struct News {
    /// What happened.
    pub happenings: Vec<Happening>,
    /// Answers to calls that this host was asked.
    pub answered: Vec<Answered>,
}

/// Is told of each commit, after it.
pub type OnCommitted = Arc<dyn Fn(PartitionId, News) + Send + Sync>;

/// What all tasks of a dispatcher share.
struct Shared {
    store: Arc<dyn Store>,
    quests: Arc<dyn Quests>,
    options: Options,
    on_committed: OnCommitted,
    counters: Counters,
    /// Rung for new work; one a partition.
    bells: Arc<[Notify]>,
    /// Whether the broadcast log may have something new; one a partition.
    broadcasts: Vec<AtomicBool>,
    /// How many contexts have a backlog; one a partition, 0 where another host owns it.
    backlogs: Vec<AtomicU64>,
    /// Limits the turns that run at once.
    turns: Semaphore,
    /// Runs that take long.
    aside: Arc<aside::Aside>,
    owned: Mutex<BTreeMap<PartitionId, crate::store::Token>>,
    /// What owners that lost their leases had in memory: always empty, but for a bug that the simulation plants.
    kept: Mutex<BTreeMap<PartitionId, Partition>>,
}

/// A running dispatcher.
pub struct Dispatcher {
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// None once its end was seen.
    task: Option<JoinHandle<()>>,
}

impl Dispatcher {
    /// Starts to own and work partitions.
    pub fn start(store: Arc<dyn Store>, quests: Arc<dyn Quests>, options: Options, on_committed: OnCommitted) -> Self {
        let partitions = usize::from(options.partitions);
        let bells: Arc<[Notify]> = (0..partitions).map(|_| Notify::new()).collect();
        let shares = share::Shares::new(options.pace.slow_share, options.pace.turns_parallel);
        let shared = Arc::new(Shared {
            turns: Semaphore::new(options.pace.turns_parallel.max(1)),
            aside: aside::Aside::new(shares, options.pace.turns_parallel, Arc::clone(&bells)),
            store,
            quests,
            options,
            on_committed,
            counters: Counters::default(),
            bells,
            broadcasts: (0..partitions).map(|_| AtomicBool::new(true)).collect(),
            backlogs: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            owned: Mutex::default(),
            kept: Mutex::default(),
        });
        let stop = CancellationToken::new();
        let (ownership, lookout) =
            (ownership::run(Arc::clone(&shared), stop.clone()), lookout::run(Arc::clone(&shared), stop.clone()));
        let task = tokio::spawn(async move {
            tokio::join!(ownership, lookout);
        });
        Self { shared, stop, task: Some(task) }
    }

    /// Finishes what runs in turns, commits it, gives every lease up and leaves. Others go on at once.
    pub async fn drain(self) {
        self.stop.cancel();
        let Some(task) = self.task else { return };
        if let Err(error) = task.await {
            tracing::error!(%error, "the dispatcher ended badly");
        }
        self.shared.aside.stop();
    }

    /// Waits until the dispatcher ends by itself, which only a bug makes it do.
    pub async fn ended(&mut self) {
        match self.task.as_mut() {
            Some(task) => {
                // Cancel-safe: a join handle gives its result once, to whoever waits for it at the end.
                let _ = task.await;
                self.task = None;
            }
            None => std::future::pending().await,
        }
    }

    /// A handle that tells how it goes.
    pub fn status(&self) -> Status {
        Status(Arc::clone(&self.shared))
    }
}

/// How a dispatcher is doing. Cheap to clone.
#[derive(Clone)]
pub struct Status(Arc<Shared>);

impl Status {
    /// The partitions owned now.
    pub fn owned(&self) -> Vec<PartitionId> {
        self.0.owned.lock().keys().copied().collect()
    }

    /// Counts since the start.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// How many contexts of the partitions owned have a backlog: entries that were taken in and wait for a turn, or for a run aside to end.
    pub fn backlogs(&self) -> u64 {
        self.0.backlogs.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }
}

impl Shared {
    /// There may be work for a partition.
    fn wake(&self, partition: PartitionId) {
        if let Some(bell) = self.bells.get(usize::from(partition)) {
            bell.notify_one();
        }
    }

    fn wake_all(&self) {
        self.bells.iter().for_each(Notify::notify_one);
    }

    /// There may be a new broadcast.
    fn wake_for_broadcasts(&self) {
        self.broadcasts.iter().for_each(|hint| hint.store(true, Ordering::Release));
        self.wake_all();
    }

    fn has_backlogs(&self, partition: PartitionId, count: usize) {
        if let Some(known) = self.backlogs.get(usize::from(partition)) {
            known.store(count as u64, Ordering::Release);
        }
    }

    fn count(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Says that try number `tries` (from 1) of something failed, less and less often, and waits before the next.
    async fn retry_later(
        &self,
        partition: PartitionId,
        tries: u32,
        error: &store::Error,
        what: &str,
        stop: &CancellationToken,
    ) {
        if tries.is_power_of_two() {
            tracing::warn!(partition, tries, %error, "{what}");
        }
        // Cancel-safe: a token and a timer.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(self.pause(tries)) => {}
        }
    }

    /// The pause before try number `tries` (from 1) of a store call.
    fn pause(&self, tries: u32) -> Duration {
        let base = self.options.pace.store_retry_ms;
        Duration::from_millis((base << tries.min(10)).min(base * 20))
    }
}
