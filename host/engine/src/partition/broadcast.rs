//! Broadcasts: one log entry becomes shares for the contexts that have a subscribed quest, a chunk a turn.

use super::Partition;
use crate::{
    keys,
    model::{Body, Catalog, Entry, Millis},
    record::{BroadcastCursor, BroadcastPlace},
};

/// A part of a broadcast, as the owner read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The log entry's number.
    pub number: u64,
    /// The log entry.
    pub entry: Entry,
    /// The quest that [`Partition::broadcast_wanted`] named; none: nobody is left.
    pub quest: Option<String>,
    /// The next contexts of that quest.
    pub contexts: Vec<String>,
    /// Whether the quest has more behind them.
    pub more: bool,
}

impl Partition {
    /// The number of the broadcast that is worked on, or the next one.
    pub fn broadcast_position(&self) -> u64 {
        self.broadcast.entry
    }

    /// The log was trimmed past what this partition had not seen: it goes on at `number`. Gives how many it missed.
    pub fn skip_broadcasts(&mut self, number: u64) -> u64 {
        let missed = number.saturating_sub(self.broadcast.entry);
        if missed > 0 {
            self.broadcast = BroadcastCursor { entry: number, within: None };
            self.dirty.insert(keys::BROADCAST);
        }
        missed
    }

    /// The log lost its latest entries: it goes on at its end, where the next one will be.
    pub fn rewind_broadcasts(&mut self, end: u64) {
        if end < self.broadcast.entry {
            self.broadcast = BroadcastCursor { entry: end, within: None };
            self.dirty.insert(keys::BROADCAST);
        }
    }

    /// Whose contexts the next chunk needs: a quest, and the context to begin after. None: nobody is left.
    pub fn broadcast_wanted(&self, entry: &Entry, catalog: &Catalog) -> Option<(String, Option<String>)> {
        let Body::Emit { name, .. } = &entry.body else { return None };
        match &self.broadcast.within {
            Some(place) => Some((place.quest.clone(), place.after.clone())),
            None => self.subscribed_after(catalog, name, "").map(|quest| (quest, None)),
        }
    }

    /// Makes a chunk into the entries of this turn, and moves the cursor.
    pub(super) fn spread(&mut self, chunk: Option<Chunk>, horizon: Millis, catalog: &Catalog) -> Vec<(Millis, Entry)> {
        let Some(chunk) = chunk.filter(|chunk| chunk.number == self.broadcast.entry) else { return Vec::new() };
        self.dirty.insert(keys::BROADCAST);
        let done = BroadcastCursor { entry: chunk.number + 1, within: None };
        let (Body::Emit { name, payload }, Some(quest)) = (&chunk.entry.body, chunk.quest) else {
            self.broadcast = done;
            return Vec::new();
        };
        let (reached, stamp) = match &self.broadcast.within {
            Some(place) => (place.reached, place.stamp),
            None => (self.next_sequence(), horizon),
        };
        let next = match chunk.more {
            true => Some((quest.clone(), chunk.contexts.last().cloned())),
            false => self.subscribed_after(catalog, name, &quest).map(|quest| (quest, None)),
        };
        self.broadcast = match next {
            Some((quest, after)) => {
                BroadcastCursor { entry: chunk.number, within: Some(BroadcastPlace { reached, stamp, quest, after }) }
            }
            None => done,
        };
        // A later chunk's share is stamped as it comes, so that it does not go back behind what its context has done since.
        let share = |context: String| Entry {
            context,
            id: chunk.entry.id.clone(),
            hops: chunk.entry.hops,
            left: chunk.entry.left,
            reply: None,
            body: Body::Spread { quest: quest.clone(), name: name.clone(), payload: payload.clone(), reached },
        };
        chunk.contexts.into_iter().map(|context| (horizon, share(context))).collect()
    }

    /// The first quest, after `after` in order of name, with an action on the event; or that is not served now, so that nobody knows.
    fn subscribed_after(&self, catalog: &Catalog, event: &str, after: &str) -> Option<String> {
        let served = catalog.quests().filter(|quest| quest.actions_on(event).next().is_some());
        let unknown = self.quests.iter().filter(|quest| catalog.get(quest).is_none());
        let names = served.map(|quest| &quest.name).chain(unknown);
        names.filter(|name| name.as_str() > after).min().cloned()
    }
}
