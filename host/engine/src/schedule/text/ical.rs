//! The parts of an iCalendar recurrence rule: `FREQ=MONTHLY;BYDAY=-1FR`.

use std::str::FromStr;

use chrono::Weekday;
use rrule::{Frequency, NWeekday};

use super::{
    super::{
        calendar::rrule::Rule,
        civil::{MS_PER_DAY, Written},
    },
    Parsed, Piece, Wrong,
    clauses::Ends,
};

const KEYS: [&str; 14] = [
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "WKST",
    "BYSETPOS",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYDAY",
    "BYHOUR",
    "BYMINUTE",
    "BYSECOND",
];

/// No list of the format has more different values.
const VALUES_MAX: usize = 366;

pub(super) fn is_rule(text: &str) -> bool {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins("RRULE:") || text.contains('=')
}

/// Reads a rule; how it ends (COUNT, UNTIL) goes to `ends`.
pub(super) fn rule(parts: &[Piece<'_>], ends: &mut Ends) -> Parsed<Rule> {
    let mut rule = Rule::default();
    let mut seen: Vec<String> = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        let mut part = *part;
        if position == 0 && part.text.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case("RRULE:")) {
            part = Piece { text: &part.text[6..], at: part.at + 6 }.trimmed();
        }
        let Some((key, value)) = part.text.split_once('=') else {
            return Err(Wrong::new(
                part.at,
                "a part of a rule is missing here",
                "a rule is like FREQ=MONTHLY;BYDAY=-1FR",
            ));
        };
        let value = Piece { text: value, at: part.at + key.chars().count() + 1 }.trimmed();
        let key = key.trim().to_ascii_uppercase();
        if seen.contains(&key) {
            return Err(Wrong::new(part.at, format!("{key} is there twice"), ""));
        }
        set(&mut rule, ends, &key, part.at, value)?;
        seen.push(key);
    }
    let first = parts.first().map_or(0, |part| part.at);
    if !seen.iter().any(|key| key == "FREQ") {
        return Err(Wrong::new(first, "FREQ is missing", "a rule is like FREQ=MONTHLY;BYDAY=-1FR"));
    }
    if ends.count.is_some() && ends.until.is_some() {
        return Err(Wrong::new(first, "COUNT and UNTIL cannot both be there", "keep one of them"));
    }
    rule.check().map_err(|message| Wrong::new(first, message, "RFC 5545, section 3.3.10, says what goes together"))?;
    Ok(rule)
}

fn set(rule: &mut Rule, ends: &mut Ends, key: &str, at: usize, value: Piece<'_>) -> Parsed<()> {
    match key {
        "FREQ" => {
            let frequencies = "SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY and YEARLY";
            rule.freq = Frequency::from_str(value.text).map_err(|_| no_value(key, value, frequencies))?;
        }
        "INTERVAL" => {
            rule.interval =
                value.text.parse().ok().filter(|it| *it > 0).ok_or_else(|| no_value(key, value, "1 to 65535"))?;
        }
        "WKST" => rule.week_start = weekday(value.text).ok_or_else(|| no_value(key, value, "MO to SU"))?,
        "COUNT" => {
            let count =
                value.text.parse().ok().filter(|it| *it > 0).ok_or_else(|| no_value(key, value, "1 or more"))?;
            ends.count = Some(count);
        }
        "UNTIL" => {
            let until = until(value.text)
                .ok_or_else(|| no_value(key, value, "like 20270101, 20270101T090000 or 20270101T090000Z"))?;
            ends.until = Some(until);
        }
        "BYSETPOS" => rule.positions = list(key, value, (1, 366), true)?,
        "BYMONTH" => rule.months = list(key, value, (1, 12), false)?,
        "BYMONTHDAY" => rule.month_days = list(key, value, (1, 31), true)?,
        "BYYEARDAY" => rule.year_days = list(key, value, (1, 366), true)?,
        "BYWEEKNO" => rule.weeks = list(key, value, (1, 53), true)?,
        "BYDAY" => {
            rule.weekdays = values(value)
                .map(|it| day(it).ok_or_else(|| no_value(key, it, "like MO, 1MO or -1FR")))
                .collect::<Parsed<_>>()?
        }
        "BYHOUR" => rule.hours = list(key, value, (0, 23), false)?,
        "BYMINUTE" => rule.minutes = list(key, value, (0, 59), false)?,
        "BYSECOND" => rule.seconds = list(key, value, (0, 59), false)?,
        _ => {
            let hint = match key {
                "DTSTART" => "\"; from 2026-12-01 09:00\" after the rule says it".to_owned(),
                "TZID" => "\"; zone Europe/Berlin\" after the rule says it".to_owned(),
                "RSCALE" | "SKIP" => {
                    "only the Gregorian calendar is known; BYMONTHDAY=-1 is a month's last day".to_owned()
                }
                _ => {
                    let near = KEYS
                        .iter()
                        .map(|it| (strsim::damerau_levenshtein(it, &key.chars().take(20).collect::<String>()), it));
                    let near = near.min().filter(|(far, _)| *far <= 3);
                    near.map_or_else(
                        || format!("there are {}", KEYS.join(", ")),
                        |(_, near)| format!("did you mean {near}?"),
                    )
                }
            };
            return Err(Wrong::new(
                at,
                format!("{:?} is no part of a rule", key.chars().take(20).collect::<String>()),
                hint,
            ));
        }
    }
    Ok(())
}

fn no_value(key: &str, value: Piece<'_>, range: &str) -> Wrong {
    let shown: String = value.text.chars().take(30).collect();
    Wrong::new(value.at, format!("{shown:?} is no value of {key}"), format!("values are {range}"))
}

fn values(value: Piece<'_>) -> impl Iterator<Item = Piece<'_>> {
    value.split(',').map(Piece::trimmed)
}

/// Numbers of a range; if `negative`, also their negatives, which count from the end.
fn list<T: TryFrom<i32>>(key: &str, value: Piece<'_>, (least, most): (i32, i32), negative: bool) -> Parsed<Vec<T>> {
    let range =
        if negative { format!("{least} to {most} and -{most} to -{least}") } else { format!("{least} to {most}") };
    let read = |it: Piece<'_>| {
        let number = it.text.parse::<i32>().ok();
        let number =
            number.filter(|number| (least..=most).contains(number) || (negative && (least..=most).contains(&-number)));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| no_value(key, it, &range))
    };
    let list = values(value).map(read).collect::<Parsed<Vec<T>>>()?;
    if list.len() > VALUES_MAX { Err(no_value(key, value, "fewer")) } else { Ok(list) }
}

fn weekday(text: &str) -> Option<Weekday> {
    match text.to_ascii_uppercase().as_str() {
        "MO" => Some(Weekday::Mon),
        "TU" => Some(Weekday::Tue),
        "WE" => Some(Weekday::Wed),
        "TH" => Some(Weekday::Thu),
        "FR" => Some(Weekday::Fri),
        "SA" => Some(Weekday::Sat),
        "SU" => Some(Weekday::Sun),
        _ => None,
    }
}

fn day(piece: Piece<'_>) -> Option<NWeekday> {
    let split = piece.text.len().checked_sub(2)?;
    let (nth, name) = piece.text.split_at_checked(split)?;
    let day = weekday(name)?;
    if nth.is_empty() {
        return Some(NWeekday::Every(day));
    }
    nth.parse::<i16>().ok().filter(|nth| *nth != 0 && (-53..=53).contains(nth)).map(|nth| NWeekday::Nth(nth, day))
}

/// A date, or a date and time, in the format's basic form.
fn until(text: &str) -> Option<Written> {
    let text = text.to_ascii_uppercase();
    let (text, is_utc) = text.strip_suffix('Z').map_or((text.as_str(), false), |text| (text, true));
    let form = if text.len() == 8 { "%Y%m%d" } else { "%Y%m%dT%H%M%S" };
    let is_whole = text.len() == 8 || text.len() == 15;
    let date = jiff::civil::DateTime::strptime(form, text).ok();
    let date =
        date.or_else(|| Some(jiff::civil::Date::strptime(form, text).ok()?.to_datetime(jiff::civil::Time::midnight())));
    let civil = super::super::civil::millis_of(date.filter(|_| is_whole)?);
    match (text.len(), is_utc) {
        _ if civil < MS_PER_DAY => None,
        (8, false) => Some(Written::Date(civil)),
        (15, false) => Some(Written::Civil(civil)),
        (15, true) => Some(Written::Instant(civil.unsigned_abs())),
        _ => None,
    }
}
