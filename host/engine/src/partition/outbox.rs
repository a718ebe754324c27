//! What leaves the partition: relays to other partitions, and messages for the world outside.

use std::collections::{BTreeMap, VecDeque};

use super::{Batch, Partition};
use crate::{
    keys,
    model::Entry,
    planted::{self, Bug},
    record::{Record, RelayCursor},
    write::Write,
};

/// The destination that stands for the broadcast log.
pub const BROADCAST_LOG: u16 = u16::MAX;

/// Entries to carry to one destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The partition, or [`BROADCAST_LOG`].
    pub destination: u16,
    /// The stream's id.
    pub stream: String,
    /// The first entry's number; the others follow it.
    pub first: u64,
    /// The entries, encoded.
    pub entries: Vec<Vec<u8>>,
}

/// Entries on their way to one destination: numbered, kept until the destination has them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    cursor: RelayCursor,
    entries: VecDeque<Vec<u8>>,
    appended: usize,
    trimmed: u64,
    /// The number behind all that earlier owners can have sent: as it was found stored.
    found: u64,
    /// Whether the destination was found where this stream can have brought it.
    compared: bool,
}

impl Outbox {
    pub(super) fn load(mut cursor: RelayCursor, entries: Vec<Vec<u8>>) -> Self {
        if planted::is(Bug::RelayNumbersReused) {
            (cursor.first, cursor.next) = (0, entries.len() as u64);
        }
        let found = cursor.unsent.unwrap_or(cursor.next);
        Self { cursor, entries: entries.into(), appended: 0, trimmed: 0, found, compared: false }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Partition {
    /// What waits to be carried, at most `max` for each destination. Only what is committed: call it between turns.
    pub fn outgoing(&self, max: usize) -> Vec<Outgoing> {
        let waiting = self.outboxes.iter().filter(|(_, outbox)| !outbox.entries.is_empty());
        waiting
            .map(|(destination, outbox)| Outgoing {
                destination: *destination,
                stream: outbox.cursor.stream.clone(),
                first: outbox.cursor.first,
                entries: outbox.entries.iter().take(max).cloned().collect(),
            })
            .collect()
    }

    /// The number below which an earlier owner may have sent entries to this destination. One that has more than that has them of
    /// commits which the store of this partition lost.
    pub fn relay_found(&self, destination: u16) -> u64 {
        self.outboxes.get(&destination).map_or(0, |outbox| outbox.found)
    }

    /// The destination stands where this stream can have brought it. Whether that must be committed before anything is sent: or the next
    /// owner would take what was sent for what this partition's store lost.
    pub fn relay_compared(&mut self, destination: u16) -> bool {
        let Some(outbox) = self.outboxes.get_mut(&destination) else { return false };
        outbox.compared = true;
        let is_stored = outbox.cursor.unsent.take().is_some();
        if is_stored {
            self.dirty.insert(keys::RELAYS);
        }
        is_stored
    }

    /// The destination has everything below `next`; the next commit drops it here. Gives how many entries were dropped.
    pub fn relayed(&mut self, destination: u16, next: u64) -> u64 {
        let Some(outbox) = self.outboxes.get_mut(&destination) else { return 0 };
        let done = next.min(outbox.cursor.next).saturating_sub(outbox.cursor.first);
        outbox.entries.drain(..done as usize);
        outbox.cursor.first += done;
        outbox.trimmed += done;
        if done > 0 {
            self.dirty.insert(keys::RELAYS);
        }
        done
    }

    /// The destination stands elsewhere in our stream than we do (one of us was rolled back): what waits goes out under a
    /// new stream, from 0. Entries may arrive twice, never vanish. Commit before sending it.
    pub fn restart_relay(&mut self, destination: u16) {
        let sequence = self.next_sequence();
        let stream = format!("{}-{sequence}", self.nonce);
        let Some(outbox) = self.outboxes.get_mut(&destination) else { return };
        outbox.cursor = RelayCursor { stream, first: 0, next: outbox.entries.len() as u64, unsent: None };
        outbox.compared = true;
        self.dirty.insert(keys::RELAYS);
    }

    /// Whether something changed between turns that the next commit should store.
    pub fn has_unsaved(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn send_out(&mut self, destination: u16, entry: &Entry) {
        let nonce = self.nonce.clone();
        let outbox = self.outboxes.entry(destination).or_insert_with(|| Outbox {
            cursor: RelayCursor { stream: nonce, ..RelayCursor::default() },
            compared: true,
            ..Outbox::default()
        });
        // The log is not compared: it knows each entry by its id.
        if !outbox.compared && destination != BROADCAST_LOG {
            outbox.cursor.unsent.get_or_insert(outbox.found);
        }
        outbox.entries.push_back(entry.to_bytes());
        outbox.cursor.next += 1;
        outbox.appended += 1;
        self.dirty.insert(keys::RELAYS);
    }

    pub(super) fn relay_cursors(&self) -> BTreeMap<u16, RelayCursor> {
        self.outboxes.iter().map(|(destination, outbox)| (*destination, outbox.cursor.clone())).collect()
    }

    pub(super) fn write_outboxes(&mut self, batch: &mut Batch) {
        for (destination, outbox) in &mut self.outboxes {
            let key = keys::relay(*destination);
            if outbox.trimmed > 0 {
                batch.writes.push(Write::ListTrimFront { key: key.clone(), count: outbox.trimmed });
            }
            let from = outbox.entries.len() - outbox.appended.min(outbox.entries.len());
            for value in outbox.entries.range(from..) {
                batch.writes.push(Write::ListAppend { key: key.clone(), value: value.clone() });
            }
            (outbox.trimmed, outbox.appended) = (0, 0);
        }
    }

    pub(super) fn write_messages(&mut self, batch: &mut Batch) {
        if batch.messages.is_empty() {
            return;
        }
        let key = keys::MESSAGES.to_owned();
        for message in &batch.messages {
            batch.writes.push(Write::ListAppend { key: key.clone(), value: message.to_bytes() });
        }
        let over = (self.messages_next - self.messages_first).saturating_sub(self.limits.messages_max);
        if over > 0 {
            batch.writes.push(Write::ListTrimFront { key, count: over });
            self.messages_first += over;
            self.dirty.insert(keys::MESSAGES_FIRST);
        }
    }
}
