//! A pattern that goes on under another spec, or begins anew.

use quest_engine::{
    model::{Millis, Value},
    pattern::{self, KINDS, State},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

use crate::history::{BEGIN, Event, Live, UNIT, spec};

const DAY: Millis = 86_400_000;

fn of(kind: &str) -> Json {
    match kind {
        "within" => json!({ "kind": kind, "after": "a", "expect": "b", "within": 5_000, "else": "act" }),
        "sequence" => json!({ "kind": kind, "steps": ["a", "b", "c"], "within": 5_000, "action": "act" }),
        "absence" => json!({ "kind": kind, "of": "a", "for": 5_000, "action": "act" }),
        "count" => json!({ "kind": kind, "of": "a", "in": 5_000, "at-least": 3, "action": "act" }),
        "streak" => json!({ "kind": kind, "of": "a", "broken": "act" }),
        "debounce" => json!({ "kind": kind, "of": "a", "quiet": 5_000, "action": "act" }),
        "throttle" => json!({ "kind": kind, "of": "a", "per": 5_000, "trailing": true, "action": "act" }),
        "batch" => json!({ "kind": kind, "of": "a", "size": 3, "within": 5_000, "action": "act" }),
        "session" => json!({ "kind": kind, "of": "a", "gap": 5_000, "action": "act" }),
        "any" => json!({ "kind": kind, "of": ["b"], "within": 5_000, "action": "act", "else": "act" }),
        "all" => json!({ "kind": kind, "of": ["a", "b"], "within": 5_000, "action": "act" }),
        "lookback" => json!({ "kind": kind, "of": "b", "after": "a", "within": 5_000, "action": "act" }),
        "history" => json!({ "kind": kind, "of": "a", "keep": 5_000 }),
        other => panic!("{other}"),
    }
}

fn with(mut json: Json, key: &str, value: Json) -> Json {
    json[key] = value;
    json
}

fn event(name: &'static str, stamp: Millis) -> Event {
    Event { name, payload: json!({ "n": 2, "k": "x" }), stamp }
}

/// A state that has seen one `a`, at the beginning.
fn seen(json: &Json) -> State {
    let mut live = Live::start(spec(json), Zone::utc());
    live.observe(&event("a", BEGIN));
    live.state
}

fn resumed(from: &Json, to: &Json) -> State {
    pattern::resume(&spec(to), seen(from), BEGIN + UNIT)
}

#[test]
fn what_fits_goes_on() {
    for kind in KINDS {
        let json = of(kind);
        assert_eq!(resumed(&json, &json), seen(&json), "{kind}");
        let keyed = with(json.clone(), "by", json!("k"));
        if !["streak", "any"].contains(&kind) {
            assert_eq!(resumed(&keyed, &keyed), seen(&keyed), "{kind}");
        }
    }
    for (kind, key, value) in [
        ("within", "within", json!(9_000)),
        ("within", "expect", json!("c")),
        ("sequence", "steps", json!(["a", "d", "c"])),
        ("sequence", "strict", json!(true)),
        ("absence", "for", json!(7_000)),
        ("count", "at-least", json!(7)),
        ("streak", "grace", json!(2)),
        ("debounce", "max-wait", json!(8_000)),
        ("batch", "size", json!(9)),
        ("any", "of", json!(["b", "c"])),
        ("lookback", "within", json!(1)),
    ] {
        let json = of(kind);
        assert_eq!(resumed(&json, &with(json.clone(), key, value)), seen(&json), "{kind}: {key}");
    }
}

#[test]
fn what_does_not_fit_begins_anew() {
    let mut pairs = Vec::new();
    for (kind, key, value) in [
        ("sequence", "steps", json!(["a", "b"])),
        ("all", "of", json!(["a", "b", "c"])),
        ("count", "window", json!("tumbling")),
        ("streak", "unit", json!("week")),
        ("within", "by", json!("k")),
    ] {
        pairs.push((of(kind), with(of(kind), key, value)));
    }
    let (sum, by) = (with(with(of("count"), "measure", json!("sum")), "field", json!("n")), "by");
    pairs.push((of("count"), sum.clone()));
    pairs.push((sum.clone(), with(sum, "measure", json!("min"))));
    pairs.push((with(of("within"), by, json!("k")), with(of("within"), by, json!("n"))));
    pairs.push((with(of("within"), by, json!("k")), of("within")));
    for from in KINDS {
        pairs.extend(KINDS.iter().filter(|to| **to != from).map(|to| (of(from), of(to))));
    }
    for (from, to) in pairs {
        let begun = pattern::start(&spec(&to), BEGIN + UNIT);
        assert_eq!(resumed(&from, &to), begun, "{from} becomes {to}");
    }
}

#[test]
fn what_goes_on_has_the_deadlines_of_its_new_spec() {
    let zone = Zone::utc();
    for (kind, key, value, due) in [
        ("within", "within", json!(9_000), BEGIN + 9_000),
        ("absence", "for", json!(7_000), BEGIN + 7_000),
        ("session", "gap", json!(7_000), BEGIN + 7_000),
        ("any", "within", json!(7_000), BEGIN + 7_000),
        // The day that it began in, and two that grace bridges.
        ("streak", "grace", json!(2), BEGIN / DAY * DAY + 4 * DAY - 1),
    ] {
        let to = spec(&with(of(kind), key, value));
        let mut state = pattern::resume(&to, seen(&of(kind)), BEGIN + UNIT);
        pattern::rezone(&to, &mut state, BEGIN + UNIT, &zone);
        assert_eq!(pattern::due(&to, &state), Some(due), "{kind}");
    }
    // A tumbling window that goes on is over when it was to be; those that follow are as long as the new spec says.
    let few = with(with(of("count"), "window", json!("tumbling")), "measure", json!("count"));
    let mut few = with(few, "at-most", json!(3));
    few.as_object_mut().unwrap().remove("at-least");
    let to = spec(&with(few.clone(), "in", json!(60_000)));
    let state = pattern::resume(&to, seen(&few), BEGIN + UNIT);
    assert_eq!(pattern::due(&to, &state), pattern::due(&spec(&few), &seen(&few)));
}

/// The days of a streak are those of another zone from now on: it breaks at the end of the day there.
#[test]
fn a_streak_moves_with_its_context() {
    let json = of("streak");
    let begin = 20_000 * DAY;
    let mut live = Live::start(spec(&json), Zone::utc());
    live.observe(&event("a", begin + DAY / 2));
    assert_eq!(pattern::due(&live.spec, &live.state), Some(begin + 2 * DAY - 1));
    let honolulu = Zone::parse("Pacific/Honolulu").unwrap();
    assert!(pattern::rezone(&live.spec, &mut live.state, begin + DAY / 2, &honolulu));
    assert!(!pattern::rezone(&live.spec, &mut live.state, begin + DAY / 2, &honolulu), "nothing more changes");
    assert_eq!(pattern::due(&live.spec, &live.state), Some(begin + 2 * DAY - 1 + 10 * 3_600_000));
    live.zone = honolulu;
    live.observe(&event("a", begin + 2 * DAY + 9 * 3_600_000));
    assert_eq!(pattern::inspect(&live.spec, &live.state).field("/current"), Some(Value::Integer(2)));
}
