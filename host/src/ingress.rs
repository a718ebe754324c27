//! The list of existing producers: their entries move, in order and exactly once, into the partitions' inboxes.
//!
//! One host at a time moves (a lease of the list's own). Entries are numbered from a base that lies beside the list and advances only
//! with the trim; each inbox remembers up to which number it has them, so that a mover that dies between the two changes nothing.
//! What cannot be understood goes to `{LIST}.rejected` with the reason.
//!
//! Must not know: the engine's inside.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quest_engine::model::partition_of;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    service::{Produced, produce},
    settings::Accepting,
    store::{
        Accept, Acceptance, PartitionId, Relay, Relayed, Result, Store as _, Token,
        redis::{
            Redis,
            ingress::{IngressList, Rejected},
        },
    },
};

/// Entries of one move.
const CHUNK: u64 = 512;
/// How often an empty list is looked at: producers ring no bell. Soon after it had something, then less and less often.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// The pause before a full inbox, or a store that does not answer, is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// What a mover needs.
pub struct Mover {
    /// The store that the list is in.
    pub store: Arc<Redis>,
    /// The list's full key.
    pub list: String,
    /// Partitions of the store.
    pub partitions: PartitionId,
    /// The bounds of accepting.
    pub accept: Accepting,
    /// How long the list's lease is good for.
    pub lease_ms: u64,
    /// Counts what was rejected.
    pub rejected: Arc<AtomicU64>,
}

impl Mover {
    /// Moves until `stop`, whenever the list's lease is to be had.
    pub async fn run(self, stop: CancellationToken) {
        let list = self.store.ingress_list(&self.list);
        while !stop.is_cancelled() {
            match list.claim(fastrand::u64(..), self.lease_ms).await {
                Ok(Some(token)) => {
                    tracing::info!(list = self.list, "moves the entries of existing producers");
                    if let Err(error) = self.hold(&list, token, &stop).await {
                        tracing::warn!(list = self.list, %error, "stopped moving; tried again");
                    }
                    let _ = list.release(token).await;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(list = self.list, %error, "could not claim the list"),
            }
            wait(&stop, Duration::from_millis(self.lease_ms / 4).max(LOOK_MAX)).await;
        }
    }

    /// Moves while the lease is held.
    async fn hold(&self, list: &IngressList<'_>, token: Token, stop: &CancellationToken) -> Result<()> {
        let stream = list.stream().await?;
        let period = Duration::from_millis(self.lease_ms / 3);
        let mut renewed = Instant::now();
        let mut look = LOOK_MIN;
        while !stop.is_cancelled() {
            if renewed.elapsed() > period {
                if !list.renew(token, self.lease_ms).await? {
                    return Ok(());
                }
                renewed = Instant::now();
            }
            let (base, entries) = list.peek(CHUNK).await?;
            if entries.is_empty() {
                wait(stop, look).await;
                look = (look * 2).min(LOOK_MAX);
                continue;
            }
            look = LOOK_MIN;
            let (sorted, rejected) = self.sort(&stream, base, &entries);
            if !self.move_all(&stream, sorted).await? {
                wait(stop, PAUSE).await;
                continue;
            }
            if !list.advance(token, base, entries.len() as u64, &rejected).await? {
                return Ok(());
            }
            for Rejected { reason, .. } in &rejected {
                tracing::warn!(list = self.list, reason, "an entry was rejected; it is in {{{}}}.rejected", self.list);
            }
            self.rejected.fetch_add(rejected.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn sort(&self, stream: &str, base: u64, entries: &[Vec<u8>]) -> (Sorted, Vec<Rejected>) {
        let (mut sorted, mut rejected) = (Sorted::default(), Vec::new());
        for (index, bytes) in (0u64..).zip(entries) {
            let number = base + index;
            let parsed = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"));
            match parsed.and_then(|event| produce(&event, self.accept.payload_bytes_max).map_err(|error| error.message))
            {
                Ok(Produced { accept, is_broadcast: true, .. }) => {
                    // The log has no cursor for the list: the number is the entry's id there, unless it has one of its own. A control
                    // character before it, which no producer's id may hold.
                    let id = accept.id.clone().or_else(|| Some(format!("\u{1}{stream}:{number}")));
                    sorted.broadcasts.push(Accept { id, from_outside: false, ..accept });
                }
                Ok(Produced { accept, .. }) => {
                    let partition = partition_of(&accept.context, self.partitions);
                    sorted.inboxes.entry(partition).or_default().push((number, accept));
                }
                Err(reason) => rejected.push(Rejected { index, reason, bytes: bytes.clone() }),
            }
        }
        (sorted, rejected)
    }

    /// Whether everything arrived; what did is recognised when it comes again.
    async fn move_all(&self, stream: &str, sorted: Sorted) -> Result<bool> {
        let mut whole = true;
        for (partition, entries) in sorted.inboxes {
            let last = entries.last().map_or(0, |(number, _)| number + 1);
            let (source, stream) = (format!("list:{}", self.list), stream.to_owned());
            let relay = Relay { source, stream, expected: None, entries };
            match self.store.relay(partition, relay, self.accept.bounds()).await? {
                Relayed::Upto { next, .. } => whole &= next >= last,
                Relayed::At { .. } => whole = false,
            }
        }
        for entry in sorted.broadcasts {
            whole &= !matches!(self.store.broadcast(entry, self.accept.bounds()).await?, Acceptance::Full(_));
        }
        Ok(whole)
    }
}

/// Entries by where they go.
#[derive(Default)]
struct Sorted {
    inboxes: BTreeMap<PartitionId, Vec<(u64, Accept)>>,
    broadcasts: Vec<Accept>,
}

async fn wait(stop: &CancellationToken, pause: Duration) {
    // Cancel-safe: a token and a timer.
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
