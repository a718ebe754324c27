//! Redis's keys: `PREFIX{partition}:NAME`, so that all of a partition's share a slot.
//!
//! Must not know: what is under them.

use crate::store::{Error, PartitionId, Result};

/// Names of the parts outside of partitions.
pub const BROADCAST: &str = "broadcast";
/// The hosts' set.
pub const HOSTS: &str = "hosts";
/// What is kept on shelves.
pub const KEPT: &str = "kept";
/// The store's own.
pub const META: &str = "meta";

/// What all keys begin with.
#[derive(Debug, Clone)]
pub struct Prefix(String);

impl Prefix {
    /// Braces would be taken for the hash tag.
    pub fn new(prefix: &str) -> Result<Self> {
        if prefix.contains(['{', '}']) {
            return Err(Error::Unusable(format!("the key prefix {prefix:?} has braces; hint: leave them out")));
        }
        Ok(Self(prefix.to_owned()))
    }

    /// A key of a partition.
    pub fn key(&self, partition: PartitionId, name: &str) -> String {
        format!("{}{{{partition}}}:{name}", self.0)
    }

    /// A key outside of partitions.
    pub fn global(&self, tag: &str, name: &str) -> String {
        format!("{}{{{tag}}}:{name}", self.0)
    }

    /// The pattern of all keys.
    pub fn all(&self) -> String {
        let plain = |letter: char| if "*?[]\\".contains(letter) { format!("\\{letter}") } else { letter.to_string() };
        format!("{}*", self.0.chars().map(plain).collect::<String>())
    }

    /// The channel of the bells.
    pub fn channel(&self) -> String {
        format!("{}bells", self.0)
    }
}
