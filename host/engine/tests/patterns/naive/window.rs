//! Events that belong together within a time.

use quest_engine::model::Millis;
use serde_json::json;

use super::{Call, Condition, Placed, at, deadline, one_of};

fn stamp(events: &[Placed<'_>], place: usize) -> Millis {
    events[place].1.stamp
}

pub fn within(
    events: &[Placed<'_>],
    after: &[Condition],
    expect: &[Condition],
    within: Millis,
    restart: bool,
    end: Millis,
) -> Vec<Call> {
    let (mut calls, mut from) = (Vec::new(), 0);
    while let Some(mut open) = (from..events.len()).find(|place| one_of(after, events[*place].1)) {
        loop {
            let until = stamp(events, open) + within;
            let next = (open + 1..events.len()).find(|place| {
                let event = events[*place].1;
                event.stamp <= until && (one_of(expect, event) || (restart && one_of(after, event)))
            });
            let told = json!({ "kind": "within", "first": stamp(events, open), "opened": events[open].1.payload });
            match next {
                Some(place) if one_of(expect, events[place].1) => {
                    let mut told = told;
                    (told["outcome"], told["last"]) = (json!("matched"), json!(stamp(events, place)));
                    calls.push(at(events[place], "act", told));
                    from = place;
                    break;
                }
                Some(place) => open = place,
                None => {
                    let mut told = told;
                    (told["outcome"], told["last"]) = (json!("expired"), json!(until));
                    if until <= end {
                        calls.push(deadline(until, "otherwise", told));
                    }
                    from = (open..events.len()).find(|place| stamp(events, *place) > until).unwrap_or(events.len());
                    break;
                }
            }
        }
    }
    calls
}

/// Whether the steps can be found in this order from one place to another, both taken.
fn has_steps(events: &[Placed<'_>], steps: &[Condition], from: usize, to: usize, strict: bool) -> bool {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return false };
    if from > to || !first.is_met(events[from].1) || !last.is_met(events[to].1) {
        return false;
    }
    if steps.len() == 1 {
        return from == to;
    }
    let next = if strict { from + 1..from + 2 } else { from + 1..to + 1 };
    next.into_iter().any(|next| next <= to && has_steps(events, &steps[1..], next, to, strict))
}

pub fn sequence(events: &[Placed<'_>], steps: &[Condition], within: Millis, strict: bool) -> Vec<Call> {
    let (mut calls, mut from) = (Vec::new(), 0);
    for to in 0..events.len() {
        let is_match = |start: &usize| {
            stamp(events, to) - stamp(events, *start) <= within && has_steps(events, steps, *start, to, strict)
        };
        if let Some(start) = (from..=to).rev().find(is_match) {
            let (first, last) = (stamp(events, start), stamp(events, to));
            let told = json!({ "kind": "sequence", "outcome": "matched", "first": first, "last": last });
            calls.push(at(events[to], "act", told));
            from = to + 1;
        }
    }
    calls
}

fn measured(events: &[Placed<'_>], measure: &str) -> f64 {
    let mut numbers: Vec<i64> =
        events.iter().map(|(_, event)| event.payload["n"].as_i64().expect("it is there")).collect();
    let (count, sum) = (numbers.len() as f64, numbers.iter().sum::<i64>() as f64);
    match measure {
        "count" => count,
        "sum" => sum,
        "average" => sum / count,
        "min" => *numbers.iter().min().expect("it is there") as f64,
        "max" => *numbers.iter().max().expect("it is there") as f64,
        "distinct" => {
            numbers.sort_unstable();
            numbers.dedup();
            numbers.len() as f64
        }
        other => panic!("{other}"),
    }
}

fn is_past(value: f64, threshold: &str, bound: i64) -> bool {
    let bound = bound as f64;
    match threshold {
        "at-least" => value >= bound,
        "above" => value > bound,
        "at-most" => value <= bound,
        "below" => value < bound,
        other => panic!("{other}"),
    }
}

pub fn sliding(
    events: &[Placed<'_>],
    of: &[Condition],
    time: Millis,
    measure: &str,
    threshold: &str,
    bound: i64,
) -> Vec<Call> {
    let counted: Vec<Placed<'_>> = events.iter().copied().filter(|(_, event)| one_of(of, event)).collect();
    let (mut calls, mut from) = (Vec::new(), 0);
    for to in 0..counted.len() {
        let first =
            (from..=to).find(|place| stamp(&counted, to) - stamp(&counted, *place) <= time).expect("it is there");
        let window = &counted[first..=to];
        let value = measured(window, measure);
        if is_past(value, threshold, bound) {
            let told = json!({
                "kind": "count", "outcome": "matched", "first": stamp(&counted, first), "last": stamp(&counted, to),
                "count": window.len(), "value": value,
            });
            calls.push(at(counted[to], "act", told));
            from = to + 1;
        }
    }
    calls
}

pub fn tumbling(
    events: &[Placed<'_>],
    of: &[Condition],
    time: Millis,
    measure: &str,
    threshold: &str,
    bound: i64,
    end: Millis,
) -> Vec<Call> {
    let counted: Vec<Placed<'_>> = events.iter().copied().filter(|(_, event)| one_of(of, event)).collect();
    let mut calls = Vec::new();
    let told = |window: &[Placed<'_>], last: Millis| {
        json!({
            "kind": "count", "outcome": "matched", "first": window[0].1.stamp, "last": last, "count": window.len(),
            "value": measured(window, measure),
        })
    };
    for window in counted.chunk_by(|(_, one), (_, other)| one.stamp / time == other.stamp / time) {
        let holds = |window: &[Placed<'_>]| is_past(measured(window, measure), threshold, bound);
        let over = window[0].1.stamp / time * time + time - 1;
        if ["at-most", "below"].contains(&threshold) {
            if holds(window) && over <= end {
                calls.push(deadline(over, "act", told(window, over)));
            }
        } else if let Some(count) = (1..=window.len()).find(|count| holds(&window[..*count])) {
            let last = window[count - 1];
            calls.push(at(last, "act", told(&window[..count], last.1.stamp)));
        }
    }
    calls
}

pub fn any(
    events: &[Placed<'_>],
    of: &[Condition],
    within: Option<Millis>,
    repeat: bool,
    begin: Millis,
    end: Millis,
) -> Vec<Call> {
    let (mut calls, mut from, mut since) = (Vec::new(), 0, begin);
    loop {
        let until = within.map(|within| since + within);
        let next = (from..events.len()).find(|place| one_of(of, events[*place].1));
        match (next.filter(|place| until.is_none_or(|until| stamp(events, *place) <= until)), until) {
            (Some(place), _) => {
                let event = events[place].1;
                let which = of.iter().position(|one| one.is_met(event));
                let told = json!({
                    "kind": "any", "outcome": "matched", "first": since, "last": event.stamp, "which": which, "name": event.name,
                });
                calls.push(at(events[place], "act", told));
                (from, since) = (place + 1, event.stamp);
            }
            (None, Some(until)) if until <= end => {
                let told = json!({ "kind": "any", "outcome": "expired", "first": since, "last": until });
                calls.push(deadline(until, "otherwise", told));
                since = until;
            }
            (None, _) => return calls,
        }
        if !repeat {
            return calls;
        }
    }
}

pub fn all(events: &[Placed<'_>], of: &[Condition], within: Millis) -> Vec<Call> {
    let (mut calls, mut from) = (Vec::new(), 0);
    for to in 0..events.len() {
        let is_whole = |first: &usize| {
            let is_there = |one: &Condition| events[*first..=to].iter().any(|(_, event)| one.is_met(event));
            stamp(events, to) - stamp(events, *first) <= within && of.iter().all(is_there)
        };
        if let Some(first) = (from..=to).rev().find(is_whole) {
            let (first, last) = (stamp(events, first), stamp(events, to));
            calls.push(at(
                events[to],
                "act",
                json!({ "kind": "all", "outcome": "matched", "first": first, "last": last }),
            ));
            from = to + 1;
        }
    }
    calls
}

pub fn lookback(events: &[Placed<'_>], of: &[Condition], after: &[Condition], within: Millis) -> Vec<Call> {
    let mut calls = Vec::new();
    for place in 0..events.len() {
        if !one_of(of, events[place].1) {
            continue;
        }
        let last = stamp(events, place);
        let is_before = |before: &usize| one_of(after, events[*before].1) && last - stamp(events, *before) <= within;
        let before = (0..place).rev().find(is_before).map(|before| stamp(events, before));
        let (action, outcome) = if before.is_some() { ("act", "matched") } else { ("otherwise", "unmatched") };
        let told = json!({ "kind": "lookback", "outcome": outcome, "first": before, "last": last });
        calls.push(at(events[place], action, told));
    }
    calls
}
