//! What specs are refused for, in words; and that nothing panics, whatever a spec says.

use proptest::prelude::*;
use quest_engine::{
    model::Value,
    pattern::{self, KINDS, Seen, Spec},
    schedule::Zone,
};
use serde_json::{Map, Value as Json, json};

fn error(text: &str) -> String {
    let value = Value::from_json(text).unwrap();
    match Spec::parse(&value, &|action| action == "act") {
        Ok(spec) => format!("it is a {} pattern", spec.kind()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn refusals_say_how_to_mend_it() {
    let cases: &[(&str, &str)] = &[
        (
            r#"7"#,
            r#"a pattern's spec is a map, like {"kind": "absence", "of": "opened", "for": "14 days", "action": "miss"}"#,
        ),
        (
            r#""within""#,
            r#"a pattern's spec is a map, like {"kind": "absence", "of": "opened", "for": "14 days", "action": "miss"}"#,
        ),
        (
            r#"{}"#,
            r#"`kind` is missing: one of within, sequence, absence, count, streak, debounce, throttle, batch, session, any, all, lookback, history"#,
        ),
        (r#"{"kind": 7}"#, r#"`kind` is a text, not 7"#),
        (r#"{"kind": "absense"}"#, r#"no pattern is of the kind "absense": did you mean "absence"?"#),
        (
            r#"{"kind": "pattern"}"#,
            r#"no pattern is of the kind "pattern": there are within, sequence, absence, count, streak, debounce, throttle, batch, session, any, all, lookback, history"#,
        ),
        (
            r#"{"kind": "absence"}"#,
            r#"the absence pattern needs `of`, like "of": "opened" or "purchase where amount >= 100""#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days"}"#,
            r#"the absence pattern needs `action`, like "action": "remind", an action of the quest"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "fro": "14 days", "action": "act"}"#,
            r#"the absence pattern has no key `fro`: did you mean `for`?"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": "remind"}"#,
            r#"`action` of the absence pattern: the quest has no action "remind""#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": 7}"#,
            r#"`action` of the absence pattern: a text is wanted, not 7"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": "act", "repeats": true}"#,
            r#"the absence pattern has no key `repeats`: did you mean `repeat`?"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": "act", "repeat": "yes"}"#,
            r#"`repeat` of the absence pattern: true or false is wanted, not "yes""#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": "act", "colour": "red"}"#,
            r#"the absence pattern has no key `colour`: known are by, keys-max, once, of, for, repeat, action"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "14 dyas", "action": "act"}"#,
            r#"`for` of the absence pattern: "dyas" is no unit; hint: a length of time is like "10 minutes", "1h 30m" or "3 days"
  14 dyas
     ^"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": 0, "action": "act"}"#,
            r#"`for` of the absence pattern: a length of time is 1 ms to 100 years"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": -5, "action": "act"}"#,
            r#"`for` of the absence pattern: a length of time is wanted, like "10 minutes", not -5"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": [1], "action": "act"}"#,
            r#"`for` of the absence pattern: a length of time is wanted, like "10 minutes", not [1]"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": 10, "repeat": true, "action": "act"}"#,
            r#"`for` of the absence pattern: what repeats takes at least a second"#,
        ),
        (
            r#"{"kind": "absence", "of": 7, "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: an event is wanted, like "opened", not 7"#,
        ),
        (
            r#"{"kind": "absence", "of": [], "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: 1 to 16 events are wanted, not 0"#,
        ),
        (
            r#"{"kind": "absence", "of": "", "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: event name "" is not allowed: an event's name is 1 to 128 bytes without control characters
  
  ^"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened where", "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: there is no condition after `where`
  opened where
              ^"#,
        ),
        (
            r#"{"kind": "absence", "of": "purchase where amount >= \"x\" and 3", "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: a condition is wanted, this is a number
  purchase where amount >= "x" and 3
                                   ^"#,
        ),
        (
            r#"{"kind": "absence", "of": ["a", "purchase where amount = 3"], "for": "1 day", "action": "act"}"#,
            r#"`of` of the absence pattern: write `==` for being equal
  purchase where amount = 3
                        ^"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "1 day", "by": "order..id", "action": "act"}"#,
            r#"`by` of the absence pattern: "order..id" names no field: `order_id`, `order.id` or `/order/id`"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "1 day", "by": "id", "keys-max": 5000, "action": "act"}"#,
            r#"`keys-max` of the absence pattern: a whole number from 1 to 4096 is wanted, not 5000"#,
        ),
        (
            r#"{"kind": "absence", "of": "opened", "for": "1 day", "keys-max": 5, "action": "act"}"#,
            r#"`keys-max` of the absence pattern: it bounds the keys of `by`, which is not there"#,
        ),
        (
            r#"{"kind": "streak", "of": "workout", "unit": "hour", "action": "act"}"#,
            r#"`unit` of the streak pattern: "hour" is none of day, week, month"#,
        ),
        (
            r#"{"kind": "streak", "of": "workout", "by": "id", "action": "act"}"#,
            r#"`by` of the streak pattern: this kind is about the context as a whole"#,
        ),
        (
            r#"{"kind": "streak", "of": "workout", "freezes-max": 3, "action": "act"}"#,
            r#"`freezes-max` of the streak pattern: it bounds what `earn-every` adds, which is not there"#,
        ),
        (
            r#"{"kind": "within", "after": "a", "expect": "b", "within": "1 h"}"#,
            r#"`action` of the within pattern: it calls nothing: give it an `action`, an `else`, or both"#,
        ),
        (
            r#"{"kind": "within", "after": "a", "expects": "b", "within": "1 h", "action": "act"}"#,
            r#"the within pattern has no key `expects`: did you mean `expect`?"#,
        ),
        (
            r#"{"kind": "sequence", "steps": ["a"], "within": "1 h", "action": "act"}"#,
            r#"`steps` of the sequence pattern: 2 to 16 events are wanted, not 1"#,
        ),
        (
            r#"{"kind": "sequence", "steps": "a", "within": "1 h", "action": "act"}"#,
            r#"`steps` of the sequence pattern: a list of events is wanted, not "a""#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "action": "act"}"#,
            r#"`at-least` of the count pattern: one of `at-least`, `above`, `at-most` and `below` is wanted"#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "at-least": 3, "below": 7, "action": "act"}"#,
            r#"`at-least` of the count pattern: one of `at-least`, `above`, `at-most` and `below` is wanted"#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "above": 1024, "action": "act"}"#,
            r#"`above` of the count pattern: a sliding window keeps at most 1024 events: use "window": "tumbling""#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "at-most": 3, "action": "act"}"#,
            r#"`at-most` of the count pattern: every count begins small, and a sliding window is looked at with each event: use "window": "tumbling""#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "measure": "sum", "at-least": 3, "action": "act"}"#,
            r#"`field` of the count pattern: this measure needs the field that it measures"#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "field": "n", "at-least": 3, "action": "act"}"#,
            r#"`field` of the count pattern: counting looks at no field: give it a `measure`"#,
        ),
        (
            r#"{"kind": "count", "of": "a", "in": "1 h", "measure": "distinct", "window": "tumbling", "field": "n", "at-least": 3000, "action": "act"}"#,
            r#"`at-least` of the count pattern: at most 1024 values are told apart"#,
        ),
        (
            r#"{"kind": "throttle", "of": "a", "per": "1 h", "once": true, "action": "act"}"#,
            r#"`once` of the throttle pattern: this kind goes on until it is cancelled"#,
        ),
        (
            r#"{"kind": "debounce", "of": "a", "quiet": "1 h", "max-wait": "1 minute", "action": "act"}"#,
            r#"`max-wait` of the debounce pattern: it is not shorter than `quiet`"#,
        ),
        (
            r#"{"kind": "batch", "of": "a", "size": 2000, "action": "act"}"#,
            r#"`size` of the batch pattern: a whole number from 1 to 1000 is wanted, not 2000"#,
        ),
        (
            r#"{"kind": "any", "of": ["a"], "action": "act", "else": "act"}"#,
            r#"`else` of the any pattern: without a `within` it never comes to that"#,
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(error(spec), *expected, "{spec}");
    }
    let long =
        format!(r#"{{"kind": "absence", "of": "a where {}", "for": 1, "action": "act"}}"#, "x or ".repeat(1_000));
    assert!(
        error(&long).starts_with("`of` of the absence pattern: a condition has at most 4096 bytes"),
        "{}",
        error(&long)
    );
    let huge = format!(r#"{{"kind": "absence", "{}": 1}}"#, "x".repeat(20_000));
    assert_eq!(error(&huge), "a pattern's spec has at most 16384 bytes");
    let long = format!(r#"{{"kind": "absence", "of": "a", "for": 1, "action": "act", "{}": 1}}"#, "x".repeat(10_000));
    assert!(error(&long).len() < 300, "{}", error(&long));
}

/// JSON that looks like specs, more or less.
fn spec() -> impl Strategy<Value = Json> {
    let keys = [
        "kind",
        "of",
        "for",
        "in",
        "after",
        "expect",
        "within",
        "steps",
        "strict",
        "action",
        "else",
        "by",
        "keys-max",
        "once",
        "repeat",
        "window",
        "measure",
        "field",
        "at-least",
        "above",
        "at-most",
        "below",
        "unit",
        "grace",
        "freezes",
        "freezes-max",
        "earn-every",
        "every",
        "broken",
        "quiet",
        "max-wait",
        "per",
        "trailing",
        "size",
        "gap",
        "history",
        "keep",
        "restart",
        "colour",
    ];
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "a",
            "b",
            "act",
            "1 minute",
            "1h 30m",
            "1 parsec",
            "day",
            "month",
            "tumbling",
            "sum",
            "distinct",
            "n",
            "/n/0",
            "a.b",
            "a where n > 1",
            "b where n in [1, 2] or exists(k)",
            "a where (",
            "a where",
            " where ",
            "\u{1F980} where n != \u{1F980}",
            "",
        ])
        .prop_map(Json::from),
        "\\PC{0,20}".prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (0..5_000i64).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
    ];
    let value = prop_oneof![3 => leaf.clone(), 1 => prop::collection::vec(leaf, 0..4).prop_map(Json::Array)];
    let kind = prop::sample::select(KINDS.to_vec());
    let fields = prop::collection::vec((prop::sample::select(keys.to_vec()), value), 0..9);
    (kind, fields, any::<bool>()).prop_map(|(kind, fields, has_kind)| {
        let mut map: Map<String, Json> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        // Most come further if what every kind needs is there.
        if has_kind {
            map.insert("kind".to_owned(), json!(kind));
            map.entry("of").or_insert(json!(["a", "b where n > 1"]));
            for (key, value) in [
                ("action", "act"),
                ("for", "1 s"),
                ("in", "1 s"),
                ("within", "1 s"),
                ("quiet", "1 s"),
                ("per", "1 s"),
                ("gap", "1 s"),
                ("keep", "1 s"),
                ("after", "a"),
                ("expect", "b"),
            ] {
                if wanted(kind, key) {
                    map.entry(key).or_insert(json!(value));
                }
            }
        }
        Json::Object(map)
    })
}

/// The keys that a kind cannot be without.
fn wanted(kind: &str, key: &str) -> bool {
    let keys: &[&str] = match kind {
        "within" => &["after", "expect", "within", "action"],
        "sequence" => &["within", "action"],
        "absence" => &["for", "action"],
        "count" => &["in", "action"],
        "streak" => &[],
        "debounce" => &["quiet", "action"],
        "throttle" => &["per", "action"],
        "batch" | "any" => &["action"],
        "session" => &["gap", "action"],
        "all" => &["within", "action"],
        "lookback" => &["after", "within", "action"],
        "history" => &["keep"],
        other => panic!("{other}"),
    };
    keys.contains(&key)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_spec_says_nothing_panics(
        json in spec(), steps in prop::collection::vec((prop::sample::select(vec!["a", "b", "c"]), 0..3i64, any::<u64>()), 0..6),
    ) {
        let Ok(value) = Value::from_json_value(&json) else { return Ok(()) };
        match Spec::parse(&value, &|action| action == "act") {
            Err(error) => {
                let text = error.to_string();
                prop_assert!(!text.is_empty() && text.len() < 2_000, "{}", text);
            }
            Ok(spec) => {
                let zone = Zone::parse("Pacific/Apia").unwrap();
                let mut state = pattern::start(&spec, 0);
                for (name, n, stamp) in steps {
                    // Times far beyond what a clock may show, too.
                    let payload = Value::from_json_value(&json!({ "n": n, "k": [n] })).unwrap();
                    for fire in pattern::observe(&spec, &mut state, &Seen { name, payload: &payload, stamp }, &zone) {
                        prop_assert!(spec.actions().contains(&fire.action));
                        prop_assert_eq!(fire.payload.check(), Ok(()));
                    }
                    for _ in 0..5 {
                        let Some(due) = pattern::due(&spec, &state) else { break };
                        pattern::tick(&spec, &mut state, due, &zone);
                    }
                    pattern::rezone(&spec, &mut state, stamp, &Zone::utc());
                    prop_assert_eq!(pattern::inspect(&spec, &state).check(), Ok(()));
                }
            }
        }
    }

    #[test]
    fn whatever_json_says_nothing_panics(text in "\\PC{0,60}") {
        let spec = json!({ "kind": "absence", "of": format!("a where {text}"), "for": text, "by": text, "action": "act" });
        let _ = Spec::parse(&Value::from_json_value(&spec).unwrap(), &|_| true);
        let spec = json!({ "kind": "absence", "of": format!("a where {text}"), "for": 1, "action": "act" });
        let _ = Spec::parse(&Value::from_json_value(&spec).unwrap(), &|_| true);
        let _ = Spec::parse(&Value::from_json(&text).unwrap_or_default(), &|_| true);
    }
}
