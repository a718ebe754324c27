//! What waits, and what it costs while it does: memory, room in the store, throughput beside it, the start of a host.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use quest_engine::schedule::{Zone, civil::rfc3339};
use serde_json::{Value, json};

use super::{
    add_to_all,
    kinds::Kind,
    load::{Load, Progress, context, send},
    megabytes, now, start,
};
use crate::{
    host::{Host, open_store},
    settings::Settings,
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Waiting timers of one context. A recurrence has a context of its own, as a user's daily reminder does.
const EACH: usize = 100;
/// Live patterns of one context.
const PATTERNS: usize = 3;

/// What is to wait, and under which load.
pub(super) struct Wanted<'a> {
    pub kind: Kind,
    /// How many timers or recurrences; of patterns, how many contexts with three each.
    pub count: usize,
    pub load: &'a Load,
    /// The quest that the load is for.
    pub quest: &'a str,
    pub events: usize,
    pub settings: &'a Settings,
    pub modules: &'a [PathBuf],
}

/// What it costs.
pub(super) struct Cost {
    /// How many wait.
    pub items: usize,
    /// What the host's memory grew by while they were set, a piece, in bytes.
    pub memory_each: f64,
    /// What the store grew by, a piece, in bytes: memory of a server, files of a folder.
    pub stored_each: f64,
    /// Events a second just before they were there, and beside them.
    pub rates: (f64, f64),
    /// From a new host's start to its first event's commit, in seconds.
    pub started_s: f64,
}

/// Sets them all, far ahead; measures; starts a new host beside them, which is given back.
pub(super) async fn measure(host: Host, wanted: &Wanted<'_>) -> anyhow::Result<(Host, Cost)> {
    let Wanted { kind, count, load, quest, events, settings, modules } = *wanted;
    // Patterns look at the load's events, so the load is their contexts'.
    let own = Load { event: load.event.clone(), contexts: count };
    let load = if kind == Kind::Patterns { &own } else { load };
    if kind == Kind::Patterns {
        add_to_all(&host, quest, load).await?;
    }
    // Every context was seen once before anything is measured.
    load.throughput(&host, load.contexts).await?;
    let before = load.throughput(&host, events).await?.rate;
    let (memory, stored) = (megabytes(), stored_bytes(settings).await?);
    set(&host, wanted).await?;
    let items = if kind == Kind::Patterns { count * PATTERNS } else { count };
    let memory_each = (megabytes() - memory) * 1e6 / items as f64;
    let stored_each = (stored_bytes(settings).await? - stored) / items as f64;
    let beside = load.throughput(&host, events).await?.rate;
    host.drain().await;
    let began = Instant::now();
    let host = start(settings, modules).await?;
    load.throughput(&host, 1).await?;
    let started_s = began.elapsed().as_secs_f64();
    Ok((host, Cost { items, memory_each, stored_each, rates: (before, beside), started_s }))
}

/// Sets them all, and waits until they are set.
async fn set(host: &Host, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let progress = Progress::of(host);
    let from = now() + 2 * DAY_MS;
    let events = (0..wanted.count).map(|n| one(wanted.kind, n, from, &wanted.load.event));
    send(&host.service, events).await?;
    progress.until(wanted.count as u64).await
}

/// The event that sets number `n`, due at `from` or later.
fn one(kind: Kind, n: usize, from: u64, event: &str) -> Value {
    let (context, payload) = match kind {
        Kind::Timers => {
            let payload = json!({ "name": format!("r{n}"), "at": from + n as u64 });
            (format!("bench-timers-{}", n / EACH), payload)
        }
        Kind::Recurrences => {
            let (hour, minute) = (n / 60 % 24, n % 60);
            let from = rfc3339(from, &Zone::utc());
            let schedule = format!("every 3 days at {hour:02}:{minute:02}; zone Europe/Berlin; from {from}");
            (format!("bench-recurrences-{n}"), json!({ "name": "daily", "every": schedule }))
        }
        Kind::Patterns => {
            let payload = json!({
                "idle": { "kind": "absence", "of": event, "for": "14 days" },
                "large": { "kind": "count", "of": format!("{event} where amount >= 100"), "at-least": 3, "in": "1 day" },
                "unanswered":
                    { "kind": "within", "after": event, "expect": "answered", "within": "10 days", "tell": "missed" },
            });
            (context(n), payload)
        }
    };
    json!({ "event_context": context, "event_name": kind.event(), "event_payload": payload })
}

/// What the store takes: a server's memory, or a folder's files.
async fn stored_bytes(settings: &Settings) -> anyhow::Result<f64> {
    if settings.store.is_empty() {
        return Ok(folder_bytes(&settings.data)? as f64);
    }
    let (_, redis) = open_store(settings).await?;
    Ok(match redis {
        Some(redis) => redis.memory_bytes().await?,
        None => 0.0,
    })
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // What the store tidies away meanwhile takes no room.
        let Ok(found) = entry.metadata() else { continue };
        bytes += if found.is_dir() { folder_bytes(&entry.path()).unwrap_or(0) } else { found.len() };
    }
    Ok(bytes)
}
