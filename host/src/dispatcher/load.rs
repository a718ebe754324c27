//! Reads what the engine needs, in as few round trips as the data allows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

use quest_engine::{
    action::Variables,
    keys,
    model::{Catalog, DeadLetter, Entry, Millis, Value},
    partition::{Chunk, LoadedContext, Partition, Start, Turn},
    record::{Instance, Record, RelayCursor, Timer, Waiting},
};

use super::{Shared, owner::from_within};
use crate::store::{Accept, Error, PartitionId, Read, Reply, Result, Store, Taken};

/// Contexts read in one call: enough to share the round trip, not enough to block a store for long.
const CONTEXTS_PER_READ: usize = 256;
/// No list that is read whole is longer than this.
const LIST_MAX: u64 = 1 << 20;

/// What a new owner needs before its first turn.
pub(super) async fn start(store: &dyn Store, partition: PartitionId) -> Result<Start> {
    let reads = vec![Read::Hash { key: keys::CURSORS.to_owned() }, Read::Set { key: keys::BACKLOGS.to_owned() }];
    let mut replies = store.read(partition, reads).await?.into_iter();
    let cursors: BTreeMap<Vec<u8>, Vec<u8>> = fields(replies.next()).into_iter().collect();
    let backlogs = items(replies.next()).into_iter().map(text).collect();
    let relays: BTreeMap<u16, RelayCursor> = cursor(&cursors, keys::RELAYS)?;
    let waiting: Vec<u16> =
        relays.iter().filter(|(_, relay)| relay.first < relay.next).map(|(destination, _)| *destination).collect();
    let reads = waiting.iter().map(|destination| list(keys::relay(*destination), LIST_MAX)).collect();
    let mut lists: BTreeMap<u16, Vec<Vec<u8>>> = waiting
        .iter()
        .copied()
        .zip(store.read(partition, reads).await?.into_iter().map(|reply| items(Some(reply))))
        .collect();
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
    broadcast: Option<Chunk>,
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
    let names: BTreeSet<String> =
        entries.iter().map(|(_, entry)| &entry.context).chain(&agenda).chain(shares).cloned().collect();
    let names: Vec<String> = names.into_iter().collect();
    let missing = partition.missing(names.iter().map(String::as_str));
    for (name, context) in contexts(store, number, missing).await? {
        partition.load(name, context);
    }
    let mut windows = Vec::new();
    for name in &names {
        if let Some(count) = partition.backlog_wanted(name) {
            windows.push((name.clone(), count));
        }
    }
    let reads = windows.iter().map(|(name, count)| list(keys::backlog(name), *count)).collect();
    for ((name, _), reply) in windows.iter().zip(read(store, number, reads).await?) {
        partition.load_backlog(name, waiting(items(Some(reply)))?);
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
    let (first, entries) = store.broadcasts(position, 1).await.inspect_err(|_| hint.store(true, Ordering::Release))?;
    if first > position {
        let missed = partition.skip_broadcasts(first);
        tracing::error!(partition = number, missed, "broadcasts were trimmed before this partition had seen them");
    }
    let Some((_, bytes)) = entries.into_iter().next() else { return Ok(None) };
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
    let contexts: Vec<String> =
        items(store.read(number, vec![page]).await?.into_iter().next()).into_iter().map(text).collect();
    let more = contexts.len() as u64 == count;
    Ok(Some(Chunk { number: number_in_log, entry, quest: Some(quest), contexts, more }))
}

/// Loads contexts: first what they have, then each instance's variables and what it holds.
pub(super) async fn contexts(
    store: &dyn Store,
    partition: PartitionId,
    names: Vec<String>,
) -> Result<Vec<(String, LoadedContext)>> {
    let mut loaded = Vec::with_capacity(names.len());
    for names in names.chunks(CONTEXTS_PER_READ) {
        let reads = names.iter().flat_map(|name| {
            [
                Read::Hash { key: keys::instances(name) },
                Read::Hash { key: keys::timers(name) },
                Read::Length { key: keys::backlog(name) },
            ]
        });
        let mut replies = store.read(partition, reads.collect()).await?.into_iter();
        let first = loaded.len();
        for name in names {
            let instances = records::<Instance>(replies.next())?;
            let timers = records::<Timer>(replies.next())?;
            let timers = timers.into_iter().filter_map(|(field, timer)| {
                let (quest, name) = field.split_once('.')?;
                Some(((quest.to_owned(), name.to_owned()), timer))
            });
            let context = LoadedContext {
                instances: instances.into_iter().collect(),
                timers: timers.collect(),
                backlog: count(replies.next()),
                ..LoadedContext::default()
            };
            loaded.push((name.clone(), context));
        }
        load_instances(store, partition, &mut loaded[first..]).await?;
    }
    Ok(loaded)
}

async fn load_instances(
    store: &dyn Store,
    partition: PartitionId,
    contexts: &mut [(String, LoadedContext)],
) -> Result<()> {
    let mut reads = Vec::new();
    for (name, context) in contexts.iter() {
        for (quest, instance) in &context.instances {
            reads.push(Read::Hash { key: keys::variables(name, quest) });
            if instance.held.is_some() {
                reads.push(list(keys::held(name, quest), LIST_MAX));
            }
        }
    }
    let mut replies = read(store, partition, reads).await?.into_iter();
    for (_, context) in contexts.iter_mut() {
        for (quest, instance) in &context.instances {
            context.variables.insert(quest.clone(), variables(fields(replies.next()))?);
            if instance.held.is_some() {
                context.held.insert(quest.clone(), waiting(items(replies.next()))?);
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
    let dead_of =
        contexts.iter().map(|name| Read::SortedBelow { key: keys::dead_of(name), below: 1 << 53, count: LIST_MAX });
    let mut replies = read(store, number, dead.chain(dead_of).collect()).await?.into_iter();
    let mut letters = BTreeMap::new();
    for id in ids {
        if let Some(Reply::Value(Some(bytes))) = replies.next() {
            letters.insert(id, DeadLetter::from_bytes(&bytes).map_err(unusable)?);
        }
    }
    let mut all = BTreeMap::new();
    for name in contexts {
        if let Some(Reply::Scored(scored)) = replies.next() {
            all.insert(name, scored.into_iter().map(|(id, _)| text(id)).collect());
        }
    }
    Ok((letters, all))
}

/// An entry from within, as a store takes it.
pub(super) fn accept_from_within(entry: &Entry) -> Accept {
    from_within(entry.context.clone(), entry.to_bytes())
}

/// Decodes an instance's variables.
pub(super) fn variables(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Variables> {
    let decode = |(name, value): (Vec<u8>, Vec<u8>)| {
        let value = Value::decode(&value).map_err(|error| Error::Unusable(format!("a variable: {error}")))?;
        Ok((text(name), value))
    };
    fields.into_iter().map(decode).collect()
}

async fn read(store: &dyn Store, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
    if reads.is_empty() { Ok(Vec::new()) } else { store.read(partition, reads).await }
}

fn list(key: String, count: u64) -> Read {
    Read::List { key, from: 0, count }
}

fn waiting(items: Vec<Vec<u8>>) -> Result<Vec<Waiting>> {
    items.iter().map(|bytes| Waiting::from_bytes(bytes).map_err(unusable)).collect()
}

fn records<T: Record>(reply: Option<Reply>) -> Result<Vec<(String, T)>> {
    let decode = |(name, bytes): (Vec<u8>, Vec<u8>)| Ok((text(name), T::from_bytes(&bytes).map_err(unusable)?));
    fields(reply).into_iter().map(decode).collect()
}

fn cursor<T: Record + Default>(cursors: &BTreeMap<Vec<u8>, Vec<u8>>, field: &str) -> Result<T> {
    cursors.get(field.as_bytes()).map_or_else(|| Ok(T::default()), |bytes| T::from_bytes(bytes).map_err(unusable))
}

fn fields(reply: Option<Reply>) -> Vec<(Vec<u8>, Vec<u8>)> {
    if let Some(Reply::Fields(fields)) = reply { fields } else { Vec::new() }
}

fn items(reply: Option<Reply>) -> Vec<Vec<u8>> {
    if let Some(Reply::Items(items)) = reply { items } else { Vec::new() }
}

fn count(reply: Option<Reply>) -> u64 {
    if let Some(Reply::Count(count)) = reply { count } else { 0 }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn unusable(error: impl std::fmt::Display) -> Error {
    Error::Unusable(error.to_string())
}
