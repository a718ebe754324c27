//! The one thread that writes: it takes all steps that wait, makes them one batch, syncs once, then answers them all.
//!
//! A step sees what the steps before it in its group did, through the overlay; readers see a group when it is durable.
//!
//! Must not know: what a step does.

use std::{ops::Bound, sync::Arc, thread};

use fjall::{Database, Keyspace, PersistMode, Readable as _, Snapshot};
use parking_lot::Mutex;
use quest_engine::model::Millis;
use tokio::sync::{mpsc, oneshot};

use super::time::StoreClock;
use crate::store::{
    Durability, Error, Result,
    ordered::{
        Machine,
        layout::global,
        pairs::{Overlay, Pair, Pairs, PairsMut},
    },
};

/// Steps that may wait for the writer; past it callers wait, which is what bounds memory.
const WAITING_MAX: usize = 1024;
/// Steps in one group: many share one sync, and no answer waits for too many others.
const GROUP_MAX: usize = 256;

/// Key of the store's clock, so that it does not step back over a restart.
pub const TIME: &str = "time";

/// The database, as pairs.
#[derive(Clone)]
pub struct Disk {
    /// All of the folder.
    pub database: Database,
    /// The one keyspace that is used.
    pub keyspace: Keyspace,
}

impl Disk {
    /// All pairs as they are at this moment.
    pub fn snapshot(&self) -> At {
        At { snapshot: self.database.snapshot(), keyspace: self.keyspace.clone() }
    }
}

impl Pairs for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.keyspace.get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        collect(self.keyspace.range::<&[u8], _>(range(from, to)), limit)
    }
}

/// The pairs of one moment.
pub struct At {
    snapshot: Snapshot,
    keyspace: Keyspace,
}

impl Pairs for At {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.snapshot.get(&self.keyspace, key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        collect(self.snapshot.range::<&[u8], _>(&self.keyspace, range(from, to)), limit)
    }
}

fn range<'a>(from: &'a [u8], to: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(from), Bound::Excluded(to.max(from)))
}

fn collect(found: fjall::Iter, limit: usize) -> Result<Vec<Pair>> {
    found.take(limit).map(|pair| pair.into_inner().map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(failed)).collect()
}

/// Runs a step; what it gives answers the caller once the group is durable, or failed.
type Step = Box<dyn FnOnce(&mut Machine, &mut Overlay<'_, Disk>, Millis) -> Answer + Send>;
type Answer = Box<dyn FnOnce(std::result::Result<(), String>) + Send>;

/// The handle to the thread. Dropping it ends the thread once it has done what waits.
pub struct Writer {
    steps: Option<mpsc::Sender<Step>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(
        disk: Disk,
        machine: Arc<Mutex<Machine>>,
        clock: Arc<StoreClock>,
        durability: Durability,
    ) -> Result<Self> {
        let (steps, waiting) = mpsc::channel(WAITING_MAX);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(waiting, &disk, &machine, &clock, durability))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { steps: Some(steps), thread: Some(thread) })
    }

    /// Has a step done; its answer comes when it is durable.
    pub async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Machine, &mut dyn PairsMut, Millis) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let gone = || Error::Unavailable("the store is closing".to_owned());
        let (reply, answer) = oneshot::channel();
        let boxed: Step = Box::new(move |machine, group, now| {
            // On changes of its own: a step that fails midway leaves nothing in the group.
            let mut own = Overlay::new(&*group);
            let done = step(machine, &mut own, now);
            if done.is_ok() {
                let changes = own.into_changes();
                group.take_in(changes);
            }
            Box::new(move |durable| {
                // A caller that went away needs no answer.
                let _ = reply.send(match durable {
                    Ok(()) => done,
                    Err(text) => Err(Error::ReadOnly(text)),
                });
            })
        });
        self.steps.as_ref().ok_or_else(gone)?.send(boxed).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.steps = None;
        if let Some(thread) = self.thread.take() {
            // It panicked only if a step did, and then its caller knows.
            let _ = thread.join();
        }
    }
}

fn run(
    mut waiting: mpsc::Receiver<Step>,
    disk: &Disk,
    machine: &Mutex<Machine>,
    clock: &StoreClock,
    durability: Durability,
) {
    while let Some(first) = waiting.blocking_recv() {
        let now = clock.now();
        let mut overlay = Overlay::new(disk);
        let mut answers = vec![first(&mut machine.lock(), &mut overlay, now)];
        while answers.len() < GROUP_MAX
            && let Ok(step) = waiting.try_recv()
        {
            answers.push(step(&mut machine.lock(), &mut overlay, clock.now()));
        }
        let durable = write(disk, overlay, clock.now(), durability);
        if durable.is_err() {
            // What a lease was granted on, or what its owner believes committed, may not be there.
            machine.lock().revoke_all();
        }
        for answer in answers {
            answer(durable.clone());
        }
    }
}

fn write(
    disk: &Disk,
    mut overlay: Overlay<'_, Disk>,
    now: Millis,
    durability: Durability,
) -> std::result::Result<(), String> {
    if overlay.is_empty() {
        return Ok(());
    }
    overlay.put(global(TIME), now.to_be_bytes().to_vec());
    let mut batch = disk.database.batch().durability(match durability {
        Durability::Always => Some(PersistMode::SyncData),
        Durability::Everysec => Some(PersistMode::Buffer),
    });
    for (key, change) in overlay.into_changes() {
        match change {
            Some(value) => batch.insert(&disk.keyspace, key, value),
            None => batch.remove(&disk.keyspace, key),
        }
    }
    batch.commit().map_err(|error| failed(error).to_string())
}

/// An error of the database as the store's.
pub fn failed(error: fjall::Error) -> Error {
    match error {
        fjall::Error::Io(error) => Error::ReadOnly(format!("the disk failed: {error}")),
        fjall::Error::Poisoned => Error::ReadOnly(
            "an earlier write failed, so nothing more is written; hint: look at the disk, then restart the host"
                .to_owned(),
        ),
        error => Error::Unusable(format!("the embedded database failed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Clock;
    use fjall::KeyspaceCreateOptions;

    #[tokio::test]
    async fn a_step_that_fails_midway_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::builder(folder.path()).open().expect("a database");
        let keyspace = database.keyspace("state", KeyspaceCreateOptions::default).expect("a keyspace");
        let disk = Disk { database, keyspace };
        let machine = Arc::new(Mutex::new(Machine::new(1_000)));
        let clock = Arc::new(StoreClock::new(Clock::System, 0));
        let writer = Writer::start(disk, machine, clock, Durability::Everysec).expect("a thread");
        let put = |key: &'static [u8], fails: bool| {
            writer.step(move |_, pairs, _| {
                pairs.put(key.to_vec(), b"1".to_vec());
                if fails { Err(Error::Unavailable("the disk".to_owned())) } else { Ok(()) }
            })
        };
        // In one group or not: each step is whole, or not there.
        let (first, broken, second) = tokio::join!(put(b"a", false), put(b"b", true), put(b"c", false));
        assert!(first.is_ok() && broken.is_err() && second.is_ok());
        let stored =
            writer.step(|_, pairs, _| [&b"a"[..], b"b", b"c"].iter().map(|key| pairs.get(key)).collect()).await;
        let stored: Vec<Option<Vec<u8>>> = stored.expect("read");
        assert_eq!(stored.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    }
}
