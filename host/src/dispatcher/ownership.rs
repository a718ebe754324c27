//! Which partitions this host owns: rendezvous hashing over the hosts that live and are not leaving.
//!
//! Sharing is only about speed. What keeps two owners apart is the token that every commit checks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::{sync::broadcast::error::RecvError, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Shared, owner};
use crate::store::{Bell, Member, PartitionId, Token};

/// What a host tells the others of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct About {
    draining: bool,
}

/// A partition that this host owns, and the handle on its task.
struct Held {
    token: Token,
    stop: CancellationToken,
    /// Why it is to stop; for the log.
    leaving: bool,
}

/// Owns what is this host's share until `stop`, then gives everything up.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut held: BTreeMap<PartitionId, Held> = BTreeMap::new();
    let mut owners: JoinSet<PartitionId> = JoinSet::new();
    let mut bells = shared.store.bells();
    let period = Duration::from_millis((shared.options.pace.lease_ms / 4).max(50));
    let mut next_look = Instant::now();
    let mut settled = false;
    loop {
        // Cancel-safe: a timer, a broadcast receiver, a join set and a token; none loses anything when dropped.
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(next_look) => {}
            bell = bells.recv() => match bell {
                Ok(bell) => if !ring(&shared, &bell) { continue },
                Err(RecvError::Lagged(_)) => shared.bells.iter().for_each(tokio::sync::Notify::notify_one),
                Err(RecvError::Closed) => tokio::time::sleep(period).await,
            },
            Some(ended) = owners.join_next(), if !owners.is_empty() => {
                forget(&shared, &mut held, ended.ok());
            }
        }
        next_look = Instant::now() + period;
        renew(&shared, &mut held).await;
        let Some(mine) = share(&shared, false).await else { continue };
        for (partition, lease) in
            held.iter_mut().filter(|(partition, lease)| !mine.contains(partition) && !lease.leaving)
        {
            tracing::info!(partition, "gives a partition up: another host's share now");
            lease.leaving = true;
            lease.stop.cancel();
        }
        let wanted: Vec<PartitionId> = mine.iter().copied().filter(|partition| !held.contains_key(partition)).collect();
        for (partition, grant) in acquire(&shared, &wanted).await {
            let lease = Held { token: grant.token, stop: CancellationToken::new(), leaving: false };
            shared.owned.lock().insert(partition, grant.token);
            owners.spawn(owner::run(Arc::clone(&shared), partition, grant, lease.stop.clone()));
            held.insert(partition, lease);
        }
        if !settled && held.len() == mine.len() {
            settled = true;
            tracing::info!(partitions = held.len(), "owns its share of the partitions");
        }
        // The broadcast bell may be lost: once a look, the owners are told to look themselves.
        shared.broadcasts_end.store(u64::MAX, Ordering::Relaxed);
    }
    drain(&shared, held, owners).await;
}

/// Passes a bell on; whether ownership must be looked at.
fn ring(shared: &Shared, bell: &Bell) -> bool {
    match bell {
        Bell::Inbox(partition) => {
            if let Some(bell) = shared.bells.get(usize::from(*partition)) {
                bell.notify_one();
            }
            false
        }
        Bell::Broadcast => {
            shared.broadcasts_end.store(u64::MAX, Ordering::Relaxed);
            shared.bells.iter().for_each(tokio::sync::Notify::notify_one);
            false
        }
        Bell::Members | Bell::Released(_) => true,
        Bell::Outcome { .. } => false,
    }
}

fn forget(shared: &Shared, held: &mut BTreeMap<PartitionId, Held>, ended: Option<PartitionId>) {
    match ended {
        Some(partition) => {
            held.remove(&partition);
            shared.owned.lock().remove(&partition);
        }
        // A task that panicked does not say which it was: its lease is not renewed, and runs out.
        None => tracing::error!("a partition's task panicked; its lease runs out and it is taken anew"),
    }
}

async fn renew(shared: &Shared, held: &mut BTreeMap<PartitionId, Held>) {
    let leases: Vec<(PartitionId, Token)> = held.iter().map(|(partition, lease)| (*partition, lease.token)).collect();
    if leases.is_empty() {
        return;
    }
    match shared.store.renew(&leases, shared.options.pace.lease_ms).await {
        Ok(kept) => {
            for ((partition, _), _) in leases.iter().zip(kept).filter(|(_, kept)| !kept) {
                if let Some(lease) = held.get_mut(partition).filter(|lease| !lease.leaving) {
                    tracing::warn!(partition, "lost a partition's lease");
                    lease.leaving = true;
                    lease.stop.cancel();
                }
            }
        }
        Err(error) => tracing::warn!(%error, "could not renew the leases"),
    }
}

/// This host's share, or none if the store does not say who lives.
async fn share(shared: &Shared, draining: bool) -> Option<BTreeSet<PartitionId>> {
    let options = &shared.options;
    let about = serde_json::to_vec(&About { draining }).unwrap_or_default();
    let members = match shared.store.heartbeat(&options.host, &about, options.pace.lease_ms).await {
        Ok(members) => members,
        Err(error) => {
            tracing::warn!(%error, "could not tell the other hosts that this one lives");
            return None;
        }
    };
    let staying: Vec<&str> = members.iter().filter(|member| stays(member)).map(|member| member.host.as_str()).collect();
    let mine = (0..options.partitions).filter(|partition| chosen(&staying, *partition) == Some(options.host.as_str()));
    Some(mine.collect())
}

fn stays(member: &Member) -> bool {
    serde_json::from_slice::<About>(&member.about).is_ok_and(|about| !about.draining)
}

/// Rendezvous hashing: the host whose name, hashed with the partition, weighs most. When a host comes or goes, only its share moves.
fn chosen<'a>(hosts: &[&'a str], partition: PartitionId) -> Option<&'a str> {
    let weight = |host: &str| quest_engine::action::Seed::of(&[host, &partition.to_string()]).next_u64();
    hosts.iter().copied().max_by_key(|host| (weight(host), *host))
}

async fn acquire(shared: &Shared, wanted: &[PartitionId]) -> Vec<(PartitionId, crate::store::Grant)> {
    let tries = wanted.iter().map(|partition| async move {
        let granted = shared.store.acquire(*partition, fastrand::u64(..), shared.options.pace.lease_ms).await;
        match granted {
            Ok(grant) => grant.map(|grant| (*partition, grant)),
            Err(error) => {
                tracing::warn!(partition, %error, "could not acquire a partition");
                None
            }
        }
    });
    join_all(tries).await.into_iter().flatten().collect()
}

async fn drain(shared: &Arc<Shared>, mut held: BTreeMap<PartitionId, Held>, mut owners: JoinSet<PartitionId>) {
    // First the others are told, so that they take each partition as soon as it is free.
    share(shared, true).await;
    if let Err(error) = shared.store.ring(Bell::Members).await {
        tracing::warn!(%error, "could not tell the other hosts that this one leaves");
    }
    held.values().for_each(|lease| lease.stop.cancel());
    while let Some(ended) = owners.join_next().await {
        forget(shared, &mut held, ended.ok());
    }
    if let Err(error) = shared.store.heartbeat(&shared.options.host, &[], 0).await {
        tracing::warn!(%error, "could not leave in order; the other hosts notice by themselves");
    }
    let _ = shared.store.ring(Bell::Members).await;
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn only_a_leaving_hosts_share_moves() {
        let three = ["a", "b", "c"];
        let before: Vec<_> = (0..64).map(|partition| chosen(&three, partition).expect("hosts")).collect();
        let after: Vec<_> = (0..64).map(|partition| chosen(&["a", "c"], partition).expect("hosts")).collect();
        for (before, after) in before.iter().zip(&after) {
            assert!(before == after || *before == "b");
        }
        for host in three {
            let share = before.iter().filter(|chosen| **chosen == host).count();
            assert!((10..35).contains(&share), "{host}: {share}");
        }
        assert_eq!(chosen(&[], 0), None);
    }
}
