//! Recurrence in civil time: "every 3 days at 09:00", cron, iCalendar rules, and what happens when clocks are changed, months are short
//! or the host was down. `docs/schedules.md` is the reference of the text form.
//!
//! In the order that a question takes: `text` reads what people write, `calendar` gives civil times on a clock that is never changed,
//! `place` turns them into instants (the only place that knows of gaps and folds), [`Plan`] keeps where a recurrence stands, and
//! [`describe`] says it to people.
//!
//! Everything is an argument: no clock, no randomness, no zone of the machine. Nothing takes unbounded time: searches jump, and give up
//! after a bound that each one names.

mod calendar;
pub mod civil;
mod describe;
mod duration;
mod error;
mod place;
mod plan;
mod text;
mod zone;

#[cfg(test)]
mod tests;

use std::fmt;

pub use describe::{Upcoming, describe, upcoming};
pub use error::ScheduleError;
pub use plan::{CaughtUp, Plan};
pub use zone::{UnknownZone, Zone};

use calendar::Calendar;
use civil::{MILLIS_MAX, Written};

/// Unix time in milliseconds.
pub type Millis = crate::model::Millis;

/// The longest text of a schedule, in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// When something happens again and again: a recurrence and what belongs to it.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    recurrence: Recurrence,
    clauses: Clauses,
}

/// What gives the runs.
#[derive(Debug, Clone)]
enum Recurrence {
    /// Every so many milliseconds from the anchor.
    Exact(Millis),
    /// In civil time.
    Civil(Calendar),
}

/// What stands after the recurrence.
#[derive(Debug, Clone)]
struct Clauses {
    zone: Option<Zone>,
    gap: Gap,
    fold: Fold,
    missed: Missed,
    jitter: Millis,
    from: Option<Written>,
    until: Option<Written>,
    count: Option<u64>,
    now: bool,
}

/// What becomes of a civil time that clocks skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It is moved by the length of the gap, as RFC 5545 does. The default, but for what runs in every hour.
    Shift,
    /// It does not happen. The default for what runs in every hour.
    Skip,
}

/// Which of the two instants is meant by a civil time that clocks show twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// The first. The default, but for what runs in every hour.
    First,
    /// The second.
    Second,
    /// Both. The default for what runs in every hour.
    Both,
}

/// What becomes of runs that could not happen in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Only the latest happens. The default.
    Once,
    /// One that is later than this does not happen.
    Skip {
        /// Milliseconds.
        grace: Millis,
    },
    /// They all happen, but no more than the latest so many.
    All {
        /// At least 1.
        at_most: u32,
    },
}

/// When something happens once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The instant.
    pub at: Millis,
    /// What is special about it.
    pub why: Option<Why>,
}

/// What is special about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Clocks skip its time: it happens later by what they skip.
    GapShifted {
        /// The time that was meant, in civil milliseconds ([`civil`]).
        civil: i64,
    },
    /// Clocks show its time twice: this is the first.
    FoldFirst,
    /// Clocks show its time twice: this is the second.
    FoldSecond,
    /// The month lacks its day: the last day stands in.
    DayClamped {
        /// The day that was meant.
        day: u8,
    },
    /// The first run at once, as asked.
    AtOnce,
}

impl Why {
    /// Its name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::GapShifted { .. } => "gap-shifted",
            Self::FoldFirst => "fold-first",
            Self::FoldSecond => "fold-second",
            Self::DayClamped { .. } => "day-clamped",
            Self::AtOnce => "at-once",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GapShifted { civil } => {
                let (_, time) = civil::split(*civil);
                write!(f, "clocks go forward past {time}: later by what they skip")
            }
            Self::FoldFirst => f.write_str("clocks go back and show this time twice: the first"),
            Self::FoldSecond => f.write_str("clocks go back and show this time twice: the second"),
            Self::DayClamped { day } => write!(f, "the month has no day {day}: its last day"),
            Self::AtOnce => f.write_str("at once, as asked"),
        }
    }
}

impl Schedule {
    /// Reads a recurrence and its clauses.
    ///
    /// # Errors
    /// If the text is not understood or contradicts itself: what is wrong, where, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        text::parse(text)
    }

    /// The text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The zone that the text fixes.
    pub fn zone(&self) -> Option<&Zone> {
        self.clauses.zone.as_ref()
    }

    /// Whether its runs change with the zone that is given to [`Schedule::next`].
    pub fn depends_on_zone(&self) -> bool {
        let is_civil = |at: Option<Written>| at.is_some_and(|at| !matches!(at, Written::Instant(_)));
        let is_civil = matches!(self.recurrence, Recurrence::Civil(_))
            || is_civil(self.clauses.from)
            || is_civil(self.clauses.until);
        self.clauses.zone.is_none() && is_civil
    }

    /// What becomes of runs that could not happen in time.
    pub fn missed(&self) -> Missed {
        self.clauses.missed
    }

    /// The longest that a run is put off by chance; 0 for none.
    pub fn jitter(&self) -> Millis {
        self.clauses.jitter
    }

    /// The first run strictly after `after`, counted from `anchor` (when it was started) or from the text's own `from`. `zone` is the
    /// context's, and is not used if the text fixes one. None: there is none until the text's `until`, or the year 9999. What counts runs
    /// (`count`) or is about the first one (`now`) is [`Plan`]'s.
    pub fn next(&self, anchor: Millis, after: Millis, zone: &Zone) -> Option<Run> {
        let zone = self.clauses.zone.as_ref().unwrap_or(zone);
        let from = self.clauses.from.map(|from| from.begin(zone));
        // Where counting begins is a run if the text names it, as in a calendar; when it was started is none.
        let first = from.unwrap_or(anchor.checked_add(1)?).max(after.checked_add(1)?);
        if first > MILLIS_MAX {
            return None;
        }
        let anchor = from.unwrap_or(anchor);
        let (at, why) = match &self.recurrence {
            Recurrence::Exact(step) => {
                let steps = first.saturating_sub(anchor).div_ceil(*step);
                (anchor.checked_add(steps.checked_mul(*step)?)?, None)
            }
            Recurrence::Civil(calendar) => {
                let rules = place::Rules { gap: self.clauses.gap, fold: self.clauses.fold };
                let anchor = civil::civil(anchor, zone);
                let (at, why) = place::at_or_after(calendar, anchor, first.cast_signed(), zone, rules)?;
                (u64::try_from(at).ok()?, why)
            }
        };
        let is_over = at > MILLIS_MAX || self.clauses.until.is_some_and(|until| at > until.end(zone));
        (!is_over).then_some(Run { at, why })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
