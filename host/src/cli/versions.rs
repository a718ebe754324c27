//! `versions`, `rollout`, `rollback`, `upgrade`.

use std::path::PathBuf;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, Refused},
    print::Printer,
};

/// List the versions of modules that the store keeps.
#[derive(clap::Args)]
pub(crate) struct Versions {
    /// Only those that define this quest.
    quest: Option<String>,
}

/// Go back to an earlier version of a quest, on all hosts.
#[derive(clap::Args)]
pub(crate) struct Rollback {
    /// The quest. All quests of its module go back together.
    quest: String,
    /// The version's digest, or its beginning; without it, the version before.
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
    /// Only say what would be put back, and what not.
    #[arg(long)]
    dry_run: bool,
    /// Go back even if instances are left waiting, since nothing is kept of them from before.
    #[arg(long)]
    force: bool,
}

/// Try a quest's `upgrade` on its instances, and keep nothing of it.
#[derive(clap::Args)]
pub(crate) struct Upgrade {
    /// The quest.
    quest: String,
    /// Say what it would do. (That is all that this command does: instances are upgraded by themselves, each before its next action.)
    #[arg(long, required = true)]
    dry_run: bool,
    /// The module with the new version; without it, the version that is served.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Try so many instances at most.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

pub(crate) async fn versions(client: &Client, printer: &Printer, args: &Versions) -> Outcome {
    let request = client.request(Method::GET, &["versions"]).query(&[("quest", &args.quest)]);
    let mut answer = client.json(request).await?;
    if !printer.is_json() {
        shorten(&mut answer, "versions", "digest");
    }
    printer.rows(
        &answer,
        "versions",
        &["file", "digest", "rolled_out", "why", "quests", "size", "first_at", "last_at", "host"],
    );
    Ok(())
}

pub(crate) async fn rollout(client: &Client, printer: &Printer) -> Outcome {
    let mut answer = client.get(&["rollout"]).await?;
    if !printer.is_json() {
        shorten(&mut answer, "hosts", "served");
        shorten(&mut answer, "hosts", "rolled_out");
    }
    printer.rows(&answer, "hosts", &["host", "file", "rolled_out", "served", "same", "problem"]);
    Ok(())
}

pub(crate) async fn roll_back(client: &Client, printer: &Printer, args: &Rollback) -> Outcome {
    let body = json!({ "to": args.to, "dry_run": args.dry_run, "force": args.force });
    let answer = client.json(client.request(Method::POST, &["quests", &args.quest, "rollback"]).json(&body)).await?;
    if printer.is_json() {
        printer.json(&answer);
        return Ok(());
    }
    let (version, affected) = (&answer["version"], &answer["affected"]);
    let digest = version["digest"].as_str().unwrap_or_default();
    let what = format!("{} {}", version["file"].as_str().unwrap_or_default(), digest.get(..12).unwrap_or(digest));
    match &answer["restored"] {
        Value::Null => {
            printer.line(&format!("would go back to {what}"));
            printer.line(&format!(
                "{} instances would be put back to what they were before their upgrade; what they did since would be lost",
                affected["restorable"]
            ));
        }
        restored => {
            printer.line(&format!("went back to {what}"));
            printer.line(&format!(
                "{restored} instances are as they were before their upgrade; what they did since is lost"
            ));
        }
    }
    if affected["stranded"].as_u64().unwrap_or_default() > 0 {
        printer.warn(&format!(
            "{} instances wait until newer code is back: nothing is kept of them from before",
            affected["stranded"]
        ));
    }
    Ok(())
}

pub(crate) async fn upgrade(client: &Client, printer: &Printer, args: &Upgrade) -> Outcome {
    let _ = args.dry_run;
    let request = client.request(Method::POST, &["quests", &args.quest, "upgrade-trial"]);
    let request = request.query(&[("limit", &args.limit)]);
    let request = match &args.module {
        Some(file) => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let request = request.query(&[("file", &name)]);
            request.header("Content-Type", "application/wasm").body(bytes)
        }
        None => request,
    };
    let trial = client.json(request).await?;
    if printer.is_json() {
        printer.json(&trial);
    } else {
        show(printer, &trial);
    }
    match trial["failed"].as_u64().unwrap_or_default() {
        0 => Ok(()),
        failed => {
            let message = format!("{failed} of {} instances would not be upgraded", trial["instances"]);
            Err(Refused::failed(&message, "their events would wait (upgrade-failed) until a version upgrades them"))
        }
    }
}

fn show(printer: &Printer, trial: &Value) {
    printer.line(&format!(
        "version {}: {} instances, {} have it already, {} upgrade, {} do not",
        trial["version"], trial["instances"], trial["current"], trial["succeeded"], trial["failed"]
    ));
    if trial["has_upgrade"] == json!(false) {
        printer.line("it declares no action `upgrade`: variables stay as they are");
    }
    for failure in trial["failures"].as_array().into_iter().flatten() {
        printer.line(&format!(
            "{}: {} [{}]",
            text(&failure["context"]),
            text(&failure["message"]),
            text(&failure["code"])
        ));
    }
    for changed in trial["changes"].as_array().into_iter().flatten() {
        for (name, change) in changed["variables"].as_object().into_iter().flatten() {
            printer.line(&format!("{}: {name}: {} -> {}", text(&changed["context"]), change["was"], change["becomes"]));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Digests as people compare them.
fn shorten(answer: &mut Value, list: &str, field: &str) {
    for row in answer[list].as_array_mut().into_iter().flatten() {
        if let Some(short) = row[field].as_str().and_then(|digest| digest.get(..12)).map(str::to_owned) {
            row[field] = json!(short);
        }
    }
}
