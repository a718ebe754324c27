//! Timers: how punctual they are, and what those that wait cost.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use quest_engine::{
    model::{Cause, Millis},
    partition::Happened,
};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    PATIENCE,
    load::{Spread, send},
};
use crate::host::Host;

/// The quest that sets them.
pub(super) const QUEST: &str = "reminders";

/// Time in which all are due.
const WITHIN_MS: u64 = 5_000;
/// Time for setting them, before the first is due.
const AHEAD_MS: u64 = 3_000;
const HOUR_MS: u64 = 3_600_000;
/// Waiting timers of one context.
const EACH: usize = 100;

/// How punctual timers were.
pub(super) struct Due {
    /// From when one was due to when its action's commit was known.
    pub lateness: Spread,
    /// Fired before they were due.
    pub early: usize,
}

/// Sets timers over a thousand contexts, due one after the other, and waits for them.
pub(super) async fn due(host: &Host, count: usize) -> anyhow::Result<Due> {
    let mut happenings = host.service.tail();
    let first = now() + AHEAD_MS;
    let one = |n: usize| reminder(n % 1_000, n, first + n as u64 * WITHIN_MS / count as u64);
    let receiver = async {
        let (mut seen, mut late, mut early) = (BTreeSet::new(), Vec::with_capacity(count), 0);
        while late.len() < count {
            let happening =
                match tokio::time::timeout(PATIENCE, happenings.recv()).await.context("timers did not fire")? {
                    Ok((_, happening)) => happening,
                    Err(RecvError::Lagged(missed)) => {
                        bail!("{missed} happenings were missed: this machine is too busy to tell")
                    }
                    Err(RecvError::Closed) => bail!("the host ended"),
                };
            if happening.cause != Cause::Timer || happening.what != Happened::Done {
                continue;
            }
            if !seen.insert(happening.event_id.clone()) {
                bail!("a timer fired twice");
            }
            early += usize::from(now() < happening.stamp);
            late.push(Duration::from_millis(now().saturating_sub(happening.stamp)));
        }
        Ok(Due { lateness: Spread::of(late), early })
    };
    let (sent, due) = tokio::join!(send(&host.service, (0..count).map(one)), receiver);
    sent?;
    due
}

/// Sets timers that are due in an hour, and waits until they are all set.
pub(super) async fn set_far_ahead(host: &Host, count: usize) -> anyhow::Result<()> {
    use std::sync::atomic::Ordering;
    let status = host.dispatcher().status();
    let entries = || status.counters().entries.load(Ordering::Relaxed);
    let (before, due) = (entries(), now() + HOUR_MS);
    send(&host.service, (0..count).map(|n| reminder(1_000 + n / EACH, n, due + n as u64))).await?;
    while entries() - before < count as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn reminder(context: usize, name: usize, at: Millis) -> Value {
    let context = format!("bench-timers-{context}");
    json!({ "event_context": context, "event_name": "remind-me", "name": format!("r{name}"), "at": at })
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
