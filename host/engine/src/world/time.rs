//! Times as people write them in tests: civil, in a zone.
//!
//! Must not know: what happens at a time.

use jiff::{Span, Timestamp, civil::DateTime};

pub use crate::schedule::Zone;

use crate::model::Millis;

/// The zone of a name. Fails with a text for people.
pub fn zone(name: &str) -> Result<Zone, String> {
    Zone::parse(name).map_err(|unknown| {
        let near = unknown.near.map_or(String::new(), |near| format!(" (did you mean {near}?)"));
        format!("there is no time zone {:?}{near}", unknown.name)
    })
}

/// Reads a civil time of a zone (`2026-03-27 18:00`, or a date alone for its midnight), RFC 3339 (`2026-03-27T18:00:00+01:00`), or Unix
/// milliseconds.
///
/// A civil time that the clocks leave out is moved on by the gap, as RFC 5545 says; of one that comes twice the first is taken, and an
/// offset names the other. Fails with a text for people.
pub fn read(text: &str, zone: &Zone) -> Result<Millis, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 8 {
        return text.parse().map_err(|_| format!("{text} milliseconds are too many"));
    }
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let wrong = || format!("{text:?} is no time; a time is like 2026-03-27 18:00, or 2026-03-27T18:00:00Z");
            let civil: DateTime = text.parse().map_err(|_| wrong())?;
            civil.to_zoned_datetime(zone.rules().clone()).map_err(|error| format!("{text:?}: {error}"))?.timestamp()
        }
    };
    Millis::try_from(timestamp.as_millisecond()).map_err(|_| format!("{text:?} is before 1970"))
}

/// Shows a time in a zone as [`read`] takes it: parts of a second only if there are any, an offset only where a civil time comes twice.
pub fn show(time: Millis, zone: &Zone) -> String {
    let timestamp = i64::try_from(time).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
    // Beyond the year 9999 there is no calendar.
    let Some(timestamp) = timestamp else { return time.to_string() };
    let zoned = timestamp.to_zoned_datetime(zone.rules().clone());
    let is_twice = zone.rules().to_ambiguous_timestamp(zoned.datetime()).is_ambiguous();
    zoned.strftime(if is_twice { "%Y-%m-%d %H:%M:%S%.f%:z" } else { "%Y-%m-%d %H:%M:%S%.f" }).to_string()
}

/// A duration as people write it: `10 minutes`, `1h 30m`, `3 days`.
#[derive(Debug, Clone)]
pub struct Pause(Span);

impl Pause {
    /// Reads a duration. Fails with a text for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no duration; a duration is like 10 minutes, 1h 30m or 3 days");
        let span: Span = text.trim().parse().map_err(|_| wrong())?;
        if span.is_negative() {
            return Err(format!("{text:?} is less than nothing: time does not go back"));
        }
        Ok(Self(span))
    }

    /// The time that is so much later: days and longer units by the zone's calendar (the same time of day), hours and shorter ones by the
    /// clock. None past the calendar's end.
    pub fn after(&self, time: Millis, zone: &Zone) -> Option<Millis> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(time).ok()?).ok()?;
        let later = timestamp.to_zoned_datetime(zone.rules().clone()).checked_add(self.0).ok()?;
        Millis::try_from(later.timestamp().as_millisecond()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        zone("Europe/Berlin").expect("a zone")
    }

    #[test]
    fn times_are_read_and_shown_in_their_zone() {
        for (zone, text, shown, millis) in [
            (Zone::utc(), "2026-03-27 18:00", "2026-03-27 18:00:00", 1_774_634_400_000),
            (Zone::utc(), "1774634400000", "2026-03-27 18:00:00", 1_774_634_400_000),
            (berlin(), "2026-03-27 18:00", "2026-03-27 18:00:00", 1_774_630_800_000),
            (berlin(), "2026-03-27T18:00:00.250Z", "2026-03-27 19:00:00.25", 1_774_634_400_250),
            (berlin(), "2026-03-27", "2026-03-27 00:00:00", 1_774_566_000_000),
            // Left out by the clocks, and twice on them.
            (berlin(), "2026-03-29 02:30", "2026-03-29 03:30:00", 1_774_747_800_000),
            (berlin(), "2026-10-25 02:30", "2026-10-25 02:30:00+02:00", 1_792_888_200_000),
            (berlin(), "2026-10-25 02:30+01:00", "2026-10-25 02:30:00+01:00", 1_792_891_800_000),
        ] {
            let read = read(text, &zone).expect(text);
            assert_eq!((read, show(read, &zone).as_str()), (millis, shown), "{text} in {zone}");
            assert_eq!(super::read(shown, &zone), Ok(millis), "what is shown is read: {shown}");
        }
        assert_eq!(show(u64::MAX, &berlin()), u64::MAX.to_string());
        for text in ["", "soon", "2026-02-30 10:00", "1969-12-31 10:00", "2026-03-27 25:00"] {
            assert!(super::read(text, &berlin()).is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_the_calendars_and_hours_the_clocks() {
        let eve = read("2026-03-28 18:00", &berlin()).expect("a time");
        let after = |text: &str| {
            let later = Pause::parse(text).expect(text).after(eve, &berlin()).expect("a time");
            show(later, &berlin())
        };
        assert_eq!(after("1 day"), "2026-03-29 18:00:00");
        assert_eq!(after("24 hours"), "2026-03-29 19:00:00");
        assert_eq!(after("1h 30m"), "2026-03-28 19:30:00");
        assert_eq!(after("10 minutes"), "2026-03-28 18:10:00");
        assert_eq!(after("1 month"), "2026-04-28 18:00:00");
        assert_eq!(after("250ms"), "2026-03-28 18:00:00.25");
        for text in ["", "soon", "10", "-1 day", "1 day ago"] {
            assert!(Pause::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pause::parse("9000 years").expect("a duration").after(eve, &berlin()), None);
    }

    #[test]
    fn a_zone_that_is_none_is_named_with_its_neighbour() {
        assert_eq!(zone("UTC").map(|zone| zone.to_string()), Ok("UTC".to_owned()));
        let error = zone("Europe/Berlim").expect_err("no zone");
        assert_eq!(error, "there is no time zone \"Europe/Berlim\" (did you mean Europe/Berlin?)");
        assert_eq!(zone("Nowhere").expect_err("no zone"), "there is no time zone \"Nowhere\"");
    }
}
