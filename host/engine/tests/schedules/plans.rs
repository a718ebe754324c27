//! Plans: what runs when the host was down, for how long it goes on, and what a zone's change does.

use proptest::prelude::*;
use quest_engine::schedule::{CaughtUp, Plan, Schedule, Zone, civil};

const SALT: &str = "instance.timer";

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn berlin() -> Zone {
    Zone::parse("Europe/Berlin").expect("a zone")
}

fn at(text: &str) -> u64 {
    civil::read(text, &berlin()).expect(text)
}

/// What happens from `plan` on until nothing is due before `horizon` any more, as an engine asks: when each ran, by the calendar, and how
/// many were left out before it.
fn happen(schedule: &Schedule, zone: &Zone, mut plan: Plan, horizon: u64) -> (Vec<(u64, u64)>, Option<Plan>) {
    let mut runs = Vec::new();
    while plan.due() < horizon {
        match plan.catch_up(schedule, zone, horizon, SALT) {
            CaughtUp::RunNow => {
                runs.push((plan.nominal(), plan.missed()));
                match plan.advance(schedule, zone, SALT) {
                    Some(next) => plan = next,
                    None => return (runs, None),
                }
            }
            CaughtUp::Moved => {}
            CaughtUp::Ended => return (runs, None),
        }
    }
    (runs, Some(plan))
}

/// Every run of a plan, one by one, as if the host had never been down.
fn all_runs(schedule: &Schedule, zone: &Zone, anchor: u64, horizon: u64) -> Vec<Plan> {
    let mut plan = Plan::begin(schedule, anchor, zone, SALT);
    let mut runs = Vec::new();
    while let Some(next) = plan.take_if(|plan| plan.due() < horizon) {
        runs.push(next.clone());
        plan = next.advance(schedule, zone, SALT);
    }
    runs
}

const TEXTS: [&str; 7] = [
    "every 40 minutes",
    "every 40 minutes; now",
    "every day at 02:30, 09:00 and 21:00",
    "*/30 8-10 * * *",
    "*/30 * * * *",
    "FREQ=HOURLY;INTERVAL=5;BYMINUTE=0,10",
    "every 3 days; jitter 2 hours",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_missed(
        text in prop::sample::select(&TEXTS[..]), days in 0u64..400, down in 1u64..(9 * 86_400_000), policy in 0..3, bound in 1u32..40,
        grace in 1u64..300, jitter in any::<bool>(),
    ) {
        let missed = match policy {
            0 => "once".to_owned(),
            1 => format!("all {bound}"),
            _ => format!("skip within {grace} minutes"),
        };
        let jitter = if jitter && !text.contains("jitter") { "; jitter 25 minutes" } else { "" };
        let text = format!("{text}; missed {missed}{jitter}");
        let (schedule, zone) = (schedule(&text), berlin());
        let anchor = at("2026-01-01 12:34:56") + days * 86_400_000;
        let horizon = anchor + down;
        let past = all_runs(&schedule, &zone, anchor, horizon);
        let kept: Vec<&Plan> = match policy {
            0 => past.iter().rev().take(1).rev().collect(),
            1 => past.iter().rev().take(bound as usize).rev().collect(),
            _ => past.iter().filter(|plan| plan.due() >= horizon.saturating_sub(grace * 60_000)).collect(),
        };
        let begin = Plan::begin(&schedule, anchor, &zone, SALT).expect("it runs");
        let (runs, rest) = happen(&schedule, &zone, begin, horizon);
        let expected: Vec<u64> = kept.iter().map(|plan| plan.nominal()).collect();
        prop_assert_eq!(runs.iter().map(|(nominal, _)| *nominal).collect::<Vec<_>>(), expected, "{}", &text);
        let rest = rest.expect("it goes on");
        let left_out: u64 = runs.iter().map(|(_, missed)| *missed).sum::<u64>() + rest.missed();
        prop_assert_eq!(left_out, (past.len() - kept.len()) as u64, "{}", &text);
        prop_assert_eq!(rest.runs(), runs.len() as u64);
        prop_assert!(rest.due() >= horizon);
    }

    #[test]
    fn chance_keeps_the_order(text in prop::sample::select(&TEXTS[..]), days in 0u64..400, minutes in 1u64..5_000, salt in "[a-z]{1,8}") {
        let (schedule, zone) = (schedule(text.split(';').next().expect("a recurrence")), berlin());
        let by_chance = self::schedule(&format!("{schedule}; jitter {minutes} minutes"));
        let anchor = at("2026-01-01 12:34:56") + days * 86_400_000;
        let (mut exact, mut plan) = (Plan::begin(&schedule, anchor, &zone, ""), Plan::begin(&by_chance, anchor, &zone, &salt));
        let mut last = anchor;
        for _ in 0..50 {
            let (nominal, next) = (exact.take().expect("it goes on"), plan.take().expect("it goes on"));
            prop_assert_eq!(next.nominal(), nominal.due());
            prop_assert!(next.due() > last && (nominal.due()..=nominal.due() + minutes * 60_000).contains(&next.due()));
            last = next.due();
            exact = nominal.advance(&schedule, &zone, "");
            plan = next.advance(&by_chance, &zone, &salt);
            prop_assert!(plan.as_ref().is_some_and(|plan| plan.nominal() > last), "before the next one begins");
        }
    }
}

#[test]
fn a_year_of_seconds_is_jumped() {
    let (zone, anchor) = (Zone::utc(), at("2026-01-01"));
    let year = 366 * 86_400_000;
    for (text, missed, runs) in [
        ("every 1 second", 366 * 86_400 - 2, 1),
        ("every 1 second; missed all 1000", 366 * 86_400 - 1_001, 1_000),
        ("every 1 second; missed skip within 10 seconds", 366 * 86_400 - 11, 10),
        ("* * * * * *", 10_000, 1),
        ("* * * * * *; missed all 1000", 10_000, 1_000),
        ("* * * 1 * *; missed all 10", 10_000, 10),
        ("FREQ=SECONDLY", 10_000, 1),
        ("FREQ=SECONDLY;BYMONTH=1; missed all 50", 10_000, 50),
        ("FREQ=YEARLY;BYMONTH=1;BYHOUR=1,2,3;BYMINUTE=10,20;BYDAY=MO,TU; missed all", 0, 48),
    ] {
        let schedule = schedule(text);
        let plan = Plan::begin(&schedule, anchor, &zone, SALT).expect(text);
        let (ran, rest) = happen(&schedule, &zone, plan, anchor + year);
        assert_eq!((ran.first().map(|(_, missed)| *missed), ran.len()), (Some(missed), runs), "{text}");
        assert!(rest.is_none_or(|plan| plan.due() >= anchor + year), "{text}");
    }
}

#[test]
fn how_it_ends() {
    let zone = berlin();
    for (text, runs) in [
        ("every day at 09:00; count 3", 3),
        ("every day at 09:00; until 2026-12-03", 3),
        ("every day at 09:00; until 2026-12-03 08:59", 2),
        ("every day at 09:00; until 2026-12-03 09:00", 3),
        ("every day at 09:00; until 2026-12-03T08:00:00Z", 3),
        ("every day at 09:00; until 2026-12-03T09:00:00+02:00", 2),
        ("every day at 09:00; count 5; until 2026-12-03", 3),
        ("every day at 09:00; count 3; now", 3),
        ("FREQ=DAILY;COUNT=4", 4),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20261203", 3),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20261203T080000Z", 3),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20261203T085959", 2),
        ("every hour; until 2026-12-01 10:00", 10),
        ("every hour; count 1; now", 1),
    ] {
        let found = all_runs(&schedule(text), &zone, at("2026-12-01"), at("2027-12-01"));
        assert_eq!(found.len(), runs, "{text}");
        assert_eq!(found.last().map(Plan::runs), Some(runs as u64 - 1), "{text}");
    }
    for text in ["every day at 09:00; until 2026-11-30", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"] {
        assert_eq!(Plan::begin(&schedule(text), at("2026-12-01"), &zone, SALT), None, "{text}");
    }
    // The last run is left out: then it has ended.
    let over = schedule("every day at 09:00; until 2026-12-03; missed skip");
    let plan = Plan::begin(&over, at("2026-12-01"), &zone, SALT).expect("it runs");
    assert_eq!(happen(&over, &zone, plan, at("2027-01-01")), (Vec::new(), None));
    // And with another policy the last one runs, however late.
    let once = schedule("every day at 09:00; until 2026-12-03");
    let plan = Plan::begin(&once, at("2026-12-01"), &zone, SALT).expect("it runs");
    assert_eq!(happen(&once, &zone, plan, at("2027-01-01")), (vec![(at("2026-12-03 09:00"), 2)], None));
}

#[test]
fn where_it_begins() {
    let zone = berlin();
    for (text, expected) in [
        ("every 3 days", ["2026-12-04 10:20", "2026-12-07 10:20"]),
        ("every 3 days; now", ["2026-12-01 10:20", "2026-12-04 10:20"]),
        ("every 3 days at 09:00", ["2026-12-04 09:00", "2026-12-07 09:00"]),
        ("every 3 days at 11:00", ["2026-12-01 11:00", "2026-12-04 11:00"]),
        ("every 3 days; from 2026-12-10 09:00", ["2026-12-10 09:00", "2026-12-13 09:00"]),
        ("every 3 days; from 2026-11-29 09:00", ["2026-12-02 09:00", "2026-12-05 09:00"]),
        ("every 3 days at 09:00; from 2026-12-10", ["2026-12-10 09:00", "2026-12-13 09:00"]),
        ("every 3 days; from 2026-12-10 09:00; now", ["2026-12-01 10:20", "2026-12-10 09:00"]),
        ("every 90 minutes; from 2026-12-01 00:00", ["2026-12-01 10:30", "2026-12-01 12:00"]),
        ("every 90 minutes; from 2026-12-24 00:00", ["2026-12-24 00:00", "2026-12-24 01:30"]),
        ("every 90 minutes", ["2026-12-01 11:50", "2026-12-01 13:20"]),
        ("every 2 weeks", ["2026-12-15 10:20", "2026-12-29 10:20"]),
        ("every 2 weeks on monday at 9:00", ["2026-12-14 09:00", "2026-12-28 09:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0", ["2026-12-14 09:00", "2026-12-28 09:00"]),
        ("FREQ=DAILY", ["2026-12-02 10:20", "2026-12-03 10:20"]),
    ] {
        let runs = all_runs(&schedule(text), &zone, at("2026-12-01 10:20"), at("2027-02-01"));
        let runs: Vec<u64> = runs.iter().take(2).map(Plan::due).collect();
        assert_eq!(runs, expected.map(at), "{text}");
    }
}

#[test]
fn another_zone() {
    let (new_york, now) = (Zone::parse("America/New_York").expect("a zone"), at("2026-12-01 12:00"));
    let begin = |text: &str| {
        let schedule = schedule(text);
        let plan = Plan::begin(&schedule, at("2026-12-01 10:00"), &berlin(), SALT).expect("it runs");
        (schedule, plan)
    };
    let moved = |text: &str| {
        let (schedule, plan) = begin(text);
        plan.rezone(&schedule, &new_york, now, SALT).map(|plan| plan.due())
    };
    let american = |text: &str| civil::read(text, &new_york).ok();
    assert_eq!(moved("every day at 09:00"), american("2026-12-01 09:00"));
    assert_eq!(moved("every day at 03:00"), american("2026-12-02 03:00"));
    assert_eq!(moved("every day at 09:00; until 2026-12-02"), american("2026-12-01 09:00"));
    assert_eq!(moved("0 9 * * *"), american("2026-12-01 09:00"));
    assert_eq!(moved("every day at 11:00; until 2026-12-01T10:30:00Z"), None);
    // What depends on no zone, or on its own, goes on as it was.
    for text in ["every 7 hours", "every day at 09:00; zone Asia/Tokyo", "every day at 09:00; now"] {
        let (schedule, plan) = begin(text);
        assert_eq!(plan.clone().rezone(&schedule, &new_york, now, SALT), Some(plan), "{text}");
    }
    for (text, depends) in [
        ("every 7 hours", false),
        ("every 7 hours; from 2026-12-01", true),
        ("every 7 hours; until 2026-12-01 09:00", true),
        ("every 7 hours; from 2026-12-01T09:00:00Z", false),
        ("every 7 days", true),
        ("every 7 days; zone UTC", false),
        ("@daily", true),
    ] {
        assert_eq!(schedule(text).depends_on_zone(), depends, "{text}");
    }
}

#[test]
fn a_run_that_was_moved_stands_for_those_before_it() {
    let (schedule, zone) = (schedule("every day at 09:00"), berlin());
    let mut plan = Plan::begin(&schedule, at("2026-12-01"), &zone, SALT).expect("it runs");
    plan.move_to(at("2026-12-03 15:00"));
    let next = plan.clone().advance(&schedule, &zone, SALT).expect("it goes on");
    assert_eq!((plan.due(), next.due()), (at("2026-12-03 15:00"), at("2026-12-04 09:00")));
    let (runs, _) = happen(&schedule, &zone, plan, at("2026-12-05"));
    assert_eq!(runs, [(at("2026-12-04 09:00"), 1)], "the moved one was missed as well");
}

#[test]
fn plans_are_stored() {
    let schedule = schedule("every 3 days at 09:00; jitter 1 hour");
    let plan = Plan::begin(&schedule, at("2026-12-01"), &berlin(), SALT).expect("it runs");
    let stored = rmp_serde::to_vec(&plan).expect("it is written");
    assert_eq!(rmp_serde::from_slice::<Plan>(&stored).expect("it is read"), plan);
}
