//! `streak` against a reference that walks from day to day, in zones whose clocks and days are changed.

use jiff::{
    Timestamp,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};
use proptest::prelude::*;
use quest_engine::schedule::Zone;
use serde_json::{Value as Json, json};

use crate::driver::{Condition, Event, Live, is_met, texts};

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Kiritimati",
];
/// Times around which histories begin: clocks go forward and back, days are skipped, years end.
const AROUND: [&str; 9] = [
    "2026-03-27T12:00:00Z",
    "2026-10-23T12:00:00Z",
    "2011-12-27T12:00:00Z",
    "2018-02-15T12:00:00Z",
    "2018-11-02T12:00:00Z",
    "2026-11-01T03:00:00Z",
    "2024-02-27T00:00:00Z",
    "2026-12-29T10:00:00Z",
    "1994-12-29T12:00:00Z",
];
const HOUR: u64 = 3_600_000;

fn zone(name: &str) -> (Zone, TimeZone) {
    (Zone::parse(name).expect(name), TimeZoneDatabase::bundled().get(name).expect(name))
}

fn day(at: u64, zone: &TimeZone) -> Date {
    zone.to_datetime(Timestamp::from_millisecond(at.cast_signed()).expect("in range")).date()
}

/// What a day belongs to: itself, its ISO week or its month, as something to compare.
fn unit_of(day: Date, unit: &str) -> (i16, i8, i8) {
    match unit {
        "day" => (day.year(), day.month(), day.day()),
        "week" => (day.iso_week_date().year(), day.iso_week_date().week(), 0),
        "month" => (day.year(), day.month(), 0),
        other => panic!("{other}"),
    }
}

/// A unit of the zone's calendar, and its last millisecond.
struct Stretch {
    unit: (i16, i8, i8),
    last: u64,
}

/// The units from a time on until one ends after `end`, hour by hour: only those that clocks have shown.
fn calendar(begin: u64, end: u64, unit: &str, zone: &TimeZone) -> Vec<Stretch> {
    const STEP: u64 = HOUR / 2;
    let unit_at = |at: u64| unit_of(day(at, zone), unit);
    let (mut stretches, mut at) = (Vec::new(), begin / STEP * STEP);
    loop {
        let current = unit_at(at);
        while unit_at(at) == current {
            at += STEP;
        }
        stretches.push(Stretch { unit: current, last: at - 1 });
        if at > end {
            return stretches;
        }
    }
}

#[derive(Debug, Clone)]
struct Rule {
    unit: &'static str,
    grace: u64,
    freezes: u64,
    earn: Option<(u64, u64)>,
    every: u64,
}

impl Rule {
    fn spec(&self, of: &[Condition]) -> Json {
        let mut spec = json!({
            "kind": "streak", "of": texts(of), "unit": self.unit, "grace": self.grace, "freezes": self.freezes, "every": self.every,
            "action": "act", "broken": "miss",
        });
        if let Some((every, max)) = self.earn {
            (spec["earn-every"], spec["freezes-max"]) = (json!(every), json!(max));
        }
        spec
    }

    fn expected(&self, times: &[u64], end: u64, zone: &TimeZone) -> Vec<Json> {
        let Some(begin) = times.first() else { return Vec::new() };
        let (mut current, mut longest, mut since, mut missed, mut freezes) = (0, 0, 0, 0, self.freezes);
        let mut calls = Vec::new();
        for Stretch { unit, last } in calendar(*begin, end, self.unit, zone) {
            let first = times.iter().find(|at| unit_of(day(**at, zone), self.unit) == unit && **at <= end);
            let call = |action: &str, outcome: &str, at: u64, told: [u64; 4]| {
                let [current, longest, since, freezes] = told;
                let told = json!({
                    "kind": "streak", "outcome": outcome, "current": current, "longest": longest, "since": since, "freezes": freezes,
                });
                json!({ "action": action, "at": at, "told": told })
            };
            if let Some(at) = first {
                // What grace does not forgive is paid.
                freezes -= u64::saturating_sub(missed, self.grace);
                missed = 0;
                since = if current == 0 { *at } else { since };
                current += 1;
                longest = longest.max(current);
                if self.earn.is_some_and(|(every, max)| current % every == 0 && freezes < max.max(self.freezes)) {
                    freezes += 1;
                }
                if current % self.every == 0 {
                    let outcome = if current == 1 { "begun" } else { "extended" };
                    calls.push(call("act", outcome, *at, [current, longest, since, freezes]));
                }
            } else if current > 0 && last <= end {
                missed += 1;
                if missed > self.grace + freezes {
                    calls.push(call("miss", "broken", last, [current, longest, since, freezes]));
                    (current, missed) = (0, 0);
                }
            }
        }
        calls
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let unit = prop_oneof![6 => Just("day"), 1 => Just("week"), 1 => Just("month")];
    (unit, 0..3u64, 0..3u64, prop::option::of((1..4u64, 0..4u64)), prop_oneof![3 => Just(1), 1 => 2..4u64])
        .prop_map(|(unit, grace, freezes, earn, every)| Rule { unit, grace, freezes, earn, every })
}

/// Steps from event to event in hours, or to the end or the beginning of a day.
fn step() -> impl Strategy<Value = (u64, i8)> {
    (
        prop_oneof![5 => 0..30u64, 3 => 24..60u64, 1 => 60..400u64],
        prop_oneof![3 => Just(0i8), 1 => Just(1), 1 => Just(2)],
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streak_is_what_its_reference_says(
        name in prop::sample::select(&ZONES[..]), around in prop::sample::select(&AROUND[..]), rule in rule(),
        steps in prop::collection::vec(step(), 0..25), of in crate::driver::conditions(1, 2), after in 0..200u64,
    ) {
        let (zone, rules) = zone(name);
        let begin = around.parse::<Timestamp>().expect("a time").as_millisecond().unsigned_abs();
        // Weeks and months take as many days more.
        let stretch = match rule.unit { "day" => 1, "week" => 5, _ => 20 };
        let mut at = begin;
        let mut history = Vec::new();
        for (index, (hours, edge)) in steps.into_iter().enumerate() {
            at += hours * HOUR * stretch;
            if edge > 0 {
                let last = calendar(at, at, rule.unit, &rules)[0].last;
                at = last + u64::from(edge == 2);
            }
            let name = ["a", "a", "b", "c"][index % 4];
            history.push(Event { name, payload: json!({ "id": index, "n": index % 5 }), at });
        }
        let end = at + after * HOUR * stretch;
        let mut live = Live::new(&rule.spec(&of), begin, &zone);
        live.show(&history, end);
        let times: Vec<u64> = history.iter().filter(|event| is_met(&of, event)).map(|event| event.at).collect();
        prop_assert_eq!(live.fires, rule.expected(&times, end, &rules));
        prop_assert!(live.bytes < 160);
    }
}
