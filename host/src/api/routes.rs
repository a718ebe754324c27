//! The handlers that answer at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use quest_engine::{
    model::Command,
    schedule::{UnknownZone, Zone},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Failure,
    extract::{self, Body, Path, Query, invalid},
};
use crate::{
    quests::Quests as _,
    service::{Error, Kind, ask::outcome_json},
};

type Answer = Result<Json<Value>, Failure>;

/// How long an answer is waited for unless the caller says.
const WAIT_MS: u64 = 10_000;
/// The longest that a caller may wait.
const WAIT_MS_MAX: u64 = 60_000;
/// Events of one request: each has an answer, and a store takes them in one go.
const EVENTS_MAX: usize = 10_000;
/// Rows unless the caller says, and at most.
const ROWS: usize = 1_000;
const ROWS_MAX: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    timeout_ms: Option<u64>,
}

impl Wait {
    fn duration(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.unwrap_or(WAIT_MS).min(WAIT_MS_MAX))
    }
}

/// Which instances.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfQuest {
    quest: Option<String>,
    limit: Option<usize>,
}

/// Which dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfContext {
    context: Option<String>,
    limit: Option<usize>,
}

/// How many timers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    limit: Option<usize>,
}

fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(ROWS).min(ROWS_MAX)
}

/// An error where the store does not answer: then this host can do nothing for anybody.
pub(super) async fn health(State(api): State<Api>) -> Answer {
    api.service.check_store().await?;
    Ok(Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_ms": api.started.elapsed().as_millis() as u64,
        "store": *api.store,
        "quests": api.registry.catalog().quests().count(),
        "problems": api.registry.problems().len(),
        "partitions": api.status.owned().len(),
        "counters": counters(&api),
    })))
}

/// Counts since the host started.
fn counters(api: &Api) -> Value {
    let counters = api.status.counters();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    json!({
        "commits": count(&counters.commits),
        "entries": count(&counters.entries),
        "actions": count(&counters.actions),
        "aside": count(&counters.aside),
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
pub(super) async fn send(State(api): State<Api>, body: Body) -> Response {
    let (events, single) = match events(&body) {
        Ok(read) => read,
        Err(failure) => return failure.into_response(),
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
            None => invalid("there is no event".to_owned()).into_response(),
        };
    }
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let status = if accepted == results.len() { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    let rows: Vec<Value> = results.iter().map(show).collect();
    (status, Json(json!({ "accepted": accepted, "refused": rows.len() - accepted, "results": rows }))).into_response()
}

/// The events of a body, and whether it is one by itself.
fn events(body: &Body) -> Result<(Vec<Value>, bool), Failure> {
    let text = body.text()?;
    if body.is_lines {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        if lines.clone().nth(EVENTS_MAX).is_some() {
            return Err(too_many());
        }
        // A line that is not JSON is refused as an event: the others are accepted.
        let read = |line: &str| serde_json::from_str(line).unwrap_or(Value::String(line.to_owned()));
        return Ok((lines.map(read).collect(), false));
    }
    let not_json = |error| invalid(format!("the body is not JSON: {error}"));
    if text.trim_start().starts_with('[') {
        // Counted while it is read: a small body can hold millions of elements.
        let Many(events) = serde_json::from_str(text).map_err(not_json)?;
        return events.map(|events| (events, false)).ok_or_else(too_many);
    }
    Ok((vec![serde_json::from_str(text).map_err(not_json)?], true))
}

fn too_many() -> Failure {
    let message = format!("a request holds at most {EVENTS_MAX} events");
    Failure(Error::new(Kind::Invalid, "too-many", message).hint("send them in several requests"))
}

/// An array of events, or none if it holds too many.
struct Many(Option<Vec<Value>>);

impl<'de> Deserialize<'de> for Many {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Many;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an array of events")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Many, A::Error> {
                let mut events = Vec::new();
                while events.len() < EVENTS_MAX
                    && let Some(event) = items.next_element()?
                {
                    events.push(event);
                }
                let mut is_over = false;
                while items.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    is_over = true;
                }
                Ok(Many((!is_over).then_some(events)))
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
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
    body: Body,
) -> Answer {
    let id = extract::id(&headers, "Idempotency-Key")?;
    let answered = api.service.call(&context, &quest, &action, &body.payload()?, id, wait.duration()).await?;
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
    body: Body,
) -> Answer {
    ask(&api, path, body.payload()?).await
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

pub(super) async fn timers(State(api): State<Api>, Query(Limit { limit }): Query<Limit>) -> Answer {
    Ok(Json(json!({ "timers": api.service.timers(rows(limit)).await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimerChange {
    due: u64,
}

/// Fires a timer now. With a body it is refused: that was meant to move it.
pub(super) async fn fire_timer(
    State(api): State<Api>,
    Path((context, quest, timer)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
    body: Body,
) -> Answer {
    if !body.text()?.trim().is_empty() {
        return Err(invalid("a timer is fired by a POST without a body, and moved by a PUT with `due`".to_owned()));
    }
    api.service.operate(&context, Command::TimerFire { quest, timer }, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

/// Moves a timer to `{"due": MILLISECONDS}`.
pub(super) async fn move_timer(
    State(api): State<Api>,
    Path((context, quest, timer)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
    body: Body,
) -> Answer {
    let change = body.json::<TimerChange>()?;
    let TimerChange { due } = change.ok_or_else(|| invalid("the body needs `due`, in Unix milliseconds".to_owned()))?;
    api.service.operate(&context, Command::TimerMove { quest, timer, due }, wait.duration()).await?;
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

pub(super) async fn patterns_of(State(api): State<Api>, Path(context): Path<String>) -> Answer {
    Ok(Json(json!({ "patterns": api.service.patterns_of(&context).await? })))
}

pub(super) async fn cancel_pattern(
    State(api): State<Api>,
    Path((context, quest, pattern)): Path<(String, String, String)>,
    Query(wait): Query<Wait>,
) -> Answer {
    api.service.operate(&context, Command::PatternCancel { quest, pattern }, wait.duration()).await?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn zone(State(api): State<Api>, Path(context): Path<String>) -> Answer {
    Ok(Json(json!(api.service.zone_of(&context).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneChange {
    zone: String,
}

/// Sets a context's time zone to `{"zone": NAME}`.
pub(super) async fn set_zone(
    State(api): State<Api>,
    Path(context): Path<String>,
    Query(wait): Query<Wait>,
    body: Body,
) -> Answer {
    let change = body.json::<ZoneChange>()?;
    let ZoneChange { zone } =
        change.ok_or_else(|| invalid("the body needs `zone`, such as Europe/Berlin".to_owned()))?;
    change_zone(&api, &context, Some(&zone), wait).await
}

/// The context lives in the host's default zone again.
pub(super) async fn reset_zone(
    State(api): State<Api>,
    Path(context): Path<String>,
    Query(wait): Query<Wait>,
) -> Answer {
    change_zone(&api, &context, None, wait).await
}

async fn change_zone(api: &Api, context: &str, zone: Option<&str>, wait: Wait) -> Answer {
    // Refused before it is accepted; and stored as the database spells it.
    let unknown = |error: UnknownZone| {
        let message = format!("no time zone is called {:?}", error.name);
        Failure(Error::new(Kind::Invalid, "unknown-zone", message).hint(&error.hint()))
    };
    let zone = zone.map(|name| Zone::parse(name).map(|zone| zone.name().to_owned())).transpose().map_err(unknown)?;
    api.service.operate(context, Command::ZoneSet { zone }, wait.duration()).await?;
    Ok(Json(json!(api.service.zone_of(context).await?)))
}

pub(super) async fn instances(State(api): State<Api>, Query(of): Query<OfQuest>) -> Answer {
    Ok(Json(json!({ "instances": api.service.instances(of.quest.as_deref(), rows(of.limit)).await? })))
}

pub(super) async fn dead(State(api): State<Api>, Query(of): Query<OfContext>) -> Answer {
    Ok(Json(json!({ "dead": api.service.dead(of.context.as_deref(), rows(of.limit)).await? })))
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
