//! An inbox as segments: entries that come in one step lie in one pair, and go with it.
//!
//! The numbers stand under the inbox's name as a plain value, the segments as a list at the number of their first entry. An entry is
//! `stamp (8 bytes), length of its context (2), context, length (4), bytes`.
//!
//! Must not know: which entry may come in, what is in its bytes.

use quest_engine::model::Millis;

use super::{
    accept::keys::INBOX,
    layout::{damaged, name, number},
    pairs::{Pairs, PairsMut},
};
use crate::store::{PartitionId, Result, Stamped};

/// Entries of one segment: one that is consumed in part is read again from its beginning.
const ENTRIES_MAX: usize = 256;
/// Bytes of one segment past which the next entry begins another.
const BYTES_MAX: usize = 64 << 10;
/// Segments that one read of [`Reader`] fetches.
const READ_AT_ONCE: usize = 16;

/// Where an inbox stands. All entries have numbers, from 0 for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// The first entry that is there; so many were consumed.
    pub first: u64,
    /// The next entry to come.
    pub next: u64,
    /// The first entry of the segment that holds `first`.
    base: u64,
}

impl Numbers {
    /// As they are stored.
    pub fn read(pairs: &dyn Pairs, partition: PartitionId) -> Result<Self> {
        let Some(bytes) = name(partition, INBOX).value(pairs)? else { return Ok(Self::default()) };
        let mut numbers = bytes.chunks(8).map(number);
        let mut next = || numbers.next().unwrap_or_else(|| Err(damaged("an inbox")));
        let numbers = Self { first: next()?, next: next()?, base: next()? };
        let is_ordered = numbers.base <= numbers.first && numbers.first <= numbers.next;
        is_ordered.then_some(numbers).ok_or_else(|| damaged("an inbox"))
    }

    /// Stores them.
    pub fn write(self, pairs: &mut dyn PairsMut, partition: PartitionId) {
        let bytes = [self.first, self.next, self.base].map(u64::to_be_bytes).concat();
        name(partition, INBOX).set_value(pairs, bytes);
    }

    /// How many entries are there.
    pub fn len(self) -> u64 {
        self.next - self.first
    }
}

/// An entry of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its number.
    pub number: u64,
    /// When it was accepted.
    pub stamp: Millis,
    /// Its context.
    pub context: &'a str,
    /// The entry.
    pub bytes: &'a [u8],
}

/// New entries on their way into segments.
#[derive(Debug, Default)]
pub struct Writer {
    open: Vec<u8>,
    entries: usize,
}

impl Writer {
    /// Adds an entry under the next number.
    pub fn put(&mut self, pairs: &mut dyn PairsMut, partition: PartitionId, numbers: &mut Numbers, entry: Stored<'_>) {
        if self.entries == ENTRIES_MAX || self.open.len() > BYTES_MAX {
            self.close(pairs, partition, *numbers);
        }
        if numbers.len() == 0 {
            // Nothing was there: the first segment begins here.
            numbers.base = numbers.next;
        }
        // Contexts and entries have bounds far below what these lengths can say.
        let context_length = u16::try_from(entry.context.len()).unwrap_or(u16::MAX);
        let length = u32::try_from(entry.bytes.len()).unwrap_or(u32::MAX);
        self.open.extend_from_slice(&entry.stamp.to_be_bytes());
        self.open.extend_from_slice(&context_length.to_be_bytes());
        self.open.extend_from_slice(entry.context.as_bytes());
        self.open.extend_from_slice(&length.to_be_bytes());
        self.open.extend_from_slice(entry.bytes);
        self.entries += 1;
        numbers.next += 1;
    }

    /// Stores the segment in hand, if there is one.
    pub fn close(&mut self, pairs: &mut dyn PairsMut, partition: PartitionId, numbers: Numbers) {
        if self.entries > 0 {
            let base = numbers.next - self.entries as u64;
            name(partition, INBOX).put_at(pairs, base, std::mem::take(&mut self.open));
            self.entries = 0;
        }
    }
}

/// Reads segments one after the other.
pub struct Reader<'a> {
    pairs: &'a dyn Pairs,
    partition: PartitionId,
    /// Where the next read begins.
    from: u64,
    fetched: std::vec::IntoIter<(u64, Vec<u8>)>,
    ended: bool,
}

impl<'a> Reader<'a> {
    /// From the segment on that holds entry `from`, or from a few before it.
    pub fn new(pairs: &'a dyn Pairs, partition: PartitionId, numbers: Numbers, from: u64) -> Self {
        let earliest = from.saturating_sub(ENTRIES_MAX as u64 - 1);
        let ended = from >= numbers.next;
        Self { pairs, partition, from: numbers.base.max(earliest), fetched: Vec::new().into_iter(), ended }
    }

    /// The next segment: the number of its first entry, and its bytes for [`entries`].
    pub fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        if self.fetched.len() == 0 && !self.ended {
            let part = name(self.partition, INBOX).numbered(self.pairs, self.from, READ_AT_ONCE)?;
            self.ended = part.len() < READ_AT_ONCE;
            self.from = part.last().map_or(self.from, |(base, _)| base + 1);
            self.fetched = part.into_iter();
        }
        Ok(self.fetched.next())
    }
}

/// The entries of a segment.
pub fn entries(base: u64, bytes: &[u8]) -> impl Iterator<Item = Result<Stored<'_>>> {
    let mut rest = bytes;
    let mut number = base;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split(number, &mut rest).ok_or_else(|| damaged("an inbox"));
        if entry.is_err() {
            rest = &[];
        }
        number += 1;
        Some(entry)
    })
}

fn split<'a>(number: u64, rest: &mut &'a [u8]) -> Option<Stored<'a>> {
    let stamp = u64::from_be_bytes(*rest.split_off(..8)?.first_chunk()?);
    let context_length = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
    let context = std::str::from_utf8(rest.split_off(..usize::from(context_length))?).ok()?;
    let length = u32::from_be_bytes(*rest.split_off(..4)?.first_chunk()?);
    let bytes = rest.split_off(..usize::try_from(length).ok()?)?;
    Some(Stored { number, stamp, context, bytes })
}

/// One entry, if it is there.
pub fn entry(pairs: &dyn Pairs, partition: PartitionId, numbers: Numbers, wanted: u64) -> Result<Option<Stamped>> {
    let mut segments = Reader::new(pairs, partition, numbers, wanted);
    while let Some((base, bytes)) = segments.next()?.filter(|(base, _)| *base <= wanted) {
        for found in entries(base, &bytes) {
            let found = found?;
            if found.number == wanted {
                return Ok(Some((found.stamp, found.bytes.to_vec())));
            }
        }
    }
    Ok(None)
}

/// Drops the entries below `upto`, and tells of each whose it was.
pub fn consume(
    pairs: &mut dyn PairsMut,
    partition: PartitionId,
    upto: u64,
    mut consumed: impl FnMut(&str),
) -> Result<()> {
    let before = Numbers::read(pairs, partition)?;
    let mut after = Numbers { first: upto.clamp(before.first, before.next), ..before };
    if after.first == before.first {
        return Ok(());
    }
    let mut emptied = Vec::new();
    let mut reader = Reader::new(pairs, partition, before, before.first);
    while let Some((base, bytes)) = reader.next()? {
        if base >= after.first {
            after.base = base;
            break;
        }
        let mut end = base;
        for entry in entries(base, &bytes) {
            let entry = entry?;
            end = entry.number + 1;
            if (before.first..after.first).contains(&entry.number) {
                consumed(entry.context);
            }
        }
        if end > after.first {
            after.base = base;
            break;
        }
        emptied.push(base);
    }
    emptied.into_iter().for_each(|base| name(partition, INBOX).remove_at(pairs, base));
    after.write(pairs, partition);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::ordered::pairs::Overlay;

    fn put(pairs: &mut dyn PairsMut, count: usize, size: usize) {
        let mut numbers = Numbers::read(pairs, 0).expect("numbers");
        let mut writer = Writer::default();
        for _ in 0..count {
            let (context, bytes) = (format!("c{}", numbers.next), vec![7; size]);
            let entry = Stored { number: 0, stamp: numbers.next, context: &context, bytes: &bytes };
            writer.put(pairs, 0, &mut numbers, entry);
        }
        writer.close(pairs, 0, numbers);
        numbers.write(pairs, 0);
    }

    /// The entries from `from` on.
    fn there(pairs: &dyn Pairs, from: u64) -> Vec<u64> {
        let numbers = Numbers::read(pairs, 0).expect("numbers");
        let mut reader = Reader::new(pairs, 0, numbers, from);
        let mut found = Vec::new();
        while let Some((base, bytes)) = reader.next().expect("a segment") {
            found.extend(entries(base, &bytes).map(|entry| entry.expect("an entry").number));
        }
        found.retain(|number| *number >= from);
        found
    }

    #[test]
    fn whatever_is_put_and_consumed_the_rest_is_there_in_order() {
        let mut rng = fastrand::Rng::with_seed(7);
        let base = BTreeMap::new();
        let mut pairs = Overlay::new(&base);
        let (mut first, mut next) = (0, 0);
        for _ in 0..300 {
            let count = rng.usize(0..700);
            put(&mut pairs, count, rng.usize(0..400));
            next += count as u64;
            let upto = first + rng.u64(0..=(next - first));
            let mut contexts = Vec::new();
            consume(&mut pairs, 0, upto, |context| contexts.push(context.to_owned())).expect("consumed");
            assert_eq!(contexts, (first..upto).map(|number| format!("c{number}")).collect::<Vec<_>>());
            first = upto;
            let from = first + rng.u64(0..=(next - first));
            let numbers = Numbers::read(&pairs, 0).expect("numbers");
            let one = entry(&pairs, 0, numbers, from).expect("read").map(|(stamp, _)| stamp);
            assert_eq!(one, (from < next).then_some(from), "stamps are numbers here");
            assert_eq!(there(&pairs, from), (from..next).collect::<Vec<_>>());
        }
        consume(&mut pairs, 0, u64::MAX, |_| {}).expect("consumed");
        let left: Vec<_> = pairs.into_changes().into_values().flatten().collect();
        assert_eq!(left.len(), 1, "the numbers, and no segment");
    }

    #[test]
    fn a_damaged_segment_is_an_error() {
        let (base, mut bytes) = (BTreeMap::new(), Vec::new());
        let mut pairs = Overlay::new(&base);
        put(&mut pairs, 3, 10);
        for (_, value) in name(0, INBOX).numbered(&pairs, 0, 1).expect("one") {
            bytes = value;
        }
        let entries_of = |bytes: &[u8]| entries(0, bytes).map(|entry| entry.is_ok()).collect::<Vec<_>>();
        assert_eq!(entries_of(&bytes), [true, true, true]);
        assert_eq!(entries_of(&bytes[..bytes.len() - 1]), [true, true, false]);
        for numbers in [Numbers { first: 2, next: 1, base: 0 }, Numbers { first: 2, next: 3, base: 3 }] {
            numbers.write(&mut pairs, 0);
            assert!(Numbers::read(&pairs, 0).is_err(), "{numbers:?}");
        }
    }
}
