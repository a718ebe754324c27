//! A store within this process: the steps of `ordered` over some ordered pairs, one at a time, with bells that only this process hears.
//!
//! Must not know: where the pairs lie.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use quest_engine::model::Millis;
use tokio::sync::broadcast;

use super::{
    Accept, AcceptBounds, Acceptance, Bell, Commit, Committed, Grant, Member, PartitionId, Read, Relay, Relayed, Reply,
    Report, Result, Stamped, Store, Taken, Token,
    ordered::{
        Machine,
        pairs::{Overlay, Pairs},
    },
};

/// Bells that a slow listener may be behind; past it, it is told that it missed some, and looks everywhere.
const BELLS_MAX: usize = 4_096;

/// The changes of one step, by key: a new value, or none for a removal.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Ordered pairs that take a step's changes whole or not at all.
#[async_trait]
pub trait Backend: Pairs + Send + 'static {
    /// Waits until what was applied up to a point is as durable as promised.
    type Durable: Durable;

    /// Applies a step's changes.
    fn apply(&mut self, changes: Changes) -> Result<()>;
}

/// Knows when applied changes are durable.
#[async_trait]
pub trait Durable: Send + Sync + 'static {
    /// A point in the order of applied changes, taken right after applying.
    fn point(&self) -> u64;

    /// Waits until everything up to the point is as durable as promised.
    async fn reached(&self, point: u64) -> Result<()>;
}

struct State<B> {
    machine: Machine,
    backend: B,
    /// The clock does not step back while the process lives; stamps do not step back ever.
    now: Millis,
}

/// The store.
pub struct Local<B: Backend> {
    /// Dropped before the pairs: it may still be writing them out.
    durable: B::Durable,
    state: Mutex<State<B>>,
    report: Report,
    bells: broadcast::Sender<Bell>,
    clock: Arc<dyn Fn() -> Millis + Send + Sync>,
}

/// The machine's clock.
pub(super) fn system_clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

impl<B: Backend> Local<B> {
    pub(super) fn new(
        backend: B,
        durable: B::Durable,
        report: Report,
        ids_window_ms: u64,
        clock: Arc<dyn Fn() -> Millis + Send + Sync>,
    ) -> Self {
        let state = State { machine: Machine::new(ids_window_ms), backend, now: 0 };
        Self { state: Mutex::new(state), durable, report, bells: broadcast::channel(BELLS_MAX).0, clock }
    }

    /// One step that may change something, and is answered only when that is durable.
    async fn step<T>(
        &self,
        step: impl FnOnce(&mut Machine, &mut Overlay<'_, B>, Millis) -> Result<T> + Send,
    ) -> Result<T> {
        let (answer, point) = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            state.now = state.now.max((self.clock)());
            let mut overlay = Overlay::new(&state.backend);
            let answer = step(&mut state.machine, &mut overlay, state.now)?;
            let changes = overlay.into_changes();
            if changes.is_empty() {
                return Ok(answer);
            }
            state.backend.apply(changes)?;
            (answer, self.durable.point())
        };
        self.durable.reached(point).await?;
        Ok(answer)
    }

    fn tell(&self, bell: Bell) {
        // Nobody listening is no error.
        let _ = self.bells.send(bell);
    }
}

#[async_trait]
impl<B: Backend> Store for Local<B> {
    async fn check(&self) -> Result<Report> {
        Ok(self.report.clone())
    }

    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        let answers =
            self.step(move |machine, pairs, now| machine.accept(pairs, now, partition, &entries, &bounds)).await?;
        if answers.iter().any(|answer| matches!(answer, Acceptance::Accepted { .. })) {
            self.tell(Bell::Inbox(partition));
        }
        Ok(answers)
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        self.step(move |machine, pairs, now| machine.acquire(pairs, now, partition, nonce, ttl_ms)).await
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        self.step(move |machine, _, now| Ok(machine.renew(now, leases, ttl_ms))).await
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        if self.step(move |machine, _, now| Ok(machine.release(now, partition, token))).await? {
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
        self.step(move |machine, pairs, now| {
            if !machine.holds(partition, token, now) {
                return Ok(None);
            }
            if let Some(fence) = fence
                && Machine::raises(pairs, now, partition, fence)?
            {
                Machine::raise(pairs, now, partition, fence)?;
            }
            Machine::taken(pairs, now, partition, from, count).map(Some)
        })
        .await
    }

    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed> {
        let rings = !commit.accept.is_empty();
        let committed =
            self.step(move |machine, pairs, now| machine.commit(pairs, now, partition, token, &commit)).await?;
        if rings && committed == Committed::Applied {
            self.tell(Bell::Inbox(partition));
        }
        Ok(committed)
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        self.step(move |_, pairs, _| Machine::read(pairs, partition, &reads)).await
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        let relayed =
            self.step(move |machine, pairs, now| machine.relay(pairs, now, partition, &relay, &bounds)).await?;
        self.tell(Bell::Inbox(partition));
        Ok(relayed)
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        let answer = self.step(move |machine, pairs, now| machine.broadcast(pairs, now, entry, &bounds)).await?;
        self.tell(Bell::Broadcast);
        Ok(answer)
    }

    async fn broadcasts(&self, from: u64, count: u64) -> Result<(u64, Vec<Stamped>)> {
        self.step(move |_, pairs, _| Machine::broadcasts(pairs, from, count)).await
    }

    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()> {
        self.step(move |_, pairs, _| Machine::trim_broadcasts(pairs, upto, ids_before)).await
    }

    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>> {
        let (members, changed) =
            self.step(move |machine, _, now| Ok(machine.heartbeat(now, host, about, ttl_ms))).await?;
        if changed {
            self.tell(Bell::Members);
        }
        Ok(members)
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        self.tell(bell);
        Ok(())
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}
