//! Cron expressions, by the crate croner, on a clock that is never changed.

use chrono::{DateTime, NaiveDateTime};
use croner::parser::{CronParser, Seconds, Year};

/// A cron expression.
#[derive(Debug, Clone)]
pub(in crate::schedule) struct Cron {
    cron: croner::Cron,
    hourly: bool,
}

impl Cron {
    /// Parses five fields, six (with seconds first), or a name like `@daily`.
    ///
    /// # Errors
    /// What the parser says is wrong.
    pub(in crate::schedule) fn parse(text: &str) -> Result<Self, String> {
        // The parser takes an empty item for no value; a field without any would be searched for all of time.
        if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err("a comma stands between two values".to_owned());
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| error.to_string())?;
        let pattern = &cron.pattern;
        if [&pattern.seconds, &pattern.minutes, &pattern.hours, &pattern.months].iter().any(|it| it.values().is_empty())
        {
            return Err("a field has no value".to_owned());
        }
        let hourly = cron.pattern.hours.values().len() == 24;
        let cron = Self { cron, hourly };
        match cron.at_or_after(0) {
            Some(_) => Ok(cron),
            None => Err("no day is like that".to_owned()),
        }
    }

    pub(super) fn at_or_after(&self, from: i64) -> Option<i64> {
        // Whole seconds: the first at or after a fraction is the next one.
        let seconds = from.div_euclid(1000) + i64::from(from.rem_euclid(1000) != 0);
        let start: NaiveDateTime = DateTime::from_timestamp(seconds, 0)?.naive_utc();
        let found = self.cron.find_next_occurrence(&start, true).ok()?;
        Some(found.and_utc().timestamp_millis())
    }

    pub(super) fn is_hourly(&self) -> bool {
        self.hourly
    }
}
