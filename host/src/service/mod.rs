//! What people and programs ask of a running host: events in, answers and state out.
//!
//! Everything that changes state goes in as an entry, like any event; everything that is read is committed state, so any host of a
//! cluster can answer. Must not know: HTTP, how stores work inside, wasmtime.

pub(crate) mod ask;
mod messages;
pub(crate) mod producer;
mod reads;
mod standing;
mod versions;
mod waiters;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use quest_engine::{
    model::{Entry, partition_of},
    partition::Happening,
    schedule::Zone,
};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::{
    Notify, Semaphore,
    broadcast::{self, error::RecvError},
};
use tokio_util::sync::CancellationToken;

pub use ask::Answered;
pub use messages::{Page, PublishedMessage};
pub use producer::{Produced, parse as produce};
pub use reads::{DeadView, InstanceView, PatternView, TimerView, ZoneView};
pub use versions::{Affected, Trial};

use crate::{
    dispatcher::{News, QuestConfig},
    quests::Quests,
    settings::Accepting,
    store::{self, Accept, Acceptance, Bell, Full, PartitionId, Store},
};
use waiters::Waiters;

/// Happenings that a slow reader of `tail` may be behind before it misses some (and is told so).
const HAPPENINGS_MAX: usize = 4_096;

/// Queries that run at once; others wait for their turn, a while. Well below the instances that there are for all.
const QUERIES_MAX: usize = 16;

/// How long the store may take before it counts as not answering.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// The service of one host. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    quests: Arc<dyn Quests>,
    host: String,
    partitions: PartitionId,
    accept: Accepting,
    config: QuestConfig,
    /// The time zone of contexts that none was set for.
    default_zone: Zone,
    happenings: broadcast::Sender<(PartitionId, Arc<Happening>)>,
    waiters: Arc<Waiters>,
    /// Queries that run at once: they share the instances with actions, which must find one.
    asking: Arc<Semaphore>,
    /// Rung for new messages.
    published: Arc<Notify>,
    /// Ends every wait when the host stops.
    stop: CancellationToken,
}

/// Which kind of trouble a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself is wrong.
    Invalid,
    /// What it names is not there.
    NotFound,
    /// It contradicts what was accepted before.
    Conflict,
    /// A bound is reached; later it may pass.
    Full,
    /// The action failed, or was refused.
    Failed,
    /// The store does not answer.
    Unavailable,
}

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Which kind of trouble.
    pub kind: Kind,
    /// A stable code (docs/errors.md).
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it; empty when there is nothing to say.
    pub hint: String,
}

/// What a request gives.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a hint.
    pub fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), hint: String::new() }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.hint);
        self
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let code = match &error {
            store::Error::Unavailable(_) => "store-unavailable",
            store::Error::ReadOnly(_) => "store-read-only",
            store::Error::Unusable(_) => "store-unusable",
        };
        let hint = match &error {
            store::Error::Unavailable(_) => {
                "ask again; what was to be changed may have happened, so send it with the same id"
            }
            store::Error::ReadOnly(_) => "nothing happened; mend the store, then send it again",
            store::Error::Unusable(_) => "nothing happened; the host's log says more",
        };
        Self::new(Kind::Unavailable, code, error.to_string()).hint(hint)
    }
}

/// What became of one produced event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The event's id.
    pub id: String,
    /// When it was accepted, in Unix milliseconds.
    pub accepted_at: u64,
    /// Whether it had been accepted before.
    pub duplicate: bool,
}

impl Service {
    /// The service of the host `host`.
    pub fn new(
        store: Arc<dyn Store>,
        quests: Arc<dyn Quests>,
        host: String,
        partitions: PartitionId,
        accept: Accepting,
        config: QuestConfig,
        stop: CancellationToken,
    ) -> Self {
        let happenings = broadcast::channel(HAPPENINGS_MAX).0;
        let (waiters, published) = (Arc::default(), Arc::default());
        let asking = Arc::new(Semaphore::new(QUERIES_MAX));
        let default_zone = Zone::utc();
        Self {
            store,
            quests,
            host,
            partitions,
            accept,
            config,
            default_zone,
            happenings,
            waiters,
            asking,
            published,
            stop,
        }
    }

    /// The same, with another time zone than UTC for contexts that none was set for.
    #[must_use]
    pub fn in_zone(self, default_zone: Zone) -> Self {
        Self { default_zone, ..self }
    }

    /// The quests served here.
    pub fn quests(&self) -> &Arc<dyn Quests> {
        &self.quests
    }

    /// Passes on what a commit brought; the dispatcher calls it after each.
    pub fn committed(&self, partition: PartitionId, news: News) {
        news.answered.into_iter().for_each(|answered| self.waiters.answered(answered));
        if self.happenings.receiver_count() > 0 {
            for happening in news.happenings {
                let _ = self.happenings.send((partition, Arc::new(happening)));
            }
        }
    }

    /// Tells whoever waits of messages, and of answers that other hosts committed, until the host stops.
    pub async fn listen(self) {
        let mut bells = self.store.bells();
        loop {
            // Cancel-safe: a token and a broadcast receiver.
            let bell = tokio::select! {
                () = self.stop.cancelled() => return,
                bell = bells.recv() => bell,
            };
            match bell {
                Ok(Bell::Outcome { host, id, .. }) if host == self.host => self.waiters.look(&id),
                Ok(Bell::Messages) => self.published.notify_waiters(),
                // What was missed is found by looking, a little later.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// What happens on this host from now on.
    pub fn tail(&self) -> broadcast::Receiver<(PartitionId, Arc<Happening>)> {
        self.happenings.subscribe()
    }

    /// Accepts events, each by itself, in order; one call of the store for each partition.
    pub async fn send(&self, events: &[Json]) -> Vec<Result<Receipt>> {
        let mut results: Vec<Option<Result<Receipt>>> = vec![None; events.len()];
        let mut by_partition: BTreeMap<PartitionId, Vec<(usize, String, Accept)>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            match producer::parse(event, self.accept.payload_bytes_max) {
                Ok(Produced { id, accept, is_broadcast: true }) => {
                    let accepted = self.store.broadcast(accept, self.accept.bounds()).await.map_err(Error::from);
                    results[index] = Some(accepted.and_then(|acceptance| receipt(id, acceptance)));
                }
                Ok(Produced { id, accept, .. }) => {
                    let partition = partition_of(&accept.context, self.partitions);
                    by_partition.entry(partition).or_default().push((index, id, accept));
                }
                Err(error) => results[index] = Some(Err(error)),
            }
        }
        let calls = by_partition.into_iter().map(|(partition, group)| async move {
            let entries = group.iter().map(|(_, _, accept)| accept.clone()).collect();
            (group, self.store.accept(partition, entries, self.accept.bounds()).await)
        });
        for (group, answers) in futures_util::future::join_all(calls).await {
            match answers {
                Ok(answers) => {
                    for ((index, id, _), acceptance) in group.into_iter().zip(answers) {
                        results[index] = Some(receipt(id, acceptance));
                    }
                }
                Err(error) => {
                    let error = Error::from(error);
                    group.iter().for_each(|(index, _, _)| results[*index] = Some(Err(error.clone())));
                }
            }
        }
        let lost = || Err(Error::new(Kind::Unavailable, "store-unavailable", "the store gave no answer"));
        results.into_iter().map(|result| result.unwrap_or_else(lost)).collect()
    }

    /// Whether the store answers, now.
    pub async fn check_store(&self) -> Result<()> {
        let silent = |_| store::Error::Unavailable(format!("no answer within {} s", STORE_PATIENCE.as_secs()));
        let asked = async {
            self.store.check().await?;
            self.store.waiting(&[0]).await
        };
        tokio::time::timeout(STORE_PATIENCE, asked).await.map_err(silent)??;
        Ok(())
    }

    /// Accepts one entry of this host's own making. Its id is remembered only if the caller knows it, and so may send it again.
    async fn accept(&self, entry: &Entry, is_remembered: bool) -> Result<Receipt> {
        let accept = producer::accept(entry, is_remembered);
        let partition = partition_of(&entry.context, self.partitions);
        let answers = self.store.accept(partition, vec![accept], self.accept.bounds()).await?;
        let acceptance = answers.first().copied().unwrap_or(Acceptance::Conflict);
        receipt(entry.id.clone(), acceptance)
    }
}

fn receipt(id: String, acceptance: Acceptance) -> Result<Receipt> {
    match acceptance {
        Acceptance::Accepted { stamp } => Ok(Receipt { id, accepted_at: stamp, duplicate: false }),
        Acceptance::Duplicate { stamp } => Ok(Receipt { id, accepted_at: stamp, duplicate: true }),
        Acceptance::Conflict => {
            let message = format!("the id {id:?} was accepted before with another content");
            Err(Error::new(Kind::Conflict, "conflict", message).hint("an id names one event: give each its own"))
        }
        Acceptance::Full(full) => {
            let (message, hint) = match full {
                Full::Inbox => ("the partition's inbox is full", "the hosts do not keep up: send again later"),
                Full::Context => {
                    ("too many events of this context wait", "slow this producer down: others are not affected")
                }
                Full::Ids => ("too many ids are remembered", "send again later, or raise the limit ids_max"),
                Full::Memory => (
                    "the store's memory is nearly full, and what is left is kept for work on what was accepted",
                    "send again later, or raise Redis's maxmemory",
                ),
            };
            Err(Error::new(Kind::Full, "full", message).hint(hint))
        }
    }
}

/// A random id, as a producer that gave none gets it.
pub(crate) fn draw_id() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
