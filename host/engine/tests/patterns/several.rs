//! `any` and `all` against references, and stamps that go back.

use proptest::prelude::*;
use quest_engine::schedule::Zone;
use serde_json::{Value as Json, json};

use crate::driver::{
    BEGIN, Call, Condition, Event, Live, TIME, after, conditions, end, expected, history, many, run, texts, with,
};

type Events<'a> = [(usize, &'a Event)];

fn any_of(
    events: &Events<'_>,
    of: &[Condition],
    time: Option<u64>,
    repeats: bool,
    otherwise: bool,
    end: u64,
) -> Vec<Call> {
    let which = |event: &Event| of.iter().position(|one| one.is_met(event));
    let mut met = events.iter().filter_map(|(index, event)| Some((*index, *event, which(event)?))).peekable();
    let (mut calls, mut begin) = (Vec::new(), BEGIN);
    loop {
        let deadline = time.map_or(u64::MAX, |time| begin + time);
        if let Some((index, event, which)) = met.next_if(|(_, event, _)| event.at <= deadline) {
            let told = json!({
                "outcome": "matched", "first": begin, "last": event.at, "which": which, "name": event.name, "event": event.payload,
            });
            calls.push(Call { at: event.at, of: Some(index), action: "act", told });
            begin = event.at;
        } else if deadline <= end {
            if otherwise {
                let told = json!({ "outcome": "expired", "first": begin, "last": deadline });
                calls.push(Call { at: deadline, of: None, action: "miss", told });
            }
            begin = deadline;
        } else {
            return calls;
        }
        if !repeats {
            return calls;
        }
    }
}

fn all_of(events: &Events<'_>, of: &[Condition]) -> Vec<Call> {
    let (mut calls, mut from) = (Vec::new(), 0);
    for (place, (index, event)) in events.iter().enumerate() {
        let within: Vec<&Event> = events[from..=place]
            .iter()
            .map(|(_, event)| *event)
            .filter(|before| before.at + TIME >= event.at)
            .collect();
        let latest = of.iter().map(|one| within.iter().rev().find(|event| one.is_met(event)).map(|event| event.at));
        // Nothing is met by what meets none of them.
        let Some(latest) = latest.collect::<Option<Vec<u64>>>().filter(|_| of.iter().any(|one| one.is_met(event)))
        else {
            continue;
        };
        let first = latest.iter().min();
        let told = json!({ "outcome": "matched", "first": first, "last": event.at, "event": event.payload });
        calls.push(Call { at: event.at, of: Some(*index), action: "act", told });
        from = place + 1;
    }
    calls
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn any_is_what_its_reference_says(
        history in history(), of in conditions(1, 3), after in after(),
        time in prop::option::of(prop::sample::select(&[TIME, 3 * TIME][..])), (repeats, otherwise) in any::<(bool, bool)>(),
    ) {
        let end = end(&history, after);
        let otherwise = otherwise && time.is_some();
        let mut spec = json!({ "kind": "any", "of": texts(&of), "repeat": repeats, "action": "act" });
        if let Some(time) = time {
            spec["within"] = json!(time);
        }
        if otherwise {
            spec["else"] = json!("miss");
        }
        let reference = |events: &Events<'_>, _| any_of(events, &of, time, repeats, otherwise, end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn all_is_what_its_reference_says(
        history in history(), of in conditions(2, 4), after in after(), (keyed, once) in any::<(bool, bool)>(),
    ) {
        let spec = with(json!({ "kind": "all", "of": texts(&of), "within": TIME, "action": "act" }), keyed, once);
        let reference = |events: &Events<'_>, _| all_of(events, &of);
        prop_assert_eq!(run(&spec, &history, end(&history, after)), expected(&spec, &history, &reference));
    }

    /// A stamp that goes back counts as the latest that the pattern has seen.
    #[test]
    fn a_late_stamp_is_the_patterns_clock(history in history(), backs in prop::collection::vec(0..3 * TIME, 40), keyed in any::<bool>()) {
        for spec in every_kind() {
            if keyed && matches!(spec["kind"].as_str(), Some("any" | "streak")) {
                continue;
            }
            let spec = with(spec, keyed, false);
            let [mut late, mut moved] = [(); 2].map(|()| Live::new(&spec, BEGIN, &Zone::utc()));
            for (event, back) in history.iter().zip(&backs) {
                let back = if back % 3 == 0 { *back } else { 0 };
                let event = Event { at: event.at - back, ..event.clone() };
                late.before(event.at);
                moved.before(event.at);
                late.observe(&event);
                moved.observe(&Event { at: event.at.max(moved.clock()), ..event });
                prop_assert_eq!(&late.state, &moved.state);
            }
            prop_assert_eq!(late.fires, moved.fires);
        }
    }
}

/// A spec of each kind, for what holds of all.
pub fn every_kind() -> Vec<Json> {
    vec![
        json!({ "kind": "within", "after": "a", "expect": "b", "within": TIME, "restart": true, "action": "act", "else": "miss" }),
        json!({ "kind": "sequence", "steps": ["a", "b", "c"], "within": TIME, "action": "act" }),
        json!({ "kind": "sequence", "steps": ["a", "b"], "within": TIME, "strict": true, "action": "act" }),
        json!({ "kind": "absence", "of": "a", "for": TIME, "action": "act" }),
        json!({ "kind": "absence", "of": "a", "for": TIME, "repeat": true, "action": "act" }),
        json!({ "kind": "count", "of": ["a", "b"], "in": TIME, "at-least": 3, "action": "act" }),
        json!({ "kind": "count", "of": "a", "in": TIME, "measure": "distinct", "field": "n", "at-least": 3, "action": "act" }),
        json!({ "kind": "count", "of": "a", "in": TIME, "window": "tumbling", "measure": "sum", "field": "n", "at-most": 3, "action": "act" }),
        json!({ "kind": "count", "of": "a", "in": TIME, "window": "tumbling", "measure": "distinct", "field": "n", "at-least": 2, "action": "act" }),
        json!({ "kind": "streak", "of": "a", "grace": 1, "freezes": 1, "action": "act", "broken": "miss" }),
        json!({ "kind": "debounce", "of": "a", "quiet": TIME, "max-wait": 2 * TIME, "action": "act" }),
        json!({ "kind": "throttle", "of": "a", "per": TIME, "action": "act" }),
        json!({ "kind": "throttle", "of": "a", "per": TIME, "trailing": true, "action": "act" }),
        json!({ "kind": "batch", "of": "a", "size": 4, "within": TIME, "action": "act" }),
        json!({ "kind": "session", "of": "a", "gap": TIME, "action": "act" }),
        json!({ "kind": "any", "of": ["a", "b"], "within": TIME, "repeat": true, "action": "act", "else": "miss" }),
        json!({ "kind": "all", "of": ["a", "b", "c"], "within": TIME, "action": "act" }),
        json!({ "kind": "lookback", "of": "b", "after": "a", "within": TIME, "action": "act", "else": "miss" }),
        json!({ "kind": "history", "of": "a", "keep": TIME }),
    ]
}
