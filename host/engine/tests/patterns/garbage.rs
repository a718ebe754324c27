//! Whatever a spec, a condition or a payload is: nothing panics, and nothing goes on for ever.

use proptest::prelude::*;
use quest_engine::{
    model::Value,
    pattern::{self, Spec},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

use crate::{
    bounds::{observe, takes_keys},
    driver::{BEGIN, Event, Live, history},
    several::every_kind,
};

fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        "[a-z-]{0,8}",
        prop::sample::select(
            &["a where n >= 1", "a where (", "10 minutes", "1h", "within", "count", "day", "k", "/k"][..]
        )
        .prop_map(str::to_owned),
        "\\PC{0,24}",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (0..5u64).prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec(("[a-z]{0,6}", inner), 0..5)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

const KEYS: [&str; 32] = [
    "kind",
    "by",
    "keys-max",
    "once",
    "after",
    "expect",
    "within",
    "restart",
    "action",
    "else",
    "steps",
    "strict",
    "of",
    "for",
    "repeat",
    "in",
    "window",
    "measure",
    "field",
    "at-least",
    "below",
    "unit",
    "grace",
    "freezes",
    "earn-every",
    "every",
    "broken",
    "quiet",
    "max-wait",
    "per",
    "size",
    "gap",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_spec_panics(base in prop::sample::select(every_kind()), changes in prop::collection::vec((prop::sample::select(&KEYS[..]), any_json()), 0..4), whole in any_json()) {
        let mut changed = base;
        for (key, value) in changes {
            changed[key] = value;
        }
        for spec in [changed, whole] {
            let Ok(value) = Value::from_json_value(&spec) else { continue };
            match Spec::parse(&value, &|action| action != "unknown") {
                Ok(parsed) => {
                    let mut state = pattern::start(&parsed, BEGIN);
                    for at in [BEGIN, BEGIN + 1, 0, u64::MAX] {
                        observe(&parsed, &mut state, "a", &spec, at);
                        pattern::due(&parsed, &state).into_iter().for_each(|due| { pattern::tick(&parsed, &mut state, due, &Zone::utc()); });
                    }
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn no_condition_panics(text in "(a where )?[a-z0-9 .\"'/()\\[\\],<>=!&|~_\\\\é-]{0,60}", payload in any_json()) {
        let spec = json!({ "kind": "throttle", "of": text, "per": 1, "action": "act" });
        let value = Value::from_json_value(&spec).expect("JSON");
        if let Ok(parsed) = Spec::parse(&value, &|_| true) {
            let mut state = pattern::start(&parsed, BEGIN);
            observe(&parsed, &mut state, "a", &payload, BEGIN);
        }
    }
}

proptest! {
    // Each case is a history for every kind.
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever payloads are: floods of anything leave a state that is written and read.
    #[test]
    fn no_payload_panics(history in history(), payloads in prop::collection::vec(any_json(), 40), keyed in any::<bool>()) {
        let places = ["k", "/0", "n.a"];
        for (index, spec) in every_kind().into_iter().enumerate() {
            let mut spec = spec;
            if keyed && takes_keys(&spec) {
                spec["by"] = json!(places[index % 3]);
            }
            let mut live = Live::new(&spec, BEGIN, &Zone::utc());
            for (event, payload) in history.iter().zip(&payloads) {
                live.before(event.at);
                live.observe(&Event { payload: payload.clone(), ..event.clone() });
            }
        }
    }
}
