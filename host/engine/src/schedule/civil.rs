//! Civil time: what clocks on the wall show. Reads and writes it, and turns it into instants.
//!
//! Within the schedule module a civil time is a number: the milliseconds since 1970-01-01T00:00 on the clocks of the zone, as if
//! every day there had 24 hours.

use jiff::{Timestamp, civil, tz::Offset};

use super::zone::{Zone, timestamp};
use crate::model::Millis;

pub use super::duration::{InvalidDuration, parse as duration, show as show_duration};

pub(super) const MS_PER_DAY: i64 = 86_400_000;

/// The end of the time that is reckoned with: 9999-12-30T00:00:00Z, a day and more before the calendars' own ends.
pub const MILLIS_MAX: Millis = 253_402_128_000_000;

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; hint: {}", self.hint())]
pub struct InvalidTime {
    /// What is wrong.
    pub message: String,
}

impl InvalidTime {
    /// How to mend it.
    pub fn hint(&self) -> &'static str {
        "a time is like 2026-12-01 09:00, 2026-12-01T09:00:00+01:00 or 2026-12-01"
    }
}

/// A time as it was written: an instant, or one that only a zone makes an instant of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// With an offset: the same everywhere. Unix milliseconds.
    Instant(Millis),
    /// Without: civil milliseconds.
    Civil(i64),
    /// A date alone: its first civil millisecond.
    Date(i64),
}

impl Written {
    /// The instant; of a date, its beginning.
    pub(super) fn begin(self, zone: &Zone) -> Millis {
        match self {
            Self::Instant(at) => at,
            Self::Civil(civil) | Self::Date(civil) => instant(civil, zone),
        }
    }

    /// The instant; of a date, its last millisecond.
    pub(super) fn end(self, zone: &Zone) -> Millis {
        match self {
            Self::Date(civil) => instant(civil + MS_PER_DAY, zone).saturating_sub(1),
            other => other.begin(zone),
        }
    }
}

/// Reads a time: RFC 3339 with an offset or `Z`, or a civil time in `zone` (`2026-12-01 09:00`, with seconds and fractions or without,
/// with a space or a `T`), or a date (its beginning). A civil time that clocks skip is moved forward by what they skipped, one that they
/// show twice is the first. Unix milliseconds.
///
/// # Errors
/// If it is none of these, or before 1970 or after 9999.
pub fn read(text: &str, zone: &Zone) -> Result<Millis, InvalidTime> {
    written(text).map(|written| written.begin(zone))
}

pub(super) fn written(text: &str) -> Result<Written, InvalidTime> {
    let text = text.trim();
    let shown: String = text.chars().take(40).collect();
    let wrong = |message: String| InvalidTime { message };
    let no_time = || wrong(format!("{shown:?} is no time"));
    if text.len() > 40 || !text.is_ascii() || text.contains('[') {
        return Err(no_time());
    }
    // The years that are reckoned with have four digits, so other forms of a date are not taken for one.
    let is_date = text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let bytes = text.as_bytes();
    if !is_date
        || (text.len() > 10
            && (!matches!(bytes[10], b'T' | b't' | b' ') || !bytes.get(11).is_some_and(u8::is_ascii_digit)))
    {
        return Err(no_time());
    }
    let out_of_range = || wrong(format!("{shown:?} is before 1970 or after 9999"));
    let checked = |millis: i64| match u64::try_from(millis) {
        Ok(at) if at <= MILLIS_MAX => Ok(millis),
        _ => Err(out_of_range()),
    };
    if text.len() == 10 {
        let date: civil::Date = text.parse().map_err(|_| no_time())?;
        return Ok(Written::Date(checked(millis_of(date.to_datetime(civil::Time::midnight())))?));
    }
    let with_offset = text[11..].contains(['Z', 'z', '+', '-']);
    if with_offset {
        let at: Timestamp = text.parse().map_err(|_| no_time())?;
        return Ok(Written::Instant(checked(at.as_millisecond())?.unsigned_abs()));
    }
    let civil: civil::DateTime = text.parse().map_err(|_| no_time())?;
    Ok(Written::Civil(checked(millis_of(civil))?))
}

/// The instant of a civil time: after a gap by what was skipped, the first of two.
pub(super) fn instant(civil: i64, zone: &Zone) -> Millis {
    u64::try_from(zone.instant(civil)).unwrap_or(0).min(MILLIS_MAX)
}

/// Civil milliseconds in `zone` of an instant.
pub(super) fn civil(at: Millis, zone: &Zone) -> i64 {
    let at = at.min(MILLIS_MAX).cast_signed();
    at + zone.offset(at)
}

/// The calendar's form of civil milliseconds.
pub(super) fn datetime(civil: i64) -> civil::DateTime {
    Offset::UTC.to_datetime(timestamp(civil))
}

/// Civil milliseconds of the calendar's form.
pub(super) fn millis_of(datetime: civil::DateTime) -> i64 {
    Offset::UTC.to_timestamp(datetime).map_or(i64::MAX, Timestamp::as_millisecond)
}

/// An instant for people: `Tue 2026-12-01 09:00:00 +01:00`. Seconds are always there, milliseconds if there are any.
pub fn show(at: Millis, zone: &Zone) -> String {
    let offset = zone.offset(at.min(MILLIS_MAX).cast_signed());
    format!("{} {}", show_civil(civil(at, zone)), show_offset(offset))
}

/// An instant as RFC 3339 in `zone`'s offset, with milliseconds: `2026-12-01T09:00:00.000+01:00`; in UTC with a `Z`.
pub fn rfc3339(at: Millis, zone: &Zone) -> String {
    let offset = zone.offset(at.min(MILLIS_MAX).cast_signed());
    let offset = if zone.name() == "UTC" { "Z".to_owned() } else { show_offset(offset) };
    format!("{}{offset}", datetime(civil(at, zone)).strftime("%Y-%m-%dT%H:%M:%S.%3f"))
}

pub(super) fn show_civil(civil: i64) -> String {
    let form = if civil.rem_euclid(1000) == 0 { "%a %Y-%m-%d %H:%M:%S" } else { "%a %Y-%m-%d %H:%M:%S.%3f" };
    datetime(civil).strftime(form).to_string()
}

fn show_offset(offset: i64) -> String {
    let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let seconds = if seconds == 0 { String::new() } else { format!(":{seconds:02}") };
    format!("{sign}{hours:02}:{minutes:02}{seconds}")
}

/// The date and the time of day of civil milliseconds, for people.
pub(super) fn split(civil: i64) -> (String, String) {
    let datetime = datetime(civil);
    let form = if civil.rem_euclid(60_000) == 0 { "%H:%M" } else { "%H:%M:%S" };
    (datetime.date().to_string(), datetime.strftime(form).to_string())
}

/// The civil day of an instant: days since 1970-01-01 on the clocks of the zone.
pub fn day(at: Millis, zone: &Zone) -> i64 {
    civil(at, zone).div_euclid(MS_PER_DAY)
}

/// The last millisecond of a civil day: where clocks go back over midnight, the day's second end.
pub fn day_end(day: i64, zone: &Zone) -> Millis {
    let past = zone.past(day.saturating_add(1).saturating_mul(MS_PER_DAY));
    u64::try_from(past).unwrap_or(0).min(MILLIS_MAX).saturating_sub(1)
}

/// Whether the zone has the day: some were skipped when a country changed sides of the date line.
pub fn has_day(day: i64, zone: &Zone) -> bool {
    let end = day_end(day, zone);
    // Past the time that is reckoned with nothing is known to be left out.
    end >= MILLIS_MAX - 1 || self::day(end, zone) == day
}

/// The month of a civil day: months since January 1970.
pub fn month_of(day: i64) -> i64 {
    let date = datetime(day.saturating_mul(MS_PER_DAY));
    (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1
}

/// The first civil day of a month.
pub fn first_day_of(month: i64) -> i64 {
    let year = i16::try_from(1970 + month.div_euclid(12)).unwrap_or(i16::MAX).clamp(-9999, 9999);
    let month = i8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
    millis_of(civil::date(year, month, 1).at(0, 0, 0, 0)).div_euclid(MS_PER_DAY)
}
