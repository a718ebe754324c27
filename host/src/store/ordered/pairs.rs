//! Ordered pairs of bytes: all that the memory and the embedded store are made of.
//!
//! Must not know: what a key means (that is `layout`), where the pairs lie.

use std::{collections::BTreeMap, ops::Bound};

use crate::store::Result;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Pairs that can be read.
pub trait Pairs {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The first `limit` pairs with `from <= key < to`, ascending.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>>;
}

/// Pairs that can be written.
pub trait PairsMut: Pairs {
    /// Sets a key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);

    /// Removes a key, whether it is there or not.
    fn remove(&mut self, key: Vec<u8>);
}

impl Pairs for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        Ok(between(self, from, to).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Changes on top of a base: read as if they were made, made when the owner of the base takes them.
pub struct Overlay<'a, B: Pairs> {
    base: &'a B,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a, B: Pairs> Overlay<'a, B> {
    /// No changes yet.
    pub fn new(base: &'a B) -> Self {
        Self { base, changes: BTreeMap::new() }
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes changes that were collected on top of this.
    pub fn take_in(&mut self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        self.changes.extend(changes);
    }

    /// The changes, by key: a new value, or none for a removal.
    pub fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changes
    }
}

impl<B: Pairs> Pairs for Overlay<'_, B> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>> {
        let changed: Vec<_> = between(&self.changes, from, to).collect();
        // Each change can hide at most one pair of the base.
        let base = self.base.scan(from, to, limit.saturating_add(changed.len()))?;
        if changed.is_empty() {
            return Ok(base);
        }
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> = base.into_iter().collect();
        for (key, change) in changed {
            match change {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(merged.into_iter().take(limit).collect())
    }
}

impl<B: Pairs> PairsMut for Overlay<'_, B> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }
}

fn between<'a, V>(
    map: &'a BTreeMap<Vec<u8>, V>,
    from: &[u8],
    to: &[u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a V)> + use<'a, V> {
    // `range` panics on an inverted range: make it empty instead.
    let to = to.max(from);
    map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
}
