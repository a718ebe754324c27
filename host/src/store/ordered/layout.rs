//! Hashes, sets, sorted sets, lists and plain values, laid out over ordered pairs.
//!
//! A pair's key is `1, partition (2 bytes), length of the name (2 bytes), name, kind (1 byte), element`; numbers are big-endian,
//! so that they sort. All pairs of one name lie together, so a delete is one scan. A sorted set keeps each member twice: by
//! member with its score, and by score; a list keeps its bounds beside its elements.
//!
//! Must not know: what a name means.

use super::pairs::{Pair, Pairs, PairsMut};
use crate::store::{Error, PartitionId, Result};

const VALUE: u8 = 1;
const HASH: u8 = 2;
const SET: u8 = 3;
/// A list's bounds, or a sorted set's size.
const META: u8 = 4;
const LIST: u8 = 5;
const MEMBER: u8 = 6;
const SCORE: u8 = 7;

/// Where a list that may grow at both ends begins.
const MIDDLE: u64 = 1 << 62;

/// A name within a partition.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    /// The partition.
    pub partition: PartitionId,
    /// The name, relative to the partition.
    pub key: &'a str,
}

/// The name `key` in `partition`.
pub fn name(partition: PartitionId, key: &str) -> Name<'_> {
    Name { partition, key }
}

/// What all keys of a partition begin with.
pub fn prefix(partition: PartitionId) -> Vec<u8> {
    [&[1], partition.to_be_bytes().as_slice()].concat()
}

/// A key outside of all partitions.
pub fn global(key: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

impl Name<'_> {
    fn cell(self, kind: u8, element: &[u8]) -> Vec<u8> {
        // Names are built from contexts and quests, which are far shorter than this.
        let length = u16::try_from(self.key.len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(6 + self.key.len() + element.len());
        bytes.push(1);
        bytes.extend_from_slice(&self.partition.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(self.key.as_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(element);
        bytes
    }

    /// Elements of a kind from `from` on, without what stands before the element.
    fn elements(self, pairs: &dyn Pairs, kind: u8, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        let head = self.cell(kind, &[]).len();
        let mut found = pairs.scan(&self.cell(kind, from), to, limit)?;
        for (key, _) in &mut found {
            key.drain(..head);
        }
        Ok(found)
    }

    fn all(self, pairs: &dyn Pairs, kind: u8) -> Result<Vec<Pair>> {
        self.elements(pairs, kind, &[], &self.cell(kind + 1, &[]), usize::MAX)
    }

    /// Deletes whatever stands under the name.
    pub fn delete(self, pairs: &mut dyn PairsMut) -> Result<()> {
        for (key, _) in pairs.scan(&self.cell(0, &[]), &self.cell(u8::MAX, &[]), usize::MAX)? {
            pairs.remove(key);
        }
        Ok(())
    }

    /// A plain value.
    pub fn value(self, pairs: &dyn Pairs) -> Result<Option<Vec<u8>>> {
        pairs.get(&self.cell(VALUE, &[]))
    }

    /// Sets a plain value.
    pub fn set_value(self, pairs: &mut dyn PairsMut, value: Vec<u8>) {
        pairs.put(self.cell(VALUE, &[]), value);
    }

    /// A plain number; 0 if it is not there.
    pub fn number(self, pairs: &dyn Pairs) -> Result<u64> {
        self.value(pairs)?.map_or(Ok(0), |bytes| number(&bytes))
    }

    /// Sets a plain number.
    pub fn set_number(self, pairs: &mut dyn PairsMut, value: u64) {
        self.set_value(pairs, value.to_be_bytes().to_vec());
    }

    /// A field of a hash.
    pub fn field(self, pairs: &dyn Pairs, field: &[u8]) -> Result<Option<Vec<u8>>> {
        pairs.get(&self.cell(HASH, field))
    }

    /// Sets a field of a hash.
    pub fn set_field(self, pairs: &mut dyn PairsMut, field: &[u8], value: Vec<u8>) {
        pairs.put(self.cell(HASH, field), value);
    }

    /// Removes a field of a hash.
    pub fn remove_field(self, pairs: &mut dyn PairsMut, field: &[u8]) {
        pairs.remove(self.cell(HASH, field));
    }

    /// All fields of a hash.
    pub fn fields(self, pairs: &dyn Pairs) -> Result<Vec<Pair>> {
        self.all(pairs, HASH)
    }

    /// Adds a member to a set.
    pub fn set_add(self, pairs: &mut dyn PairsMut, member: &[u8]) {
        pairs.put(self.cell(SET, member), Vec::new());
    }

    /// Removes a member of a set.
    pub fn set_remove(self, pairs: &mut dyn PairsMut, member: &[u8]) {
        pairs.remove(self.cell(SET, member));
    }

    /// All members of a set, ascending.
    pub fn members(self, pairs: &dyn Pairs) -> Result<Vec<Vec<u8>>> {
        Ok(self.all(pairs, SET)?.into_iter().map(|(member, _)| member).collect())
    }

    /// Adds a member to a sorted set, or moves it.
    pub fn sorted_set(self, pairs: &mut dyn PairsMut, member: &[u8], score: u64) -> Result<()> {
        match pairs.get(&self.cell(MEMBER, member))? {
            Some(old) => pairs.remove(self.by_score(number(&old)?, member)),
            None => self.resize(pairs, 1)?,
        }
        pairs.put(self.cell(MEMBER, member), score.to_be_bytes().to_vec());
        pairs.put(self.by_score(score, member), Vec::new());
        Ok(())
    }

    /// Removes a member of a sorted set.
    pub fn sorted_remove(self, pairs: &mut dyn PairsMut, member: &[u8]) -> Result<()> {
        if let Some(old) = pairs.get(&self.cell(MEMBER, member))? {
            pairs.remove(self.cell(MEMBER, member));
            pairs.remove(self.by_score(number(&old)?, member));
            self.resize(pairs, -1)?;
        }
        Ok(())
    }

    /// Members with a score below `below`, by score, then member.
    pub fn sorted_below(self, pairs: &dyn Pairs, below: u64, limit: usize) -> Result<Vec<(Vec<u8>, u64)>> {
        let to = self.cell(SCORE, &below.to_be_bytes());
        self.elements(pairs, SCORE, &[], &to, limit)?
            .into_iter()
            .map(|(mut element, _)| {
                let member = element.split_off(8.min(element.len()));
                Ok((member, number(&element)?))
            })
            .collect()
    }

    /// Members after a given one, by member.
    pub fn sorted_after(self, pairs: &dyn Pairs, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>> {
        // The smallest key above `after` is `after` and a zero byte.
        let from = after.map_or_else(Vec::new, |after| [after, &[0]].concat());
        let found = self.elements(pairs, MEMBER, &from, &self.cell(MEMBER + 1, &[]), limit)?;
        Ok(found.into_iter().map(|(member, _)| member).collect())
    }

    fn by_score(self, score: u64, member: &[u8]) -> Vec<u8> {
        self.cell(SCORE, &[&score.to_be_bytes(), member].concat())
    }

    fn resize(self, pairs: &mut dyn PairsMut, by: i64) -> Result<()> {
        let key = self.cell(META, &[]);
        let size = pairs.get(&key)?.map_or(Ok(0), |bytes| number(&bytes))?.saturating_add_signed(by);
        match size {
            0 => pairs.remove(key),
            size => pairs.put(key, size.to_be_bytes().to_vec()),
        }
        Ok(())
    }

    /// The length of a list or the size of a sorted set.
    pub fn length(self, pairs: &dyn Pairs) -> Result<u64> {
        Ok(match pairs.get(&self.cell(META, &[]))? {
            None => 0,
            Some(bytes) if bytes.len() == 8 => number(&bytes)?,
            Some(bytes) => {
                let (first, next) = bounds(&bytes)?;
                next - first
            }
        })
    }

    /// A list's bounds: the index of its first element, and of the next to come.
    fn bounds(self, pairs: &dyn Pairs) -> Result<Option<(u64, u64)>> {
        pairs.get(&self.cell(META, &[]))?.map(|bytes| bounds(&bytes)).transpose()
    }

    fn set_bounds(self, pairs: &mut dyn PairsMut, first: u64, next: u64) {
        pairs.put(self.cell(META, &[]), [first.to_be_bytes(), next.to_be_bytes()].concat());
    }

    /// Puts an element at an index.
    pub fn put_at(self, pairs: &mut dyn PairsMut, index: u64, value: Vec<u8>) {
        pairs.put(self.cell(LIST, &index.to_be_bytes()), value);
    }

    /// Removes the element at an index.
    pub fn remove_at(self, pairs: &mut dyn PairsMut, index: u64) {
        pairs.remove(self.cell(LIST, &index.to_be_bytes()));
    }

    /// Elements from an index on, with their indices.
    pub fn numbered(self, pairs: &dyn Pairs, from: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>> {
        let found = self.elements(pairs, LIST, &from.to_be_bytes(), &self.cell(LIST + 1, &[]), limit)?;
        found.into_iter().map(|(index, value)| Ok((number(&index)?, value))).collect()
    }

    fn range(self, pairs: &dyn Pairs, from: u64, limit: usize) -> Result<Vec<Vec<u8>>> {
        Ok(self.numbered(pairs, from, limit)?.into_iter().map(|(_, value)| value).collect())
    }

    /// Appends to a list.
    pub fn append(self, pairs: &mut dyn PairsMut, value: Vec<u8>) -> Result<()> {
        let (first, next) = self.bounds(pairs)?.unwrap_or((MIDDLE, MIDDLE));
        self.put_at(pairs, next, value);
        self.set_bounds(pairs, first, next + 1);
        Ok(())
    }

    /// Puts an element before a list's first.
    pub fn prepend(self, pairs: &mut dyn PairsMut, value: Vec<u8>) -> Result<()> {
        let (first, next) = self.bounds(pairs)?.unwrap_or((MIDDLE, MIDDLE));
        self.put_at(pairs, first - 1, value);
        self.set_bounds(pairs, first - 1, next);
        Ok(())
    }

    /// Removes the first elements of a list; an emptied list is gone.
    pub fn trim_front(self, pairs: &mut dyn PairsMut, count: u64) -> Result<()> {
        let Some((first, next)) = self.bounds(pairs)? else { return Ok(()) };
        let upto = first.saturating_add(count).min(next);
        (first..upto).for_each(|index| self.remove_at(pairs, index));
        if upto == next {
            pairs.remove(self.cell(META, &[]));
        } else {
            self.set_bounds(pairs, upto, next);
        }
        Ok(())
    }

    /// Elements of a list, by position.
    pub fn slice(self, pairs: &dyn Pairs, from: u64, count: u64) -> Result<Vec<Vec<u8>>> {
        let Some((first, _)) = self.bounds(pairs)? else { return Ok(Vec::new()) };
        self.range(pairs, first.saturating_add(from), usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// A number as it is stored.
pub fn number(bytes: &[u8]) -> Result<u64> {
    let array: [u8; 8] = bytes.try_into().map_err(|_| damaged("a number"))?;
    Ok(u64::from_be_bytes(array))
}

fn bounds(bytes: &[u8]) -> Result<(u64, u64)> {
    let bad = || damaged("a list's bounds");
    let (first, next) = bytes.split_at_checked(8).ok_or_else(bad)?;
    let (first, next) = (number(first)?, number(next)?);
    if first <= next { Ok((first, next)) } else { Err(bad()) }
}

/// An error for what this version did not write.
pub fn damaged(what: &str) -> Error {
    Error::Unusable(format!("{what} in the store is damaged, or was written by another program"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::pairs::Overlay, *};

    #[test]
    fn bounds_that_cannot_be_are_an_error() {
        let base = BTreeMap::new();
        let mut pairs = Overlay::new(&base);
        let list = name(0, "list");
        list.set_bounds(&mut pairs, 2, 1);
        assert!(list.length(&pairs).is_err() && list.trim_front(&mut pairs, 1).is_err());
    }
}
