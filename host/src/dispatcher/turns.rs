//! Runs one turn on a blocking thread: quests take processor time, and the I/O threads must stay free.

use std::{sync::Arc, time::Instant};

use quest_engine::partition::{Batch, Partition, Turn};

use super::{Shared, aside, share, tidy::Chores};
use crate::{
    quests::Serving,
    store::{Error, PartitionId, Result},
};

/// Runs a turn and gives the partition back with what the turn came to. A turn ends early when its time is used up:
/// what it leaves is in the batch, as backlog.
pub(super) async fn run(
    shared: &Arc<Shared>,
    number: PartitionId,
    mut partition: Partition,
    turn: Turn,
    chores: Chores,
    serving: Arc<dyn Serving>,
) -> Result<(Partition, Batch)> {
    let permit = shared.turns.acquire().await.map_err(|error| Error::Unavailable(error.to_string()))?;
    let budget = std::time::Duration::from_millis(shared.options.pace.turn_ms_max);
    let all = Arc::clone(shared);
    let work = move || {
        let (began, mut meter) = (Instant::now(), share::Meter::start());
        let mut actions = 0u64;
        partition.begin(turn);
        partition.expire_outcomes(chores.outcomes);
        partition.drop_oldest_dead(&chores.dead);
        while let Some(invocation) = partition.next() {
            let came = match all.options.runs_in_place {
                true => aside::in_place(&all, number, &*serving, invocation),
                false => aside::run(&all, number, &serving, invocation, &mut meter),
            };
            match came {
                aside::Came::Ran(ran) => {
                    partition.complete(ran);
                    actions += 1;
                }
                aside::Came::Aside => partition.set_aside(),
            }
            if began.elapsed() > budget && partition.is_between_runs() {
                break;
            }
        }
        let batch = partition.finish();
        (partition, batch, actions)
    };
    let (partition, batch, actions) = match shared.options.runs_in_place {
        true => work(),
        false => tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::Unusable(format!("a turn panicked (a bug of the host): {error}")))?,
    };
    drop(permit);
    Shared::count(&shared.counters.actions, actions);
    Ok((partition, batch))
}
