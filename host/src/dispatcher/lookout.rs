//! Looks, once in a while and for all owned partitions in one call, whether something waits: what makes a lost bell harmless.
//!
//! So an idle host asks its store once a second, however many partitions it owns.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use quest_engine::planted::{self, Bug};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::store::{PartitionId, Result};

/// Looks until `stop`.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let period = Duration::from_millis(shared.options.pace.idle_poll_ms.max(10));
    let mut broadcasts_seen = 0;
    let mut served = shared.quests.catalog();
    loop {
        // Cancel-safe: a token and a timer.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
        if planted::is(Bug::BellTrusted) {
            continue;
        }
        let now = shared.quests.catalog();
        if !Arc::ptr_eq(&served, &now) {
            // Where nothing happens, too, what the new code declares takes effect.
            served = now;
            shared.wake_all();
        }
        if let Err(error) = look(&shared, &mut broadcasts_seen).await {
            tracing::debug!(%error, "could not look at the inboxes; tried again");
        }
    }
}

async fn look(shared: &Shared, broadcasts_seen: &mut u64) -> Result<()> {
    let owned: Vec<PartitionId> = shared.owned.lock().keys().copied().collect();
    let counts = shared.store.waiting(&owned).await?;
    for (partition, count) in owned.iter().zip(counts) {
        // A hint that is still up: its owner could not look at the log.
        let may_have_broadcast = shared.broadcasts[usize::from(*partition)].load(Ordering::Acquire);
        if count > 0 || may_have_broadcast {
            shared.wake(*partition);
        }
    }
    let end = shared.store.broadcasts(0, 0).await?.end;
    // Not only a higher one: a log that was rolled back grows again.
    if end != *broadcasts_seen {
        shared.wake_for_broadcasts();
    }
    *broadcasts_seen = end;
    Ok(())
}
