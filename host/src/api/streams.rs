//! The handlers that wait: messages (long poll, or server-sent events) and the live log.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream::{self, Stream};
use quest_engine::partition::{Happened, Happening};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{
    Api, Failure,
    extract::{self, Query},
};

/// Messages of one answer unless the reader says, and at most.
const MESSAGES: usize = 100;
const MESSAGES_MAX: usize = 1_000;
/// The longest that a reader may wait.
const WAIT_MS_MAX: u64 = 30_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    cursor: Option<String>,
    from: Option<Begin>,
    wait_ms: Option<u64>,
    limit: Option<usize>,
}

/// Where a reader without a cursor begins.
#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Begin {
    /// With the oldest message kept.
    Oldest,
    /// Behind all that is there.
    Now,
}

/// Messages after a cursor: at once, after a wait, or as they come (`Accept: text/event-stream`).
pub(super) async fn messages(State(api): State<Api>, Query(reading): Query<Reading>, headers: HeaderMap) -> Response {
    match read(api, reading, &headers).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn read(api: Api, reading: Reading, headers: &HeaderMap) -> Result<Response, Failure> {
    // A browser that reconnects asks with the parameters that it began with, so what it has seen since comes first.
    let mut cursor = extract::text(headers, "Last-Event-ID")?.or(reading.cursor);
    if cursor.is_none() && reading.from == Some(Begin::Now) {
        cursor = Some(api.service.messages_end().await?);
    }
    let limit = reading.limit.unwrap_or(MESSAGES).clamp(1, MESSAGES_MAX);
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        // A wrong cursor is told at once, not in the stream.
        api.service.messages(cursor.as_deref(), 1, Duration::ZERO).await?;
        return Ok(Sse::new(follow(api, cursor)).keep_alive(KeepAlive::default()).into_response());
    }
    let wait = Duration::from_millis(reading.wait_ms.unwrap_or(0).min(WAIT_MS_MAX));
    let page = tokio::select! {
        page = api.service.messages(cursor.as_deref(), limit, wait) => page?,
        // A host that stops keeps nobody waiting. Reading changes nothing, so it is safe to begin again.
        () = api.stop.cancelled() => api.service.messages(cursor.as_deref(), limit, Duration::ZERO).await?,
    };
    Ok(Json(json!(page)).into_response())
}

/// Pages as events: each carries its messages, and the cursor behind them as its id.
fn follow(api: Api, cursor: Option<String>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((api, cursor), |(api, mut cursor)| async move {
        loop {
            let page = tokio::select! {
                () = api.stop.cancelled() => return None,
                page = api.service.messages(cursor.as_deref(), MESSAGES, Duration::from_secs(10)) => page,
            };
            match page {
                Ok(page) if page.messages.is_empty() && page.missed == 0 => cursor = Some(page.cursor),
                Ok(page) => {
                    let event = Event::default().event("messages").id(&page.cursor).data(json!(page).to_string());
                    return Some((Ok(event), (api, Some(page.cursor))));
                }
                Err(error) => {
                    let event = Event::default().event("error").data(Failure(error).body().0.to_string());
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    return Some((Ok(event), (api, cursor)));
                }
            }
        }
    })
}

/// What happens on this host, as it happens.
pub(super) async fn tail(State(api): State<Api>) -> impl IntoResponse {
    let happenings = api.service.tail();
    let events = stream::unfold((happenings, api.stop.clone()), |(mut happenings, stop)| async move {
        let next = tokio::select! {
            () = stop.cancelled() => return None,
            next = happenings.recv() => next,
        };
        let event = match next {
            Ok((partition, happening)) => {
                Event::default().event("happened").data(view(partition, &happening).to_string())
            }
            Err(RecvError::Lagged(missed)) => {
                Event::default().event("missed").data(json!({ "missed": missed }).to_string())
            }
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(event), (happenings, stop)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// A happening as JSON.
pub(crate) fn view(partition: u16, happening: &Happening) -> Value {
    let mut view = json!({
        "partition": partition,
        "context": happening.context,
        "quest": happening.quest,
        "action": happening.action,
        "instance": happening.instance,
        "event": happening.event_name,
        "event_id": happening.event_id,
        "cause": happening.cause.as_str(),
        "hops": happening.hops,
        "at": happening.stamp,
        "log": happening.logs.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(),
    });
    let outcome = match &happening.what {
        Happened::Done => json!({ "outcome": "done" }),
        Happened::Added => json!({ "outcome": "added" }),
        Happened::Removed => json!({ "outcome": "removed" }),
        Happened::Operated => json!({ "outcome": "operated" }),
        Happened::Ignored { reason } => json!({ "outcome": "ignored", "code": reason }),
        Happened::Retried { at, attempts, code, message } => {
            json!({ "outcome": "retried", "retry_at": at, "attempts": attempts, "code": code, "message": message })
        }
        Happened::Dead { code, message } => json!({ "outcome": "dead", "code": code, "message": message }),
    };
    if let (Value::Object(view), Value::Object(outcome)) = (&mut view, outcome) {
        view.extend(outcome);
    }
    view
}
