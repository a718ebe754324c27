//! Times without events, and many events that become few calls.

use quest_engine::model::Millis;
use serde_json::{Value as Json, json};

use super::{Call, Condition, Placed, at, deadline, one_of};

fn meant<'a>(events: &[Placed<'a>], of: &[Condition]) -> Vec<Placed<'a>> {
    events.iter().copied().filter(|(_, event)| one_of(of, event)).collect()
}

pub fn absence(
    events: &[Placed<'_>],
    of: &[Condition],
    time: Millis,
    repeat: bool,
    begin: Option<Millis>,
    end: Millis,
) -> Vec<Call> {
    let events = meant(events, of);
    let mut anchors: Vec<Millis> = begin.into_iter().collect();
    anchors.extend(events.iter().map(|(_, event)| event.stamp));
    let mut calls = Vec::new();
    for (place, since) in anchors.iter().enumerate() {
        for times in 1..=if repeat { end / time } else { 1 } {
            let due = since + times * time;
            // What is accepted at the deadline is in time.
            let is_met = anchors.get(place + 1).is_some_and(|next| *next <= due);
            if is_met || due > end {
                break;
            }
            let told = json!({ "kind": "absence", "outcome": "absent", "since": since, "times": times });
            calls.push(deadline(due, "act", told));
        }
    }
    calls
}

pub fn debounce(events: &[Placed<'_>], of: &[Condition], quiet: Millis, max_wait: Millis, end: Millis) -> Vec<Call> {
    let events = meant(events, of);
    let (mut calls, mut rest) = (Vec::new(), &events[..]);
    while let Some((_, opening)) = rest.first() {
        let due = |count: usize| (rest[count - 1].1.stamp + quiet).min(opening.stamp + max_wait);
        let count = (1..=rest.len()).find(|count| rest.get(*count).is_none_or(|(_, next)| next.stamp > due(*count)));
        let count = count.expect("it is there");
        if due(count) <= end {
            let last = rest[count - 1].1;
            let told = json!({
                "kind": "debounce", "outcome": "quiet", "first": opening.stamp, "last": last.stamp, "count": count,
                "event": last.payload,
            });
            calls.push(deadline(due(count), "act", told));
        }
        rest = &rest[count..];
    }
    calls
}

pub fn throttle(
    events: &[Placed<'_>],
    of: &[Condition],
    per: Millis,
    trailing: bool,
    forgets: bool,
    end: Millis,
) -> Vec<Call> {
    let events = meant(events, of);
    let (mut calls, mut called, mut kept): (Vec<Call>, Option<Millis>, Vec<&Json>) = (Vec::new(), None, Vec::new());
    let told = |outcome: &str, kept: usize| json!({ "kind": "throttle", "outcome": outcome, "kept-back": kept });
    for place in 0..=events.len() {
        let next = events.get(place);
        // Deadlines up to the next event, or to the end.
        while let Some(due) = called.map(|called| called + per) {
            let is_passed = next.map_or(due <= end, |(_, event)| due < event.stamp);
            if !is_passed || kept.is_empty() {
                // A key is forgotten, and what was kept back of it.
                break;
            }
            if trailing {
                let mut told = told("trailing", kept.len());
                told["event"] = kept[kept.len() - 1].clone();
                calls.push(deadline(due, "act", told));
                called = Some(due);
            } else if !forgets {
                break;
            }
            kept.clear();
        }
        let Some(next) = next else { return calls };
        if called.is_some_and(|called| next.1.stamp < called + per) {
            kept.push(&next.1.payload);
        } else {
            calls.push(at(*next, "act", told("passed", kept.len())));
            called = Some(next.1.stamp);
            kept.clear();
        }
    }
    calls
}

pub fn batch(events: &[Placed<'_>], of: &[Condition], size: usize, within: Option<Millis>, end: Millis) -> Vec<Call> {
    let events = meant(events, of);
    let (mut calls, mut rest) = (Vec::new(), &events[..]);
    while let Some((_, opening)) = rest.first() {
        let until = within.map(|within| opening.stamp + within);
        let is_in = |(_, event): &&Placed<'_>| until.is_none_or(|until| event.stamp <= until);
        let count = rest.iter().take(size).take_while(is_in).count();
        let (batch, later) = rest.split_at(count);
        let (place, last) = batch[count - 1];
        let payloads: Vec<&Json> = batch.iter().map(|(_, event)| &event.payload).collect();
        let mut told = json!({
            "kind": "batch", "first": opening.stamp, "last": last.stamp, "count": count, "events": payloads,
        });
        if count == size {
            told["outcome"] = json!("full");
            calls.push(Call { at: last.stamp, by: place, action: "act", told });
        } else if let Some(until) = until.filter(|until| *until <= end) {
            told["outcome"] = json!("expired");
            calls.push(deadline(until, "act", told));
        }
        rest = later;
    }
    calls
}

pub fn session(events: &[Placed<'_>], of: &[Condition], gap: Millis, end: Millis) -> Vec<Call> {
    let events = meant(events, of);
    let mut calls = Vec::new();
    for session in events.chunk_by(|(_, one), (_, next)| next.stamp - one.stamp <= gap) {
        let (first, last) = (session[0].1.stamp, session[session.len() - 1].1.stamp);
        if last + gap <= end {
            let told = json!({
                "kind": "session", "outcome": "ended", "first": first, "last": last, "count": session.len(),
                "duration": last - first,
            });
            calls.push(deadline(last + gap, "act", told));
        }
    }
    calls
}
