//! What this machine could do at best: the same entries accepted and committed with nothing in between, and the same action called with
//! nothing around it; both at once, beside the same producer, as they are in a host.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::future::try_join_all;
use quest_engine::{
    action::Invocation,
    keys,
    model::{QuestDefinition, Value, partition_of},
    write::Write,
};
use tokio_util::sync::CancellationToken;

use super::load::{self, Load};
use crate::{
    host::{Host, open_store},
    quests::Quests,
    service::Service,
    settings::Settings,
    store::{Commit, Committed, PartitionId, Store},
};

/// A second of each, in events.
pub(super) struct Ceilings {
    /// Accepted and committed by the store, no quest run.
    pub commits: f64,
    /// Actions run, nothing stored.
    pub calls: f64,
}

/// Longer than any measurement: nothing renews it.
const LEASE_MS: u64 = 3_600_000;
const LOOK: Duration = Duration::from_micros(500);

/// Measures both on a store of their own.
pub(super) async fn measure(
    settings: &Settings,
    host: &Host,
    load: &Load,
    quest: &str,
    events: usize,
) -> anyhow::Result<Ceilings> {
    let (store, _) = open_store(settings).await?;
    let partitions = host.report.partitions;
    let quests: Arc<dyn Quests> = Arc::clone(&host.registry) as _;
    let (name, accept) = ("ceilings".to_owned(), settings.accept.clone());
    let stop = CancellationToken::new();
    let service = Service::new(Arc::clone(&store), quests, name, partitions, accept, BTreeMap::new(), stop);
    let mut contexts: BTreeMap<PartitionId, Vec<String>> = BTreeMap::new();
    for context in (0..load.contexts).map(load::context) {
        contexts.entry(partition_of(&context, partitions)).or_default().push(context);
    }
    let began = Instant::now();
    let committed = async {
        let all = contexts.into_iter().map(|(partition, contexts)| {
            let (turn, contexts_all) = (settings.pace.turn_entries_max, load.contexts);
            let own = Own {
                partition,
                quest: quest.to_owned(),
                expected: expected(&contexts, events, contexts_all),
                contexts,
            };
            let store = Arc::clone(&store);
            async move { tokio::spawn(own.commit_all(store, turn)).await? }
        });
        try_join_all(all).await.map(|_| began.elapsed())
    };
    let called = call_all(host, load, quest, events, settings.pace.turns_parallel, began);
    let (produced, committed, called) = tokio::join!(load.produce(&service, events), committed, called);
    produced?;
    let rate = |took: Duration| events as f64 / took.as_secs_f64();
    Ok(Ceilings { commits: rate(committed?), calls: rate(called?) })
}

/// How many of the load's events are for some of its contexts.
fn expected(contexts: &[String], events: usize, contexts_all: usize) -> u64 {
    let number = |context: &String| context.rsplit('-').next().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let of = |n: usize| (events / contexts_all + usize::from(n < events % contexts_all)) as u64;
    contexts.iter().map(|context| of(number(context))).sum()
}

/// One partition, whose entries are for its contexts in turn.
struct Own {
    partition: PartitionId,
    quest: String,
    contexts: Vec<String>,
    expected: u64,
}

impl Own {
    async fn commit_all(self, store: Arc<dyn Store>, turn: u64) -> anyhow::Result<()> {
        let grant = store.acquire(self.partition, fastrand::u64(..), LEASE_MS).await?.context("a lease")?;
        let (mut head, mut consumed) = (grant.head, 0);
        while consumed < self.expected {
            let taken = store.take(self.partition, grant.token, consumed, turn, None).await?.context("the lease")?;
            let count = taken.entries.len() as u64;
            if count == 0 {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let (id, previous) = (format!("{}-{consumed}", grant.token), head);
            head = id.clone();
            let last = taken.entries.last().cloned();
            let commit = Commit { last, ..self.commit(id, previous, consumed, count) };
            match store.commit(self.partition, grant.token, commit).await? {
                Committed::Applied => consumed += count,
                other => bail!("a commit of the measurement came to {other:?}"),
            }
        }
        Ok(())
    }

    /// As a host's: each context's counter once, and how many of its entries are done.
    fn commit(&self, id: String, previous: String, consumed: u64, count: u64) -> Commit {
        let mut settled: BTreeMap<&str, u64> = BTreeMap::new();
        for n in consumed..consumed + count {
            let context = &self.contexts[(n % self.contexts.len() as u64) as usize];
            *settled.entry(context).or_default() += 1;
        }
        let set = |context: &&str| Write::HashSet {
            key: keys::variables(context, &self.quest),
            field: b"counter".to_vec(),
            value: Value::Integer(consumed as i64).encode(),
        };
        let writes = settled.keys().map(set).collect();
        let settled = settled.into_iter().map(|(context, count)| (context.to_owned(), count)).collect();
        Commit { id, previous, consumed: consumed + count, settled, writes, ..Commit::default() }
    }
}

/// Calls the action as often, on as many threads as turns run on.
async fn call_all(
    host: &Host,
    load: &Load,
    quest: &str,
    events: usize,
    threads: usize,
    began: Instant,
) -> anyhow::Result<Duration> {
    let action = action_on(host.registry.catalog().get(quest), (quest, &load.event))?;
    let threads = threads.min(std::thread::available_parallelism().map_or(1, usize::from));
    let calls = (0..threads).map(|thread| {
        let registry = Arc::clone(&host.registry);
        let call = call(quest, &action, &load.event);
        let share = events / threads + usize::from(thread < events % threads);
        async move {
            tokio::task::spawn_blocking(move || {
                for _ in 0..share {
                    registry.invoke(call.clone()).result.map_err(|failure| anyhow::anyhow!(failure.message))?;
                }
                Ok(())
            })
            .await?
        }
    });
    try_join_all(calls).await.map(|_: Vec<()>| began.elapsed())
}

/// The action of a quest that an event runs.
pub(super) fn action_on(definition: Option<&QuestDefinition>, (quest, event): (&str, &str)) -> anyhow::Result<String> {
    let is_action = |(_, on): &(&String, &Vec<String>)| on.iter().any(|on| on == event);
    let action = definition.and_then(|quest| quest.actions.iter().find(is_action)).map(|(action, _)| action.clone());
    action.with_context(|| format!("the quest {quest} has no action on {event}"))
}

/// One call of the load.
pub(super) fn call(quest: &str, action: &str, event: &str) -> Invocation {
    Invocation {
        context: load::context(0),
        instance: "0123456789abcdef".to_owned(),
        event_name: event.to_owned(),
        event_id: "0123456789abcdef0123456789abcdef".to_owned(),
        variables: Arc::new(BTreeMap::from([("counter".to_owned(), Value::Integer(1))])),
        active: Arc::new(vec![quest.to_owned()]),
        ..Invocation::bare(quest, action)
    }
}
