//! `send`: one event by flags. It carries an id, so that what is sent again is not done twice.

use std::{path::PathBuf, time::Duration};

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    Outcome,
    client::{Client, Refused},
    operate,
    print::Printer,
    send_many,
};

/// Tries of one request, and the first pause between them; each further one is twice as long.
pub(super) const TRIES: u32 = 8;
pub(super) const PAUSE: Duration = Duration::from_millis(100);

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
        Some(file) => send_many::run(client, printer, file).await,
        None => one(client, printer, &args).await,
    }
}

async fn one(client: &Client, printer: &Printer, args: &Args) -> Outcome {
    if args.quest.is_some() && args.context.is_none() {
        return Err(Refused::usage("an event for one action needs a context", "--context CONTEXT"));
    }
    if args.event.is_none() && args.quest.is_none() {
        let hint = "--event NAME, or --quest and --action; or a FILE with one JSON event a line";
        return Err(Refused::usage("an event needs a name", hint));
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
        event.insert("event_payload".to_owned(), operate::payload(Some(payload))?);
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
        let again = if receipt["duplicate"] == Value::Bool(true) { " (already; nothing is done twice)" } else { "" };
        printer.line(&format!("accepted {}{again}", receipt["id"].as_str().unwrap_or_default()));
    }
    Ok(())
}

/// Sends until there is an answer: with the ids in it, what did arrive is not done twice.
pub(super) async fn post(client: &Client, body: &Value) -> anyhow::Result<Value> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match client.json(client.request(Method::POST, &["events"]).json(body)).await {
            Err(error) if client.passes(&error) => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 2;
    }
    client.json(client.request(Method::POST, &["events"]).json(body)).await
}
