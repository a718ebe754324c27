//! `count` against a reference: both windows, every measure, every threshold.

use proptest::prelude::*;
use quest_engine::schedule::Zone;
use serde_json::{Value as Json, json};

use crate::driver::{
    BEGIN, Call, Condition, Event, Live, TIME, after, conditions, end, expected, history, is_met, many, run, texts,
    with,
};

type Events<'a> = [(usize, &'a Event)];

const MEASURES: [&str; 6] = ["count", "sum", "min", "max", "average", "distinct"];
const THRESHOLDS: [&str; 4] = ["at-least", "above", "at-most", "below"];

struct Rule<'a> {
    of: &'a [Condition],
    measure: &'a str,
    threshold: &'a str,
    bound: f64,
}

impl Rule<'_> {
    fn counts(&self, event: &Event) -> bool {
        let number = &event.payload["n"];
        let is_measured = match self.measure {
            "count" => true,
            "distinct" => number.is_number() || number.is_string() || number.is_boolean(),
            _ => number.is_number(),
        };
        is_met(self.of, event) && is_measured
    }

    fn value(&self, events: &Events<'_>) -> f64 {
        let numbers = || events.iter().filter_map(|(_, event)| event.number());
        match self.measure {
            "count" => events.len() as f64,
            "sum" => numbers().sum(),
            "min" => numbers().fold(f64::MAX, f64::min),
            "max" => numbers().fold(f64::MIN, f64::max),
            "average" => numbers().sum::<f64>() / events.len() as f64,
            "distinct" => {
                let alike = |one: &Json, other: &Json| match (one.as_f64(), other.as_f64()) {
                    (Some(one), Some(other)) => one == other,
                    _ => one == other,
                };
                let is_new = |place: &usize| {
                    !events[..*place]
                        .iter()
                        .any(|(_, before)| alike(&before.payload["n"], &events[*place].1.payload["n"]))
                };
                (0..events.len()).filter(is_new).count() as f64
            }
            other => panic!("{other}"),
        }
    }

    fn is_reached(&self, value: f64) -> bool {
        match self.threshold {
            "at-least" => value >= self.bound,
            "above" => value > self.bound,
            "at-most" => value <= self.bound,
            "below" => value < self.bound,
            other => panic!("{other}"),
        }
    }

    fn is_upward(&self) -> bool {
        matches!(self.threshold, "at-least" | "above")
    }

    fn told(&self, events: &Events<'_>, last: u64) -> Json {
        json!({
            "outcome": "matched", "first": events[0].1.at, "last": last, "count": events.len(), "value": self.value(events),
        })
    }

    fn called(&self, events: &Events<'_>) -> Call {
        let (index, event) = *events.last().expect("an event");
        let mut told = self.told(events, event.at);
        told["event"] = event.payload.clone();
        Call { at: event.at, of: Some(index), action: "act", told }
    }

    fn sliding(&self, events: &Events<'_>) -> Vec<Call> {
        let events: Vec<_> = events.iter().copied().filter(|(_, event)| self.counts(event)).collect();
        let (mut calls, mut from) = (Vec::new(), 0);
        for (place, (_, event)) in events.iter().enumerate() {
            let first = (from..=place).find(|first| events[*first].1.at + TIME >= event.at).expect("itself");
            let window = &events[first..=place];
            if self.is_reached(self.value(window)) {
                calls.push(self.called(window));
                from = place + 1;
            }
        }
        calls
    }

    fn tumbling(&self, events: &Events<'_>, end: u64) -> Vec<Call> {
        let events: Vec<_> = events.iter().copied().filter(|(_, event)| self.counts(event)).collect();
        let mut calls = Vec::new();
        let mut windows: Vec<u64> = events.iter().map(|(_, event)| event.at / TIME).collect();
        windows.dedup();
        for window in windows {
            let within: Vec<_> = events.iter().copied().filter(|(_, event)| event.at / TIME == window).collect();
            let last = window * TIME + TIME - 1;
            if self.is_upward() {
                let reached = (1..=within.len()).find(|length| self.is_reached(self.value(&within[..*length])));
                calls.extend(reached.map(|length| self.called(&within[..length])));
            } else if last <= end && self.is_reached(self.value(&within)) {
                calls.push(Call { at: last, of: None, action: "act", told: self.told(&within, last) });
            }
        }
        calls
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..many() })]

    #[test]
    fn count_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(), measure in prop::sample::select(&MEASURES[..]),
        threshold in prop::sample::select(&THRESHOLDS[..]), bound in prop::sample::select(&[0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 5.0, 7.0][..]),
        (tumbling, keyed, once) in any::<(bool, bool, bool)>(),
    ) {
        let end = end(&history, after);
        let rule = Rule { of: &of, measure, threshold, bound };
        // Refused when it is read: every count begins small.
        let tumbling = tumbling || (!rule.is_upward() && matches!(measure, "count" | "distinct"));
        let window = if tumbling { "tumbling" } else { "sliding" };
        let mut spec = json!({ "kind": "count", "of": texts(&of), "in": TIME, "window": window, "measure": measure, "action": "act" });
        spec[threshold] = json!(bound);
        if measure != "count" {
            spec["field"] = json!("n");
        }
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| if tumbling { rule.tumbling(events, end) } else { rule.sliding(events) };
        prop_assert_eq!(numbers(run(&spec, &history, end)), numbers(expected(&spec, &history, &reference)));
    }
}

/// JSON tells 2 and 2.0 apart.
fn numbers(mut calls: Vec<Json>) -> Vec<Json> {
    for call in &mut calls {
        call["told"]["value"] = json!(call["told"]["value"].as_f64());
    }
    calls
}

fn event(at: u64, number: Json) -> Event {
    Event { name: "a", payload: json!({ "n": number }), at }
}

/// Beyond its bound a sliding window leaves the oldest out, and says how many.
#[test]
fn a_sliding_window_keeps_so_many() {
    let spec = json!({ "kind": "count", "of": "a", "in": "1 day", "measure": "sum", "field": "n", "at-least": 5_000, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    live.show(&(0..2_000).map(|index| event(BEGIN + index, json!(1))).collect::<Vec<_>>(), BEGIN);
    let seen = live.inspect();
    assert_eq!((&seen["count"], &seen["dropped"]), (&json!(1_024), &json!(976)));
    assert!(live.fires.is_empty());

    let spec = json!({ "kind": "count", "of": "a", "in": "1 day", "at-least": 1_024, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    live.show(&(0..2_048).map(|index| event(BEGIN + index, json!(1))).collect::<Vec<_>>(), BEGIN);
    assert_eq!(live.fires.len(), 2, "as many as it keeps are found");
}

/// What a consequence of the call says is accepted in the same millisecond: it belongs to the next window, and nothing comes twice.
#[test]
fn a_tumbling_window_is_judged_once() {
    for by in [false, true] {
        let spec =
            json!({ "kind": "count", "of": "a", "in": 100, "window": "tumbling", "at-most": 2, "action": "act" });
        let mut live = Live::new(&with(spec, by, false), BEGIN, &Zone::utc());
        let event = |at| Event { name: "a", payload: json!({ "k": "p" }), at };
        live.observe(&event(BEGIN));
        let last = live.due().expect("it is judged");
        assert_eq!(last % 100, 99);
        live.tick();
        live.observe(&event(last));
        assert_eq!((live.fires.len(), live.due()), (1, Some(last + 100)), "of the next");
        live.tick();
        assert_eq!(live.fires.len(), 2);
    }
}

/// 2 and 2.0 are one value, "2" is another; true is one, and what is no scalar is not looked at.
#[test]
fn distinct_values_are_told_apart_as_in_conditions() {
    let spec = json!({
        "kind": "count", "of": "a", "in": "1 day", "window": "tumbling", "measure": "distinct", "field": "n", "at-least": 900, "action": "act",
    });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    let values = [json!(2), json!(2.0), json!("2"), json!(2.5), json!(true), json!("true"), json!(null), json!([2])];
    live.show(&values.map(|value| event(BEGIN, value)), BEGIN);
    let seen = live.inspect();
    assert_eq!((&seen["count"], seen["value"].as_f64()), (&json!(6), Some(5.0)));
}
