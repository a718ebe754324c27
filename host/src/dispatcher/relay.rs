//! Carries entries from a partition's outboxes to where they go: numbered streams, each transfer a compare-and-set at the destination.

use std::{collections::BTreeMap, time::Duration};

use quest_engine::{
    model::Entry,
    partition::{BROADCAST_LOG, Outgoing, Partition},
    record::Record,
};
use tokio::time::Instant;

use super::{Shared, owner::from_within};
use crate::store::{Accept, Acceptance, PartitionId, Relay, Relayed, Result};

/// Which destinations are to be left alone for a while. A full one stops nobody but itself.
#[derive(Debug, Default)]
pub(super) struct Relays {
    blocked: BTreeMap<u16, Instant>,
}

impl Relays {
    /// Carries what is committed; whether anything moved.
    pub(super) async fn carry(
        &mut self,
        shared: &Shared,
        number: PartitionId,
        partition: &mut Partition,
    ) -> Result<bool> {
        let now = Instant::now();
        self.blocked.retain(|_, until| *until > now);
        let mut moved = false;
        for outgoing in partition.outgoing(shared.options.pace.relay_chunk) {
            let destination = outgoing.destination;
            if self.blocked.contains_key(&destination) {
                continue;
            }
            let sent = match destination {
                BROADCAST_LOG => to_log(shared, &outgoing).await?,
                _ => to_partition(shared, number, &outgoing).await?,
            };
            match sent {
                Sent::Upto { next, full } => {
                    moved |= partition.relayed(destination, next) > 0;
                    if full {
                        self.blocked.insert(destination, now + shared.pause(2));
                    }
                }
                Sent::Elsewhere { next } if next > outgoing.first => {
                    // It has more than we knew: an answer was lost; or, past our own end, we were rolled back.
                    moved = true;
                    if partition.relayed(destination, next) < next - outgoing.first {
                        partition.restart_relay(destination);
                    }
                }
                Sent::Elsewhere { next } => {
                    let missing = outgoing.first - next;
                    tracing::warn!(
                        partition = number,
                        destination,
                        missing,
                        "a relay begins anew: its destination stands elsewhere"
                    );
                    partition.restart_relay(destination);
                    moved = true;
                }
            }
        }
        Ok(moved)
    }

    /// How long until a blocked destination may be tried again.
    pub(super) fn blocked_for(&self) -> Option<Duration> {
        self.blocked.values().min().map(|until| until.saturating_duration_since(Instant::now()))
    }
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

/// The log has no cursor for each source; the stream and number are the entry's id there, so that a resend is recognised.
async fn to_log(shared: &Shared, outgoing: &Outgoing) -> Result<Sent> {
    let mut next = outgoing.first;
    for bytes in &outgoing.entries {
        let id = Some(format!("{}:{next}", outgoing.stream));
        let entry = Accept { id, ..from_within(String::new(), bytes.clone()) };
        match shared.store.broadcast(entry, shared.options.accept).await? {
            Acceptance::Accepted { .. } | Acceptance::Duplicate { .. } | Acceptance::Conflict => next += 1,
            Acceptance::Full(_) => return Ok(Sent::Upto { next, full: true }),
        }
    }
    Ok(Sent::Upto { next, full: false })
}

fn context_of(bytes: &[u8]) -> String {
    Entry::from_bytes(bytes).map(|entry| entry.context).unwrap_or_default()
}
