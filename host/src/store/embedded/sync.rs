//! Group sync: everybody who waits at one moment shares one fsync.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use fjall::{Database, PersistMode};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::store::{Durability, Error, Result};

/// The time between syncs with `everysec`.
const PERIOD: Duration = Duration::from_secs(1);

/// What is on disk: a point, or why nothing more will be.
type Synced = std::result::Result<u64, String>;

/// Syncs the journal on a thread of its own.
pub struct Syncer {
    durability: Durability,
    shared: Arc<Shared>,
    synced: watch::Receiver<Synced>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    requested: Mutex<Requested>,
    wake: Condvar,
}

#[derive(Default)]
struct Requested {
    point: u64,
    stopped: bool,
}

impl Syncer {
    pub(super) fn start(database: Database, durability: Durability) -> Result<Self> {
        let shared = Arc::new(Shared { requested: Mutex::default(), wake: Condvar::new() });
        let (send, synced) = watch::channel(Ok(0));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || run(&database, durability, &theirs, &send))
            .map_err(|error| Error::Unusable(format!("cannot start the sync thread: {error}")))?;
        Ok(Self { durability, shared, synced, thread: Some(thread) })
    }

    /// Asks for a sync of everything applied so far.
    pub(super) fn request(&self) -> u64 {
        let mut requested = self.shared.requested.lock();
        requested.point += 1;
        if self.durability == Durability::Always {
            self.shared.wake.notify_one();
        }
        requested.point
    }

    /// Waits for a sync, where that is promised.
    pub(super) async fn synced(&self, point: u64) -> Result<()> {
        let mut synced = self.synced.clone();
        if self.durability == Durability::EverySec {
            return check(&synced.borrow());
        }
        let reached = synced.wait_for(|synced| synced.as_ref().map_or(true, |done| *done >= point)).await;
        reached.map_err(|_| Error::ReadOnly("the sync thread ended".to_owned())).and_then(|synced| check(&synced))
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.requested.lock().stopped = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn check(synced: &Synced) -> Result<()> {
    synced.as_ref().map(|_| ()).map_err(|error| Error::ReadOnly(error.clone()))
}

fn run(database: &Database, durability: Durability, shared: &Shared, synced: &watch::Sender<Synced>) {
    let mut done = 0;
    loop {
        let (point, stopped) = {
            let mut requested = shared.requested.lock();
            if durability == Durability::EverySec && !requested.stopped {
                shared.wake.wait_for(&mut requested, PERIOD);
            }
            while durability == Durability::Always && requested.point == done && !requested.stopped {
                shared.wake.wait(&mut requested);
            }
            (requested.point, requested.stopped)
        };
        if point > done {
            // After a failed fsync the kernel may have dropped the pages: nothing later can be promised, so nothing is.
            if let Err(error) = database.persist(PersistMode::SyncData) {
                let _ = synced.send(Err(format!("a sync failed, restart the host: {error}")));
                return;
            }
            done = point;
            let _ = synced.send(Ok(point));
        }
        if stopped {
            return;
        }
    }
}
