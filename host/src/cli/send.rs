//! `send`: one event by flags, or many as JSON lines. Each carries an id, so that what is sent again is not done twice.

use std::{io::BufRead, path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    client::{Client, Refused},
    print::Printer,
};

/// Events of one request.
const CHUNK: usize = 1_000;
/// Tries of one request, and the first pause between them.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);

/// Send one event, or many from a file.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with one JSON event a line; `-` reads standard input.
    #[arg(conflicts_with_all = ["context", "event", "payload", "quest", "action"])]
    file: Option<PathBuf>,
    /// The context; without it the event goes to every context.
    #[arg(long)]
    context: Option<String>,
    /// The event's name.
    #[arg(long)]
    event: Option<String>,
    /// The payload, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// With --action: to this quest only.
    #[arg(long, requires = "action")]
    quest: Option<String>,
    /// With --quest: to this action only.
    #[arg(long, requires = "quest")]
    action: Option<String>,
    /// The event's id.
    #[arg(long)]
    id: Option<String>,
}

pub(crate) async fn run(client: &Client, printer: &Printer, args: Args) -> Outcome {
    match &args.file {
        Some(file) => many(client, printer, file).await,
        None => one(client, printer, &args).await,
    }
}

async fn one(client: &Client, printer: &Printer, args: &Args) -> Outcome {
    if args.event.is_none() && args.quest.is_none() {
        bail!("an event needs --event, or --quest and --action; or give a FILE of events");
    }
    let mut event = Map::new();
    let mut put = |key: &str, text: &Option<String>| {
        if let Some(text) = text {
            event.insert(key.to_owned(), Value::String(text.clone()));
        }
    };
    put("event_context", &args.context);
    put("event_name", &args.event);
    if let Some(payload) = &args.payload {
        let payload = serde_json::from_str(payload).with_context(|| format!("--payload is not JSON: {payload}"))?;
        event.insert("event_payload".to_owned(), payload);
    }
    if let (Some(quest), Some(action)) = (&args.quest, &args.action) {
        event.insert("event_selector".to_owned(), json!({"quest_name": quest, "action_name": action}));
    }
    let id = args.id.clone().unwrap_or_else(crate::service::draw_id);
    event.insert("event_id".to_owned(), Value::String(id));
    let receipt = post(client, &Value::Object(event)).await?;
    if printer.is_json() {
        printer.json(&receipt);
    } else {
        let again = if receipt["duplicate"] == Value::Bool(true) { " (it was before)" } else { "" };
        printer.line(&format!("accepted {}{again}", receipt["id"].as_str().unwrap_or_default()));
    }
    Ok(())
}

async fn many(client: &Client, printer: &Printer, file: &PathBuf) -> Outcome {
    let (reader, length): (Box<dyn BufRead>, Option<u64>) = if file.as_os_str() == "-" {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let length = opened.metadata().ok().map(|about| about.len());
        (Box::new(std::io::BufReader::new(opened)), length)
    };
    let bar = progress(length, printer);
    let (mut accepted, mut duplicates, mut refused) = (0u64, 0u64, 0u64);
    let mut chunk: Vec<(usize, Value)> = Vec::new();
    let mut lines = reader.lines().enumerate();
    loop {
        let line = lines.next();
        if let Some((number, line)) = &line {
            let line = line.as_ref().map_err(|error| anyhow!("line {}: {error}", number + 1))?;
            bar.inc(line.len() as u64 + 1);
            if !line.trim().is_empty() {
                match parse(line) {
                    Ok(event) => chunk.push((number + 1, event)),
                    Err(error) => {
                        refused += 1;
                        bar.suspend(|| printer.warn(&format!("line {}: {error}", number + 1)));
                    }
                }
            }
        }
        if chunk.len() >= CHUNK || (line.is_none() && !chunk.is_empty()) {
            let events: Vec<&Value> = chunk.iter().map(|(_, event)| event).collect();
            let answer = post(client, &json!(events)).await?;
            let results = answer["results"].as_array().cloned().unwrap_or_default();
            for ((number, _), result) in chunk.drain(..).zip(results) {
                match result["error"]["message"].as_str() {
                    Some(message) => {
                        refused += 1;
                        bar.suspend(|| printer.warn(&format!("line {number}: {message}")));
                    }
                    None if result["duplicate"] == Value::Bool(true) => duplicates += 1,
                    None => accepted += 1,
                }
            }
        }
        if line.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    if printer.is_json() {
        printer.json(&json!({"accepted": accepted, "duplicates": duplicates, "refused": refused}));
    } else {
        printer.line(&format!("{accepted} accepted, {duplicates} duplicates, {refused} refused"));
    }
    if refused > 0 {
        Err(anyhow!(Refused {
            exit: 4,
            status: 0,
            message: format!("{refused} events were refused"),
            hint: String::new()
        }))
    } else {
        Ok(())
    }
}

fn parse(line: &str) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(line).context("not JSON")?;
    if let Value::Object(fields) = &mut event {
        fields.entry("event_id").or_insert_with(|| Value::String(crate::service::draw_id()));
    }
    Ok(event)
}

/// Sends until there is an answer: with the ids in it, what did arrive is not done twice. Full inboxes are waited for.
async fn post(client: &Client, body: &Value) -> anyhow::Result<Value> {
    let mut pause = PAUSE;
    for tries in 1.. {
        match client.json(client.request(Method::POST, &["events"]).json(body)).await {
            Err(error) if tries < TRIES && passes(&error) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Ok(answer) if tries < TRIES && has_full(&answer) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    bail!("the host did not take the events")
}

fn passes(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.exit == 3 || matches!(refused.status, 429 | 503))
}

fn has_full(answer: &Value) -> bool {
    let results = answer["results"].as_array();
    results.is_some_and(|results| results.iter().any(|result| result["error"]["code"] == "full"))
}

fn progress(length: Option<u64>, printer: &Printer) -> ProgressBar {
    if printer.is_json() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}
