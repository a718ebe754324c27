//! The embedded store's clock: the machine's, but never behind what the store has seen; and the sync once a second.
//!
//! Must not know: what is stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use fjall::{Database, PersistMode};
use quest_engine::model::Millis;

use super::journal::Groups;
use crate::store::{Error, Result, memory::Clock};

/// How long `everysec` may leave a write unsynced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Never steps back.
pub struct StoreClock {
    clock: Clock,
    seen: AtomicU64,
}

impl StoreClock {
    /// A clock that has shown `seen` before.
    pub fn new(clock: Clock, seen: Millis) -> Self {
        Self { clock, seen: AtomicU64::new(seen) }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        let now = self.clock.now();
        self.seen.fetch_max(now, Ordering::SeqCst).max(now)
    }
}

/// A thread that syncs once a second, and once more when it is dropped.
pub struct Syncer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(database: Database, groups: Arc<Groups>) -> Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name("store-syncer".to_owned())
            .spawn(move || {
                loop {
                    let last = stopped.recv_timeout(SYNC_EVERY) != Err(mpsc::RecvTimeoutError::Timeout);
                    let written = groups.written();
                    match database.persist(PersistMode::SyncData) {
                        Ok(()) => groups.synced(written),
                        // The database is poisoned by it: the next write is refused and says so.
                        Err(error) => tracing::error!(%error, "cannot sync the store"),
                    }
                    if last {
                        return;
                    }
                }
            })
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}
