//! Accepting: whether an entry may come in, and how it is put into an inbox.
//!
//! Must not know: leases, what an entry holds. The Lua twin of [`decide`] is `redis/lua/accept.lua`; the differential test holds them together.

use quest_engine::{
    model::Millis,
    planted::{self, Bug},
};

use super::{
    counts::Counts,
    layout::{damaged, name, number},
    pairs::PairsMut,
    segments::{Numbers, Stored, Writer},
};
use crate::store::{Accept, AcceptBounds, Acceptance, Full, PartitionId, Result};

/// Names of a partition's internal keys; the same in every store.
pub mod keys {
    /// Entries with their stamps, in segments.
    pub const INBOX: &str = "inbox";
    /// Number: the last stamp given, or a higher fence.
    pub const CLOCK: &str = "clock";
    /// Text: id of the last commit.
    pub const HEAD: &str = "head";
    /// Number: leases granted.
    pub const EPOCH: &str = "epoch";
    /// Hash: context to its entries that wait elsewhere than in the inbox.
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
    counts: &'a mut Counts,
    partition: PartitionId,
    ids_window_ms: u64,
    stamp: Millis,
    before: Numbers,
    numbers: Numbers,
    segments: Writer,
    ids: u64,
}

impl<'a> Inbox<'a> {
    /// Opens it at a time of the store's clock.
    pub fn open(
        pairs: &'a mut dyn PairsMut,
        counts: &'a mut Counts,
        partition: PartitionId,
        now: Millis,
        ids_window_ms: u64,
    ) -> Result<Self> {
        let stamp = now.max(name(partition, keys::CLOCK).number(pairs)?);
        let numbers = Numbers::read(pairs, partition)?;
        let ids = name(partition, keys::IDS_ORDER).length(pairs)?;
        let segments = Writer::default();
        Ok(Self { pairs, counts, partition, ids_window_ms, stamp, before: numbers, numbers, segments, ids })
    }

    /// Puts one entry in, if it may come in.
    pub fn put(&mut self, entry: &Accept, bounds: &AcceptBounds, rule: Rule) -> Result<Acceptance> {
        let stored = match &entry.id {
            Some(id) => name(self.partition, &keys::ids(&entry.context)).field(self.pairs, id.as_bytes())?,
            None => None,
        };
        let known = stored.as_deref().map(remembered).transpose()?;
        let situation = Situation {
            stamp: self.stamp,
            known,
            ids_window_ms: self.ids_window_ms,
            inbox: self.numbers.len(),
            context: self.counts.of(&entry.context),
            ids: self.ids,
        };
        let decision = decide(entry, &situation, bounds, rule);
        if let Acceptance::Accepted { stamp } = decision {
            self.write(entry, stamp)?;
        }
        Ok(decision)
    }

    fn write(&mut self, entry: &Accept, stamp: Millis) -> Result<()> {
        let stored = Stored { number: self.numbers.next, stamp, context: &entry.context, bytes: &entry.bytes };
        self.segments.put(self.pairs, self.partition, &mut self.numbers, stored);
        self.counts.add(&entry.context);
        if let Some(id) = &entry.id {
            let value = [&stamp.to_be_bytes(), entry.digest.as_slice()].concat();
            name(self.partition, &keys::ids(&entry.context)).set_field(self.pairs, id.as_bytes(), value);
            let order = ordered_id(stamp, &entry.context, id);
            name(self.partition, keys::IDS_ORDER).append(self.pairs, order)?;
            self.ids += 1;
        }
        Ok(())
    }

    /// Writes what is common to all entries.
    pub fn close(mut self) {
        if self.numbers == self.before {
            return;
        }
        self.segments.close(self.pairs, self.partition, self.numbers);
        self.numbers.write(self.pairs, self.partition);
        name(self.partition, keys::CLOCK).set_number(self.pairs, self.stamp);
    }
}

/// Splits a remembered id's place into its stamp and the rest.
fn stamped(mut bytes: Vec<u8>) -> Result<(Millis, Vec<u8>)> {
    if bytes.len() < 8 {
        return Err(damaged("a remembered id"));
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
