//! Which partitions this host owns: rendezvous hashing over the hosts that live and are not leaving.
//!
//! Sharing is only about speed. What keeps two owners apart is the token that every commit checks.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    owner::{self, Left},
};
use crate::store::{Bell, Grant, Member, PartitionId, Token};

/// What a host tells the others of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct About {
    draining: bool,
}

/// A partition that this host owns, and the handle on its task.
struct Held {
    token: Token,
    stop: CancellationToken,
    task: task::Id,
    /// Whether it was told to stop.
    leaving: bool,
}

type Ended = std::result::Result<(task::Id, Left), JoinError>;

/// Owns what is this host's share until `stop`, then gives everything up.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut bells = shared.store.bells();
    let period = Duration::from_millis((shared.options.pace.lease_ms / 4).max(50));
    let mut ownership =
        Ownership { shared, held: BTreeMap::new(), owners: JoinSet::new(), left: BTreeMap::new(), settled: false };
    let mut next_look = Instant::now();
    loop {
        let owners = &mut ownership.owners;
        // Cancel-safe: a timer, a broadcast receiver, a join set and a token; none loses anything when dropped. In this order, so that no
        // flood of bells keeps leases from being renewed.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(next_look) => {}
            Some(ended) = owners.join_next_with_id(), if !owners.is_empty() => ownership.forget(ended).await,
            bell = bells.recv() => match bell {
                Ok(bell) => if !ring_all(&ownership.shared, bell, &mut bells) { continue },
                Err(RecvError::Lagged(_)) => ownership.shared.wake_for_broadcasts(),
                Err(RecvError::Closed) => tokio::time::sleep(period).await,
            },
        }
        next_look = Instant::now() + period;
        ownership.renew().await;
        ownership.look().await;
    }
    ownership.drain().await;
}

struct Ownership {
    shared: Arc<Shared>,
    held: BTreeMap<PartitionId, Held>,
    owners: JoinSet<Left>,
    /// Where this host left partitions that it owned: a store that is behind that was rolled back.
    left: BTreeMap<PartitionId, Left>,
    /// Whether the whole share was owned once.
    settled: bool,
}

impl Ownership {
    /// Gives up what is another's share now, and takes what is this host's and free.
    async fn look(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(sharing) = share(&shared, false).await else { return };
        let own = &shared.options.host;
        let (mine, others): (Vec<PartitionId>, Vec<PartitionId>) =
            (0..shared.options.partitions).partition(|partition| sharing.chosen(*partition) == Some(own.as_str()));
        let mut moves = Moves::default();
        for partition in others {
            if let Some(lease) = self.held.get_mut(&partition).filter(|lease| !lease.leaving) {
                moves.add(&sharing, partition);
                lease.leaving = true;
                lease.stop.cancel();
            }
        }
        moves.log("gives partitions up: they are another host's share now");
        let wanted: Vec<PartitionId> =
            mine.iter().copied().filter(|partition| !self.held.contains_key(partition)).collect();
        let granted = acquire(&shared, &wanted).await;
        if self.settled && !granted.is_empty() {
            let partitions: Vec<PartitionId> = granted.iter().map(|(partition, _)| *partition).collect();
            tracing::info!(?partitions, "takes partitions over: they are this host's share and free");
        }
        for (partition, grant) in granted {
            self.compare(partition, &grant);
            let (token, stop) = (grant.token, CancellationToken::new());
            shared.owned.lock().insert(partition, token);
            shared.broadcasts[usize::from(partition)].store(true, Ordering::Release);
            let task = self.owners.spawn(owner::run(Arc::clone(&shared), partition, grant, stop.clone())).id();
            self.held.insert(partition, Held { token, stop, task, leaving: false });
        }
        if !self.settled && self.held.len() == mine.len() {
            self.settled = true;
            tracing::info!(partitions = mine.len(), hosts = sharing.0.len(), "owns its share of the partitions");
        }
    }

    /// Says so if the store is behind where this host left a partition: it was rolled back while nobody owned it, as a restart from an
    /// older copy does, whose leases have run out.
    fn compare(&mut self, partition: PartitionId, grant: &Grant) {
        let Some(left) = self.left.remove(&partition) else { return };
        let lost = left.consumed.saturating_sub(grant.consumed);
        // An epoch grows with each grant.
        if lost == 0 && grant.token.epoch > left.epoch {
            return;
        }
        if !left.regressed {
            Shared::count(&self.shared.counters.regressions, 1);
        }
        tracing::error!(
            partition,
            lost_entries = lost,
            "store_regressed: the store lost what this host had processed of the partition; what it holds is processed anew"
        );
    }

    /// An owner ended. One that panicked (a bug of the host) could not give its lease up: that is done here, so that the partition is
    /// taken anew.
    async fn forget(&mut self, ended: Ended) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let found = self.held.iter().find(|(_, lease)| lease.task == task).map(|(partition, _)| *partition);
        let Some(partition) = found else { return };
        self.shared.owned.lock().remove(&partition);
        let Some(lease) = self.held.remove(&partition) else { return };
        match ended {
            Ok((_, left)) => _ = self.left.insert(partition, left),
            Err(error) => {
                tracing::error!(partition, %error, "a partition's task panicked; the partition is taken anew");
                if let Err(error) = self.shared.store.release(partition, lease.token).await {
                    tracing::warn!(partition, %error, "could not give its lease up; it runs out by itself");
                }
            }
        }
    }

    async fn renew(&mut self) {
        let leases: Vec<(PartitionId, Token)> =
            self.held.iter().map(|(partition, lease)| (*partition, lease.token)).collect();
        if leases.is_empty() {
            return;
        }
        match self.shared.store.renew(&leases, self.shared.options.pace.lease_ms).await {
            Ok(kept) => {
                for ((partition, _), _) in leases.iter().zip(kept).filter(|(_, kept)| !kept) {
                    if let Some(lease) = self.held.get_mut(partition).filter(|lease| !lease.leaving) {
                        tracing::warn!(partition, "lost a partition's lease");
                        lease.leaving = true;
                        lease.stop.cancel();
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "could not renew the leases"),
        }
    }

    async fn drain(mut self) {
        let shared = Arc::clone(&self.shared);
        // First the others are told, so that they take each partition as soon as it is free.
        let sharing = share(&shared, true).await;
        if let Err(error) = shared.store.ring(Bell::Members).await {
            tracing::warn!(%error, "could not tell the other hosts that this one leaves");
        }
        let mut moves = Moves::default();
        for (partition, lease) in &self.held {
            if let Some(sharing) = &sharing {
                moves.add(sharing, *partition);
            }
            lease.stop.cancel();
        }
        moves.log("hands partitions over: this host leaves");
        while let Some(ended) = self.owners.join_next_with_id().await {
            self.forget(ended).await;
        }
        if let Err(error) = shared.store.heartbeat(&shared.options.host, &[], 0).await {
            tracing::warn!(%error, "could not leave in order; the other hosts notice by themselves");
        }
        let _ = shared.store.ring(Bell::Members).await;
    }
}

/// Partitions by who is to own them next; for the log.
#[derive(Default)]
struct Moves(BTreeMap<String, Vec<PartitionId>>);

impl Moves {
    fn add(&mut self, sharing: &Sharing, partition: PartitionId) {
        if let Some(host) = sharing.chosen(partition) {
            self.0.entry(host.to_owned()).or_default().push(partition);
        }
    }

    fn log(self, what: &str) {
        for (to, partitions) in self.0 {
            tracing::info!(to, ?partitions, "{what}");
        }
    }
}

/// Passes a bell on, with those that wait behind it: a host that leaves rings once for each partition, and one look answers all.
fn ring_all(shared: &Shared, first: Bell, bells: &mut broadcast::Receiver<Bell>) -> bool {
    let mut look = ring(shared, &first);
    while let Ok(bell) = bells.try_recv() {
        look |= ring(shared, &bell);
    }
    look
}

/// Passes a bell on; whether ownership must be looked at.
fn ring(shared: &Shared, bell: &Bell) -> bool {
    match bell {
        Bell::Inbox(partition) => {
            shared.wake(*partition);
            false
        }
        Bell::Broadcast => {
            shared.wake_for_broadcasts();
            false
        }
        Bell::Members | Bell::Released(_) => true,
        Bell::Outcome { .. } | Bell::Messages => false,
    }
}

/// The hosts that share the partitions: those that live and are not leaving.
struct Sharing(Vec<String>);

impl Sharing {
    /// Who is to own a partition.
    fn chosen(&self, partition: PartitionId) -> Option<&str> {
        let hosts: Vec<&str> = self.0.iter().map(String::as_str).collect();
        chosen(&hosts, partition)
    }
}

/// Says that this host lives (or leaves), and gives the hosts that share; none if the store does not say.
async fn share(shared: &Shared, draining: bool) -> Option<Sharing> {
    let options = &shared.options;
    let about = serde_json::to_vec(&About { draining }).unwrap_or_default();
    let members = match shared.store.heartbeat(&options.host, &about, options.pace.lease_ms).await {
        Ok(members) => members,
        Err(error) => {
            tracing::warn!(%error, "could not tell the other hosts that this one lives");
            return None;
        }
    };
    Some(Sharing(members.into_iter().filter(stays).map(|member| member.host).collect()))
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
