//! `list`, `ps`, `vars`, `timers`, `patterns`, `zone`, `dead`.

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Outcome,
    client::Client,
    print::{Printer, plain},
};

/// Rows unless the user says.
const ROWS: usize = 1_000;

#[derive(clap::Args)]
pub(crate) struct Ps {
    /// Only this context.
    context: Option<String>,
    /// Only this quest.
    #[arg(long, conflicts_with = "context")]
    quest: Option<String>,
    /// Rows at most.
    #[arg(long, default_value_t = ROWS)]
    limit: usize,
}

#[derive(clap::Args)]
pub(crate) struct Context {
    /// The context.
    context: String,
}

#[derive(clap::Args)]
pub(crate) struct Timers {
    /// Only this context.
    context: Option<String>,
    /// Rows at most.
    #[arg(long, default_value_t = ROWS)]
    limit: usize,
    #[command(subcommand)]
    change: Option<TimerChange>,
}

#[derive(clap::Args)]
struct OneTimer {
    /// The context.
    context: String,
    /// The quest.
    quest: String,
    /// The timer's name.
    timer: String,
}

#[derive(Subcommand)]
enum TimerChange {
    /// Fire a timer now.
    Fire(OneTimer),
    /// Move a timer.
    Move {
        #[command(flatten)]
        timer: OneTimer,
        /// The new due time, like 2026-11-24T09:00:00Z, or in Unix milliseconds.
        #[arg(value_parser = super::time::read)]
        due: u64,
    },
    /// Cancel a timer.
    Cancel(OneTimer),
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Patterns {
    /// The context.
    #[arg(required = true)]
    context: Option<String>,
    #[command(subcommand)]
    change: Option<PatternChange>,
}

#[derive(Subcommand)]
enum PatternChange {
    /// Cancel a pattern.
    Cancel {
        /// The context.
        context: String,
        /// The quest.
        quest: String,
        /// The pattern's name.
        pattern: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct ZoneOf {
    /// The context.
    context: String,
    /// The time zone to set, such as Europe/Berlin.
    #[arg(conflicts_with = "reset")]
    zone: Option<String>,
    /// Back to the host's default.
    #[arg(long)]
    reset: bool,
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Dead {
    /// Only this context.
    context: Option<String>,
    #[command(subcommand)]
    command: Option<DeadCommand>,
}

#[derive(Subcommand)]
enum DeadCommand {
    /// List them, oldest first.
    List {
        /// Only this context.
        context: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = ROWS)]
        limit: usize,
    },
    /// Show one, whole.
    Show {
        /// Its id.
        id: String,
    },
    /// Accept one anew, for the same living instance.
    Retry {
        /// Its id.
        id: String,
    },
    /// Delete one.
    Drop {
        /// Its id.
        id: String,
    },
}

pub(crate) async fn list(client: &Client, printer: &Printer) -> Outcome {
    let answer = client.get(&["quests"]).await?;
    if printer.is_json() {
        printer.json(&answer);
        return Ok(());
    }
    let empty = Vec::new();
    for quest in answer["quests"].as_array().unwrap_or(&empty) {
        let text = |name: &str| plain(quest[name].as_str().unwrap_or_default());
        printer.line(format!("{} (version {})  {}", text("name"), quest["version"], text("description")).trim_end());
        let names = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        for (action, events) in quest["actions"].as_object().into_iter().flatten() {
            let on = names(events).join(", ");
            printer.line(&if on.is_empty() {
                format!("  action {action}")
            } else {
                format!("  action {action}  on {on}")
            });
        }
        for (name, every) in quest["every"].as_object().into_iter().flatten() {
            let part = |part: &str| plain(every[part].as_str().unwrap_or_default());
            printer.line(&format!("  recurrence {name}: {} -> {}", part("schedule"), part("action")));
        }
        for (name, spec) in quest["patterns"].as_object().into_iter().flatten() {
            printer.line(&format!("  pattern {name}: {}", plain(spec.as_str().unwrap_or_default())));
        }
        for event in names(&quest["add_on"]) {
            printer.line(&format!("  added on {event}"));
        }
        for query in names(&quest["queries"]) {
            printer.line(&format!("  query {query}"));
        }
    }
    for problem in answer["problems"].as_array().unwrap_or(&empty) {
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        printer.warn(&format!("{} is not served: {} [{}]", text("file"), text("message"), text("code")));
        printer.hint(text("hint"));
    }
    Ok(())
}

pub(crate) async fn ps(client: &Client, printer: &Printer, args: &Ps) -> Outcome {
    let answer = match &args.context {
        Some(context) => client.get(&["contexts", context]).await?,
        None => {
            let mut request = client.request(Method::GET, &["instances"]).query(&[("limit", args.limit)]);
            if let Some(quest) = &args.quest {
                request = request.query(&[("quest", quest)]);
            }
            client.json(request).await?
        }
    };
    rows(printer, answer, "instances", &["context", "quest", "instance", "version", "added_at", "held"], args.limit);
    Ok(())
}

pub(crate) async fn vars(client: &Client, printer: &Printer, args: &Context) -> Outcome {
    let answer = client.get(&["contexts", &args.context, "variables"]).await?;
    if printer.is_json() {
        printer.json(&answer["variables"]);
        return Ok(());
    }
    let quests = answer["variables"].as_object().cloned().unwrap_or_default();
    if quests.is_empty() {
        printer.say("none");
    }
    for (quest, variables) in quests {
        printer.line(&quest);
        for (name, value) in variables.as_object().into_iter().flatten() {
            printer.line(&format!("  {} = {value}", plain(name)));
        }
    }
    Ok(())
}

pub(crate) async fn timers(client: &Client, printer: &Printer, args: Timers) -> Outcome {
    let path = |timer: &OneTimer| {
        [
            "contexts".to_owned(),
            timer.context.clone(),
            "quests".to_owned(),
            timer.quest.clone(),
            "timers".to_owned(),
            timer.timer.clone(),
        ]
    };
    let request = |method, timer: &OneTimer| {
        let parts = path(timer);
        client.request(method, &parts.each_ref().map(String::as_str))
    };
    match args.change {
        Some(TimerChange::Fire(timer)) => {
            client.send(request(Method::POST, &timer)).await?;
            done(printer, "fired");
        }
        Some(TimerChange::Move { timer, due }) => {
            client.send(request(Method::PUT, &timer).json(&json!({ "due": due }))).await?;
            done(printer, "moved");
        }
        Some(TimerChange::Cancel(timer)) => {
            client.send(request(Method::DELETE, &timer)).await?;
            done(printer, "cancelled");
        }
        None => {
            let answer = match &args.context {
                Some(context) => client.get(&["contexts", context, "timers"]).await?,
                None => client.json(client.request(Method::GET, &["timers"]).query(&[("limit", args.limit)])).await?,
            };
            let timers = answer["timers"].as_array().into_iter().flatten();
            let dangling = timers.filter(|timer| timer["dangling"] == json!(true)).count();
            if dangling > 0 && !printer.is_json() {
                let what = "wait for actions that the code of their quests does not have any more";
                printer.warn(&format!("{dangling} of these timers are dangling: they {what}"));
            }
            rows(
                printer,
                answer,
                "timers",
                &["context", "quest", "timer", "action", "due", "payload", "schedule"],
                args.limit,
            );
        }
    }
    Ok(())
}

pub(crate) async fn patterns(client: &Client, printer: &Printer, args: Patterns) -> Outcome {
    match (args.change, args.context) {
        (Some(PatternChange::Cancel { context, quest, pattern }), _) => {
            let parts = ["contexts", &context, "quests", &quest, "patterns", &pattern];
            client.send(client.request(Method::DELETE, &parts)).await?;
            done(printer, "cancelled");
        }
        (None, context) => {
            let answer = client.get(&["contexts", &context.unwrap_or_default(), "patterns"]).await?;
            printer.rows(&answer, "patterns", &["context", "quest", "pattern", "due", "state"]);
        }
    }
    Ok(())
}

pub(crate) async fn zone(client: &Client, printer: &Printer, args: &ZoneOf) -> Outcome {
    let parts = ["contexts", &args.context, "zone"];
    let answer = match &args.zone {
        Some(zone) => client.json(client.request(Method::PUT, &parts).json(&json!({ "zone": zone }))).await?,
        None if args.reset => client.json(client.request(Method::DELETE, &parts)).await?,
        None => client.get(&parts).await?,
    };
    if printer.is_json() {
        printer.json(&answer);
        return Ok(());
    }
    let default = if answer["is_default"] == Value::Bool(true) { "  (the host's default)" } else { "" };
    printer.line(&format!("{}{default}", plain(answer["zone"].as_str().unwrap_or_default())));
    Ok(())
}

pub(crate) async fn dead(client: &Client, printer: &Printer, args: Dead) -> Outcome {
    match args.command.unwrap_or(DeadCommand::List { context: args.context, limit: ROWS }) {
        DeadCommand::List { context, limit } => {
            let mut request = client.request(Method::GET, &["dead"]).query(&[("limit", limit)]);
            if let Some(context) = &context {
                request = request.query(&[("context", context)]);
            }
            let answer = client.json(request).await?;
            rows(printer, answer, "dead", &["id", "context", "code", "message", "died_at", "attempts"], limit);
        }
        DeadCommand::Show { id } => {
            let answer = client.get(&["dead", &id]).await?;
            if printer.is_json() {
                printer.json(&answer);
            } else {
                printer.fields(&answer);
            }
        }
        DeadCommand::Retry { id } => {
            client.send(client.request(Method::POST, &["dead", &id, "retry"])).await?;
            done(printer, "accepted anew");
        }
        DeadCommand::Drop { id } => {
            client.send(client.request(Method::DELETE, &["dead", &id])).await?;
            done(printer, "dropped");
        }
    }
    Ok(())
}

/// At most `limit` rows; where there may be more, that is said.
fn rows(printer: &Printer, mut answer: Value, list: &str, fields: &[&str], limit: usize) {
    let found = answer[list].as_array_mut();
    let is_cut = found.is_some_and(|found| {
        let is_cut = found.len() >= limit;
        found.truncate(limit);
        is_cut
    });
    printer.rows(&answer, list, fields);
    if is_cut {
        printer.say(&format!("{limit} rows are shown, and there may be more: --limit shows them"));
    }
}

fn done(printer: &Printer, what: &str) {
    if printer.is_json() { printer.json(&json!({ "done": true })) } else { printer.line(what) }
}
