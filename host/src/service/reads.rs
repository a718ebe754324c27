//! Committed state, for people: instances, variables, timers, dead letters.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use quest_engine::{
    keys,
    model::{DeadLetter, Value, check_context, partition_of},
    record::{Instance, Record as _, Timer},
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Error, Kind, Result, Service};
use crate::store::{PartitionId, Read, Reply};

/// Rows that one read of an index gives.
const PAGE: u64 = 1_000;

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceView {
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// The instance's id.
    pub instance: String,
    /// Version of the code that last wrote it.
    pub version: u32,
    /// When it was added, in Unix milliseconds.
    pub added_at: u64,
    /// Why its deliveries wait, if they do.
    pub held: Option<Json>,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimerView {
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// Its name.
    pub timer: String,
    /// The action that it calls.
    pub action: String,
    /// When it is due, in Unix milliseconds.
    pub due: u64,
    /// The payload that the action gets.
    pub payload: Json,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadView {
    /// Its id.
    pub id: String,
    /// The context.
    pub context: String,
    /// The reason's code.
    pub code: String,
    /// The reason.
    pub message: String,
    /// When the event was accepted.
    pub accepted_at: u64,
    /// When it was given up.
    pub died_at: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// What was to be done.
    pub entry: Json,
}

impl Service {
    /// A context's instances.
    pub async fn instances_of(&self, context: &str) -> Result<Vec<InstanceView>> {
        let read = Read::Hash { key: keys::instances(context) };
        let replies = self.read_context(context, vec![read]).await?;
        let records = replies.into_iter().next().map(fields).unwrap_or_default();
        records.into_iter().map(|(quest, bytes)| instance_view(context, quest, &bytes)).collect()
    }

    /// Instances of one quest, or of all served, in all contexts; at most `max`.
    pub async fn instances(&self, quest: Option<&str>, max: usize) -> Result<Vec<InstanceView>> {
        let catalog = self.quests.catalog();
        let quests: Vec<String> = match quest {
            Some(quest) => vec![quest.to_owned()],
            None => catalog.quests().map(|definition| definition.name.clone()).collect(),
        };
        let mut found = Vec::new();
        for partition in 0..self.partitions {
            for quest in &quests {
                let mut after = None;
                while found.len() < max {
                    let page = Read::SortedAfter { key: keys::contexts(quest), after: after.clone(), count: PAGE };
                    let contexts = items(self.store.read(partition, vec![page]).await?.into_iter().next());
                    let Some(last) = contexts.last().cloned() else { break };
                    after = Some(last);
                    let names: Vec<String> = contexts.into_iter().map(text).collect();
                    let reads = names
                        .iter()
                        .map(|name| Read::HashField { key: keys::instances(name), field: quest.clone().into_bytes() });
                    for (name, reply) in names.iter().zip(self.store.read(partition, reads.collect()).await?) {
                        if let Reply::Value(Some(bytes)) = reply {
                            found.push(instance_view(name, quest.clone(), &bytes)?);
                        }
                    }
                }
            }
        }
        found.truncate(max);
        Ok(found)
    }

    /// The variables of a context, by quest.
    pub async fn variables(&self, context: &str) -> Result<BTreeMap<String, BTreeMap<String, Json>>> {
        let quests: Vec<String> =
            self.instances_of(context).await?.into_iter().map(|instance| instance.quest).collect();
        let reads = quests.iter().map(|quest| Read::Hash { key: keys::variables(context, quest) }).collect();
        let replies = if quests.is_empty() { Vec::new() } else { self.read_context(context, reads).await? };
        let mut all = BTreeMap::new();
        for (quest, reply) in quests.into_iter().zip(replies) {
            let decode = |(name, bytes): (String, Vec<u8>)| {
                let value = Value::decode(&bytes).map_err(|error| unreadable(&error))?;
                Ok((name, value.to_json_lossy()))
            };
            all.insert(quest, fields(reply).into_iter().map(decode).collect::<Result<_>>()?);
        }
        Ok(all)
    }

    /// The timers of a context, soonest first.
    pub async fn timers_of(&self, context: &str) -> Result<Vec<TimerView>> {
        let read = Read::Hash { key: keys::timers(context) };
        let replies = self.read_context(context, vec![read]).await?;
        let mut timers = Vec::new();
        for (field, bytes) in replies.into_iter().next().map(fields).unwrap_or_default() {
            let timer = Timer::from_bytes(&bytes).map_err(|error| unreadable(&error))?;
            let Some((quest, name)) = field.split_once('.') else { continue };
            timers.push(TimerView {
                context: context.to_owned(),
                quest: quest.to_owned(),
                timer: name.to_owned(),
                action: timer.action,
                due: timer.due,
                payload: timer.payload.to_json_lossy(),
            });
        }
        timers.sort_by_key(|timer| timer.due);
        Ok(timers)
    }

    /// The timers of all contexts, soonest first; at most `max`.
    pub async fn timers(&self, max: usize) -> Result<Vec<TimerView>> {
        let mut due: Vec<(u64, String)> = Vec::new();
        for partition in 0..self.partitions {
            let read = Read::SortedBelow { key: keys::TIMERS.to_owned(), below: 1 << 53, count: max as u64 };
            if let Some(Reply::Scored(scored)) = self.store.read(partition, vec![read]).await?.into_iter().next() {
                due.extend(scored.into_iter().map(|(name, at)| (at, text(name))));
            }
        }
        due.sort_unstable();
        let mut timers = Vec::new();
        for (_, context) in due.into_iter().take(max) {
            timers.extend(self.timers_of(&context).await?);
        }
        timers.sort_by_key(|timer| timer.due);
        timers.truncate(max);
        Ok(timers)
    }

    /// Dead letters of one context, or of all, oldest first; at most `max`.
    pub async fn dead(&self, context: Option<&str>, max: usize) -> Result<Vec<DeadView>> {
        let partitions = match context {
            Some(context) => {
                let here = partition_of(context, self.partitions);
                here..here + 1
            }
            None => 0..self.partitions,
        };
        let index = context.map_or_else(|| keys::DEAD_ORDER.to_owned(), keys::dead_of);
        let mut found = Vec::new();
        for partition in partitions {
            let read = Read::SortedBelow { key: index.clone(), below: 1 << 53, count: max as u64 };
            let Some(Reply::Scored(ids)) = self.store.read(partition, vec![read]).await?.into_iter().next() else {
                continue;
            };
            if ids.is_empty() {
                continue;
            }
            let reads = ids.into_iter().map(|(id, _)| Read::HashField { key: keys::DEAD.to_owned(), field: id });
            for reply in self.store.read(partition, reads.collect()).await? {
                if let Reply::Value(Some(bytes)) = reply {
                    found.push(dead_view(&DeadLetter::from_bytes(&bytes).map_err(|error| unreadable(&error))?));
                }
            }
        }
        found.sort_by_key(|dead| dead.died_at);
        found.truncate(max);
        Ok(found)
    }

    /// One dead letter. Its id says in which partition it lies.
    pub async fn dead_letter(&self, id: &str) -> Result<DeadView> {
        let missing = || {
            Error::new(Kind::NotFound, "no-such-dead-letter", format!("there is no dead letter {id:?}"))
                .hint("`quest-host dead list` shows them")
        };
        let partition: PartitionId = id.split('-').next().and_then(|number| number.parse().ok()).ok_or_else(missing)?;
        if partition >= self.partitions {
            return Err(missing());
        }
        let read = Read::HashField { key: keys::DEAD.to_owned(), field: id.as_bytes().to_vec() };
        match self.store.read(partition, vec![read]).await?.into_iter().next() {
            Some(Reply::Value(Some(bytes))) => {
                Ok(dead_view(&DeadLetter::from_bytes(&bytes).map_err(|error| unreadable(&error))?))
            }
            _ => Err(missing()),
        }
    }

    async fn read_context(&self, context: &str, reads: Vec<Read>) -> Result<Vec<Reply>> {
        check_context(context).map_err(|error| Error::new(Kind::Invalid, "invalid-request", error.to_string()))?;
        Ok(self.store.read(partition_of(context, self.partitions), reads).await?)
    }
}

fn instance_view(context: &str, quest: String, bytes: &[u8]) -> Result<InstanceView> {
    let record = Instance::from_bytes(bytes).map_err(|error| unreadable(&error))?;
    let held = record.held.map(|held| {
        json!({"retry_at": held.retry_at, "attempts": held.attempts, "code": held.code, "message": held.message})
    });
    let context = context.to_owned();
    Ok(InstanceView { context, quest, instance: record.id, version: record.version, added_at: record.added_at, held })
}

fn dead_view(dead: &DeadLetter) -> DeadView {
    use quest_engine::model::Body;
    let entry = match &dead.entry.body {
        Body::Emit { name, payload } => json!({"event": name, "payload": payload.to_json_lossy()}),
        Body::Spread { quest, name, payload, .. } => {
            json!({"quest": quest, "event": name, "payload": payload.to_json_lossy()})
        }
        Body::Send { quest, action, payload, .. } => {
            json!({"quest": quest, "action": action, "payload": payload.to_json_lossy()})
        }
        Body::Deliver { quest, action, instance, cause, name, payload, .. } => json!({
            "quest": quest, "action": action, "instance": instance, "cause": cause.as_str(), "event": name,
            "payload": payload.to_json_lossy(),
        }),
        Body::Add { quest } => json!({"add": quest}),
        Body::Remove { quest } => json!({"remove": quest}),
        Body::Operate(command) => json!({"command": command.name()}),
    };
    DeadView {
        id: dead.id.clone(),
        context: dead.entry.context.clone(),
        code: dead.code.clone(),
        message: dead.message.clone(),
        accepted_at: dead.stamp,
        died_at: dead.died_at,
        attempts: dead.attempts,
        entry,
    }
}

/// The fields of a hash, by name.
pub(super) fn fields(reply: Reply) -> Vec<(String, Vec<u8>)> {
    let Reply::Fields(fields) = reply else { return Vec::new() };
    let mut named: Vec<(String, Vec<u8>)> = fields.into_iter().map(|(name, value)| (text(name), value)).collect();
    named.sort_unstable();
    named
}

fn items(reply: Option<Reply>) -> Vec<Vec<u8>> {
    if let Some(Reply::Items(items)) = reply { items } else { Vec::new() }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, "store-unusable", error.to_string())
}

/// This machine's clock; for queries only, which are not part of any order.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
