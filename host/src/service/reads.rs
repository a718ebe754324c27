//! Committed state, for people: instances, variables, timers, dead letters.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use quest_engine::{
    keys,
    model::{Catalog, DeadLetter, check_context, partition_of},
    pattern,
    record::{Instance, Pattern, Timer},
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Error, Kind, Result, Service};
use crate::{
    replies::{Replies, read},
    store::{PartitionId, Read},
};

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
    /// The schedule that it comes again by, if it does.
    pub schedule: Option<String>,
    /// Whether the quest that is served here does not have the action: it waits for it to come back.
    pub dangling: bool,
}

/// A live pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatternView {
    /// The context.
    pub context: String,
    /// The quest.
    pub quest: String,
    /// Its name.
    pub pattern: String,
    /// When its next deadline is, in Unix milliseconds; none if time alone does nothing to it.
    pub due: Option<u64>,
    /// What it looks for, if the quest started it with a spec of its own; none if the quest declares it.
    pub spec: Option<Json>,
    /// What it has seen; none while its quest is not served here.
    pub state: Option<Json>,
}

/// A context's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ZoneView {
    /// Its name in the IANA database.
    pub zone: String,
    /// Whether it is the host's default, since none was set.
    pub is_default: bool,
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
        let reads = vec![Read::Hash { key: keys::instances(context) }];
        let (records, _) = self.read_context(context, reads).await?.instances()?;
        Ok(records.into_iter().map(|(quest, record)| instance_view(context, &quest, record)).collect())
    }

    /// Instances of one quest, or of all, in all contexts; at most `max`.
    pub async fn instances(&self, quest: Option<&str>, max: usize) -> Result<Vec<InstanceView>> {
        let mut found = Vec::new();
        for partition in 0..self.partitions {
            // Those that nobody serves now too: theirs are the instances that an operator looks for.
            let mut quests = match quest {
                Some(quest) => vec![quest.to_owned()],
                None => read(&*self.store, partition, vec![Read::Set { key: keys::QUESTS.to_owned() }]).await?.names(),
            };
            quests.sort_unstable();
            for quest in &quests {
                let mut after = None;
                while found.len() < max {
                    let page = Read::SortedAfter { key: keys::contexts(quest), after, count: PAGE };
                    let names = read(&*self.store, partition, vec![page]).await?.names();
                    let Some(last) = names.last() else { break };
                    after = Some(last.clone().into_bytes());
                    let reads = names
                        .iter()
                        .map(|name| Read::HashField { key: keys::instances(name), field: quest.clone().into_bytes() });
                    let mut replies = read(&*self.store, partition, reads.collect()).await?;
                    for name in &names {
                        found.extend(replies.record()?.map(|record| instance_view(name, quest, record)));
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
        let mut replies = self.read_context(context, reads).await?;
        let mut all = BTreeMap::new();
        for quest in quests {
            let variables = replies.variables()?.into_iter();
            all.insert(quest, variables.map(|(name, value)| (name, value.to_json_lossy())).collect());
        }
        Ok(all)
    }

    /// The timers of a context, soonest first.
    pub async fn timers_of(&self, context: &str) -> Result<Vec<TimerView>> {
        let reads = vec![Read::Hash { key: keys::timers(context) }];
        let catalog = self.quests.catalog();
        let timers = self.read_context(context, reads).await?.timers()?.into_iter();
        let mut timers: Vec<TimerView> =
            timers.map(|(name, timer)| timer_view(&catalog, context, name, timer)).collect();
        timers.sort_by_key(|timer| timer.due);
        Ok(timers)
    }

    /// The live patterns of a context, by quest and name.
    pub async fn patterns_of(&self, context: &str) -> Result<Vec<PatternView>> {
        let reads = vec![Read::Hash { key: keys::patterns(context) }];
        let catalog = self.quests.catalog();
        let mut patterns = self.read_context(context, reads).await?.patterns()?;
        patterns.sort_by(|(one, _), (other, _)| one.cmp(other));
        let view = |((quest, name), record): ((String, String), Pattern)| PatternView {
            context: context.to_owned(),
            due: record.due,
            spec: record.spec.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            state: catalog
                .spec_of(&quest, &name, &record)
                .map(|spec| pattern::inspect(&spec, &record.state).to_json_lossy()),
            quest,
            pattern: name,
        };
        Ok(patterns.into_iter().map(view).collect())
    }

    /// A context's time zone.
    pub async fn zone_of(&self, context: &str) -> Result<ZoneView> {
        let reads = vec![Read::Hash { key: keys::instances(context) }];
        let (_, zone) = self.read_context(context, reads).await?.instances()?;
        let is_default = zone.is_none();
        Ok(ZoneView { zone: zone.unwrap_or_else(|| self.default_zone.name().to_owned()), is_default })
    }

    /// The timers of all contexts, soonest first; at most `max`.
    pub async fn timers(&self, max: usize) -> Result<Vec<TimerView>> {
        let mut due: Vec<(u64, PartitionId, String)> = Vec::new();
        for partition in 0..self.partitions {
            let index = Read::lowest(keys::TIMERS.to_owned(), max as u64);
            let scored = read(&*self.store, partition, vec![index]).await?.scored();
            due.extend(scored.into_iter().map(|(name, at)| (at, partition, name)));
        }
        // Each context of the index has a timer, or a retry: those of the soonest `max` contexts are enough.
        due.sort_unstable();
        due.truncate(max);
        let mut by_partition: BTreeMap<PartitionId, Vec<String>> = BTreeMap::new();
        for (_, partition, name) in due {
            by_partition.entry(partition).or_default().push(name);
        }
        let catalog = self.quests.catalog();
        let mut timers = Vec::new();
        for (partition, names) in by_partition {
            let reads = names.iter().map(|name| Read::Hash { key: keys::timers(name) }).collect();
            let mut replies = read(&*self.store, partition, reads).await?;
            for context in &names {
                timers.extend(
                    replies.timers()?.into_iter().map(|(name, timer)| timer_view(&catalog, context, name, timer)),
                );
            }
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
            let oldest = Read::lowest(index.clone(), max as u64);
            let ids = read(&*self.store, partition, vec![oldest]).await?.scored();
            let reads: Vec<Read> = ids.into_iter().map(|(id, _)| dead_letter(id)).collect();
            let count = reads.len();
            let mut replies = read(&*self.store, partition, reads).await?;
            for _ in 0..count {
                found.extend(replies.record::<DeadLetter>()?.as_ref().map(dead_view));
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
        let mut replies = read(&*self.store, partition, vec![dead_letter(id.to_owned())]).await?;
        replies.record::<DeadLetter>()?.as_ref().map(dead_view).ok_or_else(missing)
    }

    /// Reads of one context.
    pub(super) async fn read_context(&self, context: &str, reads: Vec<Read>) -> Result<Replies> {
        check_context(context).map_err(|error| Error::new(Kind::Invalid, "invalid-request", error.to_string()))?;
        Ok(read(&*self.store, partition_of(context, self.partitions), reads).await?)
    }
}

fn dead_letter(id: String) -> Read {
    Read::HashField { key: keys::DEAD.to_owned(), field: id.into_bytes() }
}

fn instance_view(context: &str, quest: &str, record: Instance) -> InstanceView {
    let held = record.held.map(|held| {
        json!({"retry_at": held.retry_at, "attempts": held.attempts, "code": held.code, "message": held.message})
    });
    let (context, quest) = (context.to_owned(), quest.to_owned());
    InstanceView { context, quest, instance: record.id, version: record.version, added_at: record.added_at, held }
}

fn timer_view(catalog: &Catalog, context: &str, (quest, name): (String, String), timer: Timer) -> TimerView {
    let dangling = catalog.get(&quest).is_some_and(|definition| !definition.actions.contains_key(&timer.action));
    TimerView {
        dangling,
        context: context.to_owned(),
        quest,
        timer: name,
        action: timer.action,
        due: timer.due,
        payload: timer.payload.to_json_lossy(),
        schedule: timer.recurrence.map(|recurrence| recurrence.schedule),
    }
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
        Body::Observe { quest, instance, name, payload } => {
            json!({"quest": quest, "instance": instance, "observed": name, "payload": payload.to_json_lossy()})
        }
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

/// This machine's clock; for queries only, which are not part of any order.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
