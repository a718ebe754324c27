//! `within`, `sequence`, `absence` and `lookback` against references.

use proptest::prelude::*;
use quest_engine::{pattern, schedule::Zone};
use serde_json::{Value as Json, json};

use crate::driver::{
    BEGIN, Call, Condition, Event, Live, TIME, after, condition, conditions, end, expected, history, is_met, many, run,
    texts, with,
};

type Events<'a> = [(usize, &'a Event)];

fn within(
    events: &Events<'_>,
    (open, close): (&[Condition], &[Condition]),
    restart: bool,
    otherwise: bool,
    end: u64,
) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut place = 0;
    while let Some(opened) = (place..events.len()).find(|place| is_met(open, events[*place].1)) {
        // The last event that opened it, as far as it was in time for it.
        let mut by = events[opened].1;
        let mut next = opened + 1;
        let closes = loop {
            let Some((index, event)) = events.get(next).filter(|(_, event)| event.at <= by.at + TIME) else {
                break None;
            };
            if is_met(close, event) {
                break Some((*index, *event));
            }
            if restart && is_met(open, event) {
                by = event;
            }
            next += 1;
        };
        if let Some((index, event)) = closes {
            let told = json!({
                "outcome": "matched", "first": by.at, "last": event.at, "opened": by.payload, "event": event.payload,
            });
            calls.push(Call { at: event.at, of: Some(index), action: "act", told });
        } else if by.at + TIME <= end && otherwise {
            let at = by.at + TIME;
            let told = json!({ "outcome": "expired", "first": by.at, "last": at, "opened": by.payload });
            calls.push(Call { at, of: None, action: "miss", told });
        }
        // What closes may open.
        place = next;
    }
    calls
}

fn sequence(events: &Events<'_>, steps: &[Condition], is_strict: bool) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut from = 0;
    for (place, (index, event)) in events.iter().enumerate() {
        let is_match = |begin: &usize| {
            let some = &events[*begin..=place];
            let is_in_time = event.at - some[0].1.at <= TIME;
            is_in_time
                && is_met(&steps[..1], some[0].1)
                && if is_strict { is_run(some, steps) } else { embeds(some, steps) }
        };
        let Some(begin) = (from..=place).rev().find(is_match) else { continue };
        let told =
            json!({ "outcome": "matched", "first": events[begin].1.at, "last": event.at, "event": event.payload });
        calls.push(Call { at: event.at, of: Some(*index), action: "act", told });
        from = place + 1;
    }
    calls
}

/// Whether the events are the steps, one by one.
fn is_run(events: &Events<'_>, steps: &[Condition]) -> bool {
    events.len() == steps.len() && events.iter().zip(steps).all(|((_, event), step)| step.is_met(event))
}

/// Whether the steps are in the events, from the first one to the last one.
fn embeds(events: &Events<'_>, steps: &[Condition]) -> bool {
    match (steps, events) {
        ([step], [(_, event)]) => step.is_met(event),
        ([step, steps @ ..], [(_, event), events @ ..]) if step.is_met(event) && !steps.is_empty() => {
            (0..events.len()).any(|skipped| embeds(&events[skipped..], steps))
        }
        _ => false,
    }
}

fn absence(events: &Events<'_>, of: &[Condition], repeats: bool, begin: Option<u64>, end: u64) -> Vec<Call> {
    let met = events.iter().filter(|(_, event)| is_met(of, event)).map(|(_, event)| event.at);
    let marks: Vec<u64> = begin.into_iter().chain(met).collect();
    let mut calls = Vec::new();
    for (place, since) in marks.iter().enumerate() {
        let until = marks.get(place + 1).copied().unwrap_or(end + 1);
        let times = if repeats { 1..=u64::MAX } else { 1..=1 };
        for (times, at) in times.map(|times| (times, since + times * TIME)).take_while(|(_, at)| *at < until) {
            let told = json!({ "outcome": "absent", "since": since, "times": times });
            calls.push(Call { at, of: None, action: "act", told });
        }
    }
    calls
}

fn lookback(events: &Events<'_>, of: &[Condition], past: &[Condition], is_kept: &dyn Fn(&Event) -> bool) -> Vec<Call> {
    let mut calls = Vec::new();
    for (place, (index, event)) in events.iter().enumerate().filter(|(_, (_, event))| is_met(of, event)) {
        let before =
            events[..place].iter().rev().find(|(_, past_event)| is_met(past, past_event) && is_kept(past_event));
        let first = before.map(|(_, before)| before.at).filter(|before| event.at - before <= TIME);
        let (outcome, action) = if first.is_some() { ("matched", "act") } else { ("unmatched", "miss") };
        let told = json!({ "outcome": outcome, "first": first, "last": event.at, "event": event.payload });
        calls.push(Call { at: event.at, of: Some(*index), action, told });
    }
    calls
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn within_is_what_its_reference_says(
        history in history(), open in conditions(1, 2), close in conditions(1, 2), after in after(),
        (restart, otherwise, keyed, once) in any::<(bool, bool, bool, bool)>(),
    ) {
        let end = end(&history, after);
        let mut spec = json!({
            "kind": "within", "after": texts(&open), "expect": texts(&close), "within": TIME, "restart": restart, "action": "act",
        });
        if otherwise {
            spec["else"] = json!("miss");
        }
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| within(events, (&open, &close), restart, otherwise, end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn sequence_is_what_its_reference_says(
        history in history(), steps in conditions(2, 4), after in after(), (strict, keyed, once) in any::<(bool, bool, bool)>(),
    ) {
        let spec = json!({ "kind": "sequence", "steps": texts(&steps), "within": "1000 ms", "strict": strict, "action": "act" });
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| sequence(events, &steps, strict);
        prop_assert_eq!(run(&spec, &history, end(&history, after)), expected(&spec, &history, &reference));
    }

    #[test]
    fn absence_is_what_its_reference_says(
        history in history(), of in conditions(1, 2), after in after(), (repeats, keyed, once) in any::<(bool, bool, bool)>(),
    ) {
        let end = end(&history, after);
        let spec = json!({ "kind": "absence", "of": texts(&of), "for": TIME, "repeat": repeats, "action": "act" });
        let spec = with(spec, keyed, once);
        // A key is waited for from its first event on.
        let reference = |events: &Events<'_>, keyed: bool| absence(events, &of, repeats, (!keyed).then_some(BEGIN), end);
        prop_assert_eq!(run(&spec, &history, end), expected(&spec, &history, &reference));
    }

    #[test]
    fn lookback_is_what_its_reference_says(
        history in history(), of in condition(), past in conditions(1, 2), after in after(), (keyed, once) in any::<(bool, bool)>(),
    ) {
        let spec = json!({
            "kind": "lookback", "of": of.text(), "after": texts(&past), "within": TIME, "action": "act", "else": "miss",
        });
        let spec = with(spec, keyed, once);
        let reference = |events: &Events<'_>, _| lookback(events, std::slice::from_ref(&of), &past, &|_| true);
        prop_assert_eq!(run(&spec, &history, end(&history, after)), expected(&spec, &history, &reference));
    }

    /// A lookback that begins in the middle knows what a history has kept until then, and what comes after.
    #[test]
    fn lookback_begins_with_a_history(
        history in history(), of in condition(), past in conditions(1, 2), keep in prop::sample::select(&[TIME / 2, TIME, 3 * TIME][..]),
        part in 0.0..1.0, keyed in any::<bool>(), later in 0..TIME,
    ) {
        let middle = (history.len() as f64 * part) as usize;
        let next = history.get(middle).map_or(u64::MAX, |event| event.at);
        let begin = (end(&history[..middle], 0) + later).min(next);
        let memory = with(json!({ "kind": "history", "of": texts(&past), "keep": keep }), keyed, false);
        let mut memory = Live::new(&memory, BEGIN, &Zone::utc());
        memory.show(&history[..middle], begin.saturating_sub(1));
        prop_assert!(memory.fires.is_empty() && memory.spec.actions().is_empty());

        let spec = json!({
            "kind": "lookback", "of": of.text(), "after": texts(&past), "within": TIME, "action": "act", "else": "miss", "history": "h",
        });
        let spec = with(spec, keyed, false);
        let mut live = Live::new(&spec, begin, &Zone::utc());
        prop_assert_eq!(live.spec.history(), Some("h"));
        pattern::seed(&live.spec, &mut live.state, &memory.state);
        prop_assert!(live.due().is_none_or(|due| due >= begin), "a deadline before its beginning");
        live.show(&history[middle..], end(&history, 0).max(begin));

        let is_kept = |event: &Event| event.payload["id"].as_u64() >= Some(middle as u64) || event.at + keep >= begin;
        let reference = |events: &Events<'_>, _| {
            let calls = lookback(events, std::slice::from_ref(&of), &past, &is_kept);
            calls.into_iter().filter(|call| call.of >= Some(middle)).collect()
        };
        let expected: Vec<Json> = expected(&spec, &history, &reference);
        prop_assert_eq!(live.fires, expected);
    }
}
