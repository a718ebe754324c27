//! `docs/patterns.md`: its examples are specs, and what it says of bounds and of what is shown is so.

use std::collections::BTreeSet;

use quest_engine::{
    model::Value,
    pattern::{self, KEYED_BYTES_MAX, KEYS_DEFAULT, KEYS_MAX, KINDS, Spec},
};
use serde_json::Value as Json;

const REFERENCE: &str = include_str!("../../../../docs/patterns.md");

/// The JSON blocks, each with the heading that it stands under.
fn examples() -> Vec<(&'static str, &'static str)> {
    let sections = REFERENCE.split("\n### ").skip(1);
    let of = |section: &'static str| {
        let heading = section.lines().next().unwrap_or_default().trim_matches('`');
        let blocks = section.split("```json\n").skip(1).filter_map(|block| block.split("\n```").next());
        blocks.map(move |block| (heading, block)).collect::<Vec<_>>()
    };
    sections.flat_map(of).collect()
}

#[test]
fn every_example_is_a_spec_and_every_kind_has_one() {
    let examples = examples();
    assert_eq!(examples.len(), REFERENCE.matches("```json").count(), "an example stands under no kind");
    for (heading, text) in &examples {
        let value = Value::from_json(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let spec = Spec::parse(&value, &|_| true).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(spec.kind(), *heading, "{text}");
    }
    let shown: BTreeSet<&str> = examples.iter().map(|(heading, _)| *heading).collect();
    assert_eq!(shown, BTreeSet::from(KINDS));
}

/// Each key of an example and each key that its state shows stands in its section, or in what is said of all.
#[test]
fn every_key_is_said() {
    let (all, _) = REFERENCE.split_once("\n## The kinds").expect("what is said of all");
    for (heading, text) in examples() {
        let section = REFERENCE.split("\n### ").find(|it| it.starts_with(&format!("`{heading}`"))).expect(heading);
        let spec: Json = serde_json::from_str(text).expect("JSON");
        let mut unkeyed = spec.clone();
        unkeyed.as_object_mut().expect("a map").remove("by");
        let parsed = Spec::parse(&Value::from_json_value(&unkeyed).expect("JSON"), &|_| true).expect("a spec");
        let state = pattern::start(&parsed, 1);
        let state = pattern::inspect(&parsed, &state).to_json_value().expect("JSON");
        let keys = [&spec, &state].map(|map| map.as_object().expect("a map").keys().cloned().collect::<Vec<_>>());
        for key in keys.concat() {
            let mark = format!("`{key}`");
            assert!(section.contains(&mark) || all.contains(&mark), "{heading}: nothing is said of {key}");
        }
    }
}

#[test]
fn bounds_are_as_they_are_said() {
    assert!(REFERENCE.contains(&format!("{KEYS_DEFAULT}, or 1 to {KEYS_MAX}.")));
    assert_eq!(KEYED_BYTES_MAX, 1 << 20);
    assert!(REFERENCE.contains("more than 1 MiB of all together"));
}
