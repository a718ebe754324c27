//! `bench`: the whole path under load, in this process, on a store of its own; beside it what this machine could do at best.
//!
//! [`load`] is the load and its measures, [`action`] one action by itself, [`reload`] what saving a module costs, [`ceilings`] the store and the quest each by itself, [`due`] how punctual time is, [`waiting`] what
//! it costs until then.

mod action;
mod ceilings;
mod due;
mod hostile;
mod kinds;
mod load;
mod reload;
mod waiting;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _};
use quest_engine::model::Millis;
use serde_json::{Map, Value, json};

use self::{
    action::Action,
    ceilings::Ceilings,
    due::Due,
    hostile::Beside,
    kinds::Kind,
    load::{Latency, Load, Throughput},
    reload::Reloads,
    waiting::{Cost, Wanted},
};
use super::{Outcome, SettingFlags, print::Printer};
use crate::{
    host::{Host, open_store},
    settings::Settings,
};

/// Measure throughput, latency, and what time costs, on this machine; and what it could do at best.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
    /// The modules with the quests, e.g. target/wasm32-wasip2/quest/quest_counter.wasm; with one of the quest `reminders`, timers and
    /// recurrences are measured too, with one of `alerts` patterns.
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
    /// Calls of the action by itself, in fresh instances and in kept ones, with how long its module takes to load; 0: leave that out.
    #[arg(long, default_value_t = 1_000)]
    calls: usize,
    /// Events of the latency part, at 100 a second.
    #[arg(long, default_value_t = 500)]
    paced: usize,
    /// Versions of the first module that are saved while events come at 100 a second: how long until each is served.
    #[arg(long, default_value_t = 0)]
    saves: usize,
    /// Timers that are due within five seconds; and so many recurrences, and deadlines of patterns.
    #[arg(long, default_value_t = 10_000)]
    timers: usize,
    /// Timers that wait while throughput is measured once more, and the host starts again.
    #[arg(long, default_value_t = 0)]
    outstanding: usize,
    /// Recurrences, each of a context, that wait while throughput is measured once more, and the host starts again.
    #[arg(long, default_value_t = 0)]
    recurring: usize,
    /// Contexts with three live patterns each, on the same event, whose throughput is measured without them and with them.
    #[arg(long, default_value_t = 0)]
    patterned: usize,
    /// A module with quests that take all they can get, each added by an event: what the others' latency is without them, beside each, and
    /// beside all. May be given several times.
    #[arg(long, value_name = "FILE")]
    hostile: Vec<PathBuf>,
    /// How many of a hundred events are hostile then.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=90))]
    share: u8,
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
    let mut args = args;
    args.modules = reload::copies(&args.modules, &scratch.path().join("modules"))?;
    args.hostile = reload::copies(&args.hostile, &scratch.path().join("hostile"))?;
    let measured = measure(&args, &settings, &scratch.path().join("bare"), printer).await;
    erase(&settings, printer).await?;
    measured
}

async fn measure(args: &Args, settings: &Settings, bare: &Path, printer: &Printer) -> Outcome {
    let modules = [args.modules.as_slice(), &args.hostile].concat();
    let host = start(settings, &modules).await?;
    let waiting = [
        (Kind::Timers, "--outstanding", args.outstanding),
        (Kind::Recurrences, "--recurring", args.recurring),
        (Kind::Patterns, "--patterned", args.patterned),
    ];
    for (kind, flag, _) in waiting.iter().filter(|(_, _, count)| *count > 0) {
        kind.require(flag, &host)?;
    }
    let load = Load { event: args.event.clone(), contexts: args.contexts.max(1) };
    let mut report = Report { printer, fields: Map::new() };
    report.note(
        json!({ "store": host.report.name, "promise": host.report.promise, "memory_idle_mb": megabytes().round() }),
    );
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
    if args.calls > 0 {
        let (settings, file, calls) = (settings.clone(), args.modules[0].clone(), args.calls);
        let (quest, event) = (args.quest.clone(), args.event.clone());
        let alone = tokio::task::spawn_blocking(move || action::measure(&settings, &file, (&quest, &event), calls));
        report.action(&alone.await??);
    }
    if args.paced > 0 {
        report.latency(&load.latency(&host, args.paced).await?);
    }
    if args.saves > 0 {
        let measured = reload::measure(&host, &load, &args.modules[0], args.saves, args.paced).await?;
        report.reloads(&measured);
    }
    if !args.hostile.is_empty() {
        let share = usize::from(args.share);
        report.hostile(share, &hostile::measure(&host, &load, &args.hostile, share, args.paced.max(1)).await?);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| args.timers > 0 && kind.is_served(&host)) {
        report.due(kind, args.timers, &due::measure(&host, kind, args.timers).await?);
    }
    report.tell(json!({ "memory_mb": megabytes().round() }), format!("{:.0} MB in memory", megabytes()));
    let mut host = host;
    for (kind, _, count) in waiting.into_iter().filter(|(_, _, count)| *count > 0) {
        let (quest, events, modules) = (args.quest.as_str(), args.events, modules.as_slice());
        let wanted = Wanted { kind, count, load: &load, quest, events, settings, modules };
        let cost;
        (host, cost) = waiting::measure(host, &wanted).await?;
        report.waiting(kind, &cost);
    }
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

    fn action(&mut self, action: &Action) {
        let ms = |took: Duration| (took.as_secs_f64() * 1e4).round() / 10.0;
        let Action { size, compiled, cached, snapshot, fresh, kept } = action;
        let fields = json!({
            "module_bytes": size,
            "compiled_ms": ms(*compiled),
            "cached_ms": ms(*cached),
            "snapshot_ms": snapshot.map(ms),
            "action_us_p50": fresh.p50,
            "action_us_p99": fresh.p99,
            "kept_action_us_p50": kept.p50,
            "kept_action_us_p99": kept.p99,
        });
        let snapshot = snapshot.map_or_else(String::new, |took| format!(" (its snapshot after {} ms)", ms(took)));
        let text = format!(
            "{size} bytes, loaded in {} ms{snapshot}, in {} ms with compiled code at hand; an action by itself: p50 {:.1} µs, p99 {:.1} µs; \
             in a kept instance p50 {:.1} µs, p99 {:.1} µs",
            ms(*compiled),
            ms(*cached),
            fresh.p50,
            fresh.p99,
            kept.p50,
            kept.p99
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

    fn reloads(&mut self, reloads: &Reloads) {
        let Reloads { saves, served, latency } = reloads;
        let fields = json!({
            "saves": saves,
            "save_to_served_ms_p50": served.p50,
            "save_to_served_ms_p99": served.p99,
            "latency_beside_saves_ms_p50": latency.sent.p50,
            "latency_beside_saves_ms_p99": latency.sent.p99,
        });
        let text = format!(
            "{saves} versions saved, from the save to being served: {served}; events meanwhile: {}",
            latency.sent
        );
        self.tell(fields, text);
    }

    fn hostile(&mut self, share: usize, parts: &[Beside]) {
        let quiet = parts.iter().filter(|part| part.who.starts_with("none")).map(|part| part.latency.p99);
        // Of the two without them the faster one: a machine that is busy with other things must not make the hostile ones look well.
        let without = quiet.fold(f64::INFINITY, f64::min);
        let row = |part: &Beside| {
            json!({
                "beside": part.who,
                "latency_ms_p50": part.latency.p50,
                "latency_ms_p99": part.latency.p99,
                "times_without": part.latency.p99 / without,
                "memory_mb": part.megabytes.round(),
            })
        };
        self.note(json!({ "hostile_share_percent": share, "hostile": parts.iter().map(row).collect::<Vec<_>>() }));
        if self.printer.is_json() {
            return;
        }
        for Beside { who, latency, megabytes } in parts {
            let times = latency.p99 / without;
            let text =
                format!("{share} % hostile, {who}: others {latency}, {times:.1} times; {megabytes:.0} MB in memory");
            self.printer.line(&text);
        }
    }

    fn due(&mut self, kind: Kind, count: usize, due: &Due) {
        let (word, Due { lateness, early }) = (kind.word(), due);
        let fields = [
            (word.to_owned(), json!(count)),
            (format!("{word}_late_ms_p50"), json!(lateness.p50)),
            (format!("{word}_late_ms_p99"), json!(lateness.p99)),
            (format!("{word}_early"), json!(early)),
        ];
        let fields = Value::Object(fields.into_iter().collect());
        self.tell(fields, format!("{count} {word} due within 5 s: late by {lateness}; early: {early}"));
    }

    fn waiting(&mut self, kind: Kind, cost: &Cost) {
        let (word, Cost { items, memory_each, stored_each, rates: (before, beside), started_s }) = (kind.word(), cost);
        let share = beside / before * 100.0;
        let fields = [
            ("", json!(items)),
            ("_memory_bytes_each", json!(memory_each.round())),
            ("_stored_bytes_each", json!(stored_each.round())),
            ("_events_per_second_before", json!(before.round())),
            ("_events_per_second", json!(beside.round())),
            ("_started_s", json!(started_s)),
        ];
        let fields = fields.into_iter().map(|(name, value)| (format!("waiting_{word}{name}"), value)).collect();
        let text = format!(
            "{items} {word} waiting: {beside:.0} events/s, {share:.0} % of {before:.0} without; each {memory_each:.0} bytes of memory, \
             {stored_each:.0} in the store; a new host's first event after {started_s:.2} s"
        );
        self.tell(Value::Object(fields), text);
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
    kilobytes.unwrap_or_default() / 1_000.0
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
