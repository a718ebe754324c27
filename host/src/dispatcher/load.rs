//! Reads what the engine needs, in as few round trips as the data allows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use quest_engine::{
    keys,
    model::{Catalog, DeadLetter, Entry, Millis},
    partition::{Chunk, LoadedContext, Partition, Start, Survey, Turn},
    record::{Record, RelayCursor},
};

use super::{Shared, owner::from_within};
use crate::{
    replies::read,
    store::{Accept, Error, PartitionId, Read, Result, Store, Taken},
};

/// Contexts read in one call: enough to share the round trip, not enough to block a store for long.
const CONTEXTS_PER_READ: usize = 256;
/// No list that is read whole is longer than this.
const LIST_MAX: u64 = 1 << 20;

/// What a new owner needs before its first turn.
pub(super) async fn start(store: &dyn Store, partition: PartitionId) -> Result<Start> {
    let set = |key: &str| Read::Set { key: key.to_owned() };
    let reads = vec![Read::Hash { key: keys::CURSORS.to_owned() }, set(keys::BACKLOGS), set(keys::QUESTS)];
    let mut replies = read(store, partition, reads).await?;
    let cursors: BTreeMap<String, Vec<u8>> = replies.fields().into_iter().collect();
    let (backlogs, quests) = (replies.names(), replies.names());
    let relays: BTreeMap<u16, RelayCursor> = cursor(&cursors, keys::RELAYS)?;
    let waiting: Vec<u16> =
        relays.iter().filter(|(_, relay)| relay.first < relay.next).map(|(destination, _)| *destination).collect();
    let reads = waiting.iter().map(|destination| list(keys::relay(*destination), LIST_MAX)).collect();
    let mut replies = read(store, partition, reads).await?;
    let mut lists: BTreeMap<u16, Vec<Vec<u8>>> =
        waiting.iter().map(|destination| (*destination, replies.items())).collect();
    let outboxes = relays
        .into_iter()
        .map(|(destination, relay)| (destination, (relay, lists.remove(&destination).unwrap_or_default())));
    Ok(Start {
        sequence: cursor(&cursors, keys::SEQUENCE)?,
        messages_first: cursor(&cursors, keys::MESSAGES_FIRST)?,
        messages_next: cursor(&cursors, keys::MESSAGES_NEXT)?,
        broadcast: cursor(&cursors, keys::BROADCAST)?,
        outboxes: outboxes.collect(),
        backlogs,
        quests,
        surveyed: cursor(&cursors, keys::SURVEYED)?,
        is_new: false,
    })
}

/// Makes what was taken a turn: decodes it, and loads every context that it concerns.
#[allow(clippy::too_many_arguments)] // One step of the owner's turn, split off for its length.
pub(super) async fn turn(
    shared: &Shared,
    number: PartitionId,
    partition: &mut Partition,
    taken: Taken,
    horizon: Millis,
    agenda: Vec<String>,
    (broadcast, survey): (Option<Chunk>, Option<Survey>),
    catalog: Arc<Catalog>,
) -> Result<Turn> {
    let store = &*shared.store;
    let inbox_full = taken.behind >= shared.options.accept.inbox_max + shared.options.accept.reserve;
    let mut entries = Vec::with_capacity(taken.entries.len());
    let mut unreadable = Vec::new();
    for (stamp, bytes) in taken.entries {
        match Entry::from_bytes(&bytes) {
            Ok(entry) => entries.push((stamp, entry)),
            Err(error) => {
                Shared::count(&shared.counters.unreadable, 1);
                tracing::error!(partition = number, %error, "an inbox entry is unreadable; it is kept under `unreadable`");
                unreadable.push(bytes);
            }
        }
    }
    let shares = broadcast.iter().flat_map(|chunk| &chunk.contexts);
    let shares = shares.chain(survey.iter().flat_map(|survey| &survey.contexts));
    let names: BTreeSet<String> =
        entries.iter().map(|(_, entry)| &entry.context).chain(&agenda).chain(shares).cloned().collect();
    let names: Vec<String> = names.into_iter().collect();
    let missing = partition.missing(names.iter().map(String::as_str));
    for (name, context) in contexts(store, number, partition, missing).await? {
        partition.load(name, context);
    }
    let mut windows = Vec::new();
    for name in &names {
        if let Some(count) = partition.backlog_wanted(name) {
            windows.push((name.clone(), count));
        }
    }
    let reads = windows.iter().map(|(name, count)| list(keys::backlog(name), *count)).collect();
    let mut replies = read(store, number, reads).await?;
    for (name, _) in &windows {
        partition.load_backlog(name, replies.item_records()?);
    }
    let (dead, dead_of) = dead_letters(store, number, partition, &entries, &names).await?;
    let config = shared.options.config.clone();
    Ok(Turn {
        now: taken.now,
        horizon,
        entries,
        unreadable,
        inbox_full,
        agenda,
        broadcast,
        survey,
        catalog,
        config,
        dead,
        dead_of,
    })
}

/// The next chunk of the broadcast that the partition is at, if there is one.
pub(super) async fn broadcast_chunk(
    shared: &Shared,
    number: PartitionId,
    partition: &mut Partition,
    catalog: &Catalog,
) -> Result<Option<Chunk>> {
    let Some(hint) = shared.broadcasts.get(usize::from(number)) else { return Ok(None) };
    // Put down before the look: a bell that rings meanwhile raises it again.
    if !hint.swap(false, Ordering::AcqRel) {
        return Ok(None);
    }
    let position = partition.broadcast_position();
    let store = &*shared.store;
    let log = match store.broadcasts(position, 1).await {
        Ok(log) => log,
        Err(error) => {
            // Of a cluster, the log's node may be down: the partition's own work goes on.
            hint.store(true, Ordering::Release);
            tracing::debug!(partition = number, %error, "cannot look at the broadcast log");
            return Ok(None);
        }
    };
    if log.first > position {
        let missed = partition.skip_broadcasts(log.first);
        tracing::error!(partition = number, missed, "broadcasts were trimmed before this partition had seen them");
    }
    if log.end < position {
        Shared::count(&shared.counters.regressions, 1);
        let lost = position - log.end;
        tracing::error!(partition = number, lost, "store_regressed: the broadcast log lost its latest entries");
        partition.rewind_broadcasts(log.end);
        hint.store(true, Ordering::Release);
        return Ok(None);
    }
    let Some((_, bytes)) = log.entries.into_iter().next() else { return Ok(None) };
    // There is one, and perhaps more behind it.
    hint.store(true, Ordering::Release);
    let number_in_log = partition.broadcast_position();
    let entry = match Entry::from_bytes(&bytes) {
        Ok(entry) => entry,
        Err(error) => {
            Shared::count(&shared.counters.unreadable, 1);
            tracing::error!(partition = number, broadcast = number_in_log, %error, "a broadcast is unreadable and is passed over");
            partition.skip_broadcasts(number_in_log + 1);
            return Ok(None);
        }
    };
    let Some((quest, after)) = partition.broadcast_wanted(&entry, catalog) else {
        return Ok(Some(Chunk { number: number_in_log, entry, quest: None, contexts: Vec::new(), more: false }));
    };
    let count = shared.options.pace.broadcast_chunk;
    let after = after.map(String::into_bytes);
    let page = Read::SortedAfter { key: keys::contexts(&quest), after, count };
    let contexts = read(store, number, vec![page]).await?.names();
    let more = contexts.len() as u64 == count;
    Ok(Some(Chunk { number: number_in_log, entry, quest: Some(quest), contexts, more }))
}

/// The next contexts that must meet what is served now, if there are any.
pub(super) async fn survey_chunk(
    shared: &Shared,
    number: PartitionId,
    partition: &mut Partition,
    catalog: &Arc<Catalog>,
) -> Result<Option<Survey>> {
    let Some((quest, after)) = partition.survey_wanted(catalog) else { return Ok(None) };
    let count = shared.options.pace.broadcast_chunk;
    let after = after.map(String::into_bytes);
    let page = Read::SortedAfter { key: keys::contexts(&quest), after, count };
    let contexts = read(&*shared.store, number, vec![page]).await?.names();
    let more = contexts.len() as u64 == count;
    Ok(Some(Survey { quest, contexts, more }))
}

/// Loads contexts: first which instances they have, then what those own. What is known not to be there is not asked for: past the
/// bound of the cache this is most of an event's cost.
pub(super) async fn contexts(
    store: &dyn Store,
    number: PartitionId,
    partition: &Partition,
    names: Vec<String>,
) -> Result<Vec<(String, LoadedContext)>> {
    let mut loaded = Vec::with_capacity(names.len());
    for names in names.chunks(CONTEXTS_PER_READ) {
        let reads = names.iter().map(|name| Read::Hash { key: keys::instances(name) }).collect();
        let mut replies = read(store, number, reads).await?;
        let first = loaded.len();
        for name in names {
            let (instances, zone) = replies.instances()?;
            loaded.push((name.clone(), LoadedContext { instances, zone, ..LoadedContext::default() }));
        }
        load_parts(store, number, partition, &mut loaded[first..]).await?;
    }
    Ok(loaded)
}

async fn load_parts(
    store: &dyn Store,
    number: PartitionId,
    partition: &Partition,
    contexts: &mut [(String, LoadedContext)],
) -> Result<()> {
    let has_timers = |context: &LoadedContext| context.instances.values().any(|instance| instance.has_timers);
    let has_patterns = |context: &LoadedContext| context.instances.values().any(|instance| instance.has_patterns);
    let mut reads = Vec::new();
    for (name, context) in contexts.iter() {
        if has_timers(context) {
            reads.push(Read::Hash { key: keys::timers(name) });
        }
        if has_patterns(context) {
            reads.push(Read::Hash { key: keys::patterns(name) });
        }
        if partition.has_backlog(name) {
            reads.push(Read::Length { key: keys::backlog(name) });
        }
        for (quest, instance) in &context.instances {
            reads.push(Read::Hash { key: keys::variables(name, quest) });
            if instance.held.is_some() {
                reads.push(list(keys::held(name, quest), LIST_MAX));
            }
        }
    }
    let mut replies = read(store, number, reads).await?;
    for (name, context) in contexts.iter_mut() {
        if has_timers(context) {
            context.timers = replies.timers()?.into_iter().collect();
        }
        if has_patterns(context) {
            context.patterns = replies.patterns()?.into_iter().collect();
        }
        if partition.has_backlog(name) {
            context.backlog = replies.count();
        }
        for (quest, instance) in &context.instances {
            context.variables.insert(quest.clone(), replies.variables()?);
            if instance.held.is_some() {
                context.held.insert(quest.clone(), replies.item_records()?);
            }
        }
    }
    Ok(())
}

async fn dead_letters(
    store: &dyn Store,
    number: PartitionId,
    partition: &Partition,
    entries: &[(Millis, Entry)],
    names: &[String],
) -> Result<(BTreeMap<String, DeadLetter>, BTreeMap<String, Vec<String>>)> {
    let (ids, contexts) = partition.dead_wanted(entries.iter().map(|(_, entry)| entry), names);
    let dead = ids.iter().map(|id| Read::HashField { key: keys::DEAD.to_owned(), field: id.clone().into_bytes() });
    let dead_of = contexts.iter().map(|name| Read::lowest(keys::dead_of(name), LIST_MAX));
    let mut replies = read(store, number, dead.chain(dead_of).collect()).await?;
    let mut letters = BTreeMap::new();
    for id in ids {
        if let Some(letter) = replies.record()? {
            letters.insert(id, letter);
        }
    }
    let mut all = BTreeMap::new();
    for name in contexts {
        all.insert(name, replies.scored().into_iter().map(|(id, _)| id).collect());
    }
    Ok((letters, all))
}

/// An entry from within, as a store takes it.
pub(super) fn accept_from_within(entry: &Entry) -> Accept {
    from_within(entry.context.clone(), entry.to_bytes())
}

fn list(key: String, count: u64) -> Read {
    Read::List { key, from: 0, count }
}

fn cursor<T: Record + Default>(cursors: &BTreeMap<String, Vec<u8>>, field: &str) -> Result<T> {
    let decoded = cursors.get(field).map(|bytes| T::from_bytes(bytes)).transpose();
    decoded.map(Option::unwrap_or_default).map_err(|error| Error::Unusable(error.to_string()))
}
