//! Of the whole module.

use super::*;

fn zone(name: &str) -> Zone {
    Zone::parse(name).expect(name)
}

/// The next runs as civil times with offsets, from a civil time on.
fn runs(text: &str, from: &str, zone_name: &str, n: usize) -> Vec<String> {
    let zone = zone(zone_name);
    let schedule = Schedule::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let from = civil::read(from, &zone).expect(from);
    upcoming(&schedule, from, &zone, n).into_iter().map(|run| civil::show(run.at, &zone)[4..].to_owned()).collect()
}

#[test]
fn forms_of_words() {
    for (text, expected) in [
        ("every 3 days", ["2026-11-28 10:30:00 +01:00", "2026-12-01 10:30:00 +01:00"]),
        ("every 3 days at 09:00", ["2026-11-28 09:00:00 +01:00", "2026-12-01 09:00:00 +01:00"]),
        ("mondays and thursdays 18:30", ["2026-11-26 18:30:00 +01:00", "2026-11-30 18:30:00 +01:00"]),
        ("last weekday of the month", ["2026-11-30 00:00:00 +01:00", "2026-12-31 00:00:00 +01:00"]),
        ("first monday of the month at 9:00", ["2026-12-07 09:00:00 +01:00", "2027-01-04 09:00:00 +01:00"]),
        ("every day at 07:00 and 19:00", ["2026-11-25 19:00:00 +01:00", "2026-11-26 07:00:00 +01:00"]),
    ] {
        assert_eq!(runs(text, "2026-11-25 10:30", "Europe/Berlin", 2), expected, "{text}");
    }
}
