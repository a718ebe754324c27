//! A fixed piece of work against a store, and the accounts that must balance after it, whatever happened meanwhile: what was
//! accepted is applied or waits, once and in order; a commit is there whole, and none without its predecessor.

use std::fmt;

use quest_engine::write::Write;
use quest_host::store::{Accept, AcceptBounds, Acceptance, Commit, Committed, PartitionId, Read, Reply, Result, Store};

/// Bounds that no test reaches.
const WIDE: AcceptBounds = AcceptBounds { inbox_max: 100_000, context_max: 100_000, ids_max: 1_000_000, reserve: 100 };
/// The work's lease outlives any test.
const TTL_MS: u64 = 3_600_000;
/// How often somebody goes on after a refusal before giving up.
const REFUSALS_MAX: u64 = 3;
const CONTEXT: &str = "c";

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// In this many partitions, in turn.
    pub partitions: PartitionId,
    /// Entries in each, each with a commit of its own.
    pub rounds: u64,
    /// Entries have up to this many bytes.
    pub bytes_max: usize,
}

/// What the store answered, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// This entry of a partition is accepted.
    Accepted(PartitionId, u64),
    /// A partition's entries up to this one are applied.
    Committed(PartitionId, u64),
    /// An error, with its text.
    Refused(String),
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(partition, entry) => write!(f, "accepted {partition} {entry}"),
            Self::Committed(partition, entry) => write!(f, "committed {partition} {entry}"),
            Self::Refused(text) => write!(f, "refused {text}"),
        }
    }
}

impl Heard {
    /// Reads a line.
    pub fn read(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(' ')?;
        let numbers = || rest.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        match what {
            "accepted" => numbers().map(|(partition, entry)| Self::Accepted(partition, entry)),
            "committed" => numbers().map(|(partition, entry)| Self::Committed(partition, entry)),
            "refused" => Some(Self::Refused(rest.to_owned())),
            _ => None,
        }
    }
}

/// A partition as its owner knows it.
struct Owner {
    partition: PartitionId,
    token: quest_host::store::Token,
    head: String,
    consumed: u64,
}

impl Work {
    /// Does the work, or what of it is not done yet, as a well-behaved producer and owner: each id until it is accepted, each commit after
    /// its predecessor. Goes on a little after a refusal, so that a store which takes it back is heard.
    pub async fn on(&self, store: &dyn Store, mut hear: impl FnMut(Heard)) {
        let mut refusals = 0;
        while let Err(error) = self.once(store, &mut hear).await {
            hear(Heard::Refused(error.to_string().replace('\n', " ")));
            refusals += 1;
            if refusals == REFUSALS_MAX {
                return;
            }
        }
    }

    async fn once(&self, store: &dyn Store, hear: &mut impl FnMut(Heard)) -> Result<()> {
        let mut owners = Vec::new();
        for partition in 0..self.partitions {
            owners.push(own(store, partition).await?);
        }
        for entry in 1..=self.rounds {
            for owner in &mut owners {
                if owner.consumed < entry {
                    self.step(store, owner, entry, hear).await?;
                }
            }
        }
        for owner in owners {
            store.release(owner.partition, owner.token).await?;
        }
        Ok(())
    }

    async fn step(&self, store: &dyn Store, owner: &mut Owner, entry: u64, hear: &mut impl FnMut(Heard)) -> Result<()> {
        let partition = owner.partition;
        let answers = store.accept(partition, vec![self.accept(partition, entry)], WIDE).await?;
        let is_in = matches!(answers[..], [Acceptance::Accepted { .. } | Acceptance::Duplicate { .. }]);
        assert!(is_in, "entry {entry} of partition {partition}: {answers:?}");
        hear(Heard::Accepted(partition, entry));
        let taken = store.take(partition, owner.token, owner.consumed, 10, None).await?.expect("the lease holds");
        let entries: Vec<Vec<u8>> = taken.entries.into_iter().map(|(_, bytes)| bytes).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let commit = owner.commit(entries);
        let (head, consumed) = (commit.id.clone(), commit.consumed);
        let committed = store.commit(partition, owner.token, commit).await?;
        assert!(matches!(committed, Committed::Applied | Committed::AlreadyApplied), "{head}: {committed:?}");
        (owner.head, owner.consumed) = (head, consumed);
        hear(Heard::Committed(partition, consumed));
        Ok(())
    }

    fn accept(&self, partition: PartitionId, entry: u64) -> Accept {
        let bytes = self.entry(partition, entry);
        let digest = entry.to_be_bytes().to_vec();
        Accept { context: CONTEXT.to_owned(), id: Some(format!("e{entry}")), digest, from_outside: true, bytes }
    }

    /// An entry's bytes: the same ones each time.
    fn entry(&self, partition: PartitionId, entry: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(u64::from(partition) << 32 | entry);
        let mut bytes = format!("{partition}:{entry}:").into_bytes();
        bytes.resize_with(bytes.len() + rng.usize(..self.bytes_max), || rng.u8(..));
        bytes
    }

    /// Looks at what is there, and holds it against what was heard. How many entries each partition has applied.
    ///
    /// # Panics
    /// When the accounts do not balance.
    pub async fn audit(&self, store: &dyn Store, heard: &[Heard]) -> Vec<u64> {
        let mut applied = Vec::new();
        for partition in 0..self.partitions {
            let owner = own(store, partition).await.expect("a lease");
            let waiting = self.look(store, &owner).await;
            for answer in heard {
                match *answer {
                    Heard::Accepted(of, entry) if of == partition => {
                        assert!(entry <= owner.consumed + waiting, "accepted entry {entry} of partition {of} is lost");
                    }
                    Heard::Committed(of, entry) if of == partition => {
                        assert!(entry <= owner.consumed, "the commit of entry {entry} of partition {of} is lost");
                    }
                    _ => {}
                }
            }
            store.release(partition, owner.token).await.expect("given up");
            applied.push(owner.consumed);
        }
        applied
    }

    /// Holds a partition against itself: each entry once, in order; how many wait.
    async fn look(&self, store: &dyn Store, owner: &Owner) -> u64 {
        let Owner { partition, consumed, .. } = *owner;
        let is_new = consumed == 0;
        assert_eq!(owner.head, if is_new { String::new() } else { format!("c{consumed}") }, "the last commit is whole");
        let reads = vec![
            Read::HashField { key: "account".to_owned(), field: b"applied".to_vec() },
            Read::Length { key: "done".to_owned() },
        ];
        let replies = store.read(partition, reads).await.expect("readable");
        let account = (!is_new).then(|| consumed.to_string().into_bytes());
        assert_eq!(replies, [Reply::Value(account), Reply::Count(consumed)], "the last commit is whole");
        for entry in 1..=consumed {
            let read = Read::List { key: "done".to_owned(), from: entry - 1, count: 1 };
            let replies = store.read(partition, vec![read]).await.expect("readable");
            assert!(
                replies == [Reply::Items(vec![self.entry(partition, entry)])],
                "entry {entry} is applied in its place"
            );
        }
        let mut waiting = 0;
        loop {
            let from = consumed + waiting;
            let taken = store.take(partition, owner.token, from, 100, None).await.expect("readable").expect("a lease");
            if taken.entries.is_empty() {
                return waiting;
            }
            for (_, bytes) in taken.entries {
                waiting += 1;
                assert!(
                    bytes == self.entry(partition, consumed + waiting),
                    "entry {} waits in its place",
                    consumed + waiting
                );
            }
        }
    }
}

async fn own(store: &dyn Store, partition: PartitionId) -> Result<Owner> {
    // The same number draws the same lease again, should an earlier try of this process hold it.
    let grant = store.acquire(partition, 1, TTL_MS).await?.expect("nobody else has the lease");
    Ok(Owner { partition, token: grant.token, head: grant.head, consumed: grant.consumed })
}

impl Owner {
    /// The next commit: its parts lie in several places, so that half of it would show.
    fn commit(&self, entries: Vec<Vec<u8>>) -> Commit {
        let count = entries.len() as u64;
        let consumed = self.consumed + count;
        let mut writes: Vec<Write> =
            entries.into_iter().map(|value| Write::ListAppend { key: "done".to_owned(), value }).collect();
        writes.push(Write::HashSet {
            key: "account".to_owned(),
            field: b"applied".to_vec(),
            value: consumed.to_string().into_bytes(),
        });
        Commit {
            id: format!("c{consumed}"),
            previous: self.head.clone(),
            consumed,
            last: None,
            settled: vec![(CONTEXT.to_owned(), count)],
            writes,
            accept: Vec::new(),
        }
    }
}
