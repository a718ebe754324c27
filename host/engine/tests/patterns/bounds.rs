//! Whatever a pattern sees: its state stays within its bounds, keys expire, and it goes on under another spec.

use std::collections::BTreeSet;

use quest_engine::{
    model::Value,
    pattern::{self, KEYED_BYTES_MAX, KEYS_DEFAULT, KEYS_MAX, Seen, Spec, State},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

use crate::{
    driver::{BEGIN, Event, Live, TIME, parse, with},
    several::every_kind,
};

/// What a state has beside its keys, as MessagePack.
const BESIDE: usize = 128;

pub fn takes_keys(spec: &Json) -> bool {
    !matches!(spec["kind"].as_str(), Some("any" | "streak"))
}

pub fn observe(spec: &Spec, state: &mut State, name: &str, payload: &Json, at: u64) {
    let payload = Value::from_json_value(payload).expect("JSON");
    pattern::observe(spec, state, &Seen { name, payload: &payload, stamp: at }, &Zone::utc());
}

fn bytes(state: &State) -> usize {
    rmp_serde::to_vec(state).expect("it is written").len()
}

/// As many keys as there may be, as long as they may be, each with the largest payloads that are kept: the state has its bound, and
/// those that were seen last stay.
#[test]
fn floods_of_keys_are_bounded() {
    for mut spec in every_kind().into_iter().filter(takes_keys) {
        spec["keys-max"] = json!(KEYS_MAX);
        let spec = with(spec, true, false);
        let (parsed, mut state) = (parse(&spec), pattern::start(&parse(&spec), BEGIN));
        let keys = 5_000;
        for index in 0..keys {
            // Some keep whole payloads: there fewer keys have room.
            let text = "x".repeat(if index % 7 == 0 { 900 } else { 0 });
            let key = format!("{index:0>200}").chars().rev().collect::<String>();
            let payload = json!({ "k": key, "n": index, "text": text });
            for name in ["a", "b"] {
                observe(&parsed, &mut state, name, &payload, BEGIN + index / 100);
            }
            if index % 500 == 0 {
                assert!(bytes(&state) <= KEYED_BYTES_MAX + BESIDE, "{spec}");
            }
        }
        let size = bytes(&state);
        assert!(size <= KEYED_BYTES_MAX + BESIDE, "{spec}: {size}");
        let seen = pattern::inspect(&parsed, &state).to_json_value().expect("JSON");
        let count = seen["keys"].as_u64().expect("keys");
        assert!(count <= KEYS_MAX && seen["by-key"].as_object().expect("a map").len() <= 100, "{spec}");
        if count > 0 {
            assert_eq!(count + seen["dropped"].as_u64().expect("dropped"), keys, "{spec}");
        }
    }
}

/// Without `by`, a state has the bound of what it keeps, as `docs/patterns.md` says it.
#[test]
fn floods_of_events_are_bounded() {
    let sum = json!({ "kind": "count", "of": "a", "in": TIME, "measure": "sum", "field": "m", "at-least": 3, "action": "act" });
    for spec in every_kind().into_iter().chain([sum]) {
        let bound = match (spec["kind"].as_str().expect("a kind"), spec["measure"].as_str()) {
            ("count", Some("distinct")) if spec["window"] == "tumbling" => 72 * 1_024,
            ("count", Some("distinct")) => 90 * 1_024,
            ("count", Some("sum")) if spec["window"] != "tumbling" => 28 * 1_024,
            ("count", None) => 24 * 1_024,
            ("batch", _) => 72 * 1_024,
            ("debounce", _) => 4_300,
            ("throttle", _) if spec["trailing"] == true => 4_300,
            ("within", _) => 1_126,
            ("sequence" | "all", _) => 200,
            ("count" | "streak" | "throttle", _) => 128,
            ("absence" | "session" | "any", _) => 64,
            ("lookback" | "history", _) => 32,
            other => panic!("{other:?}"),
        };
        let spec = match spec["kind"].as_str() {
            // So that nothing is met before there is as much as there can be.
            Some("count") if spec.get("at-least").is_some() => {
                let mut spec = spec;
                spec["at-least"] = if spec["measure"] == "sum" { json!(1e300) } else { json!(1_024) };
                spec["in"] = json!("1 day");
                spec
            }
            Some("batch") => json!({ "kind": "batch", "of": "a", "size": 1_000, "action": "act" }),
            _ => spec,
        };
        let (parsed, mut state) = (parse(&spec), pattern::start(&parse(&spec), BEGIN));
        let mut most = 0;
        for index in 0..1_500u64 {
            let digits: String = format!("{index:0>70}").chars().rev().collect();
            let text = "x".repeat([0, 800, 950, 3_900][(index % 4) as usize]);
            let payload = json!({ "n": digits, "m": index as f64 + 0.5, "text": text });
            for name in ["a", "b", "x"] {
                observe(&parsed, &mut state, name, &payload, BEGIN + index);
            }
            if index % 50 == 0 || index > 1_015 && index < 1_025 {
                most = most.max(bytes(&state));
            }
        }
        let bound = bound + BESIDE;
        assert!(most <= bound, "{spec}: {most} over {bound}");
    }
}

/// Keys that are not looked at any more are forgotten by themselves.
#[test]
fn keys_expire() {
    for spec in every_kind().into_iter().filter(takes_keys) {
        let is_for_ever = spec["kind"] == "absence" && spec["repeat"] == true;
        let spec = with(spec, true, false);
        let mut live = Live::new(&spec, BEGIN, &Zone::utc());
        for index in 0..300 {
            let payload = json!({ "k": format!("{index}"), "n": index });
            live.observe(&Event { name: "a", payload, at: BEGIN + index % 10 });
        }
        let keys = live.inspect()["keys"].as_u64().expect("keys");
        assert!(keys <= KEYS_DEFAULT, "{spec}");
        assert_eq!(live.due().is_some(), keys > 0, "{spec}: a key without a deadline stays for ever");
        live.before(BEGIN + 10 * TIME);
        let left = live.inspect()["keys"].as_u64().expect("keys");
        assert_eq!(left, if is_for_ever { KEYS_DEFAULT } else { 0 }, "{spec}");
    }
    // A batch without a time waits for its events: its keys stay.
    let batch = json!({ "kind": "batch", "of": "a", "size": 3, "by": "k", "action": "act" });
    let mut live = Live::new(&batch, BEGIN, &Zone::utc());
    live.observe(&Event { name: "a", payload: json!({ "k": 7 }), at: BEGIN });
    assert_eq!((live.due(), &live.inspect()["by-key"]["7"]["count"]), (None, &json!(1)));
}

/// The key that was touched longest ago gives way, and is counted.
#[test]
fn the_oldest_key_gives_way() {
    let spec =
        json!({ "kind": "session", "of": "a", "gap": "1 hour", "by": "/user/id", "keys-max": 2, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    for (key, at) in [(json!("p"), 0), (json!(7), 1), (json!("p"), 2), (json!(true), 3)] {
        live.observe(&Event { name: "a", payload: json!({ "user": { "id": key } }), at: BEGIN + at });
    }
    // What tells no keys apart is not counted.
    for key in [json!(null), json!(1.5), json!([1]), json!("")] {
        live.observe(&Event { name: "a", payload: json!({ "user": { "id": key } }), at: BEGIN + 4 });
    }
    let seen = live.inspect();
    let keys: BTreeSet<&String> = seen["by-key"].as_object().expect("a map").keys().collect();
    assert_eq!(keys, BTreeSet::from([&"p".to_owned(), &"true".to_owned()]));
    assert_eq!((&seen["keys"], &seen["dropped"]), (&json!(2), &json!(1)));
}

/// A history of more keys than the lookback may have gives it the latest.
#[test]
fn a_history_of_many_keys_gives_the_latest() {
    let history = json!({ "kind": "history", "of": "a", "keep": "1 day", "by": "k" });
    let mut memory = Live::new(&history, BEGIN, &Zone::utc());
    for (place, key) in ["d", "c", "b", "a"].iter().enumerate() {
        memory.observe(&Event { name: "a", payload: json!({ "k": key }), at: BEGIN + place as u64 });
    }
    let spec = json!({ "kind": "lookback", "of": "b", "after": "a", "within": "1 day", "by": "k", "keys-max": 2, "action": "act" });
    let mut live = Live::new(&spec, BEGIN + 10, &Zone::utc());
    pattern::seed(&live.spec, &mut live.state, &memory.state);
    let seen = live.inspect();
    assert_eq!((&seen["keys"], &seen["dropped"]), (&json!(2), &json!(2)));
    assert!(seen["by-key"].get("a").is_some() && seen["by-key"].get("b").is_some(), "{seen}");
    // What remembers other things than events' times gives nothing, and leaves no empty keys.
    let other = json!({ "kind": "session", "of": "a", "gap": "1 day", "by": "k", "action": "act" });
    let mut other = Live::new(&other, BEGIN, &Zone::utc());
    other.observe(&Event { name: "a", payload: json!({ "k": "p" }), at: BEGIN });
    let mut live = Live::new(&spec, BEGIN + 10, &Zone::utc());
    pattern::seed(&live.spec, &mut live.state, &other.state);
    assert_eq!(live.inspect()["keys"], json!(0));
}

/// A state of any spec under any other: no panic, a deadline that is not behind, and the same again if it is the same.
#[test]
fn states_go_on_under_other_specs() {
    let specs: Vec<Json> = every_kind()
        .into_iter()
        .flat_map(|spec| if takes_keys(&spec) { vec![spec.clone(), with(spec, true, false)] } else { vec![spec] })
        .collect();
    for (was, is) in specs.iter().flat_map(|was| specs.iter().map(move |is| (was, is))) {
        let mut live = Live::new(was, BEGIN, &Zone::utc());
        for index in 0..30 {
            let name = if index % 3 == 0 { "b" } else { "a" };
            live.before(BEGIN + index * 7);
            live.observe(&Event { name, payload: json!({ "k": "p", "n": index }), at: BEGIN + index * 7 });
        }
        let now = BEGIN + 30 * 7;
        let state = pattern::resume(&parse(is), live.state.clone(), now);
        if was == is {
            assert_eq!(state, live.state);
        }
        let mut live = Live { spec: parse(is), state, zone: Zone::utc(), fires: Vec::new(), bytes: 0 };
        live.before(now + 5 * TIME);
        live.observe(&Event { name: "a", payload: json!({ "k": "p", "n": 1 }), at: now + 5 * TIME });
    }
}

/// Shorter times under a new spec: what is overdue is called once, at the pattern's own clock, and then in its new rhythm.
#[test]
fn a_shorter_time_is_due_at_once_and_once() {
    let spec = |time: &str| json!({ "kind": "absence", "of": "a", "for": time, "repeat": true, "action": "act" });
    let mut live = Live::new(&spec("1 day"), BEGIN, &Zone::utc());
    let day = 86_400_000;
    live.before(BEGIN + 3 * day + 1);
    assert_eq!(live.fires.len(), 3);
    live.spec = parse(&spec("1 hour"));
    live.state = pattern::resume(&live.spec, live.state.clone(), BEGIN + 3 * day + day / 2);
    live.before(BEGIN + 3 * day + 2 * 3_600_000);
    assert_eq!(live.fires.len(), 4);
    live.spec = parse(&spec("10 days"));
    live.state = pattern::resume(&live.spec, live.state.clone(), BEGIN + 3 * day + 2 * 3_600_000);
    assert_eq!(live.due(), Some(BEGIN + 3 * day + 3_600_000 + 10 * day), "from the last time on");
}

/// A payload that is no value within what an action is told is left out, and the rest is not.
#[test]
fn what_is_told_is_whole_without_what_does_not_fit() {
    let deep = (0..64).fold(json!(1), |inner, _| json!([inner]));
    let spec = json!({ "kind": "sequence", "steps": ["a", "a"], "within": 10, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    live.show(&[0, 1].map(|at| Event { name: "a", payload: deep.clone(), at: BEGIN + at }), BEGIN);
    let told = &live.fires[0]["told"];
    assert_eq!((&told["outcome"], &told["last"], &told["event"]), (&json!("matched"), &json!(BEGIN + 1), &Json::Null));

    let spec = json!({ "kind": "batch", "of": "a", "size": 2, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    live.show(&[deep, json!({ "n": 1 })].map(|payload| Event { name: "a", payload, at: BEGIN }), BEGIN);
    assert_eq!(live.fires[0]["told"]["events"], json!([null, { "n": 1 }]));
    // An integer past the signed range has no form as a value of its own. Within a payload it stays, as everything does.
    let large = [0x81, 0xa1, b'n', 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let large = Value::decode(&large).expect("a map");
    let fires = [BEGIN, BEGIN].map(|stamp| {
        let seen = Seen { name: "a", payload: &large, stamp };
        pattern::observe(&live.spec, &mut live.state, &seen, &Zone::utc())
    });
    let told = fires[1][0].payload.to_json_value().expect("JSON");
    assert_eq!((&told["count"], &told["events"]), (&json!(2), &json!([{ "n": u64::MAX }, { "n": u64::MAX }])));
}
