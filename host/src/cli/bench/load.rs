//! The load: one event after the other, over all contexts in turn; and how fast a host is under it.

use std::{
    fmt,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use quest_engine::partition::Happened;
use serde_json::{Value, json};

use super::PATIENCE;
use crate::{dispatcher::Status, host::Host, service::Service};

/// Events of one call, as an HTTP client would batch them.
const CHUNK: usize = 1_000;
/// Pause before events that a full inbox refused are sent again.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// Pause between two looks at what is done.
const LOOK: Duration = Duration::from_micros(200);

/// The events that are sent.
pub(super) struct Load {
    /// The event's name.
    pub event: String,
    /// Contexts, each in its turn.
    pub contexts: usize,
}

/// What was reached.
pub(super) struct Throughput {
    /// Events a second, from the first one sent to the last one committed.
    pub rate: f64,
    pub events_per_commit: f64,
    /// What this process used, in microseconds on all cores.
    pub cpu_us_per_event: f64,
}

/// Times from a beginning to the commit, at 100 events a second.
pub(super) struct Latency {
    /// From sending.
    pub sent: Spread,
    /// From the answer that it is accepted; 0 where the commit was there first.
    pub accepted: Spread,
}

/// Where half, and all but one in a hundred, of some times lie, in milliseconds.
pub(super) struct Spread {
    pub p50: f64,
    pub p99: f64,
}

/// The name of context number `n`.
pub(super) fn context(n: usize) -> String {
    format!("bench-{n}")
}

impl Load {
    /// The event number `n`.
    pub(super) fn one(&self, n: usize) -> Value {
        json!({ "event_context": context(n % self.contexts), "event_name": self.event })
    }

    /// Has so many events accepted.
    pub(super) async fn produce(&self, service: &Service, events: usize) -> anyhow::Result<()> {
        send(service, (0..events).map(|n| self.one(n))).await
    }

    pub(super) async fn throughput(&self, host: &Host, events: usize) -> anyhow::Result<Throughput> {
        let progress = Progress::of(host);
        let (began, cpu_before) = (Instant::now(), cpu_seconds());
        self.produce(&host.service, events).await?;
        progress.until(events as u64).await?;
        let commits = progress.commits().max(1);
        let rate = events as f64 / began.elapsed().as_secs_f64();
        let cpu_us_per_event = (cpu_seconds() - cpu_before) * 1e6 / events as f64;
        Ok(Throughput { rate, events_per_commit: events as f64 / commits as f64, cpu_us_per_event })
    }

    pub(super) async fn latency(&self, host: &Host, events: usize) -> anyhow::Result<Latency> {
        let mut happenings = host.service.tail();
        let (mut sent, mut accepted) = (Vec::with_capacity(events), Vec::with_capacity(events));
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        for n in 0..events {
            tick.tick().await;
            let began = Instant::now();
            let receipt = host.service.send(&[self.one(n)]).await.pop().context("an answer")??;
            let answered = Instant::now();
            let committed = async {
                while let Ok((_, happening)) = happenings.recv().await {
                    if happening.event_id == receipt.id && happening.what == Happened::Done {
                        return;
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(10), committed)
                .await
                .context("an event was not committed within 10 s")?;
            sent.push(began.elapsed());
            accepted.push(answered.elapsed());
        }
        Ok(Latency { sent: Spread::of(sent), accepted: Spread::of(accepted) })
    }
}

/// What a host has done since a moment.
pub(super) struct Progress {
    status: Status,
    entries: u64,
    commits: u64,
}

/// How far a host is: entries it took in, and actions it ran.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Done {
    entries: u64,
    actions: u64,
}

impl Progress {
    /// From now on.
    pub(super) fn of(host: &Host) -> Self {
        let status = host.dispatcher().status();
        let counters = status.counters();
        let (entries, commits) = (counters.entries.load(Ordering::Relaxed), counters.commits.load(Ordering::Relaxed));
        Self { status, entries, commits }
    }

    fn done(&self) -> Done {
        let counters = self.status.counters();
        let (entries, actions) = (counters.entries.load(Ordering::Relaxed), counters.actions.load(Ordering::Relaxed));
        Done { entries: entries - self.entries, actions }
    }

    fn commits(&self) -> u64 {
        self.status.counters().commits.load(Ordering::Relaxed) - self.commits
    }

    /// Waits until so many entries are worked through, and none of them waits for a later turn; for as long as there is progress.
    pub(super) async fn until(&self, entries: u64) -> anyhow::Result<()> {
        let (mut done, mut since) = (self.done(), Instant::now());
        loop {
            let now = self.done();
            let waiting = self.status.backlogs();
            if now.entries >= entries && waiting == 0 {
                return Ok(());
            }
            if now != done {
                (done, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                let Done { entries: taken, .. } = done;
                bail!(
                    "the host stands still: it took {taken} of {entries} entries in, and has {waiting} contexts whose entries wait"
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Sends events in chunks; those that a full inbox refuses again, until they are accepted.
pub(super) async fn send(service: &Service, mut events: impl Iterator<Item = Value>) -> anyhow::Result<()> {
    loop {
        let mut chunk: Vec<Value> = events.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        while !chunk.is_empty() {
            let mut refused = Vec::new();
            for (event, result) in chunk.iter().zip(service.send(&chunk).await) {
                match result {
                    Ok(_) => {}
                    Err(error) if error.code == "full" => refused.push(event.clone()),
                    Err(error) => return Err(error.into()),
                }
            }
            if !refused.is_empty() {
                tokio::time::sleep(FULL_PAUSE).await;
            }
            chunk = refused;
        }
    }
}

impl Spread {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
        Self { p50: at(50), p99: at(99) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2} ms, p99 {:.2} ms", self.p50, self.p99)
    }
}

/// Processor time of this process, on all cores; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of proc_pid_stat(5), counted behind the command's name; in ticks, of which Linux tells a hundred a second.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
