//! The memory store behind a network of its own for each host: slow, losing requests and answers, repeating commits, dropping bells; and
//! hosts that die or hang in the middle of a call.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use quest_engine::{action::Seed, model::Millis};
use quest_host::store::{
    Accept, AcceptBounds, Acceptance, Bell, Commit, Committed, DEFAULT_IDS_WINDOW_MS, Error, Grant, Log, Member,
    PartitionId, Read, Relay, Relayed, Reply, Report, Result, Store, Taken, Token,
    memory::{Clock, Memory},
};
use tokio::{sync::broadcast, time::Instant};

/// When the simulated world begins, in Unix milliseconds.
const BEGINNING: Millis = 1_700_000_000_000;

/// What all hosts share.
pub struct World {
    /// The store itself.
    pub memory: Memory,
    clock: Arc<AtomicU64>,
    began: Instant,
    rng: Mutex<fastrand::Rng>,
    /// Whether anything goes wrong.
    pub faults: AtomicBool,
    /// What must not happen, and did.
    pub violations: Mutex<Vec<String>>,
    /// Who was granted each partition last.
    granted: Mutex<BTreeMap<PartitionId, Token>>,
    /// What was committed when, in short: two runs of one seed have the same.
    pub trace: AtomicU64,
    /// The numbers that each context was sent, by the stamps under which they were accepted.
    accepted: Mutex<BTreeMap<String, Vec<(Millis, i64)>>>,
}

impl World {
    pub fn new(partitions: PartitionId, seed: u64) -> Arc<Self> {
        let clock = Arc::new(AtomicU64::new(BEGINNING));
        let memory = Memory::with_clock(partitions, DEFAULT_IDS_WINDOW_MS, Clock::Manual(Arc::clone(&clock)));
        let rng = Mutex::new(fastrand::Rng::with_seed(seed));
        let (began, faults) = (Instant::now(), AtomicBool::new(true));
        let (violations, accepted, granted) = (Mutex::default(), Mutex::default(), Mutex::default());
        let trace = AtomicU64::new(0);
        Arc::new(Self { memory, clock, began, rng, faults, violations, trace, accepted, granted })
    }

    /// The store's clock, which is the runtime's.
    pub fn now(&self) -> Millis {
        let now = BEGINNING + self.began.elapsed().as_millis() as u64;
        self.clock.store(now, Ordering::SeqCst);
        now
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.rng.lock().unwrap().u64(..bound)
    }

    /// Whether something that happens in so many of a thousand cases happens now.
    fn fault(&self, per_mille: u64) -> bool {
        self.faults.load(Ordering::SeqCst) && self.below(1_000) < per_mille
    }

    /// A producer knows that a number was accepted.
    pub fn accepted(&self, context: &str, stamp: Millis, number: i64) {
        self.accepted.lock().unwrap().entry(context.to_owned()).or_default().push((stamp, number));
    }

    /// The largest number that is known to be accepted at or before a time.
    pub fn accepted_by(&self, context: &str, time: Millis) -> i64 {
        let accepted = self.accepted.lock().unwrap();
        let numbers = accepted.get(context).into_iter().flatten().filter(|(stamp, _)| *stamp <= time);
        numbers.map(|(_, number)| *number).max().unwrap_or(0)
    }

    pub fn violated(&self, text: String) {
        self.violations.lock().unwrap().push(text);
    }
}

/// One host's way to the store.
pub struct Link {
    world: Arc<World>,
    bells: broadcast::Sender<Bell>,
    dead: AtomicBool,
    hangs_until: Mutex<Option<Instant>>,
}

impl Link {
    pub fn new(world: &Arc<World>) -> Arc<Self> {
        let bells = broadcast::channel(1024).0;
        let link =
            Self { world: Arc::clone(world), bells, dead: AtomicBool::new(false), hangs_until: Mutex::default() };
        let (link, mut rung) = (Arc::new(link), world.memory.bells());
        let (told, heard) = (Arc::clone(world), link.bells.clone());
        tokio::spawn(async move {
            while let Ok(bell) = rung.recv().await {
                if !told.fault(300) {
                    let _ = heard.send(bell);
                }
            }
        });
        link
    }

    /// The host is gone: whatever it was doing never goes on.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// The host hangs for a while, and then goes on where it was.
    pub fn hang(&self, time: Duration) {
        *self.hangs_until.lock().unwrap() = Some(Instant::now() + time);
    }

    async fn travel(&self) {
        tokio::time::sleep(Duration::from_micros(self.world.below(3_000))).await;
        let hangs_until = *self.hangs_until.lock().unwrap();
        if let Some(until) = hangs_until {
            tokio::time::sleep_until(until).await;
        }
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }

    async fn before(&self) -> Result<()> {
        self.travel().await;
        self.world.now();
        if self.world.fault(15) { Err(Error::Unavailable("the request was lost".to_owned())) } else { Ok(()) }
    }

    async fn after<T>(&self, answer: Result<T>) -> Result<T> {
        self.travel().await;
        if self.world.fault(15) { Err(Error::Unavailable("the answer was lost".to_owned())) } else { answer }
    }

    /// A commit that the network delivers once more, much later: it must not count again.
    fn deliver_again(&self, partition: PartitionId, token: Token, commit: Commit) {
        let (world, wait) = (Arc::clone(&self.world), Duration::from_millis(self.world.below(5_000)));
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            world.now();
            if let Ok(Committed::Applied) = world.memory.commit(partition, token, commit.clone()).await {
                world.violated(format!("the commit {} was applied twice", commit.id));
            }
        });
    }
}

/// A call over the link.
macro_rules! over {
    ($link:ident, $call:ident($($argument:expr),*)) => {{
        $link.before().await?;
        let answer = $link.world.memory.$call($($argument),*).await;
        $link.after(answer).await
    }};
}

#[async_trait]
impl Store for Link {
    async fn check(&self) -> Result<Report> {
        over!(self, check())
    }

    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        over!(self, accept(partition, entries, bounds))
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        self.before().await?;
        let answer = self.world.memory.acquire(partition, nonce, ttl_ms).await;
        if let Ok(Some(grant)) = &answer {
            self.world.granted.lock().unwrap().insert(partition, grant.token);
        }
        self.after(answer).await
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        over!(self, renew(leases, ttl_ms))
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        over!(self, release(partition, token))
    }

    async fn take(
        &self,
        partition: PartitionId,
        token: Token,
        from: u64,
        count: u64,
        fence: Option<Millis>,
    ) -> Result<Option<Taken>> {
        over!(self, take(partition, token, from, count, fence))
    }

    async fn waiting(&self, partitions: &[PartitionId]) -> Result<Vec<u64>> {
        over!(self, waiting(partitions))
    }

    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed> {
        self.before().await?;
        let answer = self.world.memory.commit(partition, token, commit.clone()).await;
        let is_owner = self.world.granted.lock().unwrap().get(&partition) == Some(&token);
        if matches!(answer, Ok(Committed::Applied)) && !is_owner {
            self.world.violated(format!("{} was applied for an owner of the past", commit.id));
        }
        let told = format!("{} {partition} {commit:?} {answer:?}", self.world.now());
        let before = self.world.trace.load(Ordering::SeqCst).to_string();
        self.world.trace.store(Seed::of(&[&before, &told]).next_u64(), Ordering::SeqCst);
        if matches!(answer, Ok(Committed::Applied)) && self.world.fault(50) {
            self.deliver_again(partition, token, commit);
        }
        self.after(answer).await
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        over!(self, read(partition, reads))
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        over!(self, relay(partition, relay, bounds))
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        over!(self, broadcast(entry, bounds))
    }

    async fn broadcasts(&self, from: u64, count: u64) -> Result<Log> {
        over!(self, broadcasts(from, count))
    }

    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()> {
        over!(self, trim_broadcasts(upto, ids_before))
    }

    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>> {
        over!(self, heartbeat(host, about, ttl_ms))
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        over!(self, ring(bell))
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}
