//! `messages` and `tail`: what comes as it comes.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::Value;

use super::{
    Outcome,
    client::Client,
    print::{Printer, plain},
    time::show as time,
};

/// Read what quests published.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Go on reading as messages come.
    #[arg(long, short)]
    follow: bool,
    /// Only messages published from now on.
    #[arg(long, conflicts_with = "cursor")]
    new: bool,
    /// Continue after this cursor (printed by an earlier call).
    #[arg(long)]
    cursor: Option<String>,
    /// Messages at most (without --follow).
    #[arg(long, default_value_t = 1_000, conflicts_with = "follow")]
    limit: usize,
}

/// Messages of one request.
const PAGE: usize = 1_000;

/// How long a host that is gone is waited for, and the pause between two tries.
const GONE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(client: &Client, printer: &Printer, args: Args) -> Outcome {
    let mut cursor = args.cursor;
    let mut left = args.limit;
    let mut from_now = args.new;
    loop {
        let wait = if args.follow { 30_000 } else { 0 };
        let limit = if args.follow { PAGE } else { left.min(PAGE) };
        let mut query = vec![("wait_ms", wait.to_string()), ("limit", limit.to_string())];
        match &cursor {
            Some(cursor) => query.push(("cursor", cursor.clone())),
            None if from_now => query.push(("from", "now".to_owned())),
            None => {}
        }
        from_now = false;
        let page = page(client, printer, &query, args.follow).await?;
        if page["missed"].as_u64().unwrap_or(0) > 0 {
            printer.warn(&format!("{} messages were dropped before they were read", page["missed"]));
        }
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            show(printer, message);
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        left = left.saturating_sub(messages.len());
        if !args.follow && (messages.is_empty() || left == 0) {
            if let Some(cursor) = cursor {
                printer.cursor(&cursor);
            }
            return Ok(());
        }
    }
}

/// One page. Whoever follows outlives a restart of the host: the cursor is the store's, so nothing is missed.
async fn page(client: &Client, printer: &Printer, query: &[(&str, String)], follow: bool) -> anyhow::Result<Value> {
    let until = Instant::now() + GONE;
    let mut said = false;
    loop {
        match client.json(client.request(Method::GET, &["messages"]).query(query)).await {
            Err(error) if follow && client.passes(&error) && Instant::now() < until => {
                if !std::mem::replace(&mut said, true) {
                    printer.warn(&format!("{error:#}; trying again for {} s", GONE.as_secs()));
                }
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

fn show(printer: &Printer, message: &Value) {
    if printer.is_json() {
        return printer.json(message);
    }
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    let at = time(message["at"].as_u64().unwrap_or(0));
    printer.line(&format!("{at}  {}  {}  {}", text("context"), text("topic"), message["payload"]));
}

pub(crate) async fn tail(client: &Client, printer: &Printer) -> Outcome {
    let response = client.send(client.request(Method::GET, &["tail"])).await?;
    printer.say_named("connected", "events are shown as they happen; Ctrl-C ends it");
    let mut chunks = response.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(chunk) = chunks.next().await {
        buffer.extend_from_slice(&chunk.map_err(|error| client.unreached(&error))?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let Ok(happening) = serde_json::from_str::<Value>(data.trim_end()) else { continue };
            if printer.is_json() {
                printer.json(&happening);
            } else {
                printer.line(&tail_line(&happening));
            }
        }
    }
    Err(client.ended())
}

/// A happening in a line.
pub(crate) fn tail_line(happening: &Value) -> String {
    tail_line_at(happening, &time(happening["at"].as_u64().unwrap_or(0)))
}

/// A happening in a line, with its time as `at` says it.
pub(crate) fn tail_line_at(happening: &Value, at: &str) -> String {
    if let Some(missed) = happening["missed"].as_u64() {
        return format!("… {missed} happenings were missed: this reader is too slow");
    }
    let text = |name: &str| happening[name].as_str().unwrap_or_default();
    let what = match (text("quest"), text("action")) {
        ("", action) => action.to_owned(),
        (quest, "") => quest.to_owned(),
        (quest, action) => format!("{quest}.{action}"),
    };
    let event = if text("event").is_empty() { text("cause") } else { text("event") };
    let why = match text("message") {
        "" => text("code").to_owned(),
        message => format!("{}: {}", text("code"), plain(message)),
    };
    let logs: String = happening["log"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .flat_map(str::lines)
        .map(|line| format!("\n    | {}", plain(line)))
        .collect();
    format!("{at}  {}  {event} → {what}  {} {why}", text("context"), text("outcome")).trim_end().to_owned() + &logs
}
