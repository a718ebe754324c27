//! `next`: the next runs of a schedule, and why they are what they are.

use std::time::{SystemTime, UNIX_EPOCH};

use quest_engine::schedule::{Schedule, Upcoming, Zone, civil, upcoming};
use serde_json::json;

use super::{Outcome, client::Refused, print::Printer};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    _local: super::Local,
    /// The schedule, such as "every 3 days at 09:00" (docs/schedules.md).
    schedule: String,
    /// The time zone of the context; a zone in the text wins.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// When it is started: a civil time in that zone, or one with an offset. Now, unless it is said.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many runs.
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    n: u16,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let zone = Zone::parse(&args.tz)
        .map_err(|error| Refused::usage(&format!("--tz: no time zone is called {:?}", error.name), &error.hint()))?;
    let from = match &args.from {
        Some(text) => civil::read(text, &zone)
            .map_err(|error| Refused::usage(&format!("--from: {}", error.message), error.hint()))?,
        None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
    };
    let schedule = Schedule::parse(&args.schedule).map_err(|error| Refused::usage(&error.pointed(), error.hint()))?;
    let shown = schedule.zone().unwrap_or(&zone);
    let runs = upcoming(&schedule, from, &zone, usize::from(args.n));
    for Upcoming { at, why } in &runs {
        if printer.is_json() {
            let why = why.map(|why| json!({ "code": why.code(), "text": why.to_string() }));
            let local = civil::rfc3339(*at, shown);
            printer.json(&json!({ "at": at, "local": local, "zone": shown.name(), "why": why }));
        } else {
            let why = why.map(|why| format!("  ({why})")).unwrap_or_default();
            printer.line(&format!("{} {shown}{why}", civil::show(*at, shown)));
        }
    }
    if runs.len() < usize::from(args.n) {
        printer.say(if runs.is_empty() { "it has no run" } else { "that is all" });
    }
    if schedule.jitter() > 0 && !runs.is_empty() {
        printer.say(&format!("each up to {} later, by chance (jitter)", civil::show_duration(schedule.jitter())));
    }
    Ok(())
}
