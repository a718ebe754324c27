//! The memory store behind a network of its own for each host: slow, losing requests and answers, repeating commits, dropping bells; and
//! hosts that die or hang in the middle of a call.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use quest_engine::{
    keys,
    model::{Body, Entry, Millis},
    record::Record as _,
};
use quest_host::store::{
    Accept, AcceptBounds, Acceptance, Bell, Commit, Committed, Error, Grant, Log, Member, PartitionId, Read, Relay,
    Relayed, Reply, Report, Result, Store, Taken, Token,
};
use tokio::{sync::broadcast, time::Instant};

use super::{PARTITIONS, TURN_ENTRIES_MAX, quests::text, world::World};

/// One host's way to the store.
pub struct Link {
    pub name: String,
    world: Arc<World>,
    bells: broadcast::Sender<Bell>,
    dead: AtomicBool,
    hangs_until: Mutex<Option<Instant>>,
}

impl Link {
    pub fn new(world: &Arc<World>, name: String) -> Arc<Self> {
        let bells = broadcast::channel(1024).0;
        let (dead, hangs_until) = (AtomicBool::new(false), Mutex::default());
        let link = Arc::new(Self { name, world: Arc::clone(world), bells, dead, hangs_until });
        let (told, heard, mut rung) = (Arc::clone(world), link.bells.clone(), world.memory.bells());
        tokio::spawn(async move {
            while let Ok(bell) = rung.recv().await {
                if !told.fault(|faults| faults.lost_bells) {
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

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// The host hangs for a while, and then goes on where it was.
    pub fn hang(&self, time: Duration) {
        *self.hangs_until.lock().unwrap() = Some(Instant::now() + time);
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.world.tell(&self.name, what);
    }

    async fn travel(&self) {
        tokio::time::sleep(Duration::from_micros(self.world.below(3_000))).await;
        let hangs_until = *self.hangs_until.lock().unwrap();
        if let Some(until) = hangs_until {
            tokio::time::sleep_until(until).await;
        }
        if self.is_dead() {
            return std::future::pending().await;
        }
        self.world.now();
    }

    async fn before(&self, call: &str) -> Result<()> {
        self.travel().await;
        if self.world.fault(|faults| faults.lost_requests) {
            self.tell(|| format!("{call}: the request is lost"));
            return Err(Error::Unavailable("the request was lost".to_owned()));
        }
        Ok(())
    }

    async fn after<T>(&self, call: &str, answer: Result<T>) -> Result<T> {
        self.travel().await;
        if self.world.fault(|faults| faults.lost_answers) {
            self.tell(|| format!("{call}: the answer is lost"));
            return Err(Error::Unavailable("the answer was lost".to_owned()));
        }
        answer
    }

    /// Now and then a host dies beside a commit.
    fn dies(&self, when: &str) -> bool {
        let dies = self.world.fault(|faults| faults.deaths);
        if dies {
            self.tell(|| format!("dies {when} a commit"));
            self.kill();
        }
        dies
    }

    /// A commit that the network delivers much later, perhaps once more: it must not count for who does not own the partition any more,
    /// nor twice.
    fn deliver_later(&self, partition: PartitionId, token: Token, commit: Commit) {
        let (world, wait) = (Arc::clone(&self.world), Duration::from_millis(self.world.below(5_000)));
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            world.now();
            let answer = world.memory.commit(partition, token, commit.clone()).await;
            world.tell("network", || format!("delivers the commit {} of {partition} late: {answer:?}", commit.id));
            if matches!(answer, Ok(Committed::Applied)) {
                applied(&world, partition, token, &commit);
            }
        });
    }

    /// Holds an inbox to a bound.
    async fn hold(&self, partition: PartitionId, max: u64, after: &str) {
        let waiting = self.world.memory.waiting(&[partition]).await;
        if let Ok(count) = waiting.map(|counts| counts[0])
            && count > max
        {
            self.world.violated(format!("{count} entries wait in the inbox of {partition}, of {max}, {after}"));
        }
    }

    async fn hold_context(&self, partition: PartitionId, context: &str, max: u64) {
        let read = Read::HashField { key: "waiting".to_owned(), field: context.as_bytes().to_vec() };
        let replies = self.world.memory.read(partition, vec![read]).await.unwrap();
        if let [Reply::Value(Some(bytes))] = replies.as_slice() {
            let count = u64::from_be_bytes(bytes.as_slice().try_into().unwrap());
            if count > max {
                self.world.violated(format!("{count} entries of {context} wait, of {max}"));
            }
        }
    }

    async fn hold_outboxes(&self, partition: PartitionId) {
        let destinations = (0..PARTITIONS).chain([quest_engine::partition::BROADCAST_LOG]);
        let reads = destinations.map(|destination| Read::Length { key: keys::relay(destination) }).collect();
        for reply in self.world.memory.read(partition, reads).await.unwrap() {
            let max = self.world.shape.outbox_max as u64;
            if matches!(reply, Reply::Count(count) if count > max) {
                self.world.violated(format!("{reply:?} entries wait in an outbox of {partition}, of {max}"));
            }
        }
    }
}

/// A commit was applied: once, and for the owner?
fn applied(world: &World, partition: PartitionId, token: Token, commit: &Commit) {
    if !world.owns(partition, token) {
        world.violated(format!("{} was applied for an owner of the past", commit.id));
    }
    if !world.truth().applied(partition, &commit.id) {
        world.violated(format!("the commit {} was applied twice", commit.id));
    }
}

/// A call over the link.
macro_rules! over {
    ($link:ident, $call:ident($($argument:expr),*)) => {{
        $link.before(stringify!($call)).await?;
        let answer = $link.world.memory.$call($($argument),*).await;
        $link.after(stringify!($call), answer).await
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
        self.before("accept").await?;
        let answer = self.world.memory.accept(partition, entries.clone(), bounds).await?;
        for (entry, acceptance) in entries.iter().zip(&answer) {
            let entry = Entry::from_bytes(&entry.bytes).unwrap();
            self.tell(|| format!("{} for {}: {acceptance:?}; {:?}", entry.id, entry.context, entry.body));
            if let Acceptance::Accepted { stamp } = acceptance {
                self.hold(partition, bounds.inbox_max, "after an accept").await;
                self.hold_context(partition, &entry.context, bounds.context_max).await;
                self.world.truth().accepted(*stamp, entry);
            }
        }
        self.after("accept", Ok(answer)).await
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        self.before("acquire").await?;
        let answer = self.world.memory.acquire(partition, nonce, ttl_ms).await;
        if let Ok(Some(grant)) = &answer
            && self.world.granted(partition, grant.token)
        {
            self.tell(|| format!("owns {partition}: {} from {:?}", grant.token, grant.head));
        }
        self.after("acquire", answer).await
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        over!(self, renew(leases, ttl_ms))
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        self.tell(|| format!("gives {partition} up"));
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
        self.before("commit").await?;
        if let Some(later) = self.world.relapses() {
            self.tell(|| format!("finds the store put back as it commits {}, and goes on {later:?} later", commit.id));
            tokio::time::sleep(later).await;
        }
        if self.dies("before") {
            // It may have sent it.
            if self.world.below(2) == 0 {
                self.deliver_later(partition, token, commit);
            }
            return std::future::pending().await;
        }
        self.world.now();
        let answer = self.world.memory.commit(partition, token, commit.clone()).await;
        let told = told(partition, &commit, &answer);
        self.world.traced(&told);
        self.tell(|| told);
        if matches!(answer, Ok(Committed::Applied)) {
            applied(&self.world, partition, token, &commit);
            let (bounds, outbox_max) = (self.world.shape.bounds, self.world.shape.outbox_max as u64);
            // A turn's own emits, and dead letters that are tried again, are not refused at the commit.
            let max = bounds.inbox_max + bounds.reserve + outbox_max + TURN_ENTRIES_MAX;
            self.hold(partition, max, "after a commit").await;
            self.hold_outboxes(partition).await;
            if self.world.fault(|faults| faults.repeated_commits) {
                self.deliver_later(partition, token, commit);
            }
        }
        if self.dies("after") {
            return std::future::pending().await;
        }
        self.after("commit", answer).await
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        over!(self, read(partition, reads))
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        self.before("relay").await?;
        if self.world.fault(|faults| faults.lost_relays) {
            self.tell(|| format!("relay from {} to {partition}: the request is lost", relay.source));
            return Err(Error::Unavailable("the request was lost".to_owned()));
        }
        let answer = self.world.memory.relay(partition, relay.clone(), bounds).await?;
        let (source, first) = (&relay.source, relay.expected);
        self.tell(|| format!("carries {} from {source} to {partition} at {first:?}: {answer:?}", relay.entries.len()));
        if let Relayed::Upto { next, .. } = answer {
            for (_, entry) in relay.entries.iter().filter(|(number, _)| *number < next) {
                let entry = Entry::from_bytes(&entry.bytes).unwrap();
                if let Body::Emit { payload, .. } = &entry.body {
                    self.world.truth().arrived(partition, text(payload).to_owned());
                }
                self.hold(partition, bounds.inbox_max + bounds.reserve, "after a relay").await;
            }
        }
        self.after("relay", Ok(answer)).await
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        self.before("broadcast").await?;
        let told = Entry::from_bytes(&entry.bytes).unwrap();
        let answer = self.world.memory.broadcast(entry, bounds).await?;
        self.tell(|| format!("{} for all: {answer:?}", told.id));
        if let (Acceptance::Accepted { .. }, Body::Emit { payload, .. }) = (answer, &told.body) {
            self.world.truth().log.push(text(payload).to_owned());
        }
        self.after("broadcast", Ok(answer)).await
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

    async fn keep(&self, shelf: &str, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        over!(self, keep(shelf, name, bytes))
    }

    async fn kept(&self, shelf: &str, name: &str) -> Result<Option<Vec<u8>>> {
        over!(self, kept(shelf, name))
    }

    async fn shelf(&self, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        over!(self, shelf(shelf))
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        over!(self, ring(bell))
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}

fn told(partition: PartitionId, commit: &Commit, answer: &dyn Debug) -> String {
    let Commit { id, consumed, writes, accept, .. } = commit;
    let (writes, accept) = (writes.len(), accept.len());
    format!("commits {id} of {partition}, {consumed} consumed, {writes} writes, {accept} for its inbox: {answer:?}")
}
