//! Time zones of the IANA database that is compiled in, so that every host of a cluster knows the same rules.

use std::{fmt, sync::LazyLock};

use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// No name of the database is much longer; a longer text is not looked up.
const NAME_BYTES_MAX: usize = 64;

/// A time zone: the rules that turn an instant into what clocks on the wall show.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A stretch of time in which the offset from UTC stays the same. Times are Unix milliseconds, offsets milliseconds east of UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// The offset within.
    pub(super) offset: i64,
    /// When it began, and the offset before.
    pub(super) began: Option<(i64, i64)>,
    /// When the next one begins, and its offset.
    pub(super) ends: Option<(i64, i64)>,
}

impl Zone {
    /// The zone of this IANA name, in any case ("Europe/Berlin", "utc").
    ///
    /// # Errors
    /// If the database has no such zone; the error suggests a near name.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone { name: name.chars().take(NAME_BYTES_MAX).collect(), near: near(name) };
        if name.len() > NAME_BYTES_MAX {
            return Err(unknown());
        }
        if name.eq_ignore_ascii_case("UTC") || name == "Z" {
            return Ok(Self::utc());
        }
        let rules = BUNDLED.get(name).map_err(|_| unknown())?;
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The name in the database's own spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rules that turn an instant into civil time.
    pub(crate) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The offset at an instant, in milliseconds east of UTC.
    pub(super) fn offset(&self, at: i64) -> i64 {
        i64::from(self.rules.to_offset(timestamp(at)).seconds()) * 1000
    }

    /// The instant at which clocks show a civil time: after a gap by what they skipped, the first of two. Both in milliseconds.
    pub(super) fn instant(&self, civil: i64) -> i64 {
        self.rules.to_timestamp(super::civil::datetime(civil)).map_or(i64::MAX, Timestamp::as_millisecond)
    }

    /// The instant from which on clocks never show less than a civil time. Both in milliseconds.
    pub(super) fn past(&self, civil: i64) -> i64 {
        let times = self.rules.to_ambiguous_timestamp(super::civil::datetime(civil));
        let millis = |time: Result<Timestamp, jiff::Error>| time.map_or(i64::MAX, Timestamp::as_millisecond);
        match times.offset() {
            AmbiguousOffset::Unambiguous { .. } => millis(times.compatible()),
            // Where they skip it.
            AmbiguousOffset::Gap { .. } => {
                let after = millis(times.later());
                self.stretch(after).began.map_or(after, |(began, _)| began)
            }
            // The second time, unless they go back to just this.
            AmbiguousOffset::Fold { .. } => {
                let second = millis(times.later());
                let is_before = second - 1 + self.offset(second - 1) < civil;
                if is_before { second } else { millis(times.earlier()) }
            }
        }
    }

    /// The stretch of an unchanging offset that an instant lies in.
    pub(super) fn stretch(&self, at: i64) -> Stretch {
        let offset = self.offset(at);
        // Rules may also change a zone's abbreviation only: such a change ends no stretch.
        let began =
            self.rules.preceding(timestamp(at.saturating_add(1))).take(CHANGES_MAX).map(|change| change.timestamp());
        let began = began.map(Timestamp::as_millisecond).find_map(|start| {
            let before = self.offset(start - 1);
            (before != offset).then_some((start, before))
        });
        let ends = self.rules.following(timestamp(at)).take(CHANGES_MAX);
        let ends =
            ends.map(|change| (change.timestamp().as_millisecond(), i64::from(change.offset().seconds()) * 1000));
        Stretch { offset, began, ends: ends.into_iter().find(|(_, next)| *next != offset) }
    }
}

/// How many changes that change no offset are looked past.
const CHANGES_MAX: usize = 64;

/// An instant of Unix milliseconds; one out of range is moved to the range's end.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// UTC.
impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A name that the zone database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no time zone is called {name:?}; hint: {}", self.hint())]
pub struct UnknownZone {
    /// What was asked for.
    pub name: String,
    /// The nearest name that there is.
    pub near: Option<String>,
}

impl UnknownZone {
    /// How to mend it.
    pub fn hint(&self) -> String {
        match &self.near {
            Some(near) => format!("did you mean {near}?"),
            None => "names are like Europe/Berlin, America/New_York or UTC (IANA)".to_owned(),
        }
    }
}

/// The name of the database that is most like this one, if any is.
fn near(name: &str) -> Option<String> {
    let wanted: String = name.to_lowercase().replace(' ', "_").chars().take(NAME_BYTES_MAX).collect();
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let names = BUNDLED.available().map(|it| it.as_str().to_owned());
    let scored = names.map(|it| {
        let lower = it.to_lowercase();
        // "Berlin" and "Europe/Munich" are often all that is wrong: the city decides as well as the whole.
        let whole = strsim::jaro_winkler(&wanted, &lower);
        let city = strsim::jaro_winkler(&last(&wanted), &last(&lower));
        (whole.max(city), whole, it)
    });
    let best = scored.max_by(|a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap_or(std::cmp::Ordering::Equal));
    best.filter(|(score, ..)| *score > 0.85).map(|(.., name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_names_and_typos_a_suggestion() {
        assert_eq!(Zone::parse("europe/berlin").expect("a zone").name(), "Europe/Berlin");
        assert_eq!(Zone::parse("utc"), Ok(Zone::utc()));
        for (typo, near) in [
            ("Europe/Berln", Some("Europe/Berlin")),
            ("Berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Asia/Katmandoo", Some("Asia/Katmandu")),
            ("", None),
            ("qqqqqqq", None),
        ] {
            let error = Zone::parse(typo).expect_err(typo);
            assert_eq!(error.near.as_deref(), near, "{typo}");
        }
        assert!(Zone::parse(&"x".repeat(1 << 20)).expect_err("too long").name.len() <= NAME_BYTES_MAX);
        assert!(Zone::parse("Europe/Berln").expect_err("a typo").to_string().contains("did you mean Europe/Berlin?"));
    }

    #[test]
    fn stretches_meet_each_other() {
        for name in
            ["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC", "Asia/Kathmandu"]
        {
            let zone = Zone::parse(name).expect("a zone");
            let mut at = 0;
            for _ in 0..100 {
                let stretch = zone.stretch(at);
                assert_eq!(stretch.offset, zone.offset(at));
                let Some((ends, next)) = stretch.ends else { break };
                assert_eq!((zone.offset(ends - 1), zone.offset(ends)), (stretch.offset, next), "{name} {ends}");
                assert_eq!(zone.stretch(ends).began, Some((ends, stretch.offset)), "{name}");
                at = ends;
            }
        }
    }
}
