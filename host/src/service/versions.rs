//! Versions of a quest's state: what a rollback can put back and what it cannot, and an `upgrade` tried on every instance without a trace.
//!
//! Must not know: where versions of modules come from.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use quest_engine::{
    action::{Export, Invocation, Variables},
    keys,
    model::{Cause, Command, Value},
    record::{Before, Instance},
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    Error, Kind, Result, Service, reads,
    standing::{self, Standing},
};
use crate::{
    quests::Serving,
    replies::read,
    store::{PartitionId, Read},
};

/// Contexts of one page of a walk over all instances.
const PAGE: u64 = 256;
/// Restores that wait for their answers at once.
const RESTORES: usize = 64;
/// Instances that a report names.
const NAMED_MAX: usize = 20;

/// What a rollback to a version of the variables means for the instances that newer code wrote.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Affected {
    /// Instances that can be put back to what they were; what they did since would be lost. Counted, and some named.
    pub restorable: u64,
    /// Contexts of some of them.
    pub restorable_some: Vec<String>,
    /// Instances of which nothing is kept from before: they would wait until newer code is back.
    pub stranded: u64,
    /// Contexts of some of them.
    pub stranded_some: Vec<String>,
}

/// What an `upgrade` that was tried came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trial {
    /// The version that was tried.
    pub version: u32,
    /// Whether it declares an `upgrade`; if not, none runs.
    pub has_upgrade: bool,
    /// Instances looked at.
    pub instances: u64,
    /// Of them: those that have the version already, or a newer one.
    pub current: u64,
    /// Of them: those whose upgrade succeeded.
    pub succeeded: u64,
    /// Of them: those whose upgrade failed.
    pub failed: u64,
    /// Some of the failures.
    pub failures: Vec<Json>,
    /// What changed in some of those that succeeded.
    pub changes: Vec<Json>,
}

/// An instance on a walk.
struct Met {
    partition: PartitionId,
    context: String,
    record: Instance,
}

/// A walk over all instances of a quest, page by page.
struct Walk<'a> {
    service: &'a Service,
    quest: &'a str,
    partition: PartitionId,
    after: Option<Vec<u8>>,
}

impl Walk<'_> {
    /// The next instances; none at the end.
    async fn next(&mut self) -> Result<Option<Vec<Met>>> {
        let store = &*self.service.store;
        while self.partition < self.service.partitions {
            let page = Read::SortedAfter { key: keys::contexts(self.quest), after: self.after.take(), count: PAGE };
            let names = read(store, self.partition, vec![page]).await?.names();
            let Some(last) = names.last() else {
                self.partition += 1;
                continue;
            };
            self.after = Some(last.clone().into_bytes());
            let read_of =
                |name: &String| Read::HashField { key: keys::instances(name), field: self.quest.as_bytes().to_vec() };
            let reads: Vec<Read> = names.iter().map(read_of).collect();
            let mut replies = read(store, self.partition, reads).await?;
            let mut met = Vec::with_capacity(names.len());
            for context in names {
                if let Some(record) = replies.record()? {
                    met.push(Met { partition: self.partition, context, record });
                }
            }
            return Ok(Some(met));
        }
        Ok(None)
    }
}

impl Service {
    fn walk<'a>(&'a self, quest: &'a str) -> Walk<'a> {
        Walk { service: self, quest, partition: 0, after: None }
    }

    /// What going back to `version` of a quest means for its instances.
    pub async fn affected(&self, quest: &str, version: u32) -> Result<Affected> {
        let mut affected = Affected::default();
        let mut walk = self.walk(quest);
        while let Some(page) = walk.next().await? {
            for met in page.into_iter().filter(|met| met.record.version > version) {
                let (count, some) = match can_restore(&met.record, version) {
                    true => (&mut affected.restorable, &mut affected.restorable_some),
                    false => (&mut affected.stranded, &mut affected.stranded_some),
                };
                *count += 1;
                if some.len() < NAMED_MAX {
                    some.push(met.context);
                }
            }
        }
        Ok(affected)
    }

    /// Puts every instance of a quest that code newer than `version` wrote back to what it was before, where that is kept. Gives how many.
    pub async fn restore(&self, quest: &str, version: u32, wait: Duration) -> Result<u64> {
        let mut restored = 0;
        let mut walk = self.walk(quest);
        while let Some(page) = walk.next().await? {
            let todo = page.into_iter().filter(|met| met.record.version > version && can_restore(&met.record, version));
            let todo: Vec<Met> = todo.collect();
            for some in todo.chunks(RESTORES) {
                let restores = some.iter().map(|met| self.restore_one(quest, met, wait));
                restored += try_join_all(restores).await?.into_iter().filter(|done| *done).count() as u64;
            }
        }
        Ok(restored)
    }

    /// Puts one instance back; whether it was.
    async fn restore_one(&self, quest: &str, met: &Met, wait: Duration) -> Result<bool> {
        let field = quest.as_bytes().to_vec();
        let reads = vec![Read::HashField { key: keys::before(&met.context), field }];
        let Some(before) = read(&*self.store, met.partition, reads).await?.record::<Before>()? else {
            return Ok(false);
        };
        let command = Command::Restore { quest: quest.to_owned(), before };
        match self.operate(&met.context, command, wait).await {
            Ok(_) => Ok(true),
            // Removed, or put back by another, meanwhile.
            Err(error) if ["instance-gone", "nothing-kept"].contains(&error.code.as_str()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs a quest's `upgrade` over its instances, at most `max`, and keeps nothing of it.
    pub async fn try_upgrade(&self, serving: Arc<dyn Serving>, quest: &str, max: usize) -> Result<Trial> {
        let catalog = Arc::clone(serving.catalog());
        let definition = catalog.get(quest).ok_or_else(|| {
            Error::new(Kind::NotFound, "unknown-quest", format!("no module defines a quest {quest:?}"))
                .hint("`quest-host list` shows the quests that are served")
        })?;
        let has_upgrade = definition.actions.contains_key("upgrade");
        let mut trial = Trial { version: definition.version, has_upgrade, ..Trial::default() };
        let mut walk = self.walk(quest);
        while let Some(page) = walk.next().await? {
            for met in page {
                if trial.instances as usize >= max {
                    return Ok(trial);
                }
                trial.instances += 1;
                if met.record.version >= trial.version || met.record.starting {
                    trial.current += 1;
                } else if has_upgrade {
                    self.try_one(&serving, quest, met, &mut trial).await?;
                } else {
                    trial.succeeded += 1;
                }
            }
        }
        Ok(trial)
    }

    async fn try_one(&self, serving: &Arc<dyn Serving>, quest: &str, met: Met, trial: &mut Trial) -> Result<()> {
        let context = met.context.clone();
        let invocation = self.upgrade_of(serving, quest, met).await?;
        let before = Arc::clone(&invocation.variables);
        let permit = Arc::clone(&self.asking).acquire_owned().await;
        let serving = Arc::clone(serving);
        let ran = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            serving.invoke(invocation)
        });
        let ran = ran.await.map_err(|error| Error::new(Kind::Failed, "host-bug", error.to_string()))?;
        match ran.result {
            Ok(changes) => {
                trial.succeeded += 1;
                if trial.changes.len() < NAMED_MAX {
                    let changed = difference(&before, &changes.variables);
                    trial.changes.push(json!({ "context": context, "variables": changed }));
                }
            }
            Err(failure) => {
                trial.failed += 1;
                if trial.failures.len() < NAMED_MAX {
                    let (code, message) = (failure.code, failure.message);
                    trial.failures.push(json!({ "context": context, "code": code, "message": message }));
                }
            }
        }
        Ok(())
    }

    /// The run that would upgrade an instance, as committed state has it.
    async fn upgrade_of(&self, serving: &Arc<dyn Serving>, quest: &str, met: Met) -> Result<Invocation> {
        let Met { partition, context, record } = met;
        let replies = read(&*self.store, partition, standing::reads(&context, quest)).await?;
        let Standing { instances, variables, timers, patterns, zone, config } =
            self.standing(replies, quest, serving.catalog())?;
        let now = reads::now();
        Ok(Invocation {
            export: Export::Perform,
            quest: quest.to_owned(),
            action: "upgrade".to_owned(),
            instance: record.id,
            event_name: String::new(),
            event_id: "trial".to_owned(),
            cause: Cause::Lifecycle,
            accepted_at: now,
            processed_at: now,
            attempt: 1,
            hops: 0,
            payload: Value::Integer(i64::from(record.version)),
            variables,
            timers,
            patterns,
            zone,
            missed: 0,
            active: Arc::new(instances.into_keys().collect()),
            config,
            context,
        })
    }
}

/// Whether code of `version` can go on with what is kept of an instance.
fn can_restore(record: &Instance, version: u32) -> bool {
    record.kept.is_some_and(|kept| kept.from <= version)
}

/// Each variable that changed, with what it was and what it would be.
fn difference(before: &Variables, changes: &BTreeMap<String, Option<Value>>) -> BTreeMap<String, Json> {
    let changed = changes.iter().filter(|(name, value)| before.get(*name) != value.as_ref());
    changed
        .map(|(name, value)| {
            let was = before.get(name).map(Value::to_json_lossy);
            (name.clone(), json!({ "was": was, "becomes": value.as_ref().map(Value::to_json_lossy) }))
        })
        .collect()
}
