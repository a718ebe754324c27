//! `simulate`: quests against many events on a scaled clock. What happens is `crate::simulate`'s; here are pace and output.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use quest_engine::{
    action::Effect,
    model::{Millis, Value, check_event},
    world::{
        BEGINNING, Moment, Options, Told, Zone,
        time::{self, Pause},
    },
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Outcome, QuestFlags,
    client::Refused,
    messages::{tail_line, tail_line_at},
    modules::Loader,
    operate,
    print::{Printer, plain},
    test::span,
};
use crate::{
    api::view,
    quests::{Quests, Served},
    settings::Settings,
    simulate::{Event, Generated, Rate, Simulation, Tally, read},
};

/// Events that are done before signals are looked at again.
const STEPS: usize = 256;

/// Run quests against recorded or generated events.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Modules, or folders with quests.
    #[arg(required = true)]
    modules: Vec<PathBuf>,
    /// Recorded events: JSON lines, as `send` takes them or `tail --format json` prints them; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event", "rate", "contexts", "payload", "seed"])]
    events: Option<PathBuf>,
    /// Generate events of this name; of several, each as often as its weight says.
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    event: Vec<String>,
    /// How many events come, over all contexts, e.g. 20/minute.
    #[arg(long, default_value = "1/minute")]
    rate: String,
    /// How many contexts they go to.
    #[arg(long, default_value_t = 10)]
    contexts: u64,
    /// The payload of generated events, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// Draws other events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When it begins, e.g. "2026-03-27 18:00". Recorded events before that are left out.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When it ends: a time, or how long it goes on, e.g. "30 days".
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How much faster than a clock time passes, e.g. 1000x; max does not wait.
    #[arg(long, default_value = "1000x")]
    speed: String,
    /// The zone of times, e.g. Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// Show how it ended only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    quests: QuestFlags,
}

pub(crate) async fn run(args: Args, printer: &Printer) -> Outcome {
    let settings = args.quests.resolve(printer)?;
    let zone = wrong_if(time::zone(&args.tz), "--tz Europe/Berlin")?;
    let speed = speed(&args.speed)?;
    let from = args.from.as_deref().map(|text| wrong_if(time::read(text, &zone), "--from \"2026-03-27 18:00\""));
    let (start, events) = events(&args, from.transpose()?, &zone, printer)?;
    let until = args.until.as_deref().map(|text| until(text, start, &zone)).transpose()?;
    if until.is_none() && args.events.is_none() {
        return Err(Refused::usage("generated events have no end", "--until \"30 days\", or a time"));
    }
    let registry = Loader::new(&settings, args.quests.no_build, printer)?.load(&args.modules)?;
    let quests = Served(registry as Arc<dyn Quests>);
    let simulation = Simulation::new(quests, options(settings, start), events, until);
    play(simulation, &args, start, speed, &zone, printer).await
}

fn options(settings: Settings, start: Millis) -> Options {
    Options { start, limits: settings.engine, config: settings.config, ..Options::default() }
}

/// When it begins, and the events from then on.
fn events(
    args: &Args,
    from: Option<Millis>,
    zone: &Zone,
    printer: &Printer,
) -> anyhow::Result<(Millis, Box<dyn Iterator<Item = Event> + Send>)> {
    let Some(file) = &args.events else {
        let start = from.unwrap_or(BEGINNING);
        return Ok((start, Box::new(generated(args, start)?)));
    };
    let text =
        read_text(file).map_err(|error| Refused::usage(&format!("cannot read {}: {error}", file.display()), ""))?;
    let recorded = read(&text, zone, from, BEGINNING).map_err(|error| {
        Refused::usage(&format!("{}: {error}", file.display()), "docs/testing.md describes recorded events")
    })?;
    if recorded.without_payload > 0 {
        let count = recorded.without_payload;
        printer.warn(&format!("{count} events come from `tail`, which tells no payloads: they have none"));
    }
    let start = from.or(recorded.events.first().map(|event| event.at)).unwrap_or(BEGINNING);
    let events: Vec<Event> = recorded.events.into_iter().filter(|event| event.at >= start).collect();
    Ok((start, Box::new(events.into_iter())))
}

fn generated(args: &Args, start: Millis) -> anyhow::Result<Generated> {
    if args.event.is_empty() {
        return Err(Refused::usage(
            "there are no events",
            "--event NAME generates some, --events FILE has recorded ones",
        ));
    }
    let mut names = Vec::new();
    for text in &args.event {
        let (name, weight) = match text.rsplit_once('=') {
            Some((name, weight)) => (name, weight.parse::<f64>().ok()),
            None => (text.as_str(), Some(1.0)),
        };
        let weight = weight.filter(|weight| *weight > 0.0 && weight.is_finite());
        let Some(weight) = weight else {
            return Err(Refused::usage(&format!("{text:?} has no weight"), "--event NAME=3"));
        };
        wrong_if(check_event(name).map_err(|error| error.to_string()), "--event NAME")?;
        names.push((name.to_owned(), weight));
    }
    let rate = wrong_if(Rate::parse(&args.rate), "--rate 20/minute")?;
    if args.contexts == 0 {
        return Err(Refused::usage("events need a context to go to", "--contexts 10"));
    }
    let payload = operate::payload(args.payload.as_deref())?;
    let payload = wrong_if(Value::from_json_value(&payload).map_err(|error| error.to_string()), "--payload JSON")?;
    Ok(Generated::new(args.seed, rate, args.contexts, &names, payload, start))
}

fn read_text(file: &Path) -> std::io::Result<String> {
    if file.as_os_str() != "-" {
        return std::fs::read_to_string(file);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// A time, or a duration from the beginning.
fn until(text: &str, start: Millis, zone: &Zone) -> anyhow::Result<Millis> {
    let until = match Pause::parse(text) {
        Ok(pause) => pause.after(start, zone).ok_or_else(|| format!("{text:?} is past the calendar's end")),
        Err(_) => time::read(text, zone),
    };
    let until = wrong_if(until, "--until \"30 days\", or a time")?;
    if until < start {
        let (until, start) = (time::show(until, zone), time::show(start, zone));
        return Err(Refused::usage(&format!("it would end at {until}, before it begins at {start}"), ""));
    }
    Ok(until)
}

/// How much faster than a clock; none: without waiting.
fn speed(text: &str) -> anyhow::Result<Option<f64>> {
    if text == "max" {
        return Ok(None);
    }
    let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    match factor.filter(|factor| *factor > 0.0 && factor.is_finite()) {
        Some(factor) => Ok(Some(factor)),
        None => Err(Refused::usage(&format!("{text:?} is no speed"), "--speed 1000x, or --speed max")),
    }
}

fn wrong_if<T>(result: Result<T, String>, hint: &str) -> anyhow::Result<T> {
    result.map_err(|error| Refused::usage(&error, hint))
}

/// Lets it happen at its pace, until its end or until it is stopped.
async fn play<E: Iterator<Item = Event>>(
    mut simulation: Simulation<Served, E>,
    args: &Args,
    start: Millis,
    speed: Option<f64>,
    zone: &Zone,
    printer: &Printer,
) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let began = Instant::now();
    let mut steps = 0;
    loop {
        let Some(at) = simulation.next_at() else {
            simulation.end()?;
            break;
        };
        let wait = speed.map_or(Duration::ZERO, |speed| {
            let due = Duration::try_from_secs_f64((at - start) as f64 / 1_000.0 / speed).unwrap_or(Duration::MAX);
            due.saturating_sub(began.elapsed())
        });
        steps += 1;
        if !wait.is_zero() || steps % STEPS == 0 {
            // Cancel-safe: nothing happens in any of them.
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        simulation.step(|moment| {
            if !args.quiet {
                show(moment, zone, printer)
            }
        })?;
    }
    summary(&simulation, start, began.elapsed(), zone, printer);
    Ok(())
}

/// A happening as `tail` shows it, and the messages that it led to.
fn show(moment: &Moment, zone: &Zone, printer: &Printer) {
    let Told::Happened { happening, .. } = &moment.told else { return };
    let seen = view(0, happening);
    let messages = moment.caused().filter_map(|caused| match caused.effect {
        Effect::Publish { topic, payload } => Some((topic, payload.to_json_lossy())),
        _ => None,
    });
    if printer.is_json() {
        printer.json(&seen);
        for (topic, payload) in messages {
            let message = json!({"context": happening.context, "quest": happening.quest, "topic": topic, "payload": payload,
                "at": happening.stamp});
            printer.json(&json!({ "message": message }));
        }
        return;
    }
    let is_utc = *zone == Zone::utc();
    printer.line(&if is_utc { tail_line(&seen) } else { tail_line_at(&seen, &time::show(happening.stamp, zone)) });
    messages.for_each(|(topic, payload)| printer.line(&format!("    → {}  {payload}", plain(topic))));
}

fn summary<E: Iterator<Item = Event>>(
    simulation: &Simulation<Served, E>,
    start: Millis,
    took: Duration,
    zone: &Zone,
    printer: &Printer,
) {
    let tally = simulation.tally();
    let (now, waiting, live) = (simulation.now(), simulation.timers_waiting(), simulation.patterns_live());
    if printer.is_json() {
        let about = json!({"from": start, "until": now, "contexts": simulation.contexts(), "timers_waiting": waiting,
            "patterns_live": live, "took_ms": took.as_millis() as u64, "happened": tally});
        return printer.json(&json!({ "summary": about }));
    }
    let Tally { events, actions, timers, patterns, added, removed, retried, messages, dead, ignored } = tally;
    let line = |name: &str, text: &str| printer.line(format!("{name:9} {text}").trim_end());
    printer.line("");
    let (from, to) = (time::show(start, zone), time::show(now, zone));
    line("time", &format!("{} ({from} to {to}, {zone}) in {} ms", span(now - start), took.as_millis()));
    line("events", &format!("{events} to {} contexts", simulation.contexts()));
    line("actions", &format!("{actions}, {retried} of them failed and are tried again"));
    line("timers", &format!("{timers} fired, {waiting} wait"));
    line("patterns", &format!("{patterns} actions called, {live} live"));
    line("quests", &format!("{added} added, {removed} removed"));
    line("messages", &counts(messages));
    line("dead", &counts(dead));
    line("ignored", &counts(ignored));
}

/// How many, and of what.
fn counts(of: &BTreeMap<String, u64>) -> String {
    let total: u64 = of.values().sum();
    let each: Vec<String> = of.iter().map(|(name, count)| format!("{} {count}", plain(name))).collect();
    if each.is_empty() { "0".to_owned() } else { format!("{total}: {}", each.join(", ")) }
}
