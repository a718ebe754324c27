//! Whatever the text and whenever it is asked: bounded work, runs that go forward, and errors that point into the text.

use proptest::prelude::*;
use quest_engine::schedule::{CaughtUp, Plan, Schedule, Zone, civil, describe, upcoming};

use crate::changes::ZONES;

/// The next few runs, which go forward.
fn few(schedule: &Schedule, zone: &Zone, anchor: u64, after: u64, n: usize) -> usize {
    let mut at = after;
    for found in 0..n {
        match schedule.next(anchor, at, zone) {
            Some(run) => {
                assert!(run.at > at && run.at <= civil::MILLIS_MAX, "{schedule}: {} after {at}", run.at);
                at = run.at;
            }
            None => return found,
        }
    }
    n
}

const SPARSE: [&str; 20] = [
    "0 0 29 2 *",
    "0 0 29 2 MON#5",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=5",
    "FREQ=SECONDLY;INTERVAL=65535;BYHOUR=3;BYMINUTE=0;BYSECOND=1",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3;BYYEARDAY=366",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
    "FREQ=HOURLY;INTERVAL=65535;BYDAY=MO;BYYEARDAY=-366",
    "FREQ=WEEKLY;INTERVAL=65535",
    "FREQ=YEARLY;INTERVAL=65535",
    "FREQ=YEARLY;INTERVAL=100;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTHDAY=28",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,6,12,18;BYMINUTE=0,20,40;BYSETPOS=-31",
    "every 10000 years",
    "every 100 years on 29 february; short-months skip",
    "every 12 months on the 31st; short-months skip",
    "last sunday of march at 02:30; gap skip; zone Europe/Berlin",
    "last sunday of october at 02:30; fold second; zone Europe/Berlin",
];

#[test]
fn what_runs_seldom_or_never() {
    let utc = Zone::utc();
    for text in SPARSE {
        let schedule = Schedule::parse(text).unwrap_or_else(|error| panic!("{error}"));
        for from in ["2026-04-30 06:00", "2026-01-01", "2027-12-31 23:59:59"] {
            let from = civil::read(from, &utc).expect(from);
            few(&schedule, &utc, from, from, 3);
            if let Some(mut plan) = Plan::begin(&schedule, from, &utc, "salt") {
                // Down for a century.
                while plan.catch_up(&schedule, &utc, from + 100 * 366 * 86_400_000, "salt") == CaughtUp::Moved {}
            }
        }
    }
}

#[test]
fn at_the_ends_of_time() {
    let texts = [
        "every 1 second",
        "every day at 09:00",
        "every month",
        "* * * * *",
        "@yearly",
        "FREQ=DAILY",
        "FREQ=SECONDLY",
        "every 3 weeks; jitter 5 days; now",
    ];
    let ends =
        [0, 1, 86_400_000, civil::MILLIS_MAX - 1, civil::MILLIS_MAX, civil::MILLIS_MAX + 1, u64::MAX - 1, u64::MAX];
    let check = |text: &str, zone: &Zone, at: u64| {
        let schedule = Schedule::parse(text).unwrap_or_else(|error| panic!("{error}"));
        few(&schedule, zone, at, at, 2);
        few(&schedule, zone, 0, at, 2);
        describe(&schedule, at, zone, 2);
        if let Some(mut plan) = Plan::begin(&schedule, at, zone, "salt") {
            plan.catch_up(&schedule, zone, u64::MAX, "salt");
            plan.clone().rezone(&schedule, &Zone::utc(), u64::MAX, "salt");
            plan.advance(&schedule, zone, "salt");
        }
    };
    for at in ends {
        for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin"] {
            texts.iter().for_each(|text| check(text, &Zone::parse(zone).expect(zone), at));
        }
    }
    SPARSE.iter().for_each(|text| check(text, &Zone::utc(), civil::MILLIS_MAX - 86_400_000));
    assert_eq!(
        upcoming(&Schedule::parse("every 1 second").expect("a schedule"), 0, &Zone::utc(), usize::MAX).len(),
        10_000
    );
    assert!(civil::read("9999-12-31", &Zone::utc()).is_err() && civil::read("1969-12-31", &Zone::utc()).is_err());
}

#[test]
fn long_texts() {
    for text in
        ["x", "every day at 09:00, ", "FREQ=DAILY;", "1,", "every 1h ", "; ; ;", "first and ", "\u{1F980}", "* * "]
    {
        let long = text.repeat((1 << 20) / text.len());
        let error = Schedule::parse(&long).expect_err("a megabyte");
        assert!(error.to_string().len() < 600, "{error}");
        let short: String = long.chars().take(250).collect();
        if let Err(error) = Schedule::parse(&short) {
            assert!(error.at() <= 250 && error.to_string().len() < 1_200, "{error}");
        }
    }
    // The largest rules that are taken.
    let list = |to: u32| (0..to).map(|it| it.to_string()).collect::<Vec<_>>().join(",");
    let dense = format!("FREQ=DAILY;BYHOUR={};BYMINUTE={}", list(24), list(60));
    let schedule = Schedule::parse(&dense).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(few(&schedule, &Zone::utc(), 0, 1_700_000_000_000, 100), 100);
    let too_dense = format!("FREQ=YEARLY;BYHOUR={};BYMINUTE={};BYSECOND={}", list(24), list(60), list(60));
    assert!(Schedule::parse(&too_dense).expect_err("a year of seconds").to_string().contains("too many times"));
}

/// Words that occur in texts, so that by chance they make some.
const WORDS: [&str; 64] = [
    "every",
    "3",
    "days",
    "day",
    "at",
    "09:00",
    "9am",
    "noon",
    "and",
    ",",
    "monday",
    "mondays",
    "weekdays",
    "the",
    "first",
    "last",
    "2nd",
    "31st",
    "of",
    "month",
    "months",
    "on",
    "week",
    "weeks",
    "year",
    "other",
    "hours",
    "minutes",
    "90",
    "december",
    "24",
    "february",
    "weekday",
    ";",
    "; zone",
    "Europe/Berlin",
    "; gap",
    "skip",
    "; fold",
    "both",
    "second",
    "; missed",
    "all",
    "once",
    "within",
    "; jitter",
    "; until",
    "2027-01-01",
    "; from",
    "; now",
    "; count",
    "10",
    "*",
    "*/15",
    "0",
    "1-5",
    "MON",
    "L",
    "FREQ=DAILY",
    ";BYDAY=MO",
    ";INTERVAL=2",
    ";BYSETPOS=-1",
    "@daily",
    "cron",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,60}|[ -~]{0,60}|[*0-9,/ -]{5,30}|FREQ=[A-Z]{5,8};[A-Z=,0-9;-]{0,40}") {
        if let Err(error) = Schedule::parse(&text) {
            prop_assert!(error.at() <= text.chars().count(), "{}", error);
        }
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..9), zone in prop::sample::select(&ZONES[..]), at in 0u64..3_000_000_000_000) {
        let text = words.join(" ").replace(" ;", ";");
        let zone = Zone::parse(zone).expect("a zone");
        match Schedule::parse(&text) {
            Err(error) => prop_assert!(error.at() <= text.chars().count() && !error.message().is_empty(), "{}", error),
            Ok(schedule) => {
                few(&schedule, &zone, at, at, 5);
                let again = Schedule::parse(schedule.text()).expect("its own text");
                prop_assert_eq!(again.next(at, at, &zone), schedule.next(at, at, &zone));
            }
        }
    }
}
