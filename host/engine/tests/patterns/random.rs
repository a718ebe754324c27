//! Every kind over random histories, against the slow search.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use quest_engine::{
    model::{Millis, Value},
    pattern::{self, Spec},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

use crate::{
    history::{BEGIN, Event, Live, UNIT, events, spec},
    naive::{Call, Condition, Rule, Streak},
};

fn time() -> impl Strategy<Value = Millis> {
    (1..9u64, prop_oneof![8 => Just(0u64), 1 => Just(1)]).prop_map(|(units, more)| units * UNIT + more)
}

fn condition() -> impl Strategy<Value = Condition> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let least = prop_oneof![3 => Just(None), 1 => (1..3i64).prop_map(Some)];
    (name, least).prop_map(|(name, least)| Condition { name, least })
}

fn conditions(least: usize) -> impl Strategy<Value = Vec<Condition>> {
    prop::collection::vec(condition(), least..least + 2)
}

fn count() -> impl Strategy<Value = Rule> {
    let measure = prop::sample::select(vec!["count", "sum", "min", "max", "average", "distinct"]);
    let threshold = prop::sample::select(vec!["at-least", "above", "at-most", "below"]);
    (conditions(1), time(), any::<bool>(), measure, threshold, 0..6i64).prop_filter_map(
        "few events are no news in a sliding window",
        |(of, time, tumbling, measure, threshold, bound)| {
            let is_news = tumbling || ["at-least", "above"].contains(&threshold);
            let rule = Rule::Count { of, time, tumbling, measure, threshold, bound };
            (is_news || !["count", "distinct"].contains(&measure)).then_some(rule)
        },
    )
}

/// The calls that were made, in the form of those expected.
fn made(live: &Live) -> Vec<(Millis, String, Json)> {
    let told = |value: &Value| value.to_json_value().expect("it is there");
    live.fires.iter().map(|fire| (fire.stamp, fire.action.clone(), told(&fire.payload))).collect()
}

fn wanted(calls: Vec<Call>) -> Vec<(Millis, String, Json)> {
    calls.into_iter().map(|call| (call.at, call.action.to_owned(), call.told)).collect()
}

fn check(rule: &Rule, events: &[Event], with_by: bool, once: bool) {
    let mut json = rule.spec();
    let takes_by = !matches!(rule, Rule::Any { .. });
    let by = with_by && takes_by;
    if by {
        json["by"] = json!("k");
    }
    let once = once && !matches!(rule, Rule::Any { .. } | Rule::Throttle { .. });
    if once {
        json["once"] = json!(true);
    }
    let end = events.last().map_or(BEGIN, |event| event.stamp) + 40 * UNIT;
    let is_single = once || matches!(rule, Rule::Any { repeat: false, .. });
    let expected = wanted(rule.expected(events, BEGIN, end, by, is_single));
    let live = Live::start(spec(&json), Zone::utc()).run(events, end);
    assert_eq!(made(&live), expected, "{json}");
    if is_single && !expected.is_empty() {
        assert!(pattern::is_over(&live.state) && pattern::due(&live.spec, &live.state).is_none());
    }
    let mut stored = Live::start(spec(&json), Zone::utc());
    stored.is_stored = true;
    assert_eq!(made(&stored.run(events, end)), expected, "stored and loaded at every step: {json}");
    // A stamp that lies behind what the pattern has seen counts as that.
    let behind = |(place, event): (usize, &Event)| {
        let before = place.checked_sub(1).map(|before| &events[before]);
        let is_like = |before: &&Event| {
            (before.name, before.stamp, &before.payload["k"]) == (event.name, event.stamp, &event.payload["k"])
        };
        let stamp = if before.is_some_and(|it| is_like(&it)) { event.stamp - 3 } else { event.stamp };
        Event { stamp, ..event.clone() }
    };
    let behind: Vec<Event> = events.iter().enumerate().map(behind).collect();
    assert_eq!(made(&Live::start(spec(&json), Zone::utc()).run(&behind, end)), expected, "stamps that go back: {json}");
}

macro_rules! kinds {
    ($($name:ident: $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $name(rule in $strategy, events in events(), by in any::<bool>(), once in prop::bool::weighted(0.2)) {
                    check(&rule, &events, by, once);
                }
            )*
        }
    };
}

kinds! {
    within: (conditions(1), conditions(1), time(), any::<bool>())
        .prop_map(|(after, expect, within, restart)| Rule::Within { after, expect, within, restart });
    sequence: (conditions(2), time(), any::<bool>())
        .prop_map(|(steps, within, strict)| Rule::Sequence { steps, within, strict });
    long_sequence: (conditions(3), time(), any::<bool>())
        .prop_map(|(steps, within, strict)| Rule::Sequence { steps, within: 3 * within, strict });
    absence: (conditions(1), time(), any::<bool>()).prop_map(|(of, time, repeat)| Rule::Absence { of, time, repeat });
    counting: count();
    debounce: (conditions(1), time(), prop::option::of(time()))
        .prop_map(|(of, quiet, more)| Rule::Debounce { of, quiet, max_wait: more.map(|more| quiet + more) });
    throttle: (conditions(1), time(), any::<bool>()).prop_map(|(of, per, trailing)| Rule::Throttle { of, per, trailing });
    batch: (conditions(1), 1..5usize, prop::option::of(time()))
        .prop_map(|(of, size, within)| Rule::Batch { of, size, within });
    session: (conditions(1), time()).prop_map(|(of, gap)| Rule::Session { of, gap });
    any_of: (conditions(1), prop::option::of(time()), any::<bool>())
        .prop_map(|(of, within, repeat)| Rule::Any { of, within, repeat });
    all_of: (conditions(2), time()).prop_map(|(of, within)| Rule::All { of, within });
    lookback: (conditions(1), conditions(1), time())
        .prop_map(|(of, after, within)| Rule::Lookback { of, after, within });
}

const DAY: Millis = 86_400_000;

/// Zones with a time near which they do something: none, a change at night, one at midnight, a day left out.
const ZONES: [(&str, &str); 5] = [
    ("UTC", "2026-01-20T00:00:00Z"),
    ("Europe/Berlin", "2026-03-20T00:00:00Z"),
    ("America/Sao_Paulo", "2018-10-25T00:00:00Z"),
    ("Pacific/Apia", "2011-12-20T00:00:00Z"),
    ("Asia/Beirut", "2026-10-15T00:00:00Z"),
];

fn streak() -> impl Strategy<Value = Streak> {
    let unit = prop::sample::select(vec!["day", "day", "week", "month"]);
    (unit, 0..3i64, 0..3i64, prop::option::of(1..4i64), 0..3i64, 1..4i64).prop_map(
        |(unit, grace, freezes, earn_every, more, every)| Streak {
            unit,
            grace,
            freezes,
            earn_every,
            freezes_max: freezes + more,
            every,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streaks(
        rule in streak(),
        zone in prop::sample::select(ZONES.to_vec()),
        steps in prop::collection::vec((0..4u64, prop_oneof![Just(0u64), Just(1), Just(DAY / 2), Just(DAY - 1), 0..DAY]), 0..40),
        other in any::<bool>(),
    ) {
        let (name, from) = zone;
        let from: jiff::Timestamp = from.parse().expect("it is there");
        let rules: TimeZone = TimeZoneDatabase::bundled().get(name).expect("it is there");
        let scale = match rule.unit { "day" => 1, "week" => 5, _ => 20 };
        // Times of day are of the zone, so that many fall on the ends of its days.
        let begin = from.as_millisecond() as u64 / DAY * DAY;
        let shift = |at: u64| {
            let offset = rules.to_offset(jiff::Timestamp::from_millisecond(at as i64).expect("it is there")).seconds();
            at.saturating_add_signed(-1000 * i64::from(offset))
        };
        let (mut day, mut events) = (begin, Vec::new());
        for (days, time) in steps {
            day += days * scale * DAY;
            let name = if other && time == DAY / 2 { "b" } else { "a" };
            events.push(Event { name, payload: json!({ "k": "x" }), stamp: shift(day + time) });
        }
        events.sort_by_key(|event| event.stamp);
        let end = day + 500 * DAY;
        let expected = wanted(rule.expected(&events, &rules, end));
        let start = || Live::start(spec(&rule.spec()), Zone::parse(name).expect("it is there"));
        prop_assert_eq!(made(&start().run(&events, end)), expected.clone());
        let mut stored = start();
        stored.is_stored = true;
        prop_assert_eq!(made(&stored.run(&events, end)), expected);
    }

    /// A lookback that begins late knows what its history has seen.
    #[test]
    fn lookback_with_a_history(
        of in conditions(1), after in conditions(1), within in time(), more in 0..5u64, events in events(), late in 0..40usize,
        by in any::<bool>(),
    ) {
        let rule = Rule::Lookback { of, after: after.clone(), within };
        let texts: Vec<String> = after.iter().map(Condition::text).collect();
        let mut kept = json!({ "kind": "history", "of": texts, "keep": within + more });
        let mut json = rule.spec();
        json["history"] = json!("past");
        if by {
            (kept["by"], json["by"]) = (json!("k"), json!("k"));
        }
        let late = late.min(events.len());
        let history = Live::start(spec(&kept), Zone::utc()).run(&events[..late], 0);
        prop_assert!(history.fires.is_empty());
        let mut live = Live::start(spec(&json), Zone::utc());
        let begin = events.get(late).map_or(BEGIN, |event| event.stamp);
        live.state = pattern::start(&live.spec, begin);
        pattern::seed(&live.spec, &mut live.state, &history.state);
        prop_assert_eq!(Spec::history(&live.spec), Some("past"));
        let end = BEGIN + 1_000 * UNIT;
        let all = rule.expected(&events, BEGIN, end, by, false);
        let expected = wanted(all.into_iter().filter(|call| call.by >= late).collect());
        prop_assert_eq!(made(&live.run(&events[late..], end)), expected);
    }
}
