//! The one thread that writes: it takes all steps that wait, makes them one batch, syncs once, then answers them all.
//!
//! A step sees what the steps before it in its group did, through the overlay; readers see a group when it is durable.
//!
//! Must not know: what a step does.

use std::{
    ops::Bound,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use fjall::{AbstractTree as _, Database, Keyspace, PersistMode, Readable as _, Snapshot};
use parking_lot::Mutex;
use quest_engine::model::Millis;
use tokio::sync::{mpsc, oneshot};

use super::{
    journal::{GROUP, Groups},
    time::StoreClock,
};
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

/// Tables of the database's memory that wait to be written; the database itself waits at one more.
const UNWRITTEN_MAX: usize = 3;
/// Tables that wait to be merged; the database itself waits at 30.
const UNMERGED_MAX: usize = 29;
/// How often a writer that waits for tables looks again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

/// The handle to the thread. Dropping it ends the thread once it has done what waits.
pub struct Writer {
    steps: Option<mpsc::Sender<Step>>,
    thread: Option<thread::JoinHandle<()>>,
    stopped: Arc<OnceLock<String>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(
        disk: Disk,
        machine: Arc<Mutex<Machine>>,
        clock: Arc<StoreClock>,
        groups: Arc<Groups>,
        durability: Durability,
    ) -> Result<Self> {
        let (steps, waiting) = mpsc::channel(WAITING_MAX);
        let stopped = Arc::new(OnceLock::new());
        let pen = Pen { disk, clock, groups, durability, stopped: stopped.clone() };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(waiting, &pen, &machine))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { steps: Some(steps), thread: Some(thread), stopped })
    }

    /// An error once a write has failed: nothing more is written then.
    pub fn check(&self) -> Result<()> {
        self.stopped.get().map_or(Ok(()), |cause| Err(stopped(cause)))
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
                let _ = reply.send(durable.and(done));
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

fn run(mut waiting: mpsc::Receiver<Step>, pen: &Pen, machine: &Mutex<Machine>) {
    let Pen { disk, clock, .. } = pen;
    while let Some(first) = waiting.blocking_recv() {
        let now = clock.now();
        let mut overlay = Overlay::new(disk);
        let mut answers = vec![first(&mut machine.lock(), &mut overlay, now)];
        while answers.len() < GROUP_MAX
            && let Ok(step) = waiting.try_recv()
        {
            answers.push(step(&mut machine.lock(), &mut overlay, clock.now()));
        }
        let durable = pen.write(overlay);
        if durable.is_err() {
            // What a lease was granted on, or what its owner believes committed, may not be there.
            machine.lock().revoke_all();
        }
        for answer in answers {
            answer(durable.clone());
        }
    }
}

/// What writes groups.
struct Pen {
    disk: Disk,
    clock: Arc<StoreClock>,
    groups: Arc<Groups>,
    durability: Durability,
    /// Why nothing more is written, once a write failed.
    stopped: Arc<OnceLock<String>>,
}

impl Pen {
    fn write(&self, mut overlay: Overlay<'_, Disk>) -> Result<()> {
        if overlay.is_empty() {
            return Ok(());
        }
        let mark = self.groups.next();
        overlay.put(global(TIME), self.clock.now().to_be_bytes().to_vec());
        overlay.put(global(GROUP), mark.bytes());
        let mut batch = self.disk.database.batch().durability(match self.durability {
            Durability::Always => Some(PersistMode::SyncData),
            Durability::Everysec => Some(PersistMode::Buffer),
        });
        for (key, change) in overlay.into_changes() {
            match change {
                Some(value) => batch.insert(&self.disk.keyspace, key, value),
                None => batch.remove(&self.disk.keyspace, key),
            }
        }
        self.wait_for_tables().and_then(|()| batch.commit()).map_err(|error| self.stop(error))?;
        self.groups.wrote(mark);
        if self.durability == Durability::Always {
            self.groups.synced(mark.group());
        }
        Ok(())
    }

    /// The database has a writer wait while this many tables are still to be written and merged; but it would wait for ever once its
    /// threads have stopped at a fault. So the wait is here, just before its own, and hears of that.
    fn wait_for_tables(&self) -> fjall::Result<()> {
        let tree = &self.disk.keyspace.tree;
        while tree.sealed_memtable_count() >= UNWRITTEN_MAX || tree.l0_run_count() >= UNMERGED_MAX {
            self.disk.database.persist(PersistMode::Buffer)?;
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// After a write or a sync that failed nobody knows what is on the disk until the journal is read again.
    fn stop(&self, error: fjall::Error) -> Error {
        if matches!(error, fjall::Error::Poisoned) {
            return stopped(self.stopped.get_or_init(|| "in the background, see the log".to_owned()));
        }
        let cause = self.stopped.get_or_init(|| told(&error));
        tracing::error!(%error, "a write failed, nothing more is written until the host is restarted; hint: see to the disk first");
        Error::Unavailable(format!(
            "{cause}; whether this was written shows after a restart; hint: see to the disk, then restart the host"
        ))
    }
}

/// What a step hears once nothing more is written.
fn stopped(cause: &str) -> Error {
    Error::ReadOnly(format!(
        "an earlier write failed ({cause}), so nothing more is written; hint: see to the disk, then restart the host"
    ))
}

/// An error of the database as the store's.
fn failed(error: fjall::Error) -> Error {
    let text = told(&error);
    if io_cause(&error).is_some() { Error::Unavailable(text) } else { Error::Unusable(text) }
}

fn told(error: &fjall::Error) -> String {
    match io_cause(error) {
        Some(cause) => format!("the disk failed: {cause}"),
        None => format!("the embedded database failed: {error}"),
    }
}

/// What the operating system said, if it was that.
pub fn io_cause(error: &fjall::Error) -> Option<&std::io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
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
        let groups = Arc::new(Groups::after(None));
        let writer = Writer::start(disk, machine, clock, groups, Durability::Everysec).expect("a thread");
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
