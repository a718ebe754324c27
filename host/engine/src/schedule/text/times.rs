//! Times of the day: `09:00`, `18:30:15`, `9am`, `9:30 pm`, `noon`, `midnight`, and lists of them.

use super::{Parsed, Wrong, tokens::Tokens};

const HINT: &str = "a time of the day is like 09:00, 18:30:15, 9am, noon or midnight";

/// Whether a time of the day stands next.
pub(super) fn is_next(tokens: &Tokens) -> bool {
    let word = tokens.peek();
    let meridiem = |word: &str| word == "am" || word == "pm";
    ["noon", "midnight"].contains(&word)
        || (word.starts_with(|c: char| c.is_ascii_digit())
            && (word.contains(':') || word.ends_with("am") || word.ends_with("pm") || meridiem(tokens.peek_at(1))))
}

/// A list of times: milliseconds from midnight, ascending, none twice.
pub(super) fn list(tokens: &mut Tokens) -> Parsed<Vec<i64>> {
    let mut times = vec![one(tokens)?];
    loop {
        let before = tokens.position();
        let is_more = tokens.take(&[","]) | tokens.take(&["and"]);
        tokens.take(&["at"]);
        if is_more && is_next(tokens) {
            times.push(one(tokens)?);
        } else if is_more && tokens.is_empty() {
            return Err(tokens.wrong("a time of the day", HINT));
        } else {
            tokens.back_to(before);
            break;
        }
    }
    times.sort_unstable();
    times.dedup();
    Ok(times)
}

fn one(tokens: &mut Tokens) -> Parsed<i64> {
    let at = tokens.at();
    if !is_next(tokens) {
        return Err(tokens.wrong("a time of the day", HINT));
    }
    let word = tokens.peek().to_owned();
    tokens.skip();
    let (clock, half) = match word.as_str() {
        "noon" => return Ok(12 * 3_600_000),
        "midnight" => return Ok(0),
        word => match (word.strip_suffix("am"), word.strip_suffix("pm")) {
            (Some(clock), _) => (clock.to_owned(), Some(0)),
            (_, Some(clock)) => (clock.to_owned(), Some(12)),
            _ if tokens.take(&["am"]) => (word.to_owned(), Some(0)),
            _ if tokens.take(&["pm"]) => (word.to_owned(), Some(12)),
            _ => (word.to_owned(), None),
        },
    };
    let no_time =
        || Wrong::new(at, format!("{:?} is no time of the day", word.chars().take(30).collect::<String>()), HINT);
    let parts: Vec<&str> = clock.split(':').collect();
    let number = |part: &str, most: i64| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|value| is_number && *value <= most).ok_or_else(no_time)
    };
    let minutes_have_two = parts.iter().skip(1).all(|part| part.len() == 2);
    if parts.len() > 3 || !minutes_have_two {
        return Err(no_time());
    }
    if clock.starts_with("24:") {
        return Err(Wrong::new(at, "a day ends before 24:00", "00:00 is the beginning of the next day"));
    }
    let hour = number(parts[0], 23)?;
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return Err(no_time()),
        Some(half) => hour % 12 + half,
    };
    let minute = parts.get(1).map_or(Ok(0), |part| number(part, 59))?;
    let second = parts.get(2).map_or(Ok(0), |part| number(part, 59))?;
    Ok(hour * 3_600_000 + minute * 60_000 + second * 1_000)
}
