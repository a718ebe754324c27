//! Days by a rule, at times of the day: what the words of the text form say.

use jiff::civil::Date;

use super::{
    super::civil::{MILLIS_MAX, MS_PER_DAY, datetime},
    Found,
};

/// Days at times.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::schedule) struct Days {
    pub(in crate::schedule) which: Which,
    /// Milliseconds from midnight, ascending. Empty: the anchor's.
    pub(in crate::schedule) times: Vec<i64>,
    /// Whether a month's last day stands in for a day that it lacks.
    pub(in crate::schedule) clamp: bool,
}

/// Which days.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::schedule) enum Which {
    /// Every so many days from the anchor's.
    Daily {
        /// At least 1.
        every: u32,
    },
    /// Days of every so many weeks (from Monday on) from the anchor's.
    Weekly {
        /// At least 1.
        every: u32,
        /// Empty: the anchor's.
        on: Weekdays,
    },
    /// Days of every so many months, or years, from the anchor's.
    Monthly {
        /// At least 1.
        every: u32,
        /// What is counted.
        unit: Unit,
        /// Empty: the anchor's.
        on: Vec<InMonth>,
    },
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::schedule) enum Unit {
    Month,
    Year,
}

/// A set of weekdays: bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::schedule) struct Weekdays(pub(in crate::schedule) u8);

impl Weekdays {
    pub(in crate::schedule) const WORKING: Self = Self(0b001_1111);
    pub(in crate::schedule) const WEEKEND: Self = Self(0b110_0000);

    fn has(self, date: Date) -> bool {
        self.0 >> date.weekday().to_monday_zero_offset() & 1 == 1
    }
}

/// A day of some months.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::schedule) struct InMonth {
    /// The months: bit 1 is January.
    pub(in crate::schedule) months: u16,
    /// The day in each.
    pub(in crate::schedule) day: Day,
}

/// All months.
pub(in crate::schedule) const ALL_MONTHS: u16 = 0b1_1111_1111_1110;

/// A day of a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::schedule) enum Day {
    /// By its number, from 1.
    Number(u8),
    /// The last.
    Last,
    /// The nth of these weekdays, from 1; negative from the month's end.
    Nth(i8, Weekdays),
}

/// Four hundred years hold every day that the calendar has, and then it begins anew.
const MONTHS_MAX: i32 = 4_800;

impl Days {
    pub(super) fn at_or_after(&self, anchor: i64, from: i64) -> Option<Found> {
        let anchor_time = [anchor.rem_euclid(MS_PER_DAY)];
        let times = if self.times.is_empty() { &anchor_time[..] } else { &self.times };
        let anchor = datetime(anchor).date();
        let (day, time) = (datetime(from).date(), from.rem_euclid(MS_PER_DAY));
        let found = |(date, clamped): (Date, Option<u8>), time: i64| Found { civil: start_of(date) + time, clamped };
        let first = self.day(anchor, day)?;
        if first.0 > day {
            return Some(found(first, *times.first()?));
        }
        if let Some(later) = times.iter().find(|it| **it >= time) {
            return Some(found(first, *later));
        }
        Some(found(self.day(anchor, day.tomorrow().ok()?)?, *times.first()?))
    }

    /// A day at seven is a time of the day however many of them there are; only a time in each hour is not.
    pub(super) fn is_hourly(&self) -> bool {
        (0..24).all(|hour| self.times.iter().any(|time| time / 3_600_000 == hour))
    }

    /// The first day at or after `from`.
    fn day(&self, anchor: Date, from: Date) -> Option<(Date, Option<u8>)> {
        match &self.which {
            Which::Daily { every } => {
                let behind = days_between(anchor, from).max(0);
                let steps = behind.div_euclid(i64::from(*every)) + i64::from(behind % i64::from(*every) != 0);
                let date = plus_days(anchor, steps * i64::from(*every))?;
                Some((date, None))
            }
            Which::Weekly { every, on } => {
                let every = i64::from(*every) * 7;
                let own = Weekdays(1 << anchor.weekday().to_monday_zero_offset());
                let on = if on.0 == 0 { own } else { *on };
                let from = from.max(anchor);
                let monday = plus_days(anchor, -i64::from(anchor.weekday().to_monday_zero_offset()))?;
                let weeks = days_between(monday, from).div_euclid(every);
                // In the period that `from` lies in, or in the first week of the one after.
                (0..2).find_map(|period| {
                    let start = plus_days(monday, (weeks + period) * every)?;
                    let days = (0..7).filter_map(|day| plus_days(start, day));
                    Some((days.into_iter().find(|day| *day >= from && on.has(*day))?, None))
                })
            }
            Which::Monthly { every, unit, on } => self.month_day(anchor, from.max(anchor), *every, *unit, on),
        }
    }

    fn month_day(
        &self,
        anchor: Date,
        from: Date,
        every: u32,
        unit: Unit,
        on: &[InMonth],
    ) -> Option<(Date, Option<u8>)> {
        let own = [InMonth {
            months: if unit == Unit::Year { 1 << anchor.month() } else { ALL_MONTHS },
            day: Day::Number(anchor.day().unsigned_abs()),
        }];
        let on = if on.is_empty() { &own[..] } else { on };
        let month_of = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month()) - 1;
        let (first, every) = (month_of(anchor), i32::try_from(every).ok()?);
        let mut month = month_of(from);
        for _ in 0..MONTHS_MAX {
            // On to the next month that is counted.
            let (count, length) = match unit {
                Unit::Month => (month - first, 1),
                Unit::Year => (month.div_euclid(12) - i32::from(anchor.year()), 12),
            };
            let behind = count.rem_euclid(every);
            if behind != 0 {
                let begin = if unit == Unit::Year { month.div_euclid(12) * 12 } else { month };
                month = begin.checked_add((every - behind).checked_mul(length)?)?;
            }
            let start =
                Date::new(i16::try_from(month.div_euclid(12)).ok()?, (month.rem_euclid(12) + 1) as i8, 1).ok()?;
            let days = on.iter().filter(|it| it.months >> start.month() & 1 == 1);
            let days = days.filter_map(|it| it.day.of(start, self.clamp)).filter(|(date, _)| *date >= from);
            // Where a day stands in for another and is meant itself too, it is itself.
            if let Some(day) = days.min_by_key(|(date, clamped)| (*date, clamped.is_some())) {
                return Some(day);
            }
            month += 1;
        }
        None
    }
}

impl Day {
    /// The day in the month that begins at `start`, if it has it.
    fn of(self, start: Date, clamp: bool) -> Option<(Date, Option<u8>)> {
        let last = start.last_of_month();
        match self {
            Self::Last => Some((last, None)),
            Self::Number(day) if i16::from(day) <= i16::from(last.day()) => {
                Some((plus_days(start, i64::from(day) - 1)?, None))
            }
            Self::Number(day) => clamp.then_some((last, Some(day))),
            Self::Nth(nth, on) => {
                let mut days = (0..i64::from(last.day())).filter_map(|day| plus_days(start, day));
                let nth_of = usize::from(nth.unsigned_abs()).checked_sub(1)?;
                let day = if nth > 0 {
                    days.filter(|day| on.has(*day)).nth(nth_of)
                } else {
                    let mut found: Vec<Date> = days.by_ref().filter(|day| on.has(*day)).collect();
                    found.reverse();
                    found.get(nth_of).copied()
                };
                day.map(|day| (day, None))
            }
        }
    }
}

/// Civil milliseconds; unlike a timestamp's, the range of dates is never left.
fn start_of(date: Date) -> i64 {
    days_between(Date::constant(1970, 1, 1), date) * MS_PER_DAY
}

/// None: past the end of the time that is reckoned with.
fn plus_days(date: Date, days: i64) -> Option<Date> {
    let start = start_of(date).checked_add(days.checked_mul(MS_PER_DAY)?)?;
    (start <= MILLIS_MAX.cast_signed()).then(|| datetime(start).date())
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}
