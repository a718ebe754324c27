//! What all hosts share: the store itself, its clock, chance, what goes wrong, and what is known of it all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use quest_engine::{action::Seed, model::Millis};
use quest_host::store::{
    DEFAULT_IDS_WINDOW_MS, PartitionId, Token,
    memory::{Clock, Memory},
};
use tokio::time::Instant;

use super::{
    PARTITIONS,
    plan::{Faults, Plan, Shape},
    truth::Truth,
};

/// When the simulated world begins, in Unix milliseconds: 45 seconds before clocks in New York go back.
const BEGINNING: Millis = 1_699_163_955_000;

pub struct World {
    /// The store itself.
    pub memory: Memory,
    pub shape: Shape,
    clock: Arc<AtomicU64>,
    began: Instant,
    /// How far the store's clock is from where it would be without jumps.
    jumped: AtomicI64,
    /// Whether it ever jumped back.
    jumped_back: AtomicBool,
    /// The latest that the store's clock ever was.
    latest: AtomicU64,
    rng: Mutex<fastrand::Rng>,
    faults: Faults,
    /// Whether anything goes wrong.
    pub goes_wrong: AtomicBool,
    truth: Mutex<Truth>,
    copy: Mutex<Option<Copy>>,
    put_back: Mutex<PutBack>,
    /// Whether the store is put back at the next commit, and how much later that arrives.
    relapse: Mutex<Option<Duration>>,
    /// Who was granted each partition last.
    granted: Mutex<BTreeMap<PartitionId, Token>>,
    violations: Mutex<Vec<String>>,
    /// What was committed when, in short: two runs of one seed have the same.
    trace: AtomicU64,
    timeline: Option<Mutex<Vec<String>>>,
}

/// The store as it was at a moment, and what was true then.
struct Copy {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    truth: Truth,
}

/// What became of the store by being put back.
#[derive(Debug, Clone, Default)]
pub struct PutBack {
    pub times: u64,
    /// Those that were put back while the others were not.
    pub partitions: BTreeSet<PartitionId>,
    /// What came from others and is not there any more. They need not have it either: an owner that carried it may drop it after that.
    pub lost: BTreeSet<String>,
    /// Numbers of the broadcast log that stood for something else before. Who had read that, and commits after it, is past them.
    pub numbers: BTreeSet<usize>,
}

impl World {
    pub fn new(plan: &Plan, is_told: bool) -> Arc<Self> {
        let clock = Arc::new(AtomicU64::new(BEGINNING));
        Arc::new(Self {
            memory: Memory::with_clock(PARTITIONS, DEFAULT_IDS_WINDOW_MS, Clock::Manual(Arc::clone(&clock))),
            shape: plan.shape.clone(),
            clock,
            began: Instant::now(),
            jumped: AtomicI64::new(0),
            jumped_back: AtomicBool::new(false),
            latest: AtomicU64::new(BEGINNING),
            rng: Mutex::new(fastrand::Rng::with_seed(plan.seed)),
            faults: plan.faults,
            goes_wrong: AtomicBool::new(false),
            truth: Mutex::default(),
            copy: Mutex::default(),
            put_back: Mutex::default(),
            relapse: Mutex::default(),
            granted: Mutex::default(),
            violations: Mutex::default(),
            trace: AtomicU64::new(0),
            timeline: is_told.then(Mutex::default),
        })
    }

    /// Brings the store's clock to what it shows now.
    pub fn now(&self) -> Millis {
        let elapsed = self.began.elapsed().as_millis() as u64;
        let now = (BEGINNING + elapsed).saturating_add_signed(self.jumped.load(Ordering::SeqCst));
        self.clock.store(now, Ordering::SeqCst);
        self.latest.fetch_max(now, Ordering::SeqCst);
        now
    }

    pub fn latest(&self) -> Millis {
        self.now();
        self.latest.load(Ordering::SeqCst)
    }

    pub fn jump(&self, ms: i64) {
        self.jumped.fetch_add(ms, Ordering::SeqCst);
        self.jumped_back.fetch_or(ms < 0, Ordering::SeqCst);
        self.now();
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.rng.lock().unwrap().u64(..bound)
    }

    /// Whether something that goes wrong so often does so now.
    pub fn fault(&self, rate: impl Fn(&Faults) -> u64) -> bool {
        self.goes_wrong.load(Ordering::SeqCst) && self.below(1_000) < rate(&self.faults)
    }

    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    /// Keeps a copy of the store, to be put back to.
    pub fn copy(&self) {
        *self.copy.lock().unwrap() = Some(Copy { pairs: self.memory.snapshot(), truth: self.truth().clone() });
    }

    /// Puts the store, or one partition, back to the copy, if there is one.
    pub fn put_back(&self, partition: Option<PartitionId>, revokes: bool) {
        let copy = self.copy.lock().unwrap();
        let Some(Copy { pairs, truth }) = copy.as_ref() else { return };
        let mut put_back = self.put_back.lock().unwrap();
        put_back.times += 1;
        match partition {
            None => {
                self.memory.restore(pairs.clone());
                let lost = std::mem::replace(&mut *self.truth(), truth.clone());
                put_back.lost.extend(lost.arrived_since(truth));
                put_back.lost.extend(lost.log.iter().skip(truth.log.len()).cloned());
                put_back.numbers.extend(truth.log.len()..lost.log.len());
            }
            Some(partition) => {
                self.memory.restore_partition(partition, pairs);
                put_back.partitions.insert(partition);
                put_back.lost.extend(self.truth().restore_partition(partition, truth));
            }
        }
        if revokes {
            self.memory.revoke_leases();
        }
    }

    /// Keeps a copy, and puts the store back to it at the next commit.
    pub fn relapse(&self, ms: u64) {
        self.copy();
        *self.relapse.lock().unwrap() = Some(Duration::from_millis(ms));
    }

    /// A commit is about to arrive; whether the store was put back before it, and how much later it arrives.
    pub fn relapses(&self) -> Option<Duration> {
        let later = self.relapse.lock().unwrap().take()?;
        self.put_back(None, false);
        Some(later)
    }

    pub fn was_put_back(&self) -> bool {
        self.put_back.lock().unwrap().times > 0
    }

    /// Whether something may be stamped before what was done already: a store that was put back does not know how late it was, and if its
    /// clock was set back as well, nothing tells it.
    pub fn may_stamp_early(&self) -> bool {
        self.was_put_back() && self.jumped_back.load(Ordering::SeqCst)
    }

    pub fn losses(&self) -> PutBack {
        self.put_back.lock().unwrap().clone()
    }

    /// Somebody was granted a partition; whether that is new.
    pub fn granted(&self, partition: PartitionId, token: Token) -> bool {
        self.granted.lock().unwrap().insert(partition, token) != Some(token)
    }

    pub fn owns(&self, partition: PartitionId, token: Token) -> bool {
        self.granted.lock().unwrap().get(&partition) == Some(&token)
    }

    /// What must not happen did.
    pub fn violated(&self, text: String) {
        self.tell("!", || text.clone());
        self.violations.lock().unwrap().push(text);
    }

    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// Something happened that two runs of one seed have in common.
    pub fn traced(&self, text: &str) {
        let (before, now) = (self.trace().to_string(), self.now().to_string());
        self.trace.store(Seed::of(&[&before, &now, text]).next_u64(), Ordering::SeqCst);
    }

    pub fn trace(&self) -> u64 {
        self.trace.load(Ordering::SeqCst)
    }

    /// Tells the timeline, if there is one, what somebody does.
    pub fn tell(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(timeline) = &self.timeline {
            let (elapsed, now) = (self.began.elapsed().as_millis(), self.now() - BEGINNING);
            let clock = if self.jumped.load(Ordering::SeqCst) == 0 { String::new() } else { format!(" ({now})") };
            timeline.lock().unwrap().push(format!("{elapsed:>8}{clock} {who:<10} {}", what()));
        }
    }

    pub fn timeline(&self) -> Vec<String> {
        self.timeline.as_ref().map(|timeline| timeline.lock().unwrap().clone()).unwrap_or_default()
    }
}
