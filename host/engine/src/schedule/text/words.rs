//! Recurrences in words: "every 3 days at 09:00", "mondays and thursdays 18:30", "last weekday of the month", "24 december at noon".

use super::{
    super::{
        Recurrence,
        calendar::{
            Calendar,
            days::{ALL_MONTHS, Day, Days, InMonth, Unit, Weekdays, Which},
        },
        duration,
    },
    FORMS, Parsed, Wrong, times,
    tokens::Tokens,
};

/// A count of days, weeks, months or years is at most this: the calendar ends before.
const EVERY_MAX: u32 = 10_000;

/// Exact intervals are at least a second.
const EXACT_MS_MIN: u64 = 1_000;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// A month has no weekday more often.
const NTH_MAX: i64 = 5;

const UNITS: &str = "seconds, minutes, hours, days, weeks, months and years are counted";

const DAY_HINT: &str = "a day is like \"the 15th\", \"last day\", \"first monday\" or \"last weekday\" of the month";

pub(super) fn recurrence(tokens: &mut Tokens) -> Parsed<Recurrence> {
    tokens.take(&["at"]);
    // The time may stand before the days: "at 09:00 every 3 days".
    let early = if times::is_next(tokens) { times::list(tokens)? } else { Vec::new() };
    let (recurrence, keeps_time) = if tokens.is_empty() && !early.is_empty() {
        (Which::Daily { every: 1 }, true)
    } else {
        match days(tokens)? {
            Counted::Exact(millis) if early.is_empty() => return end(tokens, Recurrence::Exact(millis)),
            Counted::Exact(_) => return Err(exact_at(tokens.at())),
            Counted::Days(which, keeps_time) => (which, keeps_time),
        }
    };
    let is_at = tokens.take(&["at"]);
    let late = if is_at || times::is_next(tokens) { times::list(tokens)? } else { Vec::new() };
    if !early.is_empty() && !late.is_empty() {
        return Err(Wrong::new(tokens.at(), "there are times before the days and after them", "keep one of them"));
    }
    let mut times = if early.is_empty() { late } else { early };
    // What only counts keeps the time of day at which it began; days that are named begin at midnight.
    if times.is_empty() && !keeps_time {
        times.push(0);
    }
    end(tokens, Recurrence::Civil(Calendar::Days(Days { which: recurrence, times, clamp: true })))
}

fn end(tokens: &Tokens, recurrence: Recurrence) -> Parsed<Recurrence> {
    if tokens.is_empty() {
        return Ok(recurrence);
    }
    if matches!(recurrence, Recurrence::Exact(_)) && (tokens.peek() == "at" || times::is_next(tokens)) {
        return Err(exact_at(tokens.at()));
    }
    let word: String = tokens.peek().chars().take(30).collect();
    let hint = match word.as_str() {
        "in" | "zone" | "until" | "from" | "starting" | "count" | "jitter" | "missed" | "now" => {
            "what belongs to a recurrence stands after a semicolon: \"; zone Europe/Berlin; until 2027-01-01\""
        }
        _ => FORMS,
    };
    Err(Wrong::new(tokens.at(), format!("{word:?} is not understood here"), hint))
}

fn exact_at(at: usize) -> Wrong {
    Wrong::new(
        at,
        "hours and less are counted exactly, and have no time of the day",
        "\"; from 2026-12-01 09:00\" says from when they count",
    )
}

/// What is counted or named.
enum Counted {
    Exact(u64),
    /// And whether it keeps the time of day at which it began.
    Days(Which, bool),
}

fn days(tokens: &mut Tokens) -> Parsed<Counted> {
    let at = tokens.at();
    let adverb = tokens.take_as(|word| {
        ["hourly", "daily", "weekly", "monthly", "yearly"]
            .contains(&word)
            .then(|| word.trim_end_matches("ly").to_owned())
    });
    match adverb.as_deref() {
        Some("hour") => return Ok(Counted::Exact(3_600_000)),
        Some("dai") => return Ok(Counted::Days(Which::Daily { every: 1 }, true)),
        Some("week") => return weeks(tokens, 1),
        Some("month") => return months(tokens, 1, Unit::Month),
        Some(_) => return months(tokens, 1, Unit::Year),
        None => {}
    }
    let is_every = tokens.take(&["every", "each"]);
    if is_every {
        if let Some(counted) = every(tokens, at)? {
            return Ok(counted);
        }
    } else {
        tokens.take(&["on"]);
    }
    if weekdays_are_next(tokens) {
        let on = weekdays(tokens)?;
        return Ok(Counted::Days(Which::Weekly { every: 1, on }, false));
    }
    let is_date = is_day_next(tokens) || month(tokens.peek()).is_some() || tokens.peek() == "the";
    if is_date || (number(tokens.peek()).is_some() && month(tokens.peek_at(1)).is_some()) {
        return dates(tokens);
    }
    let hint = match nearest(tokens.peek()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if is_every => UNITS.to_owned(),
        None => FORMS.to_owned(),
    };
    Err(tokens.wrong(if is_every { "a unit, a weekday or a day of the month" } else { "a recurrence" }, &hint))
}

/// After "every": a count of units, or none if something else stands there.
fn every(tokens: &mut Tokens, at: usize) -> Parsed<Option<Counted>> {
    let is_unit = |word: &str| civil_unit(word).is_some();
    let next = tokens.peek_at(1);
    let is_skipping =
        tokens.peek() == "other" || (tokens.peek() == "second" && (is_unit(next) || weekday(next).is_some()));
    let (count, is_counted) = if is_skipping {
        tokens.skip();
        (2, true)
    } else if civil_unit(tokens.peek_at(1)).is_some() && number(tokens.peek()).is_some() {
        let at = tokens.at();
        let count = tokens.take_as(number).filter(|count| (1..=u64::from(EVERY_MAX)).contains(count));
        let hint = format!("a count is from 1 to {EVERY_MAX}");
        (
            count
                .and_then(|it| u32::try_from(it).ok())
                .ok_or_else(|| Wrong::new(at, "this cannot be counted", hint))?,
            true,
        )
    } else {
        (1, false)
    };
    if let Some(unit) = tokens.take_as(civil_unit) {
        let more = tokens.peek_at(usize::from(tokens.peek() == "and"));
        let is_mixed = number(more).is_some()
            && !times::is_next(tokens)
            && (number(tokens.peek()).is_some() || !more.contains(':'));
        if is_mixed && (exact_unit(tokens.peek_at(1)) || exact_unit(tokens.peek_at(2))) {
            let hint = "days are counted by the calendar, hours exactly: write it as hours, like \"every 36 hours\"";
            return Err(Wrong::new(tokens.at(), "days and hours cannot be counted together", hint));
        }
        return match unit {
            "day" => Ok(Some(Counted::Days(Which::Daily { every: count }, true))),
            "week" => weeks(tokens, count).map(Some),
            "month" => months(tokens, count, Unit::Month).map(Some),
            _ => months(tokens, count, Unit::Year).map(Some),
        };
    }
    if weekdays_are_next(tokens) {
        let on = weekdays(tokens)?;
        return Ok(Some(Counted::Days(Which::Weekly { every: count, on }, false)));
    }
    if is_counted {
        return Err(tokens.wrong("what is counted", UNITS));
    }
    exact(tokens, at)
}

/// "15 minutes", "1h 30m", "hour".
fn exact(tokens: &mut Tokens, at: usize) -> Parsed<Option<Counted>> {
    let starts_with_digit = tokens.peek().starts_with(|c: char| c.is_ascii_digit());
    let is_bare = exact_unit(tokens.peek());
    // "1st monday" is a day.
    if !is_bare && (!starts_with_digit || is_day_next(tokens) || month(tokens.peek_at(1)).is_some()) {
        return Ok(None);
    }
    let begin = tokens.at();
    let mut length = if is_bare { "1 ".to_owned() } else { String::new() };
    // Where each of its characters stands.
    let mut places = vec![begin; length.len()];
    while !tokens.is_empty() && tokens.peek() != "at" && !times::is_next(tokens) {
        let (word, at) = (tokens.peek().to_owned(), tokens.at());
        tokens.skip();
        if word != "and" && word != "," {
            places.extend((0..word.chars().count()).map(|offset| at + offset));
            places.push(at + word.chars().count());
            length.push_str(&word);
            length.push(' ');
        }
    }
    let millis = duration::parse(length.trim_end()).map_err(|wrong| {
        let place = places.get(wrong.at).copied().unwrap_or(begin);
        let word: String = length.chars().skip(wrong.at).take_while(|c| c.is_alphabetic()).collect();
        let hint = nearest(&word).map_or_else(|| UNITS.to_owned(), |near| format!("did you mean {near:?}?"));
        Wrong::new(place, wrong.message, hint)
    })?;
    if millis < EXACT_MS_MIN {
        return Err(Wrong::new(
            at,
            "a recurrence takes at least one second a time",
            "\"every 1 second\" is the shortest",
        ));
    }
    Ok(Some(Counted::Exact(millis)))
}

fn weeks(tokens: &mut Tokens, every: u32) -> Parsed<Counted> {
    let is_on = tokens.take(&["on"]);
    if !is_on && !weekdays_are_next(tokens) {
        return Ok(Counted::Days(Which::Weekly { every, on: Weekdays::default() }, true));
    }
    let on = weekdays(tokens)?;
    Ok(Counted::Days(Which::Weekly { every, on }, false))
}

fn months(tokens: &mut Tokens, every: u32, unit: Unit) -> Parsed<Counted> {
    if !tokens.take(&["on", "in"]) {
        return Ok(Counted::Days(Which::Monthly { every, unit, on: Vec::new() }, true));
    }
    let on = month_days(tokens)?;
    if unit == Unit::Year && on.iter().any(|it| it.months == ALL_MONTHS) {
        return Err(tokens.wrong("a month", "name it: \"every year on 24 december\""));
    }
    Ok(Counted::Days(Which::Monthly { every, unit, on }, false))
}

fn dates(tokens: &mut Tokens) -> Parsed<Counted> {
    let on = month_days(tokens)?;
    Ok(Counted::Days(Which::Monthly { every: 1, unit: Unit::Month, on }, false))
}

/// "the 1st and 15th of the month", "last weekday", "24 december and 6 january", "first monday of may and september".
fn month_days(tokens: &mut Tokens) -> Parsed<Vec<InMonth>> {
    let mut all = Vec::new();
    loop {
        let (days, months) = month_day_group(tokens)?;
        all.extend(days.into_iter().map(|day| InMonth { months, day }));
        let before = tokens.position();
        let is_more = tokens.take(&[","]) | tokens.take(&["and"]);
        tokens.take(&["on"]);
        let goes_on = is_day_next(tokens)
            || tokens.peek() == "the"
            || month(tokens.peek()).is_some()
            || number(tokens.peek()).is_some();
        if !(is_more && goes_on && !times::is_next(tokens)) {
            tokens.back_to(before);
            return Ok(all);
        }
    }
}

fn month_day_group(tokens: &mut Tokens) -> Parsed<(Vec<Day>, u16)> {
    tokens.take(&["the"]);
    // "december 24"
    if let Some(month) = tokens.take_as(month) {
        tokens.take(&["the"]);
        let at = tokens.at();
        let day = tokens.take_as(|word| number(word).or_else(|| ordinal_number(word)));
        let day = day.ok_or_else(|| tokens.wrong("a day of the month", "name it: \"december 24\""))?;
        return Ok((vec![numbered(day, at, 1 << month)?], 1 << month));
    }
    // "24 december", "24th of december"
    let at = tokens.at();
    if let (Some(day), Some(month)) = (number(tokens.peek()), month(tokens.peek_at(1))) {
        tokens.skip();
        tokens.skip();
        return Ok((vec![numbered(day, at, 1 << month)?], 1 << month));
    }
    let days = ordinals(tokens)?;
    tokens.take(&["of", "in"]);
    if tokens.take(&["the", "every", "each", "a"]) | tokens.take(&["month", "months"]) {
        tokens.take(&["month", "months"]);
        return Ok((days, ALL_MONTHS));
    }
    let mut months = 0u16;
    while let Some(month) = tokens.take_as(month) {
        months |= 1 << month;
        let before = tokens.position();
        let _ = tokens.take(&[","]) | tokens.take(&["and"]);
        // "1st of may and december 24" goes on with a date.
        if month_follows_day(tokens) {
            tokens.back_to(before);
            break;
        }
    }
    let months = if months == 0 { ALL_MONTHS } else { months };
    for day in &days {
        if let Day::Number(day) = day {
            numbered(u64::from(*day), at, months)?;
        }
    }
    Ok((days, months))
}

/// Whether no bare month's name stands next: what was a separator belongs to what comes then.
fn month_follows_day(tokens: &Tokens) -> bool {
    let after = tokens.peek_at(1);
    month(tokens.peek()).is_none() || number(after).is_some() || ordinal_number(after).is_some()
}

/// "1st and 15th", "first and third monday", "last weekday", "last day".
fn ordinals(tokens: &mut Tokens) -> Parsed<Vec<Day>> {
    let mut nths: Vec<(i64, usize)> = Vec::new();
    loop {
        tokens.take(&["the"]);
        let at = tokens.at();
        let nth = tokens.take_as(ordinal).ok_or_else(|| tokens.wrong("a day of the month", DAY_HINT))?;
        nths.push((nth, at));
        let before = tokens.position();
        let is_more = tokens.take(&[","]) | tokens.take(&["and"]);
        if !(is_more && (is_day_next(tokens) || (tokens.peek() == "the" && ordinal(tokens.peek_at(1)).is_some()))) {
            tokens.back_to(before);
            break;
        }
    }
    let working = tokens.take(&["weekday", "workday"]).then_some(Weekdays::WORKING);
    let on = working.or_else(|| tokens.take_as(weekday).map(|day| Weekdays(1 << day)));
    if let Some(on) = on {
        // "first and third monday" are mondays; in "the 15th and last friday" the 15th is a day of its own.
        let last = nths.len() - 1;
        let day = |(position, (nth, at)): (usize, (i64, usize))| match u64::try_from(nth) {
            Ok(day) if position < last && nth > NTH_MAX => numbered(day, at, ALL_MONTHS),
            _ => of_weekdays(nth, at, on),
        };
        return nths.into_iter().enumerate().map(day).collect();
    }
    tokens.take(&["day"]);
    let day = |(nth, at): (i64, usize)| match u64::try_from(nth) {
        Ok(nth) => numbered(nth, at, ALL_MONTHS),
        Err(_) => Ok(Day::Last),
    };
    nths.into_iter().map(day).collect()
}

fn of_weekdays(nth: i64, at: usize, on: Weekdays) -> Parsed<Day> {
    let most = if on == Weekdays::WORKING { 23 } else { NTH_MAX };
    match i8::try_from(nth) {
        Ok(day) if nth <= most => Ok(Day::Nth(day, on)),
        _ => Err(Wrong::new(at, format!("no month has {nth} of them"), format!("at most {most}, or \"last\""))),
    }
}

/// A day that at least one of the months has.
fn numbered(day: u64, at: usize, months: u16) -> Parsed<Day> {
    let has = |month: u16| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let most = (1..=12).filter(|month| months >> month & 1 == 1).map(has).max().unwrap_or(31);
    match u8::try_from(day) {
        Ok(number) if (1..=most).contains(&number) => Ok(Day::Number(number)),
        _ => Err(Wrong::new(
            at,
            format!("there is no day {day} in it"),
            format!("days are 1 to {most}, or \"last day\""),
        )),
    }
}

fn weekdays_are_next(tokens: &Tokens) -> bool {
    weekday_set(tokens.peek()).is_some()
}

/// "mondays and thursdays", "weekdays", "mon, wed, fri", "monday to friday".
fn weekdays(tokens: &mut Tokens) -> Parsed<Weekdays> {
    let mut on = 0;
    loop {
        let first = weekday(tokens.peek());
        on |= tokens
            .take_as(weekday_set)
            .ok_or_else(|| tokens.wrong("a weekday", "monday … sunday, weekdays, weekends"))?
            .0;
        if let Some(first) = first.filter(|_| tokens.take(&["to", "through", "-"])) {
            let last = tokens.take_as(weekday).ok_or_else(|| tokens.wrong("a weekday", "monday to friday"))?;
            (0..7).map(|step| (first + step) % 7).take_while(|day| *day != last).for_each(|day| on |= 1 << day);
            on |= 1 << last;
        }
        let before = tokens.position();
        let is_more = tokens.take(&[","]) | tokens.take(&["and"]);
        tokens.take(&["on"]);
        if !is_more || !weekdays_are_next(tokens) {
            tokens.back_to(before);
            return Ok(Weekdays(on));
        }
    }
}

fn weekday_set(word: &str) -> Option<Weekdays> {
    match word {
        "weekday" | "weekdays" | "workday" | "workdays" => Some(Weekdays::WORKING),
        "weekend" | "weekends" => Some(Weekdays::WEEKEND),
        "mon-fri" | "monday-friday" => Some(Weekdays::WORKING),
        word => weekday(word).map(|day| Weekdays(1 << day)),
    }
}

/// A weekday by its name, in the plural or shortened: 0 is Monday.
fn weekday(word: &str) -> Option<u8> {
    let single = word.strip_suffix('s').filter(|single| single.ends_with("day")).unwrap_or(word);
    let short = match single {
        "tues" => "tue",
        "wednes" => "wed",
        "thur" | "thurs" => "thu",
        word => word,
    };
    let is_it = |name: &str| name == single || (short.len() == 3 && name.starts_with(short));
    WEEKDAYS.iter().position(|name| is_it(name)).and_then(|day| u8::try_from(day).ok())
}

/// A month by its name or the name's beginning: 1 is January.
fn month(word: &str) -> Option<u16> {
    let short = if word == "sept" { "sep" } else { word };
    let is_it = |name: &str| name == word || (short.len() == 3 && name.starts_with(short));
    MONTHS.iter().position(|name| is_it(name)).and_then(|month| u16::try_from(month + 1).ok())
}

fn number(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// "first" … "fifth", "1st" …, or "last" (-1).
fn ordinal(word: &str) -> Option<i64> {
    if word == "last" {
        return Some(-1);
    }
    let named = ORDINALS.iter().position(|name| *name == word).map(|position| position as i64 + 1);
    named.or_else(|| ordinal_number(word).and_then(|nth| i64::try_from(nth).ok()))
}

fn ordinal_number(word: &str) -> Option<u64> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|suffix| word.strip_suffix(suffix))?;
    number(digits).filter(|_| !digits.is_empty())
}

fn is_day_next(tokens: &Tokens) -> bool {
    ordinal(tokens.peek()).is_some()
}

fn civil_unit(word: &str) -> Option<&'static str> {
    ["day", "week", "month", "year"].into_iter().find(|unit| word.strip_suffix('s').unwrap_or(word) == *unit)
}

fn exact_unit(word: &str) -> bool {
    civil_unit(word).is_none() && duration::unit(word).is_some_and(|millis| millis < 86_400_000)
}

/// The word of the form that is most like this one.
fn nearest(word: &str) -> Option<&'static str> {
    let others =
        ["every", "daily", "weekly", "monthly", "yearly", "hourly", "last", "weekdays", "weekends", "midnight", "noon"];
    let units = ["second", "minute", "hour", "day", "week", "month", "year"];
    let all = others.into_iter().chain(units).chain(ORDINALS).chain(WEEKDAYS).chain(MONTHS);
    let word: String = word.chars().take(20).collect();
    let scored = all.map(|name| (strsim::damerau_levenshtein(&word, name), name));
    scored.filter(|(far, name)| *far <= 2 && *far * 3 <= name.len()).min().map(|(_, name)| name)
}
