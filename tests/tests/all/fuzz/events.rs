//! Events as producers write them: whatever the JSON is, it is an event within its bounds, or refused with a code.

use quest_engine::{
    model::{Body, Entry, check_context},
    record::Record as _,
};
use quest_host::service::{Produced, produce};
use serde_json::Value as Json;

use super::target;

pub const WORDS: &[&str] = &[
    "\"event_name\":",
    "\"event_context\":",
    "\"event_selector\":",
    "\"quest_instance\":",
    "\"event_id\":",
    "\"event_payload\":",
    "\"quest_name\":",
    "\"action_name\":",
    "\"",
    "\\\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1",
    "-1.5e300",
    "\\u0000",
    "\\ud800\\udc00",
    "18446744073709551616",
    "\n",
    "ü",
    "[[[[[[[[[[[[[[[[",
];
const PAYLOAD_BYTES_MAX: usize = 300;

target!(one_event, random: 5_000, mutants: 40_000, words: WORDS, check: an_event_or_a_refusal);

fn an_event_or_a_refusal(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(bytes) else { return };
    let produced = produce(&json, PAYLOAD_BYTES_MAX);
    let again = produce(&json, PAYLOAD_BYTES_MAX);
    match produced {
        Ok(Produced { id, accept, is_broadcast }) => {
            let entry = Entry::from_bytes(&accept.bytes).unwrap();
            assert_eq!((&entry.id, &entry.context, entry.hops), (&id, &accept.context, 0));
            assert_eq!(is_broadcast, entry.context.is_empty());
            assert!(is_broadcast || check_context(&entry.context).is_ok());
            assert!(accept.from_outside);
            match &entry.body {
                Body::Emit { payload, .. } | Body::Send { payload, .. } => assert!(payload.size() <= PAYLOAD_BYTES_MAX),
                other => panic!("not what a producer may write: {other:?}"),
            }
            // The same again is the same again: else its id would be a conflict with itself.
            assert_eq!(again.unwrap().accept.digest, accept.digest);
            assert_eq!(accept.id.is_some(), !json["event_id"].is_null());
        }
        Err(error) => {
            assert!(["invalid-event", "too-large"].contains(&error.code.as_str()), "{error:?}");
            assert!(!error.message.is_empty() && error.message.len() < bytes.len() + 500, "{error:?}");
            assert_eq!(again.unwrap_err().code, error.code);
        }
    }
}
