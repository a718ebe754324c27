//! What has to be swept now and then: outcomes that nobody asked for, dead letters past their bound, the end of the broadcast log.

use std::time::Duration;

use futures_util::future::try_join_all;
use quest_engine::{
    keys,
    model::{DeadLetter, Millis},
    record::BroadcastCursor,
};
use tokio::time::Instant;

use super::Shared;
use crate::{
    replies::read,
    store::{PartitionId, Read, Result, Store},
};

/// Outcomes, or dead letters, that one turn removes: a commit stays small.
const CHORES_MAX: u64 = 1_000;
/// The partition whose owner trims the broadcast log for all.
const TRIMMER: PartitionId = 0;

/// What a turn is to remove.
#[derive(Debug, Default)]
pub(super) struct Chores {
    /// Places of outcomes in their order.
    pub outcomes: Vec<Vec<u8>>,
    /// The oldest dead letters.
    pub dead: Vec<DeadLetter>,
}

impl Chores {
    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.dead.is_empty()
    }
}

/// When one partition was last swept.
#[derive(Debug)]
pub(super) struct Broom {
    swept: Instant,
    died: u64,
}

impl Broom {
    pub(super) fn new() -> Self {
        Self { swept: Instant::now(), died: 0 }
    }

    /// Dead letters were made: many bring the next look forward.
    pub(super) fn died(&mut self, count: usize) {
        self.died += count as u64;
    }

    /// How long until the next look is due.
    pub(super) fn due_in(&self, shared: &Shared) -> Duration {
        Duration::from_millis(shared.options.pace.tidy_ms).saturating_sub(self.swept.elapsed())
    }

    /// What there is to sweep, if a look is due.
    pub(super) async fn look(&mut self, shared: &Shared, number: PartitionId, now: Millis) -> Result<Chores> {
        let pace = &shared.options.pace;
        if !self.due_in(shared).is_zero() && self.died <= pace.dead_max / 8 {
            return Ok(Chores::default());
        }
        let store = &*shared.store;
        let below = now.saturating_sub(pace.outcome_kept_ms);
        let reads = vec![
            Read::SortedBelow { key: keys::OUTCOMES_ORDER.to_owned(), below, count: CHORES_MAX },
            Read::Length { key: keys::DEAD_ORDER.to_owned() },
        ];
        let mut replies = read(store, number, reads).await?;
        let outcomes: Vec<Vec<u8>> = replies.scored().into_iter().map(|(place, _)| place.into_bytes()).collect();
        let dead = replies.count().saturating_sub(pace.dead_max);
        let dead = oldest_dead(store, number, dead.min(CHORES_MAX)).await?;
        if number == TRIMMER
            && let Err(error) = trim(shared).await
        {
            // Of a cluster, another partition's node may be down: that must not hold this partition up.
            tracing::debug!(%error, "cannot trim the broadcast log now");
        }
        // As many as fit: there may be more, so the next turn looks again.
        let more = [outcomes.len(), dead.len()].contains(&(CHORES_MAX as usize));
        if !more {
            (self.swept, self.died) = (Instant::now(), 0);
        }
        Shared::count(&shared.counters.dead_dropped, dead.len() as u64);
        if !dead.is_empty() {
            tracing::warn!(
                partition = number,
                count = dead.len(),
                max = pace.dead_max,
                "dropped the oldest dead letters"
            );
        }
        Ok(Chores { outcomes, dead })
    }
}

/// Drops the part of the broadcast log that every partition is past. One that never ran stands at the beginning, and holds it. What is
/// there is asked for each time: a log that was put back has its beginning again.
async fn trim(shared: &Shared) -> Result<()> {
    let cursors = (0..shared.options.partitions).map(|partition| position(&*shared.store, partition));
    let Some(upto) = try_join_all(cursors).await?.into_iter().min() else { return Ok(()) };
    if shared.store.broadcasts(0, 0).await?.first < upto {
        shared.store.trim_broadcasts(upto, 0).await?;
    }
    Ok(())
}

/// The broadcast that a partition is at.
async fn position(store: &dyn Store, partition: PartitionId) -> Result<u64> {
    let field = keys::BROADCAST.as_bytes().to_vec();
    let mut replies = read(store, partition, vec![Read::HashField { key: keys::CURSORS.to_owned(), field }]).await?;
    Ok(replies.record::<BroadcastCursor>()?.unwrap_or_default().entry)
}

async fn oldest_dead(store: &dyn Store, number: PartitionId, count: u64) -> Result<Vec<DeadLetter>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let oldest = Read::lowest(keys::DEAD_ORDER.to_owned(), count);
    let ids = read(store, number, vec![oldest]).await?.scored();
    let field =
        |(id, _): &(String, u64)| Read::HashField { key: keys::DEAD.to_owned(), field: id.clone().into_bytes() };
    let mut replies = read(store, number, ids.iter().map(field).collect()).await?;
    ids.iter().filter_map(|_| replies.record().transpose()).collect()
}
