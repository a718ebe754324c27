//! `add`, `remove`, `call`, `query`, `forget`.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::Value;

use super::{Outcome, client::Client, print::Printer};

#[derive(clap::Args)]
pub(crate) struct Target {
    /// The context: a user or session key.
    context: String,
    /// The quest.
    quest: String,
}

#[derive(clap::Args)]
pub(crate) struct Call {
    /// The context.
    context: String,
    /// The quest.
    quest: String,
    /// The action or query.
    name: String,
    /// The payload, as JSON.
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// How long to wait for the answer, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// The call's id: called again with the same one, it does nothing twice.
    #[arg(long)]
    id: Option<String>,
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
        printer.line(&format!("{context} has {quest} no more"));
    } else {
        printer.line(&format!("{context} did not have {quest}"));
    }
    Ok(())
}

pub(crate) async fn call(client: &Client, printer: &Printer, call: &Call, kind: &str) -> Outcome {
    let payload: Value = match &call.payload {
        Some(text) => serde_json::from_str(text).with_context(|| format!("--payload is not JSON: {text}"))?,
        None => Value::Null,
    };
    let parts = ["contexts", &call.context, "quests", &call.quest, kind, &call.name];
    let mut request = client.request(Method::POST, &parts).query(&[("timeout_ms", call.timeout_ms)]).json(&payload);
    if let Some(id) = &call.id {
        request = request.header("Idempotency-Key", id);
    }
    let answer = client.json(request).await?;
    printer.json(if printer.is_json() { &answer } else { &answer["answer"] });
    Ok(())
}

pub(crate) async fn forget(client: &Client, printer: &Printer, args: &Forget) -> Outcome {
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            bail!("forget erases all of {:?}: say --yes if that is meant", args.context);
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
        printer.line(&format!("{} is forgotten", args.context));
    }
    Ok(())
}
