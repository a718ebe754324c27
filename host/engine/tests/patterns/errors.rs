//! What a wrong spec says: which key, what is wrong with it, and how to mend it.

use quest_engine::{model::Value, pattern::Spec};
use serde_json::{Value as Json, json};

fn refused(spec: &Json) -> (String, String) {
    let value = Value::from_json_value(spec).expect("JSON");
    let error = Spec::parse(&value, &|action| matches!(action, "act" | "miss")).expect_err(&spec.to_string());
    (error.key.clone(), error.to_string())
}

fn check(spec: Json, key: &str, text: &str) {
    assert_eq!(refused(&spec), (key.to_owned(), text.to_owned()), "{spec}");
}

#[test]
fn wrong_specs_say_how_to_mend_them() {
    check(
        json!("opened"),
        "",
        r#"a pattern's spec is a map, like {"kind": "absence", "of": "opened", "for": "14 days", "action": "miss"}"#,
    );
    check(
        json!({ "of": "a" }),
        "",
        "`kind` is missing: one of within, sequence, absence, count, streak, debounce, throttle, batch, session, any, all, lookback, history",
    );
    check(json!({ "kind": "sequenze" }), "kind", "no pattern is of the kind \"sequenze\": did you mean \"sequence\"?");
    check(
        json!({ "kind": "absence", "of": "a", "action": "act" }),
        "for",
        "the absence pattern needs `for`, like \"for\": \"10 minutes\"",
    );
    check(
        json!({ "kind": "absence", "of": "a", "for": "14 dayz", "action": "act" }),
        "for",
        "`for` of the absence pattern: \"dayz\" is no unit; hint: a length of time is like \"10 minutes\", \"1h 30m\" or \"3 days\"\n  14 dayz\n     ^",
    );
    check(
        json!({ "kind": "absence", "of": "a", "for": 0, "action": "act" }),
        "for",
        "`for` of the absence pattern: a length of time is 1 ms to 100 years",
    );
    check(
        json!({ "kind": "absence", "of": "a", "for": "1h", "repeats": true, "action": "act" }),
        "repeats",
        "the absence pattern has no key `repeats`: did you mean `repeat`?",
    );
    check(
        json!({ "kind": "session", "of": "a", "gap": "1h", "action": "reward" }),
        "action",
        "`action` of the session pattern: the quest has no action \"reward\"",
    );
    check(
        json!({ "kind": "session", "of": "purchase where amount => 3", "gap": "1h", "action": "act" }),
        "of",
        "`of` of the session pattern: `=>` is no comparison: write `>=` or `<=`\n  purchase where amount => 3\n                        ^",
    );
    check(
        json!({ "kind": "session", "of": ["a", "é where n >= \"x\" and 3"], "gap": "1h", "action": "act" }),
        "of",
        "`of` of the session pattern: a condition is wanted, this is a number\n  é where n >= \"x\" and 3\n                       ^",
    );
    check(
        json!({ "kind": "session", "of": 3, "gap": "1h", "action": "act" }),
        "of",
        "`of` of the session pattern: an event is wanted, like \"opened\", not 3",
    );
    check(
        json!({ "kind": "sequence", "steps": ["a"], "within": "1h", "action": "act" }),
        "steps",
        "`steps` of the sequence pattern: 2 to 16 events are wanted, not 1",
    );
    check(
        json!({ "kind": "within", "after": "a", "expect": "b", "within": "1h" }),
        "action",
        "`action` of the within pattern: it calls nothing: give it an `action`, an `else`, or both",
    );
    check(
        json!({ "kind": "streak", "of": "a", "unit": "year" }),
        "unit",
        "`unit` of the streak pattern: \"year\" is none of day, week, month",
    );
    check(
        json!({ "kind": "streak", "of": "a", "by": "k" }),
        "by",
        "`by` of the streak pattern: this kind is about the context as a whole",
    );
    check(
        json!({ "kind": "streak", "of": "a", "grace": 400 }),
        "grace",
        "`grace` of the streak pattern: a whole number from 0 to 366 is wanted, not 400",
    );
    check(
        json!({ "kind": "throttle", "of": "a", "per": "1h", "once": true, "action": "act" }),
        "once",
        "`once` of the throttle pattern: this kind goes on until it is cancelled",
    );
    check(
        json!({ "kind": "session", "of": "a", "gap": "1h", "keys-max": 10, "action": "act" }),
        "keys-max",
        "`keys-max` of the session pattern: it bounds the keys of `by`, which is not there",
    );
    check(
        json!({ "kind": "session", "of": "a", "gap": "1h", "by": "order..id", "action": "act" }),
        "by",
        "`by` of the session pattern: \"order..id\" names no field: `order_id`, `order.id` or `/order/id`",
    );
    check(
        json!({ "kind": "debounce", "of": "a", "quiet": "1h", "max-wait": "1m", "action": "act" }),
        "max-wait",
        "`max-wait` of the debounce pattern: it is not shorter than `quiet`",
    );
    check(
        json!({ "kind": "any", "of": ["a"], "action": "act", "else": "miss" }),
        "else",
        "`else` of the any pattern: without a `within` it never comes to that",
    );
}

/// Thresholds that no count could ever reach, or that each one begins with, are refused too.
#[test]
fn counts_that_make_no_sense_are_refused() {
    let count = |more: Json| {
        let mut spec = json!({ "kind": "count", "of": "a", "in": "1h", "action": "act" });
        spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        spec
    };
    check(
        count(json!({})),
        "at-least",
        "`at-least` of the count pattern: one of `at-least`, `above`, `at-most` and `below` is wanted",
    );
    check(
        count(json!({ "measure": "sum", "at-least": 3 })),
        "field",
        "`field` of the count pattern: this measure needs the field that it measures",
    );
    check(
        count(json!({ "above": 1_024 })),
        "above",
        "`above` of the count pattern: a sliding window keeps at most 1024 events: use \"window\": \"tumbling\"",
    );
    check(
        count(json!({ "below": 3 })),
        "below",
        "`below` of the count pattern: every count begins small, and a sliding window is looked at with each event: use \"window\": \"tumbling\"",
    );
    check(
        count(json!({ "window": "tumbling", "measure": "distinct", "field": "user", "at-least": 2_000 })),
        "at-least",
        "`at-least` of the count pattern: at most 1024 values are told apart",
    );
}
