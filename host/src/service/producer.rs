//! An event as producers write it: the original's JSON, and what it becomes.
//!
//! ```json
//! {"event_name": "visited", "event_context": "user-1", "page": "/home"}
//! ```
//!
//! `event_selector` (an object, or the JSON text of one) aims at one action, `quest_instance` besides at one living instance; without
//! `event_context` the event goes to every context. `event_id` is the producer's own id. All other keys are the payload, or
//! `event_payload` is, whole, where that is given.

use quest_engine::{
    model::{Body, Entry, ReplyTo, Value, check_context, check_event, check_name},
    record::Record as _,
};
use serde_json::{Map, Value as Json};

use super::{Error, Kind, Result, draw_id};
use crate::store::Accept;

/// The longest id that a producer may give.
const ID_BYTES_MAX: usize = 128;

/// An event, ready to be accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Produced {
    /// Its id, given or drawn.
    pub id: String,
    /// What the store takes.
    pub accept: Accept,
    /// Whether it goes to the broadcast log.
    pub is_broadcast: bool,
}

/// Reads an event. Its payload has at most `payload_bytes_max` bytes.
pub fn parse(event: &Json, payload_bytes_max: usize) -> Result<Produced> {
    let Json::Object(fields) = event else {
        return Err(invalid("an event is a JSON object")
            .hint(r#"for example {"event_name": "visited", "event_context": "user-1"}"#));
    };
    let context = text(fields, "event_context")?;
    let name = text(fields, "event_name")?;
    let instance = text(fields, "quest_instance")?;
    let given = text(fields, "event_id")?;
    let selector = selector(fields)?;
    if let Some(context) = context {
        check_context(context).map_err(|error| invalid(error.to_string()))?;
    }
    if let Some(name) = name {
        check_event(name).map_err(|error| invalid(error.to_string()))?;
    }
    given.map_or(Ok(()), check_id)?;
    let payload = payload(fields, payload_bytes_max)?;
    let body = match (selector, name, context) {
        (Some(_), _, None) => return Err(invalid("an event with event_selector needs event_context")),
        (Some((quest, action)), name, Some(_)) => {
            Body::Send { quest, action, instance: instance.map(str::to_owned), name: name.map(str::to_owned), payload }
        }
        (None, Some(_), _) if instance.is_some() => {
            return Err(invalid("an event with quest_instance needs event_selector"));
        }
        (None, Some(name), _) => Body::Emit { name: name.to_owned(), payload },
        (None, None, _) => return Err(invalid("an event needs event_name, or event_selector")),
    };
    let context = context.unwrap_or_default().to_owned();
    let id = given.map_or_else(draw_id, str::to_owned);
    let entry = Entry { context, id: id.clone(), hops: 0, reply: None, body, left: None };
    Ok(Produced { id, accept: accept(&entry, given.is_some()), is_broadcast: entry.context.is_empty() })
}

/// Checks an id that a producer or a caller gave.
pub(super) fn check_id(id: &str) -> Result<()> {
    if (1..=ID_BYTES_MAX).contains(&id.len()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(invalid(format!("an id has 1 to {ID_BYTES_MAX} bytes, without control characters")))
}

/// An entry from outside, as a store takes it. An id that nobody can send again (drawn here) needs no memory.
pub(super) fn accept(entry: &Entry, is_remembered: bool) -> Accept {
    Accept {
        context: entry.context.clone(),
        id: is_remembered.then(|| entry.id.clone()),
        digest: if is_remembered { digest(entry) } else { Vec::new() },
        // An operator must be able to drop things when everything is full.
        from_outside: !matches!(entry.body, Body::Operate(_)),
        bytes: entry.to_bytes(),
    }
}

/// What an id stands for: the same event, written with its keys in another order or sent to another host, is the same. A call is not the
/// same as an event.
fn digest(entry: &Entry) -> Vec<u8> {
    let reply = entry.reply.is_some().then(|| ReplyTo { host: String::new() });
    let mut told = Entry { reply, ..entry.clone() };
    if let Some(payload) = told.body.payload_mut()
        && let Ok(mut json) = payload.to_json_value()
    {
        json.sort_all_objects();
        *payload = Value::from_json_value(&json).unwrap_or_default();
    }
    blake3::hash(&told.to_bytes()).as_bytes()[..16].to_vec()
}

const OWN_KEYS: [&str; 6] =
    ["event_name", "event_context", "event_selector", "quest_instance", "event_id", "event_payload"];

fn payload(fields: &Map<String, Json>, bytes_max: usize) -> Result<Value> {
    let rest: Map<String, Json> = fields
        .iter()
        .filter(|(key, _)| !OWN_KEYS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let json = match fields.get("event_payload") {
        Some(_) if !rest.is_empty() => {
            let extra: Vec<&str> = rest.keys().map(String::as_str).collect();
            return Err(invalid(format!(
                "with event_payload there are no other keys of the payload: {}",
                extra.join(", ")
            )));
        }
        Some(payload) => payload.clone(),
        None if rest.is_empty() => Json::Null,
        None => Json::Object(rest),
    };
    value(&json, bytes_max)
}

/// A payload as a value, within its bound.
pub(super) fn value(json: &Json, bytes_max: usize) -> Result<Value> {
    let value = Value::from_json_value(json).map_err(|error| invalid(format!("the payload: {error}")))?;
    if value.size() <= bytes_max {
        return Ok(value);
    }
    let message = format!("a payload has at most {bytes_max} bytes, this one {}", value.size());
    Err(Error::new(Kind::Invalid, "too-large", message)
        .hint("send a reference instead, or raise accept.payload_bytes_max"))
}

/// The selector as an object, or as the JSON text that the original writes.
fn selector(fields: &Map<String, Json>) -> Result<Option<(String, String)>> {
    let parsed;
    let selector = match fields.get("event_selector") {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Object(selector)) => selector,
        Some(Json::String(text)) => {
            parsed = serde_json::from_str::<Map<String, Json>>(text)
                .map_err(|error| invalid(format!("event_selector is not the JSON of an object: {error}")))?;
            &parsed
        }
        Some(_) => {
            return Err(invalid("event_selector is an object with quest_name and action_name, or its JSON text"));
        }
    };
    let part = |key: &'static str| {
        let name = selector.get(key).and_then(Json::as_str);
        let name = name.ok_or_else(|| invalid(format!("event_selector needs {key}, a text")))?;
        check_name(key, name).map_err(|error| invalid(error.to_string()))?;
        Ok::<_, Error>(name.to_owned())
    };
    Ok(Some((part("quest_name")?, part("action_name")?)))
}

fn text<'a>(fields: &'a Map<String, Json>, key: &str) -> Result<Option<&'a str>> {
    match fields.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("{key} is a text"))),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, "invalid-event", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MAX: usize = 100;

    fn body(event: Json) -> Body {
        Entry::from_bytes(&parse(&event, MAX).expect("valid").accept.bytes).expect("an entry").body
    }

    #[test]
    fn the_four_forms_of_the_original() {
        let emit = body(json!({"event_name": "test_event", "event_context": "context", "x": 1}));
        assert_eq!(emit, Body::Emit { name: "test_event".to_owned(), payload: Value::from_json("{\"x\":1}").unwrap() });
        let text = r#"{"quest_name":"q","action_name":"a"}"#;
        for selector in [json!(text), serde_json::from_str(text).unwrap()] {
            let event =
                json!({"event_name": "n", "event_context": "c", "event_selector": selector, "quest_instance": "ab"});
            let Body::Send { quest, action, instance, payload, .. } = body(event) else { panic!("a send") };
            assert_eq!(
                (quest.as_str(), action.as_str(), instance.as_deref(), payload),
                ("q", "a", Some("ab"), Value::Null)
            );
        }
        assert!(parse(&json!({"event_name": "all"}), MAX).unwrap().is_broadcast);
    }

    #[test]
    fn an_id_stands_for_what_was_sent_however_it_was_written() {
        let digest = |event: Json| parse(&event, MAX).expect("valid").accept.digest;
        let event = |payload: &str| {
            let payload: Json = serde_json::from_str(payload).expect("JSON");
            json!({"event_name": "e", "event_context": "c", "event_id": "1", "event_payload": payload})
        };
        assert_eq!(digest(event(r#"{"a":[{"x":1,"y":2}],"b":2}"#)), digest(event(r#"{"b":2,"a":[{"y":2,"x":1}]}"#)));
        assert_ne!(digest(event("[1,2]")), digest(event("[2,1]")));
        assert_eq!(parse(&json!({"event_name": "e", "event_context": "c"}), MAX).expect("valid").accept.id, None);
    }

    #[test]
    fn bad_events_are_refused_with_a_reason() {
        for (event, says) in [
            (json!([]), "a JSON object"),
            (json!({}), "needs event_name"),
            (json!({"event_name": 7, "event_context": "c"}), "event_name is a text"),
            (json!({"event_name": "e", "event_context": ""}), "1 to 512 bytes"),
            (json!({"event_name": "e", "event_context": "a\nb"}), "control characters"),
            (json!({"event_name": "", "event_context": "c"}), "1 to 128 bytes"),
            (json!({"event_context": "c", "event_selector": 1}), "event_selector is an object"),
            (json!({"event_context": "c", "event_selector": "{"}), "not the JSON"),
            (json!({"event_context": "c", "event_selector": {"quest_name": "q"}}), "needs action_name"),
            (json!({"event_context": "c", "event_selector": {"quest_name": "q q", "action_name": "a"}}), "64 letters"),
            (
                json!({"event_name": "e", "event_selector": {"quest_name": "q", "action_name": "a"}}),
                "needs event_context",
            ),
            (json!({"event_name": "e", "event_context": "c", "quest_instance": "x"}), "needs event_selector"),
            (json!({"event_name": "e", "event_context": "c", "event_id": ""}), "an id has"),
            (json!({"event_name": "e", "event_context": "c", "event_payload": 1, "x": 2}), "no other keys"),
            (json!({"event_name": "e", "event_context": "c", "x": 18446744073709551615u64}), "64-bit"),
            (json!({"event_name": "e", "event_context": "c", "x": "x".repeat(100)}), "at most 100 bytes"),
        ] {
            let error = parse(&event, MAX).expect_err(&event.to_string());
            assert!(error.message.contains(says), "{event}: {error}");
        }
    }
}
