//! `debounce`, `throttle`, `batch` and `session` against references.

use proptest::prelude::*;
use quest_engine::schedule::Zone;
use serde_json::{Value as Json, json};

use crate::driver::{
    BEGIN, Call, Condition, Event, Live, TIME, after, conditions, end, expected, history, is_met, many, run, texts,
    with,
};

type Events<'a> = [(usize, &'a Event)];

fn met<'a>(events: &Events<'a>, of: &[Condition]) -> Vec<(usize, &'a Event)> {
    events.iter().copied().filter(|(_, event)| is_met(of, event)).collect()
}

/// Cuts events into runs: `ends` gives when a run that has these events so far ends, if nothing more is accepted until then.
fn runs<'a>(events: &Events<'a>, ends: impl Fn(&Events<'_>) -> u64) -> Vec<(Vec<(usize, &'a Event)>, u64)> {
    let mut runs: Vec<Vec<(usize, &Event)>> = Vec::new();
    for event in events {
        match runs.last_mut() {
            Some(run) if event.1.at <= ends(run) => run.push(*event),
            _ => runs.push(vec![*event]),
        }
    }
    runs.into_iter().map(|run| (run.clone(), ends(&run))).collect()
}

fn debounce(events: &Events<'_>, max_wait: Option<u64>, end: u64) -> Vec<Call> {
    let ends = |run: &Events<'_>| {
        let quiet = run[run.len() - 1].1.at + TIME;
        max_wait.map_or(quiet, |max| quiet.min(run[0].1.at + max))
    };
    let call = |(run, at): (Vec<(usize, &Event)>, u64)| {
        let (first, last) = (run[0].1, run[run.len() - 1].1);
        let told = json!({
            "outcome": "quiet", "first": first.at, "last": last.at, "count": run.len(), "event": last.payload,
        });
        Call { at, of: None, action: "act", told }
    };
    runs(events, ends).into_iter().filter(|(_, at)| *at <= end).map(call).collect()
}

fn session(events: &Events<'_>, end: u64) -> Vec<Call> {
    let call = |(run, at): (Vec<(usize, &Event)>, u64)| {
        let (first, last) = (run[0].1.at, run[run.len() - 1].1.at);
        let told = json!({
            "outcome": "ended", "first": first, "last": last, "count": run.len(), "duration": last - first,
        });
        Call { at, of: None, action: "act", told }
    };
    let ends = |run: &Events<'_>| run[run.len() - 1].1.at + TIME;
    runs(events, ends).into_iter().filter(|(_, at)| *at <= end).map(call).collect()
}

fn throttle(events: &Events<'_>, trailing: bool, is_keyed: bool, end: u64) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut kept: Vec<&Event> = Vec::new();
    let is_free = |calls: &[Call], at: u64| calls.last().is_none_or(|call| call.at + TIME <= at);
    for (place, (index, event)) in events.iter().enumerate() {
        if is_free(&calls, event.at) {
            // A key that nothing is kept of is forgotten with what it kept back.
            let is_forgotten = is_keyed && calls.last().is_some_and(|call| call.at + TIME < event.at);
            let kept_back = if is_forgotten { 0 } else { kept.len() };
            let told = json!({ "outcome": "passed", "kept-back": kept_back, "event": event.payload });
            calls.push(Call { at: event.at, of: Some(*index), action: "act", told });
            kept.clear();
        } else {
            kept.push(event);
        }
        let next = events.get(place + 1).map_or(end + 1, |(_, next)| next.at);
        let at = calls.last().map_or(0, |call| call.at + TIME);
        if trailing
            && at < next
            && let Some(last) = kept.last()
        {
            let told = json!({ "outcome": "trailing", "kept-back": kept.len(), "event": last.payload });
            calls.push(Call { at, of: None, action: "act", told });
            kept.clear();
        }
    }
    calls
}

fn batch(events: &Events<'_>, size: usize, time: Option<u64>, end: u64) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut rest = events;
    while let Some((_, first)) = rest.first() {
        let deadline = time.map_or(u64::MAX, |time| first.at + time);
        let in_time = rest.iter().take_while(|(_, event)| event.at <= deadline).count();
        let length = in_time.min(size);
        let (run, after) = rest.split_at(length);
        rest = after;
        let (index, last) = run[run.len() - 1];
        let (outcome, at, of) = match length == size {
            true => ("full", last.at, Some(index)),
            false if deadline <= end => ("expired", deadline, None),
            false => break,
        };
        let events: Vec<&Json> = run.iter().map(|(_, event)| &event.payload).collect();
        let told =
            json!({ "outcome": outcome, "first": first.at, "last": last.at, "count": run.len(), "events": events });
        calls.push(Call { at, of, action: "act", told });
    }
    calls
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn debounce_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(),
        max_wait in prop::option::of(prop::sample::select(&[TIME, TIME + 20, 2 * TIME][..])), (keyed, once) in any::<(bool, bool)>(),
    ) {
        let end = end(&history, after);
        let mut spec = json!({ "kind": "debounce", "of": texts(&of), "quiet": TIME, "action": "act" });
        if let Some(max) = max_wait {
            spec["max-wait"] = json!(max);
        }
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| debounce(&met(events, &of), max_wait, end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn throttle_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(), (trailing, keyed) in any::<(bool, bool)>(),
    ) {
        let end = end(&history, after);
        let spec = json!({ "kind": "throttle", "of": texts(&of), "per": TIME, "trailing": trailing, "action": "act" });
        let spec = with(spec, keyed, false);
        let reference = |events: &Events<'_>, keyed| throttle(&met(events, &of), trailing, keyed, end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn batch_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(), size in 1..6usize,
        time in prop::option::of(prop::sample::select(&[TIME / 2, TIME, 2 * TIME][..])), (keyed, once) in any::<(bool, bool)>(),
    ) {
        let end = end(&history, after);
        let mut spec = json!({ "kind": "batch", "of": texts(&of), "size": size, "action": "act" });
        if let Some(time) = time {
            spec["within"] = json!(time);
        }
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| batch(&met(events, &of), size, time, end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn session_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(), (keyed, once) in any::<(bool, bool)>(),
    ) {
        let end = end(&history, after);
        let spec = with(json!({ "kind": "session", "of": texts(&of), "gap": TIME, "action": "act" }), keyed, once);
        let reference = |events: &Events<'_>, _| session(&met(events, &of), end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }
}

fn large(bytes: usize, at: u64) -> Event {
    Event { name: "a", payload: json!({ "text": "x".repeat(bytes) }), at }
}

/// Payloads of more than 64 KiB together are called early; one that is as large alone is not kept.
#[test]
fn a_batch_has_a_bound_of_bytes() {
    let spec = json!({ "kind": "batch", "of": "a", "size": 100, "action": "act" });
    let mut live = Live::new(&spec, BEGIN, &Zone::utc());
    live.show(&(0..7).map(|index| large(20_000, BEGIN + index)).collect::<Vec<_>>(), BEGIN + 10);
    let counts: Vec<&Json> = live.fires.iter().map(|fire| &fire["told"]["count"]).collect();
    assert_eq!(counts, [&json!(3), &json!(3)]);
    live.show(&[large(70_000, BEGIN + 20)], BEGIN + 20);
    // One that is larger than a batch makes one alone, whole.
    assert_eq!((live.fires.len(), &live.inspect()["count"]), (4, &json!(0)));
    assert_eq!(live.fires[3]["told"]["events"][0]["text"], "x".repeat(70_000));
    assert!(live.bytes < 66 * 1_024);
}

/// Of a payload that is too large to be kept, null is left.
#[test]
fn what_is_kept_of_a_payload_is_bounded() {
    let kept = |spec: Json, bytes: usize| {
        let mut live = Live::new(&spec, BEGIN, &Zone::utc());
        live.show(&[large(10, BEGIN), large(bytes, BEGIN + 1)], BEGIN + 1_000);
        live.fires.pop().expect("a call")["told"].clone()
    };
    let debounce = json!({ "kind": "debounce", "of": "a", "quiet": 100, "action": "act" });
    assert_eq!(kept(debounce.clone(), 4_000)["event"]["text"], "x".repeat(4_000));
    assert_eq!(kept(debounce, 4_100)["event"], Json::Null);
    let within =
        json!({ "kind": "within", "after": "a", "expect": "b", "within": 100, "restart": true, "else": "act" });
    assert_eq!(kept(within.clone(), 1_000)["opened"]["text"], "x".repeat(1_000));
    assert_eq!(kept(within, 1_030)["opened"], Json::Null);
}
