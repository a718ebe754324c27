//! The store in memory: for tests and the simulator, nothing survives it.
//!
//! It is the embedded store without a disk: the same steps over the same layout, in a `BTreeMap`. A manual clock makes it
//! deterministic.
//!
//! Must not know: files, what an entry means.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use quest_engine::model::Millis;
use tokio::sync::broadcast;

use super::{
    Accept, AcceptBounds, Acceptance, BELLS_MAX, Bell, Commit, Committed, DEFAULT_IDS_WINDOW_MS, Grant, Log, Member,
    PartitionId, Read, Relay, Relayed, Reply, Report, Result, Store, Taken, Token,
    ordered::{
        Machine, layout,
        pairs::{Overlay, PairsMut},
    },
};

/// What time it is for a store.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// Whatever the holder of the other handle says.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// Now, in milliseconds since 1970.
    pub fn now(&self) -> Millis {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }
}

/// A store in memory.
pub struct Memory {
    state: Mutex<State>,
    clock: Clock,
    partitions: PartitionId,
    store_id: String,
    bells: broadcast::Sender<Bell>,
}

struct State {
    machine: Machine,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Memory {
    /// An empty store on the machine's clock.
    pub fn new(partitions: PartitionId) -> Self {
        Self::with_clock(partitions, DEFAULT_IDS_WINDOW_MS, Clock::System)
    }

    /// An empty store on a given clock.
    pub fn with_clock(partitions: PartitionId, ids_window_ms: u64, clock: Clock) -> Self {
        Self {
            state: Mutex::new(State { machine: Machine::new(ids_window_ms), pairs: BTreeMap::new() }),
            clock,
            partitions,
            store_id: super::draw_id(),
            bells: broadcast::channel(BELLS_MAX).0,
        }
    }

    /// All that is stored, as it is: for comparing stores and for putting one back (see [`Self::restore`]).
    pub fn snapshot(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.state.lock().pairs.clone()
    }

    /// Puts the store back to a snapshot, as a failover that lost writes would; leases stay as they are.
    pub fn restore(&self, snapshot: BTreeMap<Vec<u8>, Vec<u8>>) {
        let mut state = self.state.lock();
        state.pairs = snapshot;
        state.machine.recount();
    }

    /// Puts one partition back to a snapshot and leaves the others, as a failover of one node of a cluster would; its lease stays.
    pub fn restore_partition(&self, partition: PartitionId, snapshot: &BTreeMap<Vec<u8>, Vec<u8>>) {
        let from = layout::prefix(partition);
        let within = |pair: &(&Vec<u8>, &Vec<u8>)| pair.0.starts_with(&from);
        let State { machine, pairs } = &mut *self.state.lock();
        machine.recount();
        pairs.retain(|key, _| !key.starts_with(&from));
        let restored = snapshot.range(from.clone()..).take_while(within);
        pairs.extend(restored.map(|(key, value)| (key.clone(), value.clone())));
    }

    /// Ends all leases, as a server that comes back without them would.
    pub fn revoke_leases(&self) {
        self.state.lock().machine.revoke_all();
    }

    /// One step: all of its changes or, after an error, none.
    fn step<T>(&self, step: impl FnOnce(&mut Machine, &mut dyn PairsMut, Millis) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock();
        let State { machine, pairs } = &mut *state;
        let mut overlay = Overlay::new(pairs);
        let answer = step(machine, &mut overlay, self.clock.now())?;
        for (key, change) in overlay.into_changes() {
            match change {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        Ok(answer)
    }

    fn tell(&self, bell: Bell) {
        // No listener is no error: bells are hints.
        let _ = self.bells.send(bell);
    }
}

#[async_trait]
impl Store for Memory {
    async fn check(&self) -> Result<Report> {
        Ok(Report {
            name: "memory".to_owned(),
            promise: "nothing is kept: the end of the process loses everything".to_owned(),
            warnings: vec!["the memory store is for tests only".to_owned()],
            store_id: self.store_id.clone(),
            partitions: self.partitions,
        })
    }

    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        let answer = self.step(|machine, pairs, now| machine.accept(pairs, now, partition, &entries, &bounds))?;
        self.tell(Bell::Inbox(partition));
        Ok(answer)
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        self.step(|machine, pairs, now| machine.acquire(pairs, now, partition, nonce, ttl_ms))
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        self.step(|machine, _, now| Ok(machine.renew(now, leases, ttl_ms)))
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        if self.step(|machine, _, now| Ok(machine.release(now, partition, token)))? {
            self.tell(Bell::Released(partition));
        }
        Ok(())
    }

    async fn take(
        &self,
        partition: PartitionId,
        token: Token,
        from: u64,
        count: u64,
        fence: Option<Millis>,
    ) -> Result<Option<Taken>> {
        self.step(|machine, pairs, now| {
            if !machine.holds(partition, token, now) {
                return Ok(None);
            }
            if let Some(fence) = fence {
                Machine::raise(pairs, now, partition, fence)?;
            }
            Machine::taken(pairs, now, partition, from, count).map(Some)
        })
    }

    async fn waiting(&self, partitions: &[PartitionId]) -> Result<Vec<u64>> {
        self.step(|_, pairs, _| Machine::waiting(pairs, partitions))
    }

    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed> {
        self.step(|machine, pairs, now| machine.commit(pairs, now, partition, token, &commit))
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        self.step(|_, pairs, _| Machine::read(pairs, partition, &reads))
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        let answer = self.step(|machine, pairs, now| machine.relay(pairs, now, partition, &relay, &bounds))?;
        self.tell(Bell::Inbox(partition));
        Ok(answer)
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        let answer = self.step(|machine, pairs, now| machine.broadcast(pairs, now, entry, &bounds))?;
        self.tell(Bell::Broadcast);
        Ok(answer)
    }

    async fn broadcasts(&self, from: u64, count: u64) -> Result<Log> {
        self.step(|_, pairs, _| Machine::broadcasts(pairs, from, count))
    }

    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()> {
        self.step(|_, pairs, _| Machine::trim_broadcasts(pairs, upto, ids_before))
    }

    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>> {
        let (members, changed) = self.step(|machine, _, now| Ok(machine.heartbeat(now, host, about, ttl_ms)))?;
        if changed {
            self.tell(Bell::Members);
        }
        Ok(members)
    }

    async fn keep(&self, shelf: &str, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        let bytes = bytes.map(<[u8]>::to_vec);
        self.step(|_, pairs, _| {
            Machine::keep(pairs, shelf, name, bytes);
            Ok(())
        })
    }

    async fn kept(&self, shelf: &str, name: &str) -> Result<Option<Vec<u8>>> {
        self.step(|_, pairs, _| Machine::kept(pairs, shelf, name))
    }

    async fn shelf(&self, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        self.step(|_, pairs, _| Machine::shelf(pairs, shelf))
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        self.tell(bell);
        Ok(())
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}
