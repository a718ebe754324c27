//! A slow search that shares nothing with the schedules: it looks at every minute, and only asks what clocks show then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{TimeZone, TimeZoneDatabase},
};

pub const MINUTE: i64 = 60_000;

/// What clocks in a zone show, minute by minute.
pub struct Clocks {
    /// What is searched: Unix milliseconds.
    begin: i64,
    end: i64,
    /// Each civil time and the instants at which it is shown, first and last.
    shown: Vec<(DateTime, i64, i64)>,
    /// Each civil time that is skipped, and when it would have been shown had the clocks not been changed.
    skipped: Vec<(DateTime, i64)>,
}

/// What becomes of times that clocks show twice, or skip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub first: bool,
    pub second: bool,
    pub shift: bool,
}

impl Policy {
    pub const TIME_OF_DAY: Self = Self { first: true, second: false, shift: true };
    pub const HOURLY: Self = Self { first: true, second: true, shift: false };

    /// The clauses that say it.
    pub fn text(self) -> String {
        let fold = match (self.first, self.second) {
            (true, true) => "both",
            (false, true) => "second",
            _ => "first",
        };
        format!("; fold {fold}; gap {}", if self.shift { "shift" } else { "skip" })
    }
}

pub fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect(name)
}

impl Clocks {
    /// From a whole minute, for so many minutes.
    pub fn of(zone: &TimeZone, from: i64, minutes: i64) -> Self {
        let minute = jiff::Span::new().minutes(1);
        let (mut times, mut skipped) = (BTreeMap::new(), Vec::new());
        let mut expected: Option<DateTime> = None;
        for at in (0..minutes).map(|minute| from + minute * MINUTE) {
            let civil = zone.to_datetime(Timestamp::from_millisecond(at).expect("in range"));
            let mut later = at;
            while let Some(missing) = expected.filter(|expected| *expected < civil) {
                skipped.push((missing, later));
                later += MINUTE;
                expected = missing.checked_add(minute).ok();
            }
            expected = civil.checked_add(minute).ok();
            times.entry(civil).and_modify(|(_, last)| *last = at).or_insert((at, at));
        }
        let shown = times.into_iter().map(|(civil, (first, last))| (civil, first, last)).collect();
        Self { begin: from + MARGIN * MINUTE, end: from + (minutes - 1 - MARGIN) * MINUTE, shown, skipped }
    }

    /// The instants at which something happens that happens at the minutes for which `is_meant` holds. The first day and a bit of the
    /// clocks are not searched: they only tell what was shown before.
    pub fn runs(&self, is_meant: &dyn Fn(DateTime) -> bool, policy: Policy) -> Vec<i64> {
        let mut runs = BTreeSet::new();
        for (_, first, last) in self.shown.iter().filter(|(civil, ..)| is_meant(*civil)) {
            if policy.first || first == last {
                runs.insert(*first);
            }
            if policy.second {
                runs.insert(*last);
            }
        }
        if policy.shift {
            runs.extend(self.skipped.iter().filter(|(civil, _)| is_meant(*civil)).map(|(_, at)| *at));
        }
        runs.into_iter().filter(|at| (self.begin..self.end).contains(at)).collect()
    }

    /// From when on, and until when, [`Clocks::runs`] finds what there is.
    pub fn range(&self) -> (u64, u64) {
        (self.begin as u64, self.end as u64)
    }
}

/// Minutes at both ends that only tell of what was shown before and will be shown after: more than the longest gap.
pub const MARGIN: i64 = 25 * 60;
