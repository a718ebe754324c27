//! Recurrences in civil time: each answers which of its times comes next on a clock that is never changed.

pub(super) mod cron;
pub(super) mod days;
pub(super) mod rrule;

/// A rule that gives civil times.
#[derive(Debug, Clone)]
pub(super) enum Calendar {
    /// Days of our own text form, at times of the day.
    Days(days::Days),
    /// A cron expression.
    Cron(Box<cron::Cron>),
    /// An iCalendar recurrence rule.
    Rule(Box<rrule::Rule>),
}

/// A civil time that a calendar gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Civil milliseconds.
    pub(super) civil: i64,
    /// The day of the month that was asked for, where the month lacks it and its last day stands in.
    pub(super) clamped: Option<u8>,
}

impl Calendar {
    /// The first civil time at or after `from`, counted from `anchor`. May be before `anchor` only where nothing is counted from it.
    pub(super) fn at_or_after(&self, anchor: i64, from: i64) -> Option<Found> {
        match self {
            Self::Days(days) => days.at_or_after(anchor, from),
            Self::Cron(cron) => cron.at_or_after(from).map(|civil| Found { civil, clamped: None }),
            Self::Rule(rule) => rule.at_or_after(anchor, from).map(|civil| Found { civil, clamped: None }),
        }
    }

    /// Whether it gives a time in every hour of the day: then it follows the clock on the wall, whatever that does.
    pub(super) fn is_hourly(&self) -> bool {
        match self {
            Self::Days(days) => days.is_hourly(),
            Self::Cron(cron) => cron.is_hourly(),
            Self::Rule(rule) => rule.is_hourly(),
        }
    }
}
