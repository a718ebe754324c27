//! The store without a server: a data folder, one host.
//!
//! [`folder`] keeps other processes and newer formats out, [`journal`] looks at what a crash left, [`writer`] makes groups of steps
//! durable, [`time`] is the clock.
//! What a step does stands in `ordered`, shared with the memory store. Leases live in memory: a restart on the same folder
//! waits for nobody. Reads look at a snapshot in the caller's task: a few keys take microseconds, less than a change of threads.
//!
//! Must not know: Redis, what an entry means.

mod folder;
mod journal;
mod time;
mod writer;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use fjall::{Database, KeyspaceCreateOptions};
use parking_lot::Mutex;
use quest_engine::model::Millis;
use tokio::sync::broadcast;

use self::{
    folder::Folder,
    journal::{GROUP, Groups, Mark},
    time::{StoreClock, Syncer},
    writer::{Disk, TIME, Writer, io_cause},
};
use super::{
    Accept, AcceptBounds, Acceptance, BELLS_MAX, Bell, Commit, Committed, Durability, Error, Grant, Log, Member, Open,
    PartitionId, Read, Relay, Relayed, Reply, Report, Result, Store, Taken, Token,
    memory::Clock,
    open::other_partitions,
    ordered::{
        Machine,
        layout::{damaged, global, number},
        pairs::Pairs as _,
    },
};

/// Bytes of table blocks kept in memory: contexts that are no longer in a partition's own cache are read from them.
const CACHE_BYTES: u64 = 128 << 20;
/// Key of the store's id.
const STORE: &str = "store";
/// Key of the number of partitions.
const PARTITIONS: &str = "partitions";

/// The embedded store. Fields are dropped in this order: the writer ends, the last sync is done, the folder is free.
pub struct Embedded {
    writer: Writer,
    _syncer: Option<Syncer>,
    disk: Disk,
    machine: Arc<Mutex<Machine>>,
    clock: Arc<StoreClock>,
    bells: broadcast::Sender<Bell>,
    durability: Durability,
    report: Report,
    _folder: Folder,
}

impl Embedded {
    /// Opens the folder, and makes it if it is not there. Blocks while a journal is recovered.
    pub fn open(settings: &Open) -> Result<Self> {
        Self::with_clock(settings, Clock::System)
    }

    /// As [`Self::open`], on a given clock.
    pub fn with_clock(settings: &Open, clock: Clock) -> Result<Self> {
        let folder = Folder::open(&settings.data)?;
        folder.make_database(|path| make(path, settings.partitions))?;
        journal::check(&folder.database())?;
        let disk = disk(&folder.database())?;
        let (store_id, partitions) = identity(&disk, settings.partitions)?;
        let seen = disk.get(&global(TIME))?.map_or(Ok(0), |bytes| number(&bytes))?;
        let clock = Arc::new(StoreClock::new(clock, seen));
        let machine = Arc::new(Mutex::new(Machine::new(settings.ids_window_ms)));
        let groups = Arc::new(Groups::after(disk.get(&global(GROUP))?.as_deref()));
        let writer = Writer::start(disk.clone(), machine.clone(), clock.clone(), groups.clone(), settings.durability)?;
        let syncer = match settings.durability {
            Durability::Always => None,
            Durability::Everysec => Some(Syncer::start(disk.database.clone(), groups)?),
        };
        let promise = match settings.durability {
            Durability::Always => "durability always: what is acknowledged is on the disk, a crash loses nothing of it",
            Durability::Everysec => {
                "durability everysec: a crash of the host loses nothing, one of the machine up to the last second"
            }
        };
        let report = Report {
            name: format!("embedded store in {}", settings.data.display()),
            promise: promise.to_owned(),
            warnings: Vec::new(),
            store_id,
            partitions,
        };
        let bells = broadcast::channel(BELLS_MAX).0;
        let durability = settings.durability;
        Ok(Self { writer, _syncer: syncer, disk, machine, clock, bells, durability, report, _folder: folder })
    }

    /// How durable an answered write is.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    fn tell(&self, bell: Bell) {
        // No listener is no error: bells are hints.
        let _ = self.bells.send(bell);
    }
}

/// The database at a path, as it is or new.
fn disk(path: &Path) -> Result<Disk> {
    let open = || -> fjall::Result<Disk> {
        let database = Database::builder(path).cache_size(CACHE_BYTES).open()?;
        let keyspace = database.keyspace("state", KeyspaceCreateOptions::default)?;
        Ok(Disk { database, keyspace })
    };
    open().map_err(|error| cannot("open", path, &error))
}

/// What failed before the store serves, and where.
fn cannot(what: &str, path: &Path, error: &fjall::Error) -> Error {
    match io_cause(error) {
        Some(cause) => folder::failed(what, path, cause),
        None => Error::Unusable(format!("cannot {what} {}: {error}", path.display())),
    }
}

/// Makes a database with a new store's id and its number of partitions, which are fixed for ever.
fn make(path: &Path, partitions: PartitionId) -> Result<()> {
    let disk = disk(path)?;
    let mut batch = disk.database.batch().durability(Some(fjall::PersistMode::SyncAll));
    batch.insert(&disk.keyspace, global(STORE), super::draw_id().as_bytes());
    batch.insert(&disk.keyspace, global(PARTITIONS), u64::from(partitions).to_be_bytes());
    batch.insert(&disk.keyspace, global(GROUP), Mark::FIRST.bytes());
    batch.commit().map_err(|error| cannot("create", path, &error))
}

/// The store's id and its number of partitions.
fn identity(disk: &Disk, wanted: PartitionId) -> Result<(String, PartitionId)> {
    let id = disk.get(&global(STORE))?.and_then(|id| String::from_utf8(id).ok());
    let id = id.ok_or_else(|| damaged("the store's id"))?;
    let stored = disk.get(&global(PARTITIONS))?.map_or(Ok(0), |bytes| number(&bytes))?;
    let stored = PartitionId::try_from(stored).map_err(|_| damaged("the number of partitions"))?;
    if stored != wanted {
        return Err(other_partitions(stored, wanted));
    }
    Ok((id, stored))
}

#[async_trait]
impl Store for Embedded {
    async fn check(&self) -> Result<Report> {
        self.writer.check()?;
        Ok(self.report.clone())
    }

    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        let step = self
            .writer
            .step(move |machine, pairs, now| machine.accept(pairs, now, partition, &entries, &bounds))
            .await?;
        self.tell(Bell::Inbox(partition));
        Ok(step)
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        self.writer.step(move |machine, pairs, now| machine.acquire(pairs, now, partition, nonce, ttl_ms)).await
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        let now = self.clock.now();
        Ok(self.machine.lock().renew(now, leases, ttl_ms))
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        let now = self.clock.now();
        let held = self.machine.lock().release(now, partition, token);
        if held {
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
        let now = self.clock.now();
        if !self.machine.lock().holds(partition, token, now) {
            return Ok(None);
        }
        let fence = fence.unwrap_or(Millis::MAX);
        let pairs = self.disk.snapshot();
        if !Machine::raises(&pairs, now, partition, fence)? {
            return Machine::taken(&pairs, now, partition, from, count).map(Some);
        }
        self.writer
            .step(move |machine, pairs, now| {
                if !machine.holds(partition, token, now) {
                    return Ok(None);
                }
                Machine::raise(pairs, now, partition, fence)?;
                Machine::taken(pairs, now, partition, from, count).map(Some)
            })
            .await
    }

    async fn waiting(&self, partitions: &[PartitionId]) -> Result<Vec<u64>> {
        Machine::waiting(&self.disk.snapshot(), partitions)
    }

    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed> {
        self.writer.step(move |machine, pairs, now| machine.commit(pairs, now, partition, token, &commit)).await
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        Machine::read(&self.disk.snapshot(), partition, &reads)
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        let step =
            self.writer.step(move |machine, pairs, now| machine.relay(pairs, now, partition, &relay, &bounds)).await?;
        self.tell(Bell::Inbox(partition));
        Ok(step)
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        let step = self.writer.step(move |machine, pairs, now| machine.broadcast(pairs, now, entry, &bounds)).await?;
        self.tell(Bell::Broadcast);
        Ok(step)
    }

    async fn broadcasts(&self, from: u64, count: u64) -> Result<Log> {
        Machine::broadcasts(&self.disk.snapshot(), from, count)
    }

    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()> {
        self.writer.step(move |_, pairs, _| Machine::trim_broadcasts(pairs, upto, ids_before)).await
    }

    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>> {
        let now = self.clock.now();
        let (members, changed) = self.machine.lock().heartbeat(now, host, about, ttl_ms);
        if changed {
            self.tell(Bell::Members);
        }
        Ok(members)
    }

    async fn keep(&self, shelf: &str, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        let (shelf, name, bytes) = (shelf.to_owned(), name.to_owned(), bytes.map(<[u8]>::to_vec));
        self.writer
            .step(move |_, pairs, _| {
                Machine::keep(pairs, &shelf, &name, bytes.clone());
                Ok(())
            })
            .await
    }

    async fn kept(&self, shelf: &str, name: &str) -> Result<Option<Vec<u8>>> {
        Machine::kept(&self.disk.snapshot(), shelf, name)
    }

    async fn shelf(&self, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        Machine::shelf(&self.disk.snapshot(), shelf)
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        self.tell(bell);
        Ok(())
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}
