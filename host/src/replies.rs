//! What a store read, decoded: for those who read it (the dispatcher and the service), since a store looks into no value.
//!
//! Must not know: what is done with it.

use std::collections::BTreeMap;

use quest_engine::{
    action::Variables,
    keys,
    model::Value,
    record::{Instance, Pattern, Record, Timer},
};

use crate::store::{Error, PartitionId, Read, Reply, Result, Store};

/// Replies, taken in the order of their reads. One that is missing, or of another kind than was asked for, reads as empty: no store gives it.
pub(crate) struct Replies(std::vec::IntoIter<Reply>);

/// Reads a partition's committed state. No reads cost no call.
pub(crate) async fn read(store: &dyn Store, partition: PartitionId, reads: Vec<Read>) -> Result<Replies> {
    let replies = if reads.is_empty() { Vec::new() } else { store.read(partition, reads).await? };
    Ok(Replies(replies.into_iter()))
}

impl Replies {
    /// The fields of a hash.
    pub(crate) fn fields(&mut self) -> Vec<(String, Vec<u8>)> {
        match self.0.next() {
            Some(Reply::Fields(fields)) => fields.into_iter().map(|(name, value)| (text(name), value)).collect(),
            _ => Vec::new(),
        }
    }

    /// The fields of a hash of records.
    pub(crate) fn records<T: Record>(&mut self) -> Result<Vec<(String, T)>> {
        self.fields().into_iter().map(|(name, bytes)| Ok((name, decode(&bytes)?))).collect()
    }

    /// An instance's variables.
    pub(crate) fn variables(&mut self) -> Result<Variables> {
        let decoded = self.fields().into_iter().map(|(name, bytes)| {
            let value =
                Value::decode(&bytes).map_err(|error| Error::Unusable(format!("the variable {name:?}: {error}")))?;
            Ok((name, value))
        });
        decoded.collect()
    }

    /// A context's instances by quest, and its time zone, if one was set.
    pub(crate) fn instances(&mut self) -> Result<(BTreeMap<String, Instance>, Option<String>)> {
        let (mut instances, mut zone) = (BTreeMap::new(), None);
        for (field, bytes) in self.fields() {
            match field == keys::ZONE {
                true => zone = Some(text(bytes)),
                false => {
                    instances.insert(field, decode(&bytes)?);
                }
            }
        }
        Ok((instances, zone))
    }

    /// A context's timers by quest and name.
    pub(crate) fn timers(&mut self) -> Result<Vec<((String, String), Timer)>> {
        self.named()
    }

    /// A context's patterns by quest and name.
    pub(crate) fn patterns(&mut self) -> Result<Vec<((String, String), Pattern)>> {
        self.named()
    }

    fn named<T: Record>(&mut self) -> Result<Vec<((String, String), T)>> {
        let named = self.records::<T>()?.into_iter().filter_map(|(field, record)| {
            let (quest, name) = field.split_once('.')?;
            Some(((quest.to_owned(), name.to_owned()), record))
        });
        Ok(named.collect())
    }

    /// One field of a hash of records.
    pub(crate) fn record<T: Record>(&mut self) -> Result<Option<T>> {
        match self.0.next() {
            Some(Reply::Value(Some(bytes))) => decode(&bytes).map(Some),
            _ => Ok(None),
        }
    }

    /// The elements of a list.
    pub(crate) fn items(&mut self) -> Vec<Vec<u8>> {
        match self.0.next() {
            Some(Reply::Items(items)) => items,
            _ => Vec::new(),
        }
    }

    /// The elements of a list of records.
    pub(crate) fn item_records<T: Record>(&mut self) -> Result<Vec<T>> {
        self.items().iter().map(|bytes| decode(bytes)).collect()
    }

    /// The members of a set of names, or of a sorted set by member.
    pub(crate) fn names(&mut self) -> Vec<String> {
        self.items().into_iter().map(text).collect()
    }

    /// The members of a sorted set with their scores.
    pub(crate) fn scored(&mut self) -> Vec<(String, u64)> {
        match self.0.next() {
            Some(Reply::Scored(scored)) => scored.into_iter().map(|(member, score)| (text(member), score)).collect(),
            _ => Vec::new(),
        }
    }

    /// A length.
    pub(crate) fn count(&mut self) -> u64 {
        match self.0.next() {
            Some(Reply::Count(count)) => count,
            _ => 0,
        }
    }
}

fn decode<T: Record>(bytes: &[u8]) -> Result<T> {
    T::from_bytes(bytes).map_err(|error| Error::Unusable(error.to_string()))
}

/// Names are UTF-8 when they are accepted; anything else was written by another's hand, and is shown as well as it can be.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
