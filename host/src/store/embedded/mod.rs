//! The embedded store: a data folder, no server, one host. fjall keeps the pairs (it measured fastest of five, see docs/decisions).
//!
//! A step is applied as one atomic batch to fjall's journal. With `always` it is answered when that is on disk; all that
//! wait at one moment share the same sync (`sync`).

mod folder;
mod sync;

use std::{ops::Bound, sync::Arc};

use async_trait::async_trait;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use self::{folder::Folder, sync::Syncer};
use super::{
    Durability, Error, Open, Report, Result,
    local::{Backend, Changes, Durable, Local, system_clock},
    ordered::pairs::{Pair, Pairs},
};

/// fjall's cache of blocks.
const CACHE_BYTES: u64 = 32 << 20;

/// The store.
pub type Embedded = Local<Disk>;

/// Opens the folder, or makes it. A folder in use, of a newer version or of another number of partitions is refused, unharmed.
pub fn open(open: &Open) -> Result<Embedded> {
    let folder = Folder::open(&open.data, open.partitions)?;
    let database = Database::builder(open.data.join("fjall"))
        .cache_size(CACHE_BYTES)
        .manual_journal_persist(true)
        .open()
        .map_err(|error| Error::Unusable(format!("{}: {error}", open.data.display())))?;
    let keyspace = database.keyspace("state", KeyspaceCreateOptions::default).map_err(unusable)?;
    let syncer = Syncer::start(database.clone(), open.durability)?;
    let promise = match open.durability {
        Durability::Always => "what is answered is on disk: a crash of host or machine loses nothing (always)",
        Durability::EverySec => {
            "a crash of the host loses nothing; a crash of the machine may lose the last second (everysec)"
        }
    };
    let report = Report {
        name: format!("embedded store in {}", open.data.display()),
        promise: promise.to_owned(),
        warnings: Vec::new(),
        store_id: folder.store_id.clone(),
        partitions: open.partitions,
    };
    let disk = Disk { database, keyspace, _folder: folder };
    Ok(Local::new(disk, syncer, report, open.ids_window_ms, Arc::new(system_clock)))
}

/// Pairs on disk.
pub struct Disk {
    database: Database,
    keyspace: Keyspace,
    /// Holds the folder's lock until the database is closed.
    _folder: Folder,
}

impl Pairs for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.keyspace.get(key).map_err(unusable)?.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        let pairs = self.keyspace.range::<&[u8], _>(range).take(limit);
        pairs
            .map(|guard| guard.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(unusable))
            .collect()
    }
}

impl Backend for Disk {
    type Durable = Syncer;

    fn apply(&mut self, changes: Changes) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(fjall::PersistMode::Buffer));
        for (key, change) in changes {
            match change {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        batch.commit().map_err(|error| Error::ReadOnly(error.to_string()))
    }
}

#[async_trait]
impl Durable for Syncer {
    fn point(&self) -> u64 {
        self.request()
    }

    async fn reached(&self, point: u64) -> Result<()> {
        self.synced(point).await
    }
}

fn unusable(error: fjall::Error) -> Error {
    Error::Unusable(error.to_string())
}
