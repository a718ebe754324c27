//! What hostile quests cost the others: the latency of a load without them, with each by itself, and with all.
//!
//! The load comes at its own pace whatever becomes of it, and each of its events is measured from when it was to be sent: one that waits behind
//! something slow does not keep those after it from being counted.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use quest_engine::partition::Happened;
use serde_json::{Value, json};

use super::{
    PATIENCE,
    load::{Load, Spread, send},
};
use crate::{host::Host, service::Service};

/// Events a second, hostile ones among them.
const RATE: u32 = 100;
/// Contexts of each hostile quest.
const CONTEXTS: usize = 100;
/// Pause between two looks at whether a host has come to rest, and for how long at the most.
const LOOK: Duration = Duration::from_millis(1_500);
const REST: Duration = Duration::from_secs(45);

/// The latency of the load beside some of them.
pub(super) struct Beside {
    /// Which: none of them, a quest, or all.
    pub who: String,
    pub latency: Spread,
    /// Memory of this process at the end, in megabytes.
    pub megabytes: f64,
}

/// Measures so many of the load's events without hostile ones, beside each kind of them, beside all, and once more without. `share` of a
/// hundred events are hostile.
pub(super) async fn measure(
    host: &Host,
    load: &Load,
    modules: &[PathBuf],
    share: usize,
    paced: usize,
) -> anyhow::Result<Vec<Beside>> {
    let events = events(host, modules)?;
    let all: Vec<String> = events.values().cloned().collect();
    let mut parts = vec![("none".to_owned(), Vec::new())];
    parts.extend(events.into_iter().map(|(quest, event)| (quest, vec![event])));
    parts.push(("all".to_owned(), all));
    parts.push(("none again".to_owned(), Vec::new()));
    // Each context is in memory before anything is measured.
    load.throughput(host, load.contexts).await?;
    let mut measured = Vec::new();
    for (who, hostile) in parts {
        let latency = beside(host, load, &hostile, share, paced).await.with_context(|| format!("beside {who}"))?;
        measured.push(Beside { who, latency, megabytes: super::megabytes() });
        rest(host).await;
    }
    Ok(measured)
}

/// The quests of the modules, with the event that adds each.
fn events(host: &Host, modules: &[PathBuf]) -> anyhow::Result<BTreeMap<String, String>> {
    let catalog = host.service.quests().catalog();
    let loaded = host.loaded.iter().filter(|loaded| modules.contains(&loaded.file));
    let quests = loaded.flat_map(|loaded| &loaded.quests);
    let event = |quest: &String| {
        let event = catalog.get(quest).and_then(|definition| definition.add_on.first());
        let event = event.with_context(|| format!("--hostile: no event adds the quest {quest} (add-on)"))?;
        anyhow::Ok((quest.clone(), event.clone()))
    };
    let events: BTreeMap<_, _> = quests.map(event).collect::<anyhow::Result<_>>()?;
    ensure!(!events.is_empty(), "--hostile: its modules define no quests");
    Ok(events)
}

async fn beside(host: &Host, load: &Load, hostile: &[String], share: usize, paced: usize) -> anyhow::Result<Spread> {
    let service = &host.service;
    let mut happenings = service.tail();
    let period = Duration::from_secs(1) / RATE;
    let began = Instant::now() + period;
    let sending = async {
        let mut due = HashMap::with_capacity(paced);
        let (mut at, mut own, mut other) = (began, 0, 0);
        while own < paced {
            tokio::time::sleep_until(at.into()).await;
            // Of a hundred, evenly: the first of each ten, for a share of ten.
            let is_hostile = !hostile.is_empty() && other * 100 < (own + other) * share;
            if is_hostile {
                let event = &hostile[other % hostile.len()];
                let context = format!("hostile-{}-{}", event, other / hostile.len() % CONTEXTS);
                send(service, std::iter::once(json!({ "event_context": context, "event_name": event }))).await?;
                other += 1;
            } else {
                due.insert(accepted(service, load.one(own)).await?, at);
                own += 1;
            }
            at += period;
        }
        anyhow::Ok(due)
    };
    // From the beginning, since an event may be done before its answer is here.
    let listening = async {
        let mut told = HashMap::with_capacity(paced);
        while told.len() < paced {
            let (_, happening) = happenings.recv().await.context("the live log was faster than it is read")?;
            if happening.event_name == load.event && happening.what == Happened::Done {
                told.insert(happening.event_id.clone(), Instant::now());
            }
        }
        anyhow::Ok(told)
    };
    let measuring = async {
        let (due, told) = tokio::try_join!(sending, listening)?;
        let times = due.iter().map(|(id, at)| Some(told.get(id)?.saturating_duration_since(*at)));
        times.collect::<Option<Vec<_>>>().context("an event was done that nobody sent")
    };
    let limit = period * u32::try_from(paced).unwrap_or(u32::MAX) * 2 + PATIENCE;
    Ok(Spread::of(tokio::time::timeout(limit, measuring).await.context("its events were not all done in time")??))
}

/// The id of an event that is accepted.
async fn accepted(service: &Service, event: Value) -> anyhow::Result<String> {
    Ok(service.send(&[event]).await.pop().context("an answer")??.id)
}

/// Waits until what is left of the hostile events has come to its end, or for as long as that may take.
async fn rest(host: &Host) {
    let until = Instant::now() + REST;
    let status = host.dispatcher().status();
    let actions = || status.counters().actions.load(std::sync::atomic::Ordering::Relaxed);
    let mut before = actions();
    while Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let now = actions();
        if now == before {
            return;
        }
        before = now;
    }
}
