//! What a pattern keeps has bounds, and what is left out at them is told.

use quest_engine::{
    model::{Millis, Value},
    pattern::{self, KEYED_BYTES_MAX},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

use crate::history::{BEGIN, Event, Live, UNIT, spec, stored};

/// Every kind with what its state takes stored at most, in bytes, as `docs/patterns.md` says.
fn kinds() -> Vec<(Json, usize)> {
    let numbers = json!({
        "kind": "count", "of": "a", "in": "1 day", "measure": "sum", "field": "n", "at-least": 1e15, "action": "act",
    });
    let mut distinct = numbers.clone();
    (distinct["measure"], distinct["field"], distinct["at-least"]) = (json!("distinct"), json!("long"), json!(1_024));
    let mut tumbling = distinct.clone();
    tumbling["window"] = json!("tumbling");
    vec![
        (json!({ "kind": "within", "after": "a", "expect": "b", "within": "1 day", "else": "act" }), 2_048),
        (json!({ "kind": "sequence", "steps": ["a", "a", "a", "a", "b"], "within": "1 day", "action": "act" }), 256),
        (json!({ "kind": "absence", "of": "a", "for": "1 day", "action": "act" }), 128),
        (numbers, 32 * 1_024),
        (distinct, 96 * 1_024),
        (tumbling, 96 * 1_024),
        (json!({ "kind": "streak", "of": "a", "action": "act" }), 128),
        (json!({ "kind": "debounce", "of": "a", "quiet": "1 day", "action": "act" }), 5_120),
        (json!({ "kind": "throttle", "of": "a", "per": "1 day", "trailing": true, "action": "act" }), 5_120),
        (json!({ "kind": "batch", "of": "a", "size": 1_000, "within": "1 day", "action": "act" }), 72 * 1_024),
        (json!({ "kind": "session", "of": "a", "gap": "1 day", "action": "act" }), 128),
        (json!({ "kind": "any", "of": ["b"], "within": "1 day", "action": "act" }), 128),
        (json!({ "kind": "all", "of": ["a", "b"], "within": "1 day", "action": "act" }), 256),
        (json!({ "kind": "lookback", "of": "b", "after": "a", "within": "1 day", "action": "act" }), 128),
        (json!({ "kind": "history", "of": "a", "keep": "1 day" }), 128),
    ]
}

/// Payloads of several sizes, up to those of which nothing is kept.
fn event(index: u64, key: u64) -> Event {
    let long = format!("{index}{}", "é".repeat([3, 400, 490, 1_900, 40_000][(index % 5) as usize]));
    Event { name: "a", payload: json!({ "k": key, "n": index, "long": long }), stamp: BEGIN + index }
}

#[test]
fn a_state_stays_within_its_kinds_bound() {
    for (json, bound) in kinds() {
        let mut live = Live::start(spec(&json), Zone::utc());
        for index in 0..2_500 {
            // Of a large batch most are small.
            let index = if index % 100 > 5 { index * 5 } else { index * 5 + index % 5 };
            live.observe(&event(index, 0));
            if index % 100 < 10 {
                let bytes = stored(&live.state).len();
                assert!(bytes <= bound, "{json}: {bytes}");
            }
        }
        assert!(bound < KEYED_BYTES_MAX);
    }
}

#[test]
fn keys_stay_within_their_number_and_their_bytes() {
    for (mut json, _) in kinds() {
        if json["kind"] == "streak" || json["kind"] == "any" {
            continue;
        }
        (json["by"], json["keys-max"]) = (json!("k"), json!(200));
        let mut live = Live::start(spec(&json), Zone::utc());
        for index in 0..1_500 {
            live.observe(&event(index, (index / 3) % 300));
            if index % 100 == 0 {
                let bytes = stored(&live.state).len();
                assert!(bytes <= KEYED_BYTES_MAX + 128, "{json}: {bytes}");
            }
        }
        let shown = pattern::inspect(&live.spec, &live.state);
        let count = |place: &str| match shown.field(place) {
            Some(Value::Integer(count)) => count,
            other => panic!("{json}: {place} is {other:?}"),
        };
        assert!(count("/keys") <= 200 && count("/keys") > 0 && count("/dropped") > 0, "{json}: {shown:?}");
        // When their time has passed, keys are gone.
        live.advance(Millis::MAX);
        assert_eq!(pattern::inspect(&live.spec, &live.state).field("/keys"), Some(Value::Integer(0)), "{json}");
    }
}

#[test]
fn the_key_that_was_touched_longest_ago_gives_way() {
    let json = json!({
        "kind": "within", "after": "a", "expect": "b", "within": "1 day", "action": "act", "else": "otherwise", "by": "k",
        "keys-max": 2,
    });
    let mut live = Live::start(spec(&json), Zone::utc());
    let keys = |live: &Live| {
        let shown = pattern::inspect(&live.spec, &live.state).to_json_value().unwrap();
        let keys: Vec<String> = shown["by-key"].as_object().unwrap().keys().cloned().collect();
        (keys, shown["dropped"].clone())
    };
    for (index, key) in [1, 2, 1, 3].into_iter().enumerate() {
        live.observe(&event(index as u64, key));
    }
    assert_eq!(keys(&live), (vec!["1".to_owned(), "3".to_owned()], json!(1)));
    // An event without a key, or with one that is none, is not counted.
    live.observe(&Event { name: "a", payload: json!({ "k": [1] }), stamp: BEGIN + 9 });
    live.observe(&Event { name: "a", payload: json!(7), stamp: BEGIN + 9 });
    assert_eq!(keys(&live).0.len(), 2);
    // An event that opens nothing makes no key.
    live.observe(&Event { name: "b", payload: json!({ "k": 4 }), stamp: BEGIN + 9 });
    assert_eq!(keys(&live), (vec!["1".to_owned(), "3".to_owned()], json!(1)));
}

#[test]
fn a_sliding_window_leaves_its_oldest_events_out() {
    let json = json!({
        "kind": "count", "of": "a", "in": "1 day", "measure": "sum", "field": "n", "above": 1e9, "action": "act",
    });
    let mut live = Live::start(spec(&json), Zone::utc());
    for index in 0..1_030 {
        live.observe(&Event { name: "a", payload: json!({ "n": 1 }), stamp: BEGIN + index });
    }
    let shown = pattern::inspect(&live.spec, &live.state).to_json_value().unwrap();
    assert_eq!(shown, json!({ "kind": "count", "count": 1_024, "value": 1_024.0, "dropped": 6 }));
    // As many as fit can be asked for.
    for (threshold, bound) in [("at-least", 1_024), ("above", 1_023)] {
        let mut json = json!({ "kind": "count", "of": "a", "in": "1 day", "action": "act" });
        json[threshold] = json!(bound);
        let mut live = Live::start(spec(&json), Zone::utc());
        for index in 0..1_024 {
            assert!(live.fires.is_empty(), "{index}");
            live.observe(&Event { name: "a", payload: json!({ "n": 1 }), stamp: BEGIN + index });
        }
        assert_eq!(live.fires.len(), 1);
    }
}

#[test]
fn a_batch_that_is_too_large_is_called_early_and_loses_nothing() {
    let json = json!({ "kind": "batch", "of": "a", "size": 100, "within": 9 * UNIT, "action": "act" });
    let text = |bytes: usize| json!({ "text": "x".repeat(bytes) });
    let mut live = Live::start(spec(&json), Zone::utc());
    for (index, bytes) in [30_000, 30_000, 30_000, 100_000, 10].into_iter().enumerate() {
        live.observe(&Event { name: "a", payload: text(bytes), stamp: BEGIN + index as u64 });
        assert!(stored(&live.state).len() <= 72 * 1_024);
    }
    live.advance(Millis::MAX);
    let batches: Vec<Json> = live.fires.iter().map(|fire| fire.payload.to_json_value().unwrap()).collect();
    let sizes: Vec<Vec<usize>> = batches
        .iter()
        .map(|batch| batch["events"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap().len()).collect())
        .collect();
    assert_eq!(sizes, [vec![30_000, 30_000], vec![30_000], vec![100_000], vec![10]]);
    let outcomes: Vec<&str> = batches.iter().map(|batch| batch["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["full", "full", "full", "expired"]);
}

/// Values that differ late only are not taken for one, and what is kept of a payload is whole or nothing.
#[test]
fn long_values_are_told_apart() {
    let json = json!({
        "kind": "count", "of": "a", "in": "1 day", "measure": "distinct", "field": "v", "at-least": 3, "action": "act",
    });
    let mut live = Live::start(spec(&json), Zone::utc());
    let long = "x".repeat(500);
    for value in [json!(format!("{long}1")), json!(7), json!(7.0), json!([7]), json!(null), json!(format!("{long}1"))] {
        live.observe(&Event { name: "a", payload: json!({ "v": value }), stamp: BEGIN });
        assert!(live.fires.is_empty(), "{value}");
    }
    live.observe(&Event { name: "a", payload: json!({ "v": format!("{long}2") }), stamp: BEGIN });
    assert_eq!(live.fires.len(), 1);
}
