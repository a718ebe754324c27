//! What holds at the ends: of time, and of a turn's bytes.

use quest_engine::{
    model::Value,
    pattern::{self, Seen},
    schedule::{Zone, civil::MILLIS_MAX},
};
use serde_json::json;

use crate::driver::parse;

/// Behind the time that is reckoned with there is no further day, and nothing waits for one.
#[test]
fn a_streak_ends_with_time() {
    let utc = Zone::utc();
    for unit in ["day", "week", "month"] {
        let spec = parse(&json!({ "kind": "streak", "of": "a", "unit": unit, "grace": 366, "freezes": 366 }));
        for stamp in [MILLIS_MAX - 1, MILLIS_MAX, u64::MAX] {
            let mut state = pattern::start(&spec, stamp);
            pattern::observe(&spec, &mut state, &Seen { name: "a", payload: &Value::Null, stamp }, &utc);
            assert!(pattern::due(&spec, &state).is_some_and(|due| due >= stamp), "{unit}");
            pattern::tick(&spec, &mut state, stamp, &utc);
        }
    }
}

/// Nearly: a turn counts states by it, with keys and without.
#[test]
fn a_state_knows_its_size() {
    let specs = [
        json!({ "kind": "batch", "of": "a", "size": 1_000, "action": "act" }),
        json!({ "kind": "batch", "of": "a", "size": 1_000, "by": "k", "action": "act" }),
        json!({ "kind": "count", "of": "a", "in": "1h", "measure": "distinct", "field": "k", "at-least": 1_000, "action": "act" }),
    ];
    for spec in specs {
        let (read, mut state) = (parse(&spec), pattern::start(&parse(&spec), 0));
        for stamp in 0..500 {
            let payload = json!({ "k": format!("key {stamp}"), "text": "x".repeat(100) });
            let payload = Value::from_json_value(&payload).expect("a value");
            pattern::observe(&read, &mut state, &Seen { name: "a", payload: &payload, stamp }, &Zone::utc());
        }
        let (said, stored) = (state.size(), rmp_serde::to_vec(&state).expect("bytes").len());
        // A few bytes for each key, and for what is there once.
        assert!(stored <= said + 64 && said <= stored + 16 * 500, "{spec}: {said}, not {stored}");
    }
}
