//! How punctual what is due is: timers, recurrences and the deadlines of patterns.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, bail};
use quest_engine::{
    model::{Cause, Millis},
    partition::Happened,
    schedule::{Zone, civil::rfc3339},
};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    PATIENCE,
    kinds::Kind,
    load::{Spread, send},
    now,
};
use crate::host::Host;

/// Time in which all are due.
const WITHIN_MS: u64 = 5_000;
/// Time for setting them, before the first is due.
const AHEAD_MS: u64 = 3_000;
/// Contexts that they are spread over.
const CONTEXTS: usize = 1_000;

/// How punctual they were.
pub(super) struct Due {
    /// From when one was due to when its action's commit was known.
    pub lateness: Spread,
    /// Came before they were due.
    pub early: usize,
}

/// Sets them over a thousand contexts, due one after the other, and waits for them.
pub(super) async fn measure(host: &Host, kind: Kind, count: usize) -> anyhow::Result<Due> {
    let mut happenings = host.service.tail();
    let first = now() + AHEAD_MS;
    let context = |n: usize| format!("bench-due-{}-{}", kind.word(), n % CONTEXTS);
    let one = |n: usize| {
        let due = first + n as u64 * WITHIN_MS / count as u64;
        json!({ "event_context": context(n), "event_name": kind.event(), "event_payload": set(kind, n, due) })
    };
    let receiver = async {
        let (mut seen, mut late, mut early) = (BTreeSet::new(), Vec::with_capacity(count), 0);
        while late.len() < count {
            let happening = match tokio::time::timeout(PATIENCE, happenings.recv())
                .await
                .with_context(|| format!("{} of {count} {} did not come", count - late.len(), kind.word()))?
            {
                Ok((_, happening)) => happening,
                Err(RecvError::Lagged(missed)) => {
                    bail!("{missed} happenings were missed: this machine is too busy to tell")
                }
                Err(RecvError::Closed) => bail!("the host ended"),
            };
            if !matches!(happening.cause, Cause::Timer | Cause::Pattern) || happening.what != Happened::Done {
                continue;
            }
            if !seen.insert(happening.event_id.clone()) {
                bail!("one of the {} came twice", kind.word());
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

/// What makes number `n`, due then.
fn set(kind: Kind, n: usize, due: Millis) -> Value {
    match kind {
        Kind::Timers => json!({ "name": format!("r{n}"), "at": due }),
        Kind::Recurrences => {
            let schedule = format!("every 1 day; from {}; zone UTC", rfc3339(due, &Zone::utc()));
            json!({ "name": format!("r{n}"), "every": schedule })
        }
        // Its time runs from its acceptance, which follows.
        Kind::Patterns => {
            let rule = json!({ "kind": "absence", "of": "nothing", "for": due.saturating_sub(now()), "once": true });
            json!({ format!("r{n}"): rule })
        }
    }
}
