//! The ends of civil days, against a look at every minute around each change of clocks in every zone.

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use quest_engine::schedule::{Zone, civil};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn day(at: i64, rules: &TimeZone) -> i64 {
    let offset = i64::from(rules.to_offset(Timestamp::from_millisecond(at).expect("it is there")).seconds());
    (at + offset * 1_000).div_euclid(DAY)
}

#[test]
fn a_day_ends_with_its_last_millisecond() {
    let (from, to) =
        (Timestamp::from_second(0).expect("it is there"), Timestamp::from_second(2_250_000_000).expect("it is there"));
    let mut looked = 0;
    for name in TimeZoneDatabase::bundled().available() {
        let rules = TimeZoneDatabase::bundled().get(name.as_str()).expect("it is there");
        let Ok(zone) = Zone::parse(name.as_str()) else { continue };
        for change in rules.following(from).take_while(|change| change.timestamp() < to) {
            let change = change.timestamp().as_millisecond();
            // Before, offsets may be no whole minutes.
            if change < 1_100 * DAY {
                continue;
            }
            let days: Vec<(i64, i64)> = (-2_000..2_000)
                .map(|minute| (change.div_euclid(MINUTE) + minute) * MINUTE)
                .map(|at| (day(at, &rules), at + MINUTE - 1))
                .collect();
            let near = day(change, &rules);
            for number in near - 1..near + 1 {
                let last = days.iter().filter(|(day, _)| *day == number).map(|(_, end)| *end).max();
                assert_eq!(civil::has_day(number, &zone), last.is_some(), "{name}: day {number}");
                if let Some(last) = last {
                    assert_eq!(civil::day_end(number, &zone) as i64, last, "{name}: day {number}");
                }
                looked += 1;
            }
        }
    }
    assert!(looked > 30_000, "{looked}");
}
