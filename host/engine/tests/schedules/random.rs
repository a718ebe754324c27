//! Random schedules at random times against the slow search.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::*;
use quest_engine::schedule::{Schedule, Zone, civil};

use crate::{
    changes::{ZONES, found},
    oracle::{self, Clocks, MARGIN, MINUTE, Policy},
};

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn list(values: &[u32]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn policy() -> impl Strategy<Value = Policy> {
    let folds = prop_oneof![Just((true, false)), Just((false, true)), Just((true, true))];
    (folds, any::<bool>()).prop_map(|((first, second), shift)| Policy { first, second, shift })
}

fn some(most: u32, at_most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::btree_set(0..most, 1..=at_most).prop_map(|set| set.into_iter().collect())
}

/// A minute near a change of the zone's clocks, or anywhere.
fn near_a_change(rules: &TimeZone, second: i64, is_near: bool) -> i64 {
    let at = Timestamp::from_second(second).expect("in range");
    let change = rules.following(at).next().filter(|_| is_near).map_or(at, |change| change.timestamp());
    change.as_millisecond().div_euclid(MINUTE) * MINUTE - (MARGIN + 24 * 60) * MINUTE
}

fn check(text: &str, name: &str, begin: i64, anchor: u64, policy: Policy, is_meant: &dyn Fn(DateTime) -> bool) {
    let text = format!("{text}{}", policy.text());
    let schedule = Schedule::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let clocks = Clocks::of(&oracle::zone(name), begin, 2 * MARGIN + 3 * 24 * 60);
    let found = found(&schedule, &Zone::parse(name).expect(name), anchor, clocks.range());
    assert_eq!(found, clocks.runs(is_meant, policy), "{text} in {name} from {begin}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cron(
        zone in prop::sample::select(&ZONES[..]), second in 400_000i64..2_200_000_000, is_near in any::<bool>(), policy in policy(),
        minutes in some(60, 4), hours in some(24, 6), days in some(31, 20), weekdays in some(7, 5),
        (any_hour, any_day, any_weekday) in any::<(bool, bool, bool)>(),
    ) {
        let begin = near_a_change(&oracle::zone(zone), second, is_near);
        let days: Vec<u32> = days.into_iter().map(|day| day + 1).collect();
        let field = |any: bool, values: &[u32]| if any { "*".to_owned() } else { list(values) };
        let text = format!("{} {} {} * {}", list(&minutes), field(any_hour, &hours), field(any_day, &days), field(any_weekday, &weekdays));
        let is_day = move |it: DateTime| {
            let of_month = days.contains(&u32::from(it.day().unsigned_abs()));
            let of_week = weekdays.contains(&u32::from(it.weekday().to_sunday_zero_offset().unsigned_abs()));
            // As cron has it: if both are said, either will do.
            match (any_day, any_weekday) {
                (true, true) => true,
                (true, false) => of_week,
                (false, true) => of_month,
                (false, false) => of_month || of_week,
            }
        };
        check(&text, zone, begin, 1, policy, &|it| {
            let hour = u32::from(it.hour().unsigned_abs());
            minutes.contains(&u32::from(it.minute().unsigned_abs())) && (any_hour || hours.contains(&hour)) && is_day(it)
        });
    }

    #[test]
    fn words(
        zone in prop::sample::select(&ZONES[..]), second in 40_000_000i64..2_200_000_000, is_near in any::<bool>(), policy in policy(),
        every in 1u32..5, times in some(1_440, 4), on in some(7, 4), kind in 0..4, back in 0i64..400,
    ) {
        let rules = oracle::zone(zone);
        let begin = near_a_change(&rules, second, is_near);
        let anchor = begin - back * 86_400_000 + 7 * MINUTE;
        let first = rules.to_datetime(Timestamp::from_millisecond(anchor).expect("in range"));
        let clocks: Vec<String> = times.iter().map(|time| format!("{:02}:{:02}", time / 60, time % 60)).collect();
        let (at, on_text) = (clocks.join(", "), on.iter().map(|day| DAYS[*day as usize]).collect::<Vec<_>>().join(" and "));
        let days_since = move |it: DateTime| {
            let midnight = |it: DateTime| it.date().to_datetime(jiff::civil::Time::midnight());
            let hours = midnight(first).duration_until(midnight(it)).as_hours();
            hours / 24
        };
        let text = match kind {
            0 => format!("every {every} days at {at}"),
            1 => format!("every {every} weeks on {on_text} at {at}"),
            2 => format!("{on_text} {at}"),
            _ => format!("at {at} every {every} months on the 29th and first tuesday"),
        };
        let monday = i64::from(first.weekday().to_monday_zero_offset());
        check(&text, zone, begin, anchor as u64, policy, &|it| {
            let time = u32::from(it.hour().unsigned_abs()) * 60 + u32::from(it.minute().unsigned_abs());
            let weekday = u32::from(it.weekday().to_monday_zero_offset().unsigned_abs());
            let months = (i32::from(it.year()) - i32::from(first.year())) * 12 + i32::from(it.month()) - i32::from(first.month());
            let is_last = it.day() == it.days_in_month() && it.day() < 29;
            let is_day = match kind {
                0 => days_since(it) % i64::from(every) == 0,
                1 => (days_since(it) + monday) / 7 % i64::from(every) == 0 && on.contains(&weekday),
                2 => on.contains(&weekday),
                _ => months % every as i32 == 0 && (it.day() == 29 || is_last || (it.day() <= 7 && weekday == 1)),
            };
            is_day && times.contains(&time)
        });
    }

    #[test]
    fn rules(
        zone in prop::sample::select(&ZONES[..]), second in 40_000_000i64..2_200_000_000, is_near in any::<bool>(), policy in policy(),
        freq in 0..3usize, interval in 1i64..100, hours in some(24, 5), any_hour in any::<bool>(), on in some(7, 4), any_day in any::<bool>(),
        back in 0i64..400,
    ) {
        let rules = oracle::zone(zone);
        let begin = near_a_change(&rules, second, is_near);
        let anchor = begin - back * 86_400_000;
        let first = rules.to_datetime(Timestamp::from_millisecond(anchor).expect("in range"));
        let mut text = format!("FREQ={};INTERVAL={interval};BYSECOND=0", ["HOURLY", "MINUTELY", "DAILY"][freq]);
        if !any_hour {
            text += &format!(";BYHOUR={}", list(&hours));
        }
        if !any_day {
            let names: Vec<&str> = on.iter().map(|day| ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][*day as usize]).collect();
            text += &format!(";BYDAY={}", names.join(","));
        }
        let unit = [60, 1, 1_440][freq];
        let units = move |it: DateTime| {
            let start = match freq {
                0 => first.date().at(first.hour(), 0, 0, 0),
                1 => first.date().at(first.hour(), first.minute(), 0, 0),
                _ => first.date().at(0, 0, 0, 0),
            };
            start.duration_until(it).as_mins().div_euclid(unit)
        };
        check(&text, zone, begin, anchor as u64, policy, &|it| {
            let is_hour = if freq == 2 && any_hour { it.hour() == first.hour() } else { any_hour || hours.contains(&u32::from(it.hour().unsigned_abs())) };
            let is_minute = freq == 1 || it.minute() == first.minute();
            let weekday = u32::from(it.weekday().to_monday_zero_offset().unsigned_abs());
            is_hour && is_minute && (any_day || on.contains(&weekday)) && units(it) % interval == 0
        });
    }

    #[test]
    fn civil_times_are_read_as_they_are_shown(zone in prop::sample::select(&ZONES[..]), at in 0u64..4_000_000_000_000) {
        let zone = Zone::parse(zone).expect("a zone");
        let shown = civil::rfc3339(at, &zone);
        // Some zones once had offsets of seconds, which RFC 3339 has no place for.
        if shown.len() <= "2026-12-01T09:00:00.000+01:00".len() {
            prop_assert_eq!(civil::read(&shown, &Zone::utc()), Ok(at), "{}", shown);
        }
        let read = civil::read(&shown[..23], &zone).expect("a civil time");
        prop_assert!(read <= at, "the first of two: {}", shown);
        prop_assert_eq!(&civil::rfc3339(read, &zone)[..23], &shown[..23]);
    }
}
