//! Every change of the clocks of a dozen zones, 1970 to 2040.

use jiff::{Timestamp, civil::DateTime};
use quest_engine::schedule::{Schedule, Zone};

use crate::oracle::{self, Clocks, MARGIN, MINUTE, Policy};

/// One for each kind of trouble: half hours, a missing day, dates that come late, negative summer time, quarter hours, midnights that
/// do not exist, a capital that changes with a week's notice.
pub const ZONES: [&str; 16] = [
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Antarctica/Troll",
];

/// The runs of a schedule in a range, as the caller of `next` finds them.
pub fn found(schedule: &Schedule, zone: &Zone, anchor: u64, (from, until): (u64, u64)) -> Vec<i64> {
    let mut runs = Vec::new();
    let mut after = from - 1;
    while let Some(run) = schedule.next(anchor, after, zone) {
        assert!(run.at > after, "{schedule} gives {} after {after}", run.at);
        if run.at >= until {
            break;
        }
        runs.push(run.at as i64);
        after = run.at;
    }
    runs
}

/// Minutes of an hour that some text means, each with the policy that is its default.
type Meant = (&'static str, fn(DateTime) -> bool, Policy);

const TEXTS: [Meant; 8] = [
    ("*/15 * * * *", |it| it.minute() % 15 == 0, Policy::HOURLY),
    ("*/20 * * * *", |it| it.minute() % 20 == 0, Policy::HOURLY),
    ("FREQ=MINUTELY;INTERVAL=20;BYSECOND=0", |it| it.minute() % 20 == 0, Policy::HOURLY),
    ("every day at 00:00, 00:30, 01:15, 02:30 and 03:00", in_the_night, Policy::TIME_OF_DAY),
    ("0,15,30 0-3 * * *", |it| it.hour() < 4 && [0, 15, 30].contains(&it.minute()), Policy::TIME_OF_DAY),
    ("FREQ=DAILY;BYHOUR=0,2,23;BYMINUTE=10,45;BYSECOND=0", at_ten, Policy::TIME_OF_DAY),
    ("weekdays at 02:15, 23:45", |it| is_working(it) && [(2, 15), (23, 45)].contains(&clock(it)), Policy::TIME_OF_DAY),
    ("0 */2 * * *", |it| it.hour() % 2 == 0 && it.minute() == 0, Policy::TIME_OF_DAY),
];

fn clock(it: DateTime) -> (i8, i8) {
    (it.hour(), it.minute())
}

fn in_the_night(it: DateTime) -> bool {
    [(0, 0), (0, 30), (1, 15), (2, 30), (3, 0)].contains(&clock(it))
}

fn at_ten(it: DateTime) -> bool {
    [0, 2, 23].contains(&it.hour()) && [10, 45].contains(&it.minute())
}

fn is_working(it: DateTime) -> bool {
    it.weekday().to_monday_zero_offset() < 5
}

#[test]
fn every_change_of_the_clocks() {
    let (mut changes, mut runs) = (0, 0);
    for name in ZONES {
        let (rules, zone) = (oracle::zone(name), Zone::parse(name).expect(name));
        let schedules: Vec<_> = TEXTS.iter().map(|(text, ..)| Schedule::parse(text).expect(text)).collect();
        let until = Timestamp::from_second(2_208_988_800).expect("2040");
        for change in rules.following(Timestamp::from_second(5 * 86_400).expect("1970")) {
            if change.timestamp() > until {
                break;
            }
            changes += 1;
            // Two days around it.
            let begin = change.timestamp().as_millisecond().div_euclid(MINUTE) * MINUTE - (MARGIN + 12 * 60) * MINUTE;
            let clocks = Clocks::of(&rules, begin, 2 * MARGIN + 36 * 60);
            for ((text, is_meant, policy), schedule) in TEXTS.iter().zip(&schedules) {
                let expected = clocks.runs(is_meant, *policy);
                let anchor = (begin as u64) / 86_400_000 * 86_400_000 - 86_400_000;
                let found = found(schedule, &zone, midnight(&zone, anchor), clocks.range());
                assert_eq!(found, expected, "{text} in {name} around {}", change.timestamp());
                runs += found.len();
            }
        }
    }
    assert!(changes > 1_300 && runs > 100_000, "{changes} changes and {runs} runs were looked at");
}

/// A whole minute of the zone's clocks, a day or so before: what a rule takes from its start is the second and the minute of it.
fn midnight(zone: &Zone, at: u64) -> u64 {
    let shown = quest_engine::schedule::civil::rfc3339(at, zone);
    quest_engine::schedule::civil::read(&shown[..10], zone).expect("a date")
}
