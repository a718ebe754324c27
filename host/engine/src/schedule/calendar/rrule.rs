//! iCalendar recurrence rules (RFC 5545, section 3.3.10), by the crate rrule, on a clock that is never changed.
//!
//! The crate walks from a rule's start. So that a rule that is years old costs no more than a new one, what the rule takes from its start
//! (the time of day, the weekday …) is filled in here, and the walk begins at the period that is asked for. Of rules finer than a day it
//! only gives the days; their times are reckoned ([`Fine`]).

use chrono::{DateTime, Datelike as _, Month, TimeZone as _, Timelike as _, Utc, Weekday};
use rrule::{Frequency, NWeekday, RRule, RRuleSet, Tz, Unvalidated};

use super::super::civil::MS_PER_DAY;

/// A recurrence rule without its end.
#[derive(Debug, Clone)]
pub(in crate::schedule) struct Rule {
    pub(in crate::schedule) freq: Frequency,
    pub(in crate::schedule) interval: u16,
    pub(in crate::schedule) week_start: Weekday,
    pub(in crate::schedule) positions: Vec<i32>,
    pub(in crate::schedule) months: Vec<u8>,
    pub(in crate::schedule) month_days: Vec<i8>,
    pub(in crate::schedule) year_days: Vec<i16>,
    pub(in crate::schedule) weeks: Vec<i8>,
    pub(in crate::schedule) weekdays: Vec<NWeekday>,
    pub(in crate::schedule) hours: Vec<u8>,
    pub(in crate::schedule) minutes: Vec<u8>,
    pub(in crate::schedule) seconds: Vec<u8>,
}

/// A walk through one period must not make more times than this: what is longer is said by a finer FREQ.
const PERIOD_MAX: usize = 20_000;

/// How many times of a rule that is finer than a day are looked at before it is taken to give none.
const PROBES_MAX: usize = 20_000;

impl Default for Rule {
    fn default() -> Self {
        Self {
            freq: Frequency::Daily,
            interval: 1,
            week_start: Weekday::Mon,
            positions: Vec::new(),
            months: Vec::new(),
            month_days: Vec::new(),
            year_days: Vec::new(),
            weeks: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
        }
    }
}

impl Rule {
    /// Whether it is one that RFC 5545 allows and that takes bounded work.
    ///
    /// # Errors
    /// What is wrong.
    pub(in crate::schedule) fn check(&self) -> Result<(), String> {
        let rarely = [Frequency::Monthly, Frequency::Yearly].contains(&self.freq);
        let counted = self.weekdays.iter().any(|day| matches!(day, NWeekday::Nth(..)));
        if counted && (!rarely || !self.weeks.is_empty()) {
            return Err("a number before a day (BYDAY=1MO) needs FREQ=MONTHLY or YEARLY, without BYWEEKNO".to_owned());
        }
        if self.is_fine() && !self.positions.is_empty() {
            return Err("BYSETPOS needs FREQ=DAILY or longer".to_owned());
        }
        let some = |list: usize| list.max(1);
        let times = some(self.hours.len()) * some(self.minutes.len()) * some(self.seconds.len());
        let days = match self.freq {
            Frequency::Yearly => 366,
            Frequency::Monthly => 31,
            Frequency::Weekly => 7,
            _ => 1,
        };
        if !self.is_fine() && times * days > PERIOD_MAX {
            return Err(
                "these are too many times a period: FREQ=HOURLY, MINUTELY or SECONDLY says it shorter".to_owned()
            );
        }
        let Some(start) = utc(0) else { return Ok(()) };
        let rule = if self.is_fine() { self.days() } else { self.filled(start) };
        rule.validate(start.with_timezone(&Tz::UTC)).map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) fn is_hourly(&self) -> bool {
        let per_hour = match self.freq {
            Frequency::Hourly => 1,
            Frequency::Minutely => 60,
            Frequency::Secondly => 3_600,
            _ => return self.hours.len() == 24,
        };
        self.interval <= per_hour && (self.hours.is_empty() || self.hours.len() == 24)
    }

    fn is_fine(&self) -> bool {
        [Frequency::Hourly, Frequency::Minutely, Frequency::Secondly].contains(&self.freq)
    }

    /// The first civil time at or after `from`, counted from `anchor`'s second.
    pub(super) fn at_or_after(&self, anchor: i64, from: i64) -> Option<i64> {
        let start = anchor.div_euclid(1000);
        let from = (from.div_euclid(1000) + i64::from(from.rem_euclid(1000) != 0)).max(start);
        let found = if self.is_fine() { self.fine(start, from)? } else { self.coarse(utc(start)?, utc(from)?)? };
        Some(found * 1000)
    }

    fn coarse(&self, start: DateTime<Utc>, from: DateTime<Utc>) -> Option<i64> {
        walk(self.filled(start), self.period(start, from)?, from)
    }

    /// The rule with everything in it that it takes from its start.
    fn filled(&self, start: DateTime<Utc>) -> RRule<Unvalidated> {
        let mut rule = self.clone();
        let any_day = rule.month_days.is_empty() && rule.year_days.is_empty() && rule.weeks.is_empty();
        if any_day && rule.weekdays.is_empty() {
            match rule.freq {
                Frequency::Yearly => {
                    if rule.months.is_empty() {
                        rule.months = vec![start.month() as u8];
                    }
                    rule.month_days = vec![start.day() as i8];
                }
                Frequency::Monthly => rule.month_days = vec![start.day() as i8],
                Frequency::Weekly => rule.weekdays = vec![NWeekday::Every(start.weekday())],
                _ => {}
            }
        }
        let given = |list: &[u8], own: u32| if list.is_empty() { vec![own as u8] } else { list.to_vec() };
        self.limits(RRule::new(rule.freq), &rule)
            .interval(rule.interval)
            .by_set_pos(rule.positions.clone())
            .by_hour(given(&rule.hours, start.hour()))
            .by_minute(given(&rule.minutes, start.minute()))
            .by_second(given(&rule.seconds, start.second()))
    }

    /// The days of a rule that is finer than a day.
    fn days(&self) -> RRule<Unvalidated> {
        // A day of the year is no part of a daily rule; in a yearly one the others mean the same as in a daily one.
        let freq = if self.year_days.is_empty() { Frequency::Daily } else { Frequency::Yearly };
        self.limits(RRule::new(freq), self).by_hour(vec![0]).by_minute(vec![0]).by_second(vec![0])
    }

    fn limits(&self, to: RRule<Unvalidated>, from: &Self) -> RRule<Unvalidated> {
        let months: Vec<Month> = from.months.iter().filter_map(|month| Month::try_from(*month).ok()).collect();
        to.week_start(self.week_start)
            .by_month(&months)
            .by_month_day(from.month_days.clone())
            .by_year_day(from.year_days.clone())
            .by_week_no(from.weeks.clone())
            .by_weekday(from.weekdays.clone())
    }

    /// The beginning of the period that `from` lies in, or of the last one before it.
    fn period(&self, start: DateTime<Utc>, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let interval = i64::from(self.interval);
        let midnight = |at: DateTime<Utc>| at.timestamp().div_euclid(86_400);
        let days = |first: i64, length: i64| {
            let periods = (midnight(from) - first).div_euclid(interval * length);
            utc((first + periods * interval * length) * 86_400)
        };
        let months = |first: i64, length: i64| {
            let month = i64::from(from.year()) * 12 + i64::from(from.month0());
            let month = first + (month - first).div_euclid(interval * length) * interval * length;
            let (year, month) = (i32::try_from(month.div_euclid(12)).ok()?, month.rem_euclid(12) + 1);
            Utc.with_ymd_and_hms(year, u32::try_from(month).ok()?, 1, 0, 0, 0).single()
        };
        match self.freq {
            Frequency::Yearly => months(i64::from(start.year()) * 12, 12),
            Frequency::Monthly => months(i64::from(start.year()) * 12 + i64::from(start.month0()), 1),
            Frequency::Weekly => {
                let into = i64::from(start.weekday().days_since(self.week_start));
                days(midnight(start) - into, 7)
            }
            _ => days(midnight(start), 1),
        }
    }

    /// The first time at or after `from` of a rule finer than a day. Civil seconds.
    fn fine(&self, start: i64, from: i64) -> Option<i64> {
        let unit = match self.freq {
            Frequency::Hourly => 3_600,
            Frequency::Minutely => 60,
            _ => 1,
        };
        let (first, step) = (start.div_euclid(unit) * unit, unit * i64::from(self.interval));
        let is_any_day = self.months.is_empty() && self.month_days.is_empty() && self.year_days.is_empty();
        let is_any_day = is_any_day && self.weekdays.is_empty();
        let has = |list: &[u8], value: i64| list.is_empty() || list.iter().any(|it| i64::from(*it) == value);
        // A day that was found to be one of the rule's.
        let mut day = None;
        let mut at = from.div_euclid(unit) * unit;
        for _ in 0..PROBES_MAX {
            // On to the next hour, minute or second that is counted.
            at += (first - at).rem_euclid(step);
            let today = at.div_euclid(86_400);
            if !is_any_day && day != Some(today) {
                let midnight = utc(today * 86_400)?;
                let base = if self.year_days.is_empty() {
                    midnight
                } else {
                    Utc.with_ymd_and_hms(midnight.year(), 1, 1, 0, 0, 0).single()?
                };
                let next = walk(self.days(), base, midnight)?;
                day = Some(next.div_euclid(86_400));
                if day != Some(today) {
                    at = next;
                    continue;
                }
            }
            let (hour, minute, second) = (at.rem_euclid(86_400) / 3_600, at.rem_euclid(3_600) / 60, at.rem_euclid(60));
            if !has(&self.hours, hour) {
                at = (at.div_euclid(3_600) + 1) * 3_600;
            } else if unit < 3_600 && !has(&self.minutes, minute) {
                at = (at.div_euclid(60) + 1) * 60;
            } else if unit < 60 && !has(&self.seconds, second) {
                at += 1;
            } else if let Some(found) = self.within(unit, at, start).find(|found| *found >= from) {
                return Some(found);
            } else {
                at += unit;
            }
        }
        None
    }

    /// The times in the unit that begins at `at`, ascending.
    fn within(&self, unit: i64, at: i64, start: i64) -> impl Iterator<Item = i64> {
        let list = |given: &[u8], own: i64, is_part: bool| match (is_part, given.is_empty()) {
            (false, _) => vec![0],
            (true, true) => vec![own],
            (true, false) => {
                let mut values: Vec<i64> = given.iter().map(|value| i64::from(*value)).collect();
                values.sort_unstable();
                values
            }
        };
        let minutes = list(&self.minutes, start.rem_euclid(3_600) / 60, unit > 60);
        let seconds = list(&self.seconds, start.rem_euclid(60), unit > 1);
        minutes
            .into_iter()
            .flat_map(move |minute| seconds.clone().into_iter().map(move |second| at + minute * 60 + second))
    }
}

/// The first time of a rule at or after `from`, walking from the period that begins at `base`. Civil seconds.
fn walk(rule: RRule<Unvalidated>, base: DateTime<Utc>, from: DateTime<Utc>) -> Option<i64> {
    let base = base.with_timezone(&Tz::UTC);
    let rule = rule.validate(base).ok()?;
    let set = RRuleSet::new(base).rrule(rule).limit();
    set.into_iter().map(|found| found.timestamp()).find(|found| *found >= from.timestamp())
}

fn utc(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

const _: () = assert!(MS_PER_DAY == 86_400 * 1_000);
