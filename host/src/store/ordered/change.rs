//! Commits and relays over ordered pairs.
//!
//! Must not know: who holds a lease (that is checked before), what a write means.

use quest_engine::{
    model::Millis,
    planted::{self, Bug},
    write::Write,
};

use super::{
    accept::{Inbox, Rule, keys},
    counts::Counts,
    layout::{damaged, name, number},
    pairs::{Pairs, PairsMut},
    segments::{Numbers, entry},
};
use crate::store::{AcceptBounds, Acceptance, Commit, Committed, PartitionId, Relay, Relayed, Result, Stamped};

/// Bounds that no entry reaches: those of a commit.
const UNBOUNDED: AcceptBounds =
    AcceptBounds { inbox_max: u64::MAX, context_max: u64::MAX, ids_max: u64::MAX, reserve: 0 };

/// Where a partition stands, as far as a commit must fit it.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Id of the last commit.
    pub head: &'a str,
    /// Entries ever consumed.
    pub consumed: u64,
    /// Entries ever accepted.
    pub accepted: u64,
    /// The last entry that the commit would consume, if it is there.
    pub last: Option<&'a Stamped>,
}

/// Whether a commit (of the owner) fits; none if it is to be applied. Pure.
pub fn judge(commit: &Commit, at: Standing<'_>) -> Option<Committed> {
    if at.head == commit.id {
        return Some(Committed::AlreadyApplied);
    }
    let follows = at.head == commit.previous || planted::is(Bug::SkipPredecessorCheck);
    let has_read =
        commit.last.as_ref().filter(|_| !planted::is(Bug::LastEntryNotCompared)).is_none_or(|(stamp, begins)| {
            at.last.is_some_and(|(at_stamp, bytes)| at_stamp == stamp && bytes.starts_with(begins))
        });
    let fits = follows && has_read && (at.consumed..=at.accepted).contains(&commit.consumed);
    (!fits).then(|| Committed::Diverged { head: at.head.to_owned() })
}

/// The id of a partition's last commit.
pub fn head(pairs: &dyn Pairs, partition: PartitionId) -> Result<String> {
    let bytes = name(partition, keys::HEAD).value(pairs)?.unwrap_or_default();
    String::from_utf8(bytes).map_err(|_| damaged("a commit's id"))
}

/// Applies a commit if it fits.
pub fn commit(
    pairs: &mut dyn PairsMut,
    counts: &mut Counts,
    partition: PartitionId,
    commit: &Commit,
    now: Millis,
    ids_window_ms: u64,
) -> Result<Committed> {
    let numbers = Numbers::read(pairs, partition)?;
    let Numbers { first: consumed, next: accepted, .. } = numbers;
    let last = commit.consumed.checked_sub(1).filter(|number| commit.last.is_some() && *number >= consumed);
    let last = last.map(|number| entry(pairs, partition, numbers, number)).transpose()?.flatten();
    let standing = Standing { head: &head(pairs, partition)?, consumed, accepted, last: last.as_ref() };
    if let Some(refusal) = judge(commit, standing) {
        return Ok(refusal);
    }
    counts.settle(pairs, partition, commit.consumed, &commit.settled)?;
    for write in &commit.writes {
        apply(pairs, partition, write)?;
    }
    let mut inbox = Inbox::open(pairs, counts, partition, now, ids_window_ms)?;
    for entry in &commit.accept {
        inbox.put(entry, &UNBOUNDED, Rule::Commit)?;
    }
    inbox.close();
    name(partition, keys::HEAD).set_value(pairs, commit.id.clone().into_bytes());
    Ok(Committed::Applied)
}

fn apply(pairs: &mut dyn PairsMut, partition: PartitionId, write: &Write) -> Result<()> {
    match write {
        Write::HashSet { key, field, value } => name(partition, key).set_field(pairs, field, value.clone()),
        Write::HashRemove { key, field } => name(partition, key).remove_field(pairs, field),
        Write::SetAdd { key, member } => name(partition, key).set_add(pairs, member),
        Write::SetRemove { key, member } => name(partition, key).set_remove(pairs, member),
        Write::SortedSet { key, member, score } => name(partition, key).sorted_set(pairs, member, *score)?,
        Write::SortedRemove { key, member } => name(partition, key).sorted_remove(pairs, member)?,
        Write::ListAppend { key, value } => name(partition, key).append(pairs, value.clone())?,
        Write::ListPrepend { key, value } => name(partition, key).prepend(pairs, value.clone())?,
        Write::ListTrimFront { key, count } => name(partition, key).trim_front(pairs, *count)?,
        Write::Delete { key } => name(partition, key).delete(pairs)?,
    }
    Ok(())
}

/// Carries entries in, if the cursor of their source fits.
pub fn relay(
    pairs: &mut dyn PairsMut,
    counts: &mut Counts,
    partition: PartitionId,
    relay: &Relay,
    bounds: &AcceptBounds,
    now: Millis,
    ids_window_ms: u64,
) -> Result<Relayed> {
    let cursors = name(partition, keys::RELAY_IN);
    let stored = cursors.field(pairs, relay.source.as_bytes())?;
    let (stream, next) = stored.as_deref().map_or(Ok((String::new(), 0)), cursor)?;
    let known = stored.is_some() && stream == relay.stream;
    let start = if known { next } else { 0 };
    if relay.expected.is_some_and(|expected| expected != start) {
        return Ok(Relayed::At { stream, next });
    }
    let mut upto = start;
    let mut full = false;
    let mut inbox = Inbox::open(pairs, counts, partition, now, ids_window_ms)?;
    for (entry_number, entry) in &relay.entries {
        if *entry_number < upto {
            continue;
        }
        if let Acceptance::Full(_) = inbox.put(entry, bounds, Rule::Relay)? {
            full = true;
            break;
        }
        upto = entry_number + 1;
    }
    inbox.close();
    if !known || upto != next {
        let value = [&upto.to_be_bytes(), relay.stream.as_bytes()].concat();
        cursors.set_field(pairs, relay.source.as_bytes(), value);
    }
    Ok(Relayed::Upto { next: upto, full })
}

fn cursor(value: &[u8]) -> Result<(String, u64)> {
    let bad = || damaged("a relay's cursor");
    let (next, stream) = value.split_at_checked(8).ok_or_else(bad)?;
    Ok((String::from_utf8(stream.to_vec()).map_err(|_| bad())?, number(next)?))
}
