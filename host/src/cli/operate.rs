//! `add`, `remove`, `call`, `query`, `forget`.

use std::io::{IsTerminal as _, Write as _};

use anyhow::bail;
use reqwest::Method;
use serde_json::Value;

use super::{
    Outcome,
    client::{Client, Refused},
    print::Printer,
};

/// How long a call waits for its answer unless it is told.
const TIMEOUT_MS: u64 = 10_000;

#[derive(clap::Args)]
pub(crate) struct Target {
    /// The context: a user or session key.
    pub(crate) context: String,
    /// The quest.
    pub(crate) quest: String,
}

#[derive(clap::Args)]
pub(crate) struct Call {
    /// The context.
    context: String,
    /// The quest.
    quest: String,
    /// The action.
    action: String,
    /// The payload, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// How long to wait for the answer, in milliseconds.
    #[arg(long, default_value_t = TIMEOUT_MS)]
    timeout_ms: u64,
    /// The call's id: called again with the same one, it does nothing twice.
    #[arg(long)]
    id: Option<String>,
}

impl Call {
    pub(crate) fn new(context: String, quest: String, action: String, payload: Option<String>) -> Self {
        Self { context, quest, action, payload, timeout_ms: TIMEOUT_MS, id: None }
    }
}

#[derive(clap::Args)]
pub(crate) struct Query {
    /// The context.
    context: String,
    /// The quest.
    quest: String,
    /// The query.
    query: String,
    /// The payload, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Forget {
    /// The context.
    context: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn add(client: &Client, printer: &Printer, target: &Target) -> Outcome {
    let Target { context, quest } = target;
    let answer = client.json(client.request(Method::POST, &["contexts", context, "quests", quest])).await?;
    if printer.is_json() {
        printer.json(&answer);
    } else if answer["added"] == Value::Bool(true) {
        printer.line(&format!("{context} has {quest} now"));
    } else {
        printer.line(&format!("{context} had {quest} already"));
    }
    Ok(())
}

pub(crate) async fn remove(client: &Client, printer: &Printer, target: &Target) -> Outcome {
    let Target { context, quest } = target;
    let answer = client.json(client.request(Method::DELETE, &["contexts", context, "quests", quest])).await?;
    if printer.is_json() {
        printer.json(&answer);
    } else if answer["removed"] == Value::Bool(true) {
        printer.line(&format!("removed {quest} from {context}"));
    } else {
        printer.line(&format!("{context} did not have {quest}"));
    }
    Ok(())
}

pub(crate) async fn call(client: &Client, printer: &Printer, call: &Call) -> Outcome {
    let parts = ["contexts", &call.context, "quests", &call.quest, "actions", &call.action];
    // Always with an id: a call that was not answered in time can be made again, and happens once.
    let id = call.id.clone().unwrap_or_else(crate::service::draw_id);
    let request = client.request(Method::POST, &parts).query(&[("timeout_ms", call.timeout_ms)]);
    let request = request.json(&payload(call.payload.as_deref())?).header("Idempotency-Key", &id);
    let answered = client.json(request).await.map_err(|error| match error.downcast::<Refused>() {
        Ok(mut refused) if refused.code == "no-answer-yet" => {
            refused.hint = format!("call again with --id {id}: it waits for the same call, and nothing is done twice");
            refused.into()
        }
        Ok(refused) => refused.into(),
        Err(error) => error,
    });
    answer(printer, &answered?);
    Ok(())
}

pub(crate) async fn query(client: &Client, printer: &Printer, query: &Query) -> Outcome {
    let parts = ["contexts", &query.context, "quests", &query.quest, "queries", &query.query];
    let request = client.request(Method::POST, &parts).json(&payload(query.payload.as_deref())?);
    answer(printer, &client.json(request).await?);
    Ok(())
}

fn answer(printer: &Printer, answer: &Value) {
    printer.json(if printer.is_json() { answer } else { &answer["answer"] });
}

/// A payload as it is given on the command line.
pub(crate) fn payload(text: Option<&str>) -> anyhow::Result<Value> {
    let Some(text) = text else { return Ok(Value::Null) };
    serde_json::from_str(text).map_err(|error| {
        let hint = r#"a text is JSON with its quotes: --payload '"hello"'"#;
        Refused::usage(&format!("--payload is not JSON: {text}: {error}"), hint)
    })
}

pub(crate) async fn forget(client: &Client, printer: &Printer, args: &Forget) -> Outcome {
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            let message = format!("forget erases all of {:?}, and there is nobody to ask", args.context);
            return Err(Refused::usage(&message, "say --yes if that is meant"));
        }
        let mut error = std::io::stderr();
        write!(error, "Erase all state, timers and dead letters of {:?}? [y/N] ", args.context)?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        if !line.trim().eq_ignore_ascii_case("y") {
            bail!("nothing was erased");
        }
    }
    let answer = client.json(client.request(Method::DELETE, &["contexts", &args.context])).await?;
    if printer.is_json() {
        printer.json(&answer);
    } else {
        printer.line(&format!("erased everything of {}", args.context));
    }
    Ok(())
}
