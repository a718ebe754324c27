//! Where state lives: a narrow trait, and behind it Redis or the embedded store.
//!
//! Stores are mechanical. They check a token and a predecessor, write what they are told to, all or none, and never look into
//! a value; every decision is the engine's. What each method promises is held by one conformance suite over all stores.
//!
//! Must not know: wasm, the dispatcher, what an entry means.

pub mod embedded;
pub mod memory;
mod open;
mod ordered;
pub mod redis;

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use quest_engine::{model::Millis, write::Write};
use tokio::sync::broadcast;

pub use self::open::{BELLS_MAX, DEFAULT_IDS_WINDOW_MS, DEFAULT_PARTITIONS, Durability, Open, PARTITIONS_MAX, open};

/// A partition's number, from 0.
pub type PartitionId = u16;

/// The right to commit to a partition: `epoch:nonce`. Compared by equality only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// Grows with each grant, unless a store was rolled back.
    pub epoch: u64,
    /// Random: what makes two grants differ even then.
    pub nonce: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.epoch, self.nonce)
    }
}

/// What a store cannot do now, or ever.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store does not answer; what was asked may or may not have happened. Try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store refuses to write (full memory, full disk, read only). Nothing happened.
    #[error("the store refuses writes: {0}")]
    ReadOnly(String),
    /// The store holds what this version cannot read, or is not as it must be.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// What every store answers.
pub type Result<T> = std::result::Result<T, Error>;

/// What `Store::check` found, for the log and `quest-host run`.
#[derive(Debug, Clone)]
pub struct Report {
    /// One line: which store, where, which version.
    pub name: String,
    /// One line: what it promises in this configuration, what a crash can lose.
    pub promise: String,
    /// What an operator should mend.
    pub warnings: Vec<String>,
    /// The store's own id, drawn when it was created.
    pub store_id: String,
    /// How many partitions it was created with.
    pub partitions: PartitionId,
}

/// An entry on its way into an inbox or the broadcast log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The context that it counts for; empty for a broadcast.
    pub context: String,
    /// The producer's own id, if it gave one; scoped to the context.
    pub id: Option<String>,
    /// A digest of what the id stands for: the same id with another digest is a conflict.
    pub digest: Vec<u8>,
    /// Whether the producers' bounds apply (from outside), or only the reserve's (from within).
    pub from_outside: bool,
    /// The entry, opaque.
    pub bytes: Vec<u8>,
}

/// The bounds that accepting is held to. See the settings for their reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptBounds {
    /// Entries in an inbox (or the broadcast log) past which producers are refused.
    pub inbox_max: u64,
    /// Entries of one context waiting (inbox and backlog) past which its producers are refused.
    pub context_max: u64,
    /// Remembered ids of a partition past which entries with ids are refused.
    pub ids_max: u64,
    /// Entries past `inbox_max` that only entries from within may fill.
    pub reserve: u64,
}

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is in the inbox, with this stamp.
    Accepted {
        /// When it was accepted.
        stamp: Millis,
    },
    /// Its id was accepted before, with this stamp and the same digest; nothing was done.
    Duplicate {
        /// When the first one was accepted.
        stamp: Millis,
    },
    /// Its id was accepted before with another digest; nothing was done.
    Conflict,
    /// A bound is reached; nothing was done.
    Full(Full),
}

/// Which bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The partition's inbox, or the broadcast log.
    Inbox,
    /// The context's share of it.
    Context,
    /// The window of remembered ids.
    Ids,
    /// The store's memory, nearly: what is left is for work on what was accepted.
    Memory,
}

/// What `acquire` grants, with where the partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The right to commit.
    pub token: Token,
    /// The id of the last commit; empty before the first.
    pub head: String,
    /// How many inbox entries were ever consumed.
    pub consumed: u64,
    /// The partition's own clock.
    pub clock: Millis,
}

/// Bytes that one `take` gives, about: what a turn loads at once stays small, however large the entries are.
pub const TAKE_BYTES_MAX: usize = 4 << 20;

/// An entry's bytes, with its stamp before them.
pub type Stamped = (Millis, Vec<u8>);

/// What `take` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The store's clock at that moment.
    pub now: Millis,
    /// Stamps of entries accepted after this call are at least this.
    pub clock: Millis,
    /// The entries with their stamps, oldest first.
    pub entries: Vec<Stamped>,
    /// How many more stand behind them.
    pub behind: u64,
    /// The id of the last commit; empty before the first. Not the owner's last: the store was rolled back under it.
    pub head: String,
}

/// A part of the broadcast log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The number of the first entry given; larger than asked for if the log was trimmed past it.
    pub first: u64,
    /// The entries with their stamps.
    pub entries: Vec<Stamped>,
    /// The number that the next entry will have.
    pub end: u64,
}

/// One atomic change of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// This commit's id, never used before.
    pub id: String,
    /// The id of the commit before it.
    pub previous: String,
    /// How many inbox entries were ever consumed once this is applied.
    pub consumed: u64,
    /// The last entry that it consumes: its stamp, and how its bytes begin. A store that was put back may have another one under that
    /// number. Not compared if none.
    pub last: Option<Stamped>,
    /// For each context, how many of its entries are waiting no more (they leave the context's count).
    pub settled: Vec<(String, u64)>,
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// Entries for the partition's own inbox: never refused, stamped as they arrive. One whose id is remembered is left out.
    pub accept: Vec<Accept>,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// It is applied.
    Applied,
    /// It had been applied before (its answer was lost); nothing was done.
    AlreadyApplied,
    /// The token is not the owner's any more; nothing was done.
    Fenced,
    /// The predecessor is not the store's last commit, the store has consumed more than it, or has other entries: it was rolled back, or somebody else wrote. Nothing was done.
    Diverged {
        /// The id that the store has.
        head: String,
    },
}

/// Entries carried from another partition (or the ingress list) to an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Where they come from, e.g. `p17` or `list`.
    pub source: String,
    /// The source's stream id; a new one begins when the source was rolled back. A stream that the destination does not know
    /// begins at number 0 (or, without `expected`, anywhere).
    pub stream: String,
    /// The number that the destination must expect, or none where numbers may have gaps (then lower numbers are skipped).
    pub expected: Option<u64>,
    /// The entries with their numbers, ascending.
    pub entries: Vec<(u64, Accept)>,
}

/// What became of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relayed {
    /// The destination has all below `next` now. Where its inbox is full that may be fewer than were given.
    Upto {
        /// The number that it expects next.
        next: u64,
        /// Whether a full inbox stopped it.
        full: bool,
    },
    /// The destination stands elsewhere; nothing was done.
    At {
        /// The stream that it knows; empty if none.
        stream: String,
        /// The number that it expects next.
        next: u64,
    },
}

/// One read of a partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// All fields of a hash.
    Hash {
        /// The hash.
        key: String,
    },
    /// One field of a hash.
    HashField {
        /// The hash.
        key: String,
        /// The field.
        field: Vec<u8>,
    },
    /// All members of a set, ascending.
    Set {
        /// The set.
        key: String,
    },
    /// Some elements of a list.
    List {
        /// The list.
        key: String,
        /// Index of the first, from 0.
        from: u64,
        /// How many at most.
        count: u64,
    },
    /// A list's or a sorted set's length.
    Length {
        /// The list or sorted set.
        key: String,
    },
    /// A sorted set's members with a score below a bound, by score, then member.
    SortedBelow {
        /// The sorted set.
        key: String,
        /// The bound, exclusive.
        below: u64,
        /// How many at most.
        count: u64,
    },
    /// A sorted set's members, all of score 0, by member, after a given one.
    SortedAfter {
        /// The sorted set.
        key: String,
        /// The member to begin after; none for the first.
        after: Option<Vec<u8>>,
        /// How many at most.
        count: u64,
    },
}

impl Read {
    /// The members of a sorted set with the lowest scores, at most `count`: no score reaches what a sorted set can hold exactly.
    pub fn lowest(key: String, count: u64) -> Self {
        Self::SortedBelow { key, below: 1 << 53, count }
    }
}

/// What one read gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Of `Hash`, in any order.
    Fields(Vec<(Vec<u8>, Vec<u8>)>),
    /// Of `HashField`.
    Value(Option<Vec<u8>>),
    /// Of `Set`, `List` and `SortedAfter`.
    Items(Vec<Vec<u8>>),
    /// Of `SortedBelow`.
    Scored(Vec<(Vec<u8>, u64)>),
    /// Of `Length`.
    Count(u64),
}

/// A host as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The host's id, new at each start.
    pub host: String,
    /// What it says of itself, opaque to the store.
    pub about: Vec<u8>,
}

/// A hint that there is something to look at. May be lost; never the only way that work is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bell {
    /// New entries in a partition's inbox.
    Inbox(PartitionId),
    /// A new entry in the broadcast log.
    Broadcast,
    /// Hosts came or went.
    Members,
    /// A lease was given up: its partition may be taken.
    Released(PartitionId),
    /// Messages were published.
    Messages,
    /// The outcome of a call is stored.
    Outcome {
        /// The host that waits for it.
        host: String,
        /// The partition that holds it.
        partition: PartitionId,
        /// The call's id.
        id: String,
    },
}

/// A store. All methods may be called from any task; `accept`, `read`, `relay` need no token.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Looks at the store's configuration and names it. An unusable one is an error that says how to mend it.
    async fn check(&self) -> Result<Report>;

    /// Puts entries into a partition's inbox, each by itself: stamped with the larger of the store's clock and the partition's
    /// own, checked against ids and bounds. All or none are durable together. Rings `Bell::Inbox`.
    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>>;

    /// Takes the lease of a partition that nobody holds; none if somebody does. `ttl_ms` counts by the store's clock. The nonce of whoever
    /// holds it gets the same token again, with where the partition stands now.
    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>>;

    /// Prolongs leases; for each, whether it is still held.
    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>>;

    /// Gives a lease up if it is still held. Rings `Bell::Released`.
    async fn release(&self, partition: PartitionId, token: Token) -> Result<()>;

    /// Reads the inbox from entry number `from` on, at most `count`, and about [`TAKE_BYTES_MAX`] bytes (one entry at the least). With `fence`, and if the store's clock has reached it, the
    /// partition's clock is raised to the store's in the same step: what is accepted later has a stamp of at least `fence`. None if
    /// the token is not the owner's.
    async fn take(
        &self,
        partition: PartitionId,
        token: Token,
        from: u64,
        count: u64,
        fence: Option<Millis>,
    ) -> Result<Option<Taken>>;

    /// How many entries stand in each of these inboxes; one call for all.
    async fn waiting(&self, partitions: &[PartitionId]) -> Result<Vec<u64>>;

    /// Applies a commit, whole or not at all: token, predecessor, consumed count and last entry are checked before anything is written.
    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed>;

    /// Reads a partition's committed state, all at one moment.
    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>>;

    /// Carries entries from elsewhere into a partition's inbox, by compare-and-set on the destination's cursor for that source. Rings `Bell::Inbox`.
    /// Only the inbox's bound stops it (with the reserve, for entries from within); an entry whose id is remembered counts as carried.
    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed>;

    /// Appends to the broadcast log, with the same rules as `accept` (`context_max` does not apply). Rings `Bell::Broadcast`.
    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance>;

    /// Reads the broadcast log from entry number `from` on, at most `count` entries.
    async fn broadcasts(&self, from: u64, count: u64) -> Result<Log>;

    /// Drops the broadcast log's entries below `upto`, and ids older than `ids_before`.
    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()>;

    /// Says that a host lives, for `ttl_ms`, and gives all that live (it among them). With `ttl_ms` 0 it leaves.
    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>>;

    /// Keeps bytes under a name on a shelf, for all hosts and until they are replaced or, with none, removed. Outside of all partitions:
    /// nothing that becomes of an event rests on it. Durable as an accepted entry is.
    async fn keep(&self, shelf: &str, name: &str, bytes: Option<&[u8]>) -> Result<()>;

    /// What is kept under a name on a shelf.
    async fn kept(&self, shelf: &str, name: &str) -> Result<Option<Vec<u8>>>;

    /// Everything on a shelf, by name.
    async fn shelf(&self, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>>;

    /// Rings a bell for all hosts.
    async fn ring(&self, bell: Bell) -> Result<()>;

    /// Listens for bells, from now on.
    fn bells(&self) -> broadcast::Receiver<Bell>;
}

/// A random id of 16 hexadecimal digits, for what a store names by itself.
fn draw_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}
