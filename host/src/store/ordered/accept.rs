//! Accepting: whether an entry may come in, and how it is put into an inbox.
//!
//! Must not know: leases, what an entry holds. The Lua twin of [`decide`] is `redis/lua/accept.lua`; the differential test holds them together.

use std::collections::HashMap;

use quest_engine::{
    model::Millis,
    planted::{self, Bug},
};

use super::{
    layout::{damaged, name, number},
    pairs::{Pairs, PairsMut},
};
use crate::store::{Accept, AcceptBounds, Acceptance, Full, PartitionId, Result};

/// Names of a partition's internal keys; the same in every store.
pub mod keys {
    /// List: entries with their stamps; numbered from 0 for ever.
    pub const INBOX: &str = "inbox";
    /// Number: the last stamp given, or a higher fence.
    pub const CLOCK: &str = "clock";
    /// Text: id of the last commit.
    pub const HEAD: &str = "head";
    /// Number: leases granted.
    pub const EPOCH: &str = "epoch";
    /// Hash: context to its waiting entries.
    pub const WAITING: &str = "waiting";
    /// List: remembered ids, oldest first.
    pub const IDS_ORDER: &str = "ids_order";
    /// Hash: source to stream and next number.
    pub const RELAY_IN: &str = "relay_in";

    /// Hash: producer's id to stamp and digest.
    pub fn ids(context: &str) -> String {
        format!("{context}.ids")
    }
}

/// How many expired ids a call forgets at most, beside two for each entry that it brought.
pub const FORGET_MIN: usize = 8;

/// Which bounds hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All of them; those for producers only for entries from outside.
    Accept,
    /// The inbox's only: a relay stops whole at a refusal, so one context's bound must not stop it.
    Relay,
    /// None: part of a commit.
    Commit,
}

/// What a decision depends on.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The stamp that the entry would get.
    pub stamp: Millis,
    /// What is remembered of its id: stamp and digest.
    pub known: Option<(Millis, &'a [u8])>,
    /// How long ids are remembered.
    pub ids_window_ms: u64,
    /// Entries in the inbox.
    pub inbox: u64,
    /// Entries of its context that wait.
    pub context: u64,
    /// Ids that are remembered.
    pub ids: u64,
}

/// Whether an entry may come in. Pure; the order of the checks is part of the contract.
pub fn decide(entry: &Accept, at: &Situation<'_>, bounds: &AcceptBounds, rule: Rule) -> Acceptance {
    match at.known.filter(|_| !planted::is(Bug::DedupeDropped)) {
        Some((stamp, _)) if stamp.saturating_add(at.ids_window_ms) <= at.stamp => {}
        Some((stamp, digest)) if digest == entry.digest => return Acceptance::Duplicate { stamp },
        Some(_) => return Acceptance::Conflict,
        None => {}
    }
    let reserve = if entry.from_outside { 0 } else { bounds.reserve };
    if rule != Rule::Commit && at.inbox >= bounds.inbox_max.saturating_add(reserve) {
        return Acceptance::Full(Full::Inbox);
    }
    if rule == Rule::Accept && entry.from_outside {
        if !entry.context.is_empty() && at.context >= bounds.context_max {
            return Acceptance::Full(Full::Context);
        }
        if entry.id.is_some() && at.ids >= bounds.ids_max {
            return Acceptance::Full(Full::Ids);
        }
    }
    Acceptance::Accepted { stamp: at.stamp }
}

/// A partition's inbox, open for entries within one step.
pub struct Inbox<'a> {
    pairs: &'a mut dyn PairsMut,
    partition: PartitionId,
    ids_window_ms: u64,
    stamp: Millis,
    first: u64,
    next: u64,
    ids: u64,
    waiting: HashMap<String, u64>,
}

impl<'a> Inbox<'a> {
    /// Opens it at a time of the store's clock.
    pub fn open(pairs: &'a mut dyn PairsMut, partition: PartitionId, now: Millis, ids_window_ms: u64) -> Result<Self> {
        let stamp = now.max(name(partition, keys::CLOCK).number(pairs)?);
        let (first, next) = numbers(pairs, partition)?;
        let ids = name(partition, keys::IDS_ORDER).length(pairs)?;
        Ok(Self { pairs, partition, ids_window_ms, stamp, first, next, ids, waiting: HashMap::new() })
    }

    /// Puts one entry in, if it may come in.
    pub fn put(&mut self, entry: &Accept, bounds: &AcceptBounds, rule: Rule) -> Result<Acceptance> {
        let ids_key = keys::ids(&entry.context);
        let stored = match &entry.id {
            Some(id) => name(self.partition, &ids_key).field(self.pairs, id.as_bytes())?,
            None => None,
        };
        let known = stored.as_deref().map(remembered).transpose()?;
        let context = self.waiting_of(&entry.context)?;
        let situation = Situation {
            stamp: self.stamp,
            known,
            ids_window_ms: self.ids_window_ms,
            inbox: self.next - self.first,
            context,
            ids: self.ids,
        };
        let decision = decide(entry, &situation, bounds, rule);
        if let Acceptance::Accepted { stamp } = decision {
            self.write(entry, stamp, context)?;
        }
        Ok(decision)
    }

    fn write(&mut self, entry: &Accept, stamp: Millis, context: u64) -> Result<()> {
        let value = [&stamp.to_be_bytes(), entry.bytes.as_slice()].concat();
        name(self.partition, keys::INBOX).put_at(self.pairs, self.next, value);
        self.next += 1;
        if !entry.context.is_empty() {
            self.waiting.insert(entry.context.clone(), context + 1);
        }
        if let Some(id) = &entry.id {
            let value = [&stamp.to_be_bytes(), entry.digest.as_slice()].concat();
            name(self.partition, &keys::ids(&entry.context)).set_field(self.pairs, id.as_bytes(), value);
            let order = ordered_id(stamp, &entry.context, id);
            name(self.partition, keys::IDS_ORDER).append(self.pairs, order)?;
            self.ids += 1;
        }
        Ok(())
    }

    fn waiting_of(&self, context: &str) -> Result<u64> {
        match self.waiting.get(context) {
            Some(count) => Ok(*count),
            None => waiting(self.pairs, self.partition, context),
        }
    }

    /// Writes what is common to all entries, and whether there were any.
    pub fn close(self) -> Result<bool> {
        let (_, before) = numbers(self.pairs, self.partition)?;
        if self.next == before {
            return Ok(false);
        }
        name(self.partition, keys::INBOX).set_bounds(self.pairs, self.first, self.next);
        name(self.partition, keys::CLOCK).set_number(self.pairs, self.stamp);
        for (context, count) in self.waiting {
            set_waiting(self.pairs, self.partition, &context, count);
        }
        Ok(true)
    }
}

/// An inbox's numbers: of its first entry (so many were consumed), and of the next to come.
pub fn numbers(pairs: &dyn Pairs, partition: PartitionId) -> Result<(u64, u64)> {
    Ok(name(partition, keys::INBOX).bounds(pairs)?.unwrap_or((0, 0)))
}

/// How many entries of a context wait.
pub fn waiting(pairs: &dyn Pairs, partition: PartitionId, context: &str) -> Result<u64> {
    name(partition, keys::WAITING).field(pairs, context.as_bytes())?.map_or(Ok(0), |bytes| number(&bytes))
}

/// Sets how many entries of a context wait.
pub fn set_waiting(pairs: &mut dyn PairsMut, partition: PartitionId, context: &str, count: u64) {
    let waiting = name(partition, keys::WAITING);
    match count {
        0 => waiting.remove_field(pairs, context.as_bytes()),
        count => waiting.set_field(pairs, context.as_bytes(), count.to_be_bytes().to_vec()),
    }
}

/// Splits a stored entry into its stamp and its bytes.
pub fn stamped(mut bytes: Vec<u8>) -> Result<(Millis, Vec<u8>)> {
    if bytes.len() < 8 {
        return Err(damaged("an inbox entry"));
    }
    let rest = bytes.split_off(8);
    Ok((number(&bytes)?, rest))
}

/// Forgets ids with a stamp below `before`, oldest first, at most `limit`.
pub fn forget_ids(pairs: &mut dyn PairsMut, partition: PartitionId, before: Millis, limit: usize) -> Result<()> {
    let order = name(partition, keys::IDS_ORDER);
    let mut forgotten = 0;
    for element in order.slice(pairs, 0, limit as u64)? {
        let (stamp, rest) = stamped(element)?;
        if stamp >= before {
            break;
        }
        forgotten += 1;
        let (context, id) = split_context(&rest)?;
        let ids_key = keys::ids(context);
        let ids = name(partition, &ids_key);
        // The context may have been forgotten and the id given again since: then this element is stale.
        if let Some(value) = ids.field(pairs, id)?
            && remembered(&value)?.0 == stamp
        {
            ids.remove_field(pairs, id);
        }
    }
    order.trim_front(pairs, forgotten)
}

fn remembered(value: &[u8]) -> Result<(Millis, &[u8])> {
    let (stamp, digest) = value.split_at_checked(8).ok_or_else(|| damaged("a remembered id"))?;
    Ok((number(stamp)?, digest))
}

fn ordered_id(stamp: Millis, context: &str, id: &str) -> Vec<u8> {
    let length = context.len() as u64;
    [&stamp.to_be_bytes(), &length.to_be_bytes(), context.as_bytes(), id.as_bytes()].concat()
}

fn split_context(rest: &[u8]) -> Result<(&str, &[u8])> {
    let bad = || damaged("a remembered id");
    let (length, rest) = rest.split_at_checked(8).ok_or_else(bad)?;
    let length = usize::try_from(number(length)?).map_err(|_| bad())?;
    let (context, id) = rest.split_at_checked(length).ok_or_else(bad)?;
    Ok((std::str::from_utf8(context).map_err(|_| bad())?, id))
}
