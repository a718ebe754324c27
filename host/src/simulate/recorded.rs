//! Recorded events: JSON lines of three forms, each event with its time.
//!
//! * `{"at": …, "context": …, "event": …, "payload": …}`, or `quest` and `action` in the place of `event`;
//! * what `send` takes (`event_name`, `event_context`, …), with `event_at`;
//! * what `tail --format json` prints. It tells of deliveries and not of events: those of one event are put together, and what
//!   timers and other quests caused is left out, since it happens anew.
//!
//! In the place of `at` an `offset` counts from the beginning; without either, an event comes with the one before it.

use std::collections::BTreeMap;

use quest_engine::{
    model::{Body, Entry, Millis, Value, check_context, check_event, check_name},
    record::Record as _,
    world::{
        Zone,
        time::{self, Pause},
    },
};
use serde_json::{Map, Value as Json};

use super::Event;
use crate::service::producer;

/// Keys of the first form.
const KEYS: [&str; 7] = ["at", "offset", "context", "event", "quest", "action", "payload"];
/// Bytes of a payload, as a host takes them unless it is told.
const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorded {
    /// The events, in order of time.
    pub events: Vec<Event>,
    /// How many come from `tail`, which tells no payloads.
    pub without_payload: usize,
}

/// Reads JSON lines. Offsets count from `from`; or else from the first time in the file, or from `beginning` if there is none.
/// Fails with a text for people that names the line.
pub fn read(text: &str, zone: &Zone, from: Option<Millis>, beginning: Millis) -> Result<Recorded, String> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let parsed = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"));
        let read = parsed.and_then(|json: Json| match json {
            Json::Object(fields) => Ok(fields),
            _ => Err("an event is a JSON object".to_owned()),
        });
        lines.push((index + 1, read.map_err(|error| format!("line {}: {error}", index + 1))?));
    }
    let first = lines.iter().find_map(|(_, fields)| at_of(fields, zone).ok().flatten());
    let base = from.or(first).unwrap_or(beginning);
    let mut recorded = Recorded::default();
    let mut tailed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut last = base;
    for (number, fields) in lines {
        let line = |error: String| format!("line {number}: {error}");
        let at = time_of(&fields, zone, base).map_err(line)?.unwrap_or(last);
        last = at;
        if fields.contains_key("outcome") {
            take_tailed(&mut recorded, &mut tailed, at, &fields).map_err(line)?;
        } else if fields.keys().any(|key| key.starts_with("event_")) {
            recorded.events.push(sent(at, fields).map_err(line)?);
        } else {
            recorded.events.push(plain(at, &fields).map_err(line)?);
        }
    }
    recorded.events.sort_by_key(|event| event.at);
    Ok(recorded)
}

/// The time that a line says.
fn at_of(fields: &Map<String, Json>, zone: &Zone) -> Result<Option<Millis>, String> {
    match fields.get("event_at").or_else(|| fields.get("at").filter(|_| !is_sent(fields))) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => time::read(text, zone).map(Some),
        Some(other) => {
            other.as_u64().map(Some).ok_or_else(|| format!("a time is a text or Unix milliseconds, not {other}"))
        }
    }
}

fn time_of(fields: &Map<String, Json>, zone: &Zone, base: Millis) -> Result<Option<Millis>, String> {
    let offset = fields.get("event_offset").or_else(|| fields.get("offset").filter(|_| !is_sent(fields)));
    let at = at_of(fields, zone)?;
    match (at, offset) {
        (at, None | Some(Json::Null)) => Ok(at),
        (Some(_), Some(_)) => Err("an event has one of at and offset".to_owned()),
        (None, Some(Json::String(text))) => {
            let after = Pause::parse(text)?.after(base, zone);
            after.map(Some).ok_or_else(|| format!("{text:?} is past the calendar's end"))
        }
        (None, Some(other)) => match other.as_u64().and_then(|offset| base.checked_add(offset)) {
            Some(at) => Ok(Some(at)),
            None => Err(format!("an offset is like \"1h 30m\", or milliseconds, not {other}")),
        },
    }
}

/// In the form of `send`, keys that it does not know are the payload's.
fn is_sent(fields: &Map<String, Json>) -> bool {
    fields.keys().any(|key| key.starts_with("event_"))
}

fn plain(at: Millis, fields: &Map<String, Json>) -> Result<Event, String> {
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("an event has no {unknown:?}; its keys are {}", KEYS.join(", ")));
    }
    let context = text(fields, "context")?.unwrap_or_default().to_owned();
    let payload = fields.get("payload").unwrap_or(&Json::Null);
    let payload = Value::from_json_value(payload).map_err(|error| format!("the payload: {error}"))?;
    let body = body(fields, payload, context.is_empty())?;
    if !context.is_empty() {
        check_context(&context).map_err(|error| error.to_string())?;
    }
    Ok(Event { at, context, id: None, body })
}

fn body(fields: &Map<String, Json>, payload: Value, is_broadcast: bool) -> Result<Body, String> {
    match (text(fields, "event")?, text(fields, "quest")?, text(fields, "action")?) {
        (Some(name), None, None) => {
            check_event(name).map_err(|error| error.to_string())?;
            Ok(Body::Emit { name: name.to_owned(), payload })
        }
        (None, Some(quest), Some(action)) => {
            if is_broadcast {
                return Err("an event for one action has a context".to_owned());
            }
            check_name("quest", quest).map_err(|error| error.to_string())?;
            check_name("action", action).map_err(|error| error.to_string())?;
            let (quest, action) = (quest.to_owned(), action.to_owned());
            Ok(Body::Send { quest, action, instance: None, name: None, payload })
        }
        _ => Err("an event has a name (event), or is for one action (quest and action)".to_owned()),
    }
}

fn sent(at: Millis, mut fields: Map<String, Json>) -> Result<Event, String> {
    fields.remove("event_at");
    fields.remove("event_offset");
    let has_id = fields.get("event_id").is_some_and(Json::is_string);
    let produced = producer::parse(&Json::Object(fields), PAYLOAD_BYTES_MAX).map_err(|error| error.message)?;
    let entry = Entry::from_bytes(&produced.accept.bytes).map_err(|error| error.to_string())?;
    Ok(Event { at, context: entry.context, id: has_id.then_some(entry.id), body: entry.body })
}

/// Takes a line of `tail` in, unless its event is there already, or was no event from outside.
fn take_tailed(
    recorded: &mut Recorded,
    tailed: &mut BTreeMap<(String, String), usize>,
    at: Millis,
    fields: &Map<String, Json>,
) -> Result<(), String> {
    let part = |name: &str| Ok::<_, String>(text(fields, name)?.unwrap_or_default().to_owned());
    let (context, id, cause, outcome) = (part("context")?, part("event_id")?, part("cause")?, part("outcome")?);
    let is_from_outside = fields.get("hops").and_then(Json::as_u64).unwrap_or(0) == 0 && cause != "timer";
    if !is_from_outside || outcome == "operated" {
        return Ok(());
    }
    let (quest, action, event) = (part("quest")?, part("action")?, part("event")?);
    let body = match (cause.as_str(), outcome.as_str()) {
        ("lifecycle", "removed") => Body::Remove { quest },
        ("lifecycle", "added") => Body::Add { quest },
        ("event", _) if !event.is_empty() => Body::Emit { name: event, payload: Value::Null },
        ("event" | "call", _) if !action.is_empty() => {
            Body::Send { quest, action, instance: None, name: None, payload: Value::Null }
        }
        _ => return Ok(()),
    };
    let is_add = |body: &Body| matches!(body, Body::Add { .. });
    let bears_payload = |body: &Body| matches!(body, Body::Emit { .. } | Body::Send { .. });
    match tailed.get(&(context.clone(), id.clone())) {
        // An event that adds a quest is told of by the quest's init first.
        Some(index) if is_add(&recorded.events[*index].body) && bears_payload(&body) => {
            recorded.events[*index].body = body;
            recorded.without_payload += 1;
        }
        Some(_) => {}
        None => {
            recorded.without_payload += usize::from(bears_payload(&body));
            tailed.insert((context.clone(), id.clone()), recorded.events.len());
            recorded.events.push(Event { at, context, id: Some(id).filter(|id| !id.is_empty()), body });
        }
    }
    Ok(())
}

fn text<'a>(fields: &'a Map<String, Json>, key: &str) -> Result<Option<&'a str>, String> {
    match fields.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key} is a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Result<Vec<(Millis, String, Body)>, String> {
        let recorded = read(text, &Zone::utc(), None, 1_000)?;
        Ok(recorded.events.into_iter().map(|event| (event.at, event.context, event.body)).collect())
    }

    fn emit(name: &str, payload: &str) -> Body {
        Body::Emit { name: name.to_owned(), payload: Value::from_json(payload).expect("JSON") }
    }

    #[test]
    fn three_forms_and_their_times() {
        let text = r#"
            {"at": "2026-01-01 00:00:05", "context": "a", "event": "e", "payload": {"x": 1}}
            {"context": "a", "event": "same-time"}
            {"offset": "1m", "context": "b", "quest": "q", "action": "do", "payload": 7}
            {"offset": 500, "event": "all"}
            {"event_name": "e", "event_context": "c", "event_at": 1767225601000, "at": "payload"}
        "#;
        let to_action = Body::Send {
            quest: "q".to_owned(),
            action: "do".to_owned(),
            instance: None,
            name: None,
            payload: Value::Integer(7),
        };
        let start = 1_767_225_605_000;
        assert_eq!(
            events(text),
            Ok(vec![
                (start - 4_000, "c".to_owned(), emit("e", "{\"at\":\"payload\"}")),
                (start, "a".to_owned(), emit("e", "{\"x\":1}")),
                (start, "a".to_owned(), emit("same-time", "null")),
                (start + 500, String::new(), emit("all", "null")),
                (start + 60_000, "b".to_owned(), to_action),
            ])
        );
        assert_eq!(events(r#"{"offset": 1, "event": "e"}"#), Ok(vec![(1_001, String::new(), emit("e", "null"))]));
    }

    #[test]
    fn deliveries_of_tail_become_the_events_that_they_came_from() {
        let line = |quest: &str, action: &str, event: &str, id: &str, cause: &str, hops: u64, outcome: &str| {
            serde_json::json!({"context": "a", "quest": quest, "action": action, "event": event, "event_id": id, "cause": cause,
                "hops": hops, "at": 9, "outcome": outcome, "log": []}).to_string()
        };
        let text = [
            line("q", "init", "", "1", "lifecycle", 0, "added"),
            line("q", "act", "e", "1", "event", 0, "done"),
            line("q", "other", "e", "1", "event", 0, "retried"),
            line("q", "ring", "t", "2", "timer", 0, "done"),
            line("q", "act", "caused", "3", "event", 1, "done"),
            line("p", "init", "", "4", "lifecycle", 0, "added"),
            line("p", "act", "", "5", "call", 0, "done"),
            line("", "", "nobody", "6", "event", 0, "ignored"),
            line("", "forget", "", "7", "lifecycle", 0, "operated"),
            line("p", "", "", "8", "lifecycle", 0, "removed"),
        ];
        let recorded = read(&text.join("\n"), &Zone::utc(), None, 0).expect("valid");
        let call = Body::Send {
            quest: "p".to_owned(),
            action: "act".to_owned(),
            instance: None,
            name: None,
            payload: Value::Null,
        };
        let bodies: Vec<Body> = recorded.events.into_iter().map(|event| event.body).collect();
        let (add, remove) = (Body::Add { quest: "p".to_owned() }, Body::Remove { quest: "p".to_owned() });
        assert_eq!(bodies, [emit("e", "null"), add, call, emit("nobody", "null"), remove]);
        assert_eq!(recorded.without_payload, 3);
    }

    #[test]
    fn what_is_no_event_is_refused_by_its_line() {
        for (text, says) in [
            ("\n{", "line 2: not JSON"),
            ("[]", "line 1: an event is a JSON object"),
            (r#"{"context": "a"}"#, "an event has a name"),
            (r#"{"event": "e", "contex": "a"}"#, "no \"contex\""),
            (r#"{"event": 7}"#, "event is a text"),
            (r#"{"event": "e", "at": "soon"}"#, "is no time"),
            (r#"{"event": "e", "at": true}"#, "a time is a text"),
            (r#"{"event": "e", "at": 1, "offset": 1}"#, "one of at and offset"),
            (r#"{"event": "e", "offset": -1}"#, "an offset is like"),
            (r#"{"event": "e", "offset": "9999 years"}"#, "past the calendar's end"),
            (r#"{"quest": "q", "action": "a"}"#, "has a context"),
            (r#"{"event_name": 7}"#, "event_name is a text"),
        ] {
            let error = events(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
