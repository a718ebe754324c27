//! Carries entries from a partition's outboxes to where they go: numbered streams, each transfer a compare-and-set at the destination.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quest_engine::{
    model::Entry,
    partition::{BROADCAST_LOG, Outgoing, Partition},
    planted::{self, Bug},
};
use tokio::time::Instant;

use super::{Shared, owner::from_within};
use crate::store::{Accept, Acceptance, PartitionId, Relay, Relayed, Result};

/// What this owner knows of the destinations.
#[derive(Debug, Default)]
pub(super) struct Relays {
    /// Left alone for a while: full, or not answering. That stops nobody but themselves.
    blocked: BTreeMap<u16, Instant>,
    /// Whose position was compared with ours since this owner began.
    compared: BTreeSet<u16>,
}

impl Relays {
    /// Carries what is committed; whether anything moved.
    pub(super) async fn carry(&mut self, shared: &Shared, number: PartitionId, partition: &mut Partition) -> bool {
        let now = Instant::now();
        self.blocked.retain(|_, until| *until > now);
        let mut moved = false;
        for outgoing in partition.outgoing(shared.options.pace.relay_chunk) {
            let destination = outgoing.destination;
            if self.blocked.contains_key(&destination) {
                continue;
            }
            match self.carry_to(shared, number, partition, &outgoing).await {
                Ok(Carried::Some) => moved = true,
                Ok(Carried::Full) => _ = self.blocked.insert(destination, now + shared.pause(2)),
                Err(error) => {
                    tracing::warn!(partition = number, destination, %error, "a relay failed; it is tried again");
                    self.blocked.insert(destination, now + shared.pause(4));
                }
            }
        }
        moved
    }

    async fn carry_to(
        &mut self,
        shared: &Shared,
        number: PartitionId,
        partition: &mut Partition,
        outgoing: &Outgoing,
    ) -> Result<Carried> {
        let destination = outgoing.destination;
        let is_compared = self.compared.contains(&destination) || planted::is(Bug::RelayNotCompared);
        if destination != BROADCAST_LOG && !is_compared {
            // Both ends compare first: what the destination has beyond all that earlier owners can have sent is of commits that this
            // partition's store lost, and must not be taken for what is sent now.
            let nothing = Outgoing { entries: Vec::new(), ..outgoing.clone() };
            let sent = to_partition(shared, number, &nothing).await?;
            self.compared.insert(destination);
            if let Sent::Elsewhere { next } = sent {
                let is_known = (outgoing.first + 1..=partition.relay_found(destination)).contains(&next);
                if is_known {
                    partition.relay_compared(destination);
                }
                return Ok(settle(number, partition, outgoing, next, is_known));
            }
            if partition.relay_compared(destination) {
                return Ok(Carried::Some);
            }
        }
        let sent = match destination {
            BROADCAST_LOG => to_log(shared, outgoing).await?,
            _ => to_partition(shared, number, outgoing).await?,
        };
        Ok(match sent {
            Sent::Upto { next, full } => {
                let moved = partition.relayed(destination, next) > 0;
                if full && !moved { Carried::Full } else { Carried::Some }
            }
            Sent::Elsewhere { next } => {
                let is_known = (outgoing.first + 1..=outgoing.first + outgoing.entries.len() as u64).contains(&next);
                settle(number, partition, outgoing, next, is_known)
            }
        })
    }

    /// How long until a blocked destination may be tried again.
    pub(super) fn blocked_for(&self) -> Option<Duration> {
        self.blocked.values().min().map(|until| until.saturating_duration_since(Instant::now()))
    }
}

enum Carried {
    Some,
    Full,
}

/// The destination stands elsewhere: an answer was lost (it has more than we knew), or one of us was rolled back: then what waits goes
/// out under a new stream. It may arrive twice, and never vanishes.
fn settle(number: PartitionId, partition: &mut Partition, outgoing: &Outgoing, next: u64, is_known: bool) -> Carried {
    let destination = outgoing.destination;
    if is_known {
        partition.relayed(destination, next);
    } else {
        let (ours, theirs) = (outgoing.first, next);
        tracing::warn!(
            partition = number,
            destination,
            ours,
            theirs,
            "a relay begins anew: its destination stands elsewhere"
        );
        partition.restart_relay(destination);
    }
    Carried::Some
}

enum Sent {
    Upto { next: u64, full: bool },
    Elsewhere { next: u64 },
}

async fn to_partition(shared: &Shared, number: PartitionId, outgoing: &Outgoing) -> Result<Sent> {
    let numbered = (outgoing.first..).zip(&outgoing.entries);
    let relay = Relay {
        source: format!("p{number}"),
        stream: outgoing.stream.clone(),
        expected: Some(outgoing.first),
        entries: numbered.map(|(number, bytes)| (number, from_within(context_of(bytes), bytes.clone()))).collect(),
    };
    Ok(match shared.store.relay(outgoing.destination, relay, shared.options.accept).await? {
        Relayed::Upto { next, full } => Sent::Upto { next, full },
        Relayed::At { stream, next } if stream == outgoing.stream => Sent::Elsewhere { next },
        // It does not know this stream: everything goes out under a new one, from 0.
        Relayed::At { .. } => Sent::Elsewhere { next: 0 },
    })
}

/// The log has no cursor for each source; the stream and number are the entry's id there, so that a resend is recognised. It begins with
/// a control character, which no producer's id may hold.
async fn to_log(shared: &Shared, outgoing: &Outgoing) -> Result<Sent> {
    let mut next = outgoing.first;
    for bytes in &outgoing.entries {
        let id = Some(format!("\u{1}{}:{next}", outgoing.stream));
        let digest = blake3::hash(bytes).as_bytes()[..16].to_vec();
        let entry = Accept { id, digest, ..from_within(String::new(), bytes.clone()) };
        match shared.store.broadcast(entry, shared.options.accept).await? {
            Acceptance::Accepted { .. } | Acceptance::Duplicate { .. } => next += 1,
            Acceptance::Full(_) => return Ok(Sent::Upto { next, full: true }),
            // Under this number it has something else: this partition was rolled back.
            Acceptance::Conflict if next == outgoing.first => return Ok(Sent::Elsewhere { next: u64::MAX }),
            Acceptance::Conflict => break,
        }
    }
    Ok(Sent::Upto { next, full: false })
}

fn context_of(bytes: &[u8]) -> String {
    Entry::context_of(bytes).unwrap_or_default().to_owned()
}
