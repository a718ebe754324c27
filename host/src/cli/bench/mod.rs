//! `bench`: the whole path under load, in this process, on a store of its own; beside it what this machine could do at best.
//!
//! [`load`] is the load and its measures, [`ceilings`] the store and the quest each by itself, [`timers`] what is due and what waits.

mod ceilings;
mod load;
mod timers;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Map, Value, json};

use self::{
    ceilings::Ceilings,
    load::{Latency, Load, Throughput},
    timers::Due,
};
use super::{Outcome, SettingFlags, print::Printer};
use crate::{
    host::{Host, open_store},
    settings::Settings,
};

/// Measure throughput, latency and timers on this machine, and what it could do at best.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
    /// The modules with the quests, e.g. target/wasm32-wasip2/quest/quest_counter.wasm; with one of the quest `reminders`, timers are
    /// measured too.
    #[arg(required = true)]
    modules: Vec<PathBuf>,
    /// The quest.
    #[arg(long, default_value = "my_example_quest")]
    quest: String,
    /// The event that its action is on.
    #[arg(long, default_value = "test_event")]
    event: String,
    /// Contexts that have the quest.
    #[arg(long, default_value_t = 1_000)]
    contexts: usize,
    /// Events of the throughput part.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Leave the ceilings out: the store and the quest, each by itself, under the same load.
    #[arg(long)]
    no_ceilings: bool,
    /// Events of the latency part, at 100 a second.
    #[arg(long, default_value_t = 500)]
    paced: usize,
    /// Timers that are due within five seconds.
    #[arg(long, default_value_t = 10_000)]
    timers: usize,
    /// Timers that wait while throughput is measured once more, and the host starts again.
    #[arg(long, default_value_t = 0)]
    outstanding: usize,
}

/// Calls that wait for an answer at once.
const CALLS: usize = 256;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: Args, printer: &Printer) -> Outcome {
    let mut settings = args.settings.resolve(printer)?.settings;
    let scratch = tempfile::tempdir()?;
    own(&mut settings, &scratch.path().join("data"));
    // A measurement touches no producer's list.
    settings.ingress = String::new();
    settings.listen = "127.0.0.1:0".to_owned();
    let measured = measure(&args, &settings, &scratch.path().join("bare"), printer).await;
    erase(&settings, printer).await?;
    measured
}

async fn measure(args: &Args, settings: &Settings, bare: &Path, printer: &Printer) -> Outcome {
    let host = start(settings, &args.modules).await?;
    let has_reminders = host.loaded.iter().any(|module| module.quests.iter().any(|quest| quest == timers::QUEST));
    if args.outstanding > 0 && !has_reminders {
        bail!("--outstanding needs a module with the quest {}", timers::QUEST);
    }
    let load = Load { event: args.event.clone(), contexts: args.contexts.max(1) };
    let mut report = Report { printer, fields: Map::new() };
    report.note(json!({ "store": host.report.name, "promise": host.report.promise, "memory_idle_mb": megabytes() }));
    add_to_all(&host, &args.quest, &load).await?;
    printer.say_named("ready", &format!("{} contexts on {}", load.contexts, host.report.name));
    let reached = report.throughput(&host, &load, args.events).await?;
    if !args.no_ceilings && args.events > 0 {
        let mut settings = settings.clone();
        own(&mut settings, bare);
        let measured = ceilings::measure(&settings, &host, &load, &args.quest, args.events).await;
        erase(&settings, printer).await?;
        report.ceilings(&measured?, &reached);
    }
    if args.paced > 0 {
        report.latency(&load.latency(&host, args.paced).await?);
    }
    if has_reminders && args.timers > 0 {
        report.timers(args.timers, &timers::due(&host, args.timers).await?);
    }
    report.tell(json!({ "memory_mb": megabytes() }), format!("{:.0} MB in memory", megabytes()));
    let host = match args.outstanding {
        0 => host,
        count => report.outstanding(host, &load, args, settings, count).await?,
    };
    if printer.is_json() {
        printer.json(&Value::Object(report.fields));
    }
    host.drain().await;
    Ok(())
}

/// Tells what was measured: to people part by part, to programs as one object at the end.
struct Report<'a> {
    printer: &'a Printer,
    fields: Map<String, Value>,
}

impl Report<'_> {
    fn note(&mut self, fields: Value) {
        if let Value::Object(fields) = fields {
            self.fields.extend(fields);
        }
    }

    fn tell(&mut self, fields: Value, text: String) {
        self.note(fields);
        if !self.printer.is_json() {
            self.printer.line(&text);
        }
    }

    async fn throughput(&mut self, host: &Host, load: &Load, events: usize) -> anyhow::Result<Throughput> {
        let reached = load.throughput(host, events).await?;
        let Throughput { rate, events_per_commit, cpu_us_per_event } = reached;
        let fields = json!({
            "contexts": load.contexts,
            "events": events,
            "events_per_second": rate.round(),
            "events_per_commit": events_per_commit.round(),
            "cpu_us_per_event": cpu_us_per_event,
        });
        let text = format!(
            "{rate:.0} events/s; {events_per_commit:.0} to a commit, {cpu_us_per_event:.1} µs of processor time each"
        );
        self.tell(fields, text);
        Ok(reached)
    }

    fn ceilings(&mut self, ceilings: &Ceilings, reached: &Throughput) {
        let Ceilings { commits, calls } = ceilings;
        let share = reached.rate / commits.min(*calls) * 100.0;
        let fields = json!({
            "ceiling_commits_per_second": commits.round(),
            "ceiling_calls_per_second": calls.round(),
            "share_of_lower_ceiling_percent": share.round(),
        });
        let text = format!(
            "at best, each by itself and both at once: {commits:.0} events/s stored, {calls:.0} calls/s; reached: {share:.0} % of the lower"
        );
        self.tell(fields, text);
    }

    fn latency(&mut self, latency: &Latency) {
        let Latency { sent, accepted } = latency;
        let fields = json!({
            "latency_ms_p50": sent.p50,
            "latency_ms_p99": sent.p99,
            "latency_accepted_ms_p50": accepted.p50,
            "latency_accepted_ms_p99": accepted.p99,
        });
        self.tell(fields, format!("at 100 events/s, from sending to commit: {sent}; from the acceptance: {accepted}"));
    }

    fn timers(&mut self, count: usize, due: &Due) {
        let Due { lateness, early } = due;
        let fields = json!({
            "timers": count,
            "timers_late_ms_p50": lateness.p50,
            "timers_late_ms_p99": lateness.p99,
            "timers_early": early,
        });
        self.tell(fields, format!("{count} timers due within 5 s: late by {lateness}; early: {early}"));
    }

    /// With so many timers waiting: throughput again, and a start of the host. Gives the new host.
    async fn outstanding(
        &mut self,
        host: Host,
        load: &Load,
        args: &Args,
        settings: &Settings,
        count: usize,
    ) -> anyhow::Result<Host> {
        timers::set_far_ahead(&host, count).await?;
        let memory = megabytes();
        let rate = load.throughput(&host, args.events).await?.rate;
        host.drain().await;
        let began = Instant::now();
        let host = start(settings, &args.modules).await?;
        load.throughput(&host, 1).await?;
        let started = began.elapsed().as_secs_f64();
        let fields = json!({
            "outstanding": count,
            "outstanding_memory_mb": memory,
            "outstanding_events_per_second": rate.round(),
            "outstanding_started_s": started,
        });
        let text = format!(
            "{count} timers waiting: {rate:.0} events/s, {memory:.0} MB in memory; a new host's first event after {started:.1} s"
        );
        self.tell(fields, text);
        Ok(host)
    }
}

/// Settings of a store that nobody else uses.
fn own(settings: &mut Settings, folder: &Path) {
    if settings.store.is_empty() {
        folder.clone_into(&mut settings.data);
    } else {
        // Beside whatever else the server holds.
        settings.prefix = format!("bench-{:08x}:", fastrand::u32(..));
    }
}

/// Removes what was stored on a server; a folder goes by itself.
async fn erase(settings: &Settings, printer: &Printer) -> anyhow::Result<()> {
    if settings.store.is_empty() {
        return Ok(());
    }
    if let (_, Some(redis)) = open_store(settings).await?
        && !redis.erase().await?
    {
        printer.warn(&format!("what was stored is left on the cluster, under {}", settings.prefix));
    }
    Ok(())
}

async fn start(settings: &Settings, modules: &[PathBuf]) -> anyhow::Result<Host> {
    let host = Host::start(settings, modules).await?;
    if let Some(problem) = host.problems.first() {
        bail!("{}: {}", problem.file.display(), problem.message);
    }
    Ok(host)
}

async fn add_to_all(host: &Host, quest: &str, load: &Load) -> anyhow::Result<()> {
    let service = &host.service;
    let adds = futures_util::stream::iter(0..load.contexts).map(|n| async move {
        let context = load::context(n);
        service.add(&context, quest, PATIENCE).await.with_context(|| format!("adding the quest to {context}"))
    });
    adds.buffer_unordered(CALLS).try_for_each(|_| async { Ok(()) }).await
}

/// Resident memory of this process, in megabytes; 0 where the system does not say.
fn megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<f64>().ok());
    (kilobytes.unwrap_or_default() / 1_000.0).round()
}
