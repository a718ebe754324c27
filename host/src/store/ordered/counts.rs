//! How many entries of each context wait: in the inbox, and elsewhere in the partition (backlogs), by what commits say.
//!
//! In memory, since every entry changes it; what is in the inbox is counted anew after a start, only the rest is stored. A context
//! whose entries are settled by the commit that consumes them, the usual case, is never written.
//!
//! Must not know: bounds.

use std::collections::{BTreeMap, HashMap};

use super::{
    accept::keys,
    layout::{damaged, name, number},
    pairs::{Pairs, PairsMut},
    segments::{Numbers, Reader, consume, entries},
};
use crate::store::{PartitionId, Result};

/// One partition's counts; a context without waiting entries is not there.
#[derive(Debug, Default)]
pub struct Counts(HashMap<String, u64>);

impl Counts {
    /// Counts what is stored.
    pub fn read(pairs: &dyn Pairs, partition: PartitionId) -> Result<Self> {
        let mut counts = HashMap::new();
        for (context, count) in name(partition, keys::WAITING).fields(pairs)? {
            counts.insert(String::from_utf8(context).map_err(|_| damaged("a context's name"))?, number(&count)?);
        }
        let numbers = Numbers::read(pairs, partition)?;
        let mut segments = Reader::new(pairs, partition, numbers, numbers.first);
        let mut counts = Self(counts);
        while let Some((base, bytes)) = segments.next()? {
            for entry in entries(base, &bytes) {
                let entry = entry?;
                if entry.number >= numbers.first {
                    counts.add(entry.context);
                }
            }
        }
        Ok(counts)
    }

    /// How many of a context's entries wait.
    pub fn of(&self, context: &str) -> u64 {
        self.0.get(context).copied().unwrap_or(0)
    }

    /// One more; none is counted for a broadcast, which has no context.
    pub fn add(&mut self, context: &str) {
        if context.is_empty() {
            return;
        }
        match self.0.get_mut(context) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(context.to_owned(), 1);
            }
        }
    }

    /// Drops the inbox's entries below `consumed`, and counts off what is settled. What is consumed and not settled waits elsewhere.
    pub fn settle(
        &mut self,
        pairs: &mut dyn PairsMut,
        partition: PartitionId,
        consumed: u64,
        settled: &[(String, u64)],
    ) -> Result<()> {
        let mut elsewhere: BTreeMap<String, i64> = BTreeMap::new();
        consume(pairs, partition, consumed, |context| match elsewhere.get_mut(context) {
            Some(count) => *count += 1,
            None => {
                elsewhere.insert(context.to_owned(), 1);
            }
        })?;
        for (context, count) in settled {
            *elsewhere.entry(context.clone()).or_default() -= i64::try_from(*count).unwrap_or(i64::MAX);
            let left = self.of(context).saturating_sub(*count);
            if left == 0 {
                self.0.remove(context);
            } else {
                self.0.insert(context.clone(), left);
            }
        }
        let stored = name(partition, keys::WAITING);
        for (context, change) in elsewhere.into_iter().filter(|(context, change)| *change != 0 && !context.is_empty()) {
            let before = stored.field(pairs, context.as_bytes())?.map_or(Ok(0), |bytes| number(&bytes))?;
            match before.saturating_add_signed(change) {
                0 => stored.remove_field(pairs, context.as_bytes()),
                count => stored.set_field(pairs, context.as_bytes(), count.to_be_bytes().to_vec()),
            }
        }
        Ok(())
    }
}
