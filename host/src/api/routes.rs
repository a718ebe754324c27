//! The handlers that answer at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use quest_engine::model::Command;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, Failure};
use crate::{
    quests::Quests as _,
    service::{Error, Kind, ask::outcome_json},
};

type Answer = Result<Json<Value>, Failure>;

/// How long an answer is waited for unless the caller says.
const WAIT_MS: u64 = 10_000;
/// The longest that a caller may wait.
const WAIT_MS_MAX: u64 = 60_000;
/// Rows unless the caller says, and at most.
const ROWS: usize = 1_000;
const ROWS_MAX: usize = 100_000;

#[derive(Deserialize)]
pub(super) struct Wait {
    timeout_ms: Option<u64>,
}

impl Wait {
    fn duration(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.unwrap_or(WAIT_MS).min(WAIT_MS_MAX))
    }
}

#[derive(Deserialize)]
pub(super) struct Select {
    quest: Option<String>,
    context: Option<String>,
    limit: Option<usize>,
}

impl Select {
    fn rows(&self) -> usize {
        self.limit.unwrap_or(ROWS).min(ROWS_MAX)
    }
}

pub(super) async fn health(State(api): State<Api>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": api.started.elapsed().as_millis() as u64,
        "store": *api.store,
        "quests": api.registry.catalog().quests().count(),
        "problems": api.registry.problems().len(),
        "partitions": api.status.owned().len(),
        "counters": counters(&api),
    }))
}

/// Counts since the host started.
fn counters(api: &Api) -> Value {
    let counters = api.status.counters();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "commits": count(&counters.commits),
        "entries": count(&counters.entries),
        "actions": count(&counters.actions),
        "losses": count(&counters.losses),
        "regressions": count(&counters.regressions),
        "unreadable": count(&counters.unreadable),
        "dead_dropped": count(&counters.dead_dropped),
        "rejected": count(&api.rejected),
    })
}

pub(super) async fn quests(State(api): State<Api>) -> Json<Value> {
    let catalog = api.registry.catalog();
    let quests: Vec<_> = catalog.quests().collect();
    Json(json!({ "quests": quests, "modules": api.registry.modules(), "problems": api.registry.problems() }))
}

/// One event as an object, many as an array or as JSON lines. One answer for each, in order.
pub(super) async fn send(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    let is_lines = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-ndjson") || kind.starts_with("application/jsonl"));
    let text = match std::str::from_utf8(&body) {
        Ok(text) => text,
        Err(error) => return Failure(invalid(format!("the body is not UTF-8: {error}"))).into_response(),
    };
    let (events, single) = if is_lines {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        (lines.map(|line| serde_json::from_str(line).unwrap_or(Value::String(line.to_owned()))).collect(), false)
    } else {
        match serde_json::from_str(text) {
            Ok(Value::Array(events)) => (events, false),
            Ok(event) => (vec![event], true),
            Err(error) => return Failure(invalid(format!("the body is not JSON: {error}"))).into_response(),
        }
    };
    let results = api.service.send(&events).await;
    let show = |result: &Result<crate::service::Receipt, Error>| match result {
        Ok(receipt) => json!(receipt),
        Err(error) => Failure(error.clone()).body().0,
    };
    if single {
        return match results.into_iter().next() {
            Some(Ok(receipt)) => (StatusCode::ACCEPTED, Json(json!(receipt))).into_response(),
            Some(Err(error)) => Failure(error).into_response(),
            None => Failure(invalid("there is no event".to_owned())).into_response(),
        };
    }
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let status = if accepted == results.len() { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    let rows: Vec<Value> = results.iter().map(show).collect();
    (status, Json(json!({ "accepted": accepted, "refused": rows.len() - accepted, "results": rows }))).into_response()
}

pub(super) async fn add(
    State(api): State<Api>,
    Path((context, quest)): Path<(String, String)>,
    Query(wait): Query<Wait>,
) -> Answer {
    let answered = api.service.add(&context, &quest, wait.duration()).await?;
    Ok(Json(json!({ "added": answered.value.to_json_lossy() })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path((context, quest)): Path<(String, String)>,
    Query(wait): Query<Wait>,
) -> Answer {
    let answered = api.service.remove(&context, &quest, wait.duration()).await?;
    Ok(Json(json!({ "removed": answered.value.to_json_lossy() })))
}

pub(super) async fn call(
    State(api): State<Api>,
    Path((context, quest, action)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let payload = payload(&body)?;
    let id = headers.get("idempotency-key").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let answered = api.service.call(&context, &quest, &action, &payload, id, wait.duration()).await?;
    Ok(Json(json!({ "id": answered.id, "answer": answered.value.to_json_lossy() })))
}

pub(super) async fn outcome(State(api): State<Api>, Path((context, id)): Path<(String, String)>) -> Answer {
    match api.service.outcome(&context, &id).await? {
        Some(outcome) => Ok(Json(outcome_json(&outcome))),
        None => {
            let error = Error::new(Kind::NotFound, "no-outcome", "no outcome of that id is known (yet, or any more)");
            Err(Failure(error))
        }
    }
}

pub(super) async fn query(State(api): State<Api>, Path(path): Path<(String, String, String)>) -> Answer {
    ask(&api, path, Value::Null).await
}

pub(super) async fn query_with(
    State(api): State<Api>,
    Path(path): Path<(String, String, String)>,
    body: Bytes,
) -> Answer {
    let payload = payload(&body)?;
    ask(&api, path, payload).await
}

async fn ask(api: &Api, (context, quest, query): (String, String, String), payload: Value) -> Answer {
    let (value, _) = api.service.query(&context, &quest, &query, &payload).await?;
    Ok(Json(json!({ "answer": value.to_json_lossy() })))
}

pub(super) async fn context(State(api): State<Api>, Path(context): Path<String>) -> Answer {
    Ok(Json(json!({ "instances": api.service.instances_of(&context).await? })))
}

pub(super) async fn forget(State(api): State<Api>, Path(context): Path<String>, Query(wait): Query<Wait>) -> Answer {
    api.service.operate(&context, Command::Forget, wait.duration()).await?;
    Ok(Json(json!({ "forgotten": context })))
}

pub(super) async fn variables(State(api): State<Api>, Path(context): Path<String>) -> Answer {
    Ok(Json(json!({ "variables": api.service.variables(&context).await? })))
}

pub(super) async fn timers_of(State(api): State<Api>, Path(context): Path<String>) -> Answer {
    Ok(Json(json!({ "timers": api.service.timers_of(&context).await? })))
}

pub(super) async fn timers(State(api): State<Api>, Query(select): Query<Select>) -> Answer {
    Ok(Json(json!({ "timers": api.service.timers(select.rows()).await? })))
}

#[derive(Deserialize)]
pub(super) struct TimerChange {
    due: Option<u64>,
}

/// With `{"due": MILLISECONDS}` the timer is moved, without it is fired now.
pub(super) async fn change_timer(
    State(api): State<Api>,
    Path((context, quest, timer)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
    body: Bytes,
) -> Answer {
    let change: TimerChange = match body.is_empty() {
        true => TimerChange { due: None },
        false => serde_json::from_slice(&body).map_err(|error| Failure(invalid(format!("the body: {error}"))))?,
    };
    let command = match change.due {
        Some(due) => Command::TimerMove { quest, timer, due },
        None => Command::TimerFire { quest, timer },
    };
    api.service.operate(&context, command, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn cancel_timer(
    State(api): State<Api>,
    Path((context, quest, timer)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
) -> Answer {
    api.service.operate(&context, Command::TimerCancel { quest, timer }, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn instances(State(api): State<Api>, Query(select): Query<Select>) -> Answer {
    Ok(Json(json!({ "instances": api.service.instances(select.quest.as_deref(), select.rows()).await? })))
}

pub(super) async fn dead(State(api): State<Api>, Query(select): Query<Select>) -> Answer {
    Ok(Json(json!({ "dead": api.service.dead(select.context.as_deref(), select.rows()).await? })))
}

pub(super) async fn dead_letter(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    Ok(Json(json!(api.service.dead_letter(&id).await?)))
}

pub(super) async fn retry_dead(State(api): State<Api>, Path(id): Path<String>, Query(wait): Query<Wait>) -> Answer {
    let dead = api.service.dead_letter(&id).await?;
    api.service.operate(&dead.context, Command::DeadRetry { dead: id }, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn drop_dead(State(api): State<Api>, Path(id): Path<String>, Query(wait): Query<Wait>) -> Answer {
    let dead = api.service.dead_letter(&id).await?;
    api.service.operate(&dead.context, Command::DeadDrop { dead: id }, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

fn payload(body: &[u8]) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| Failure(invalid(format!("the payload is not JSON: {error}"))))
}

fn invalid(message: String) -> Error {
    Error::new(Kind::Invalid, "invalid-request", message)
}
