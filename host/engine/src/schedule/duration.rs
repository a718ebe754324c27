//! Lengths of time as people write them: "10 minutes", "1h 30m", "3 days". Exact: a day is 24 hours here.

use crate::model::Millis;

/// What a unit is called, and its length in milliseconds.
const UNITS: [(&[&str], Millis); 6] = [
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; hint: a length of time is like \"10 minutes\", \"1h 30m\" or \"3 days\"")]
pub struct InvalidDuration {
    /// What is wrong.
    pub message: String,
    /// Where, in characters from the text's beginning.
    pub at: usize,
}

/// The length of a unit by any of its names, in milliseconds.
pub(super) fn unit(name: &str) -> Option<Millis> {
    UNITS.iter().find(|(names, _)| names.contains(&name)).map(|(_, millis)| *millis)
}

/// Reads a length of time: numbers with units (ms, s, m, h, d, w, or their words), summed. Milliseconds.
///
/// # Errors
/// If a number or a unit is missing, a unit is unknown or repeated, or the sum is over the largest [`Millis`].
pub fn parse(text: &str) -> Result<Millis, InvalidDuration> {
    let wrong = |at: usize, message: String| InvalidDuration { message, at };
    let mut chars = text.chars().enumerate().peekable();
    let (mut sum, mut seen) = (0u64, Vec::new());
    loop {
        while chars.next_if(|(_, c)| c.is_whitespace() || *c == ',').is_some() {}
        let Some(&(at, first)) = chars.peek() else { break };
        let mut number = String::new();
        while let Some((_, digit)) = chars.next_if(|(_, c)| c.is_ascii_digit()) {
            number.push(digit);
        }
        let amount: u64 = match number.as_str() {
            "" => return Err(wrong(at, format!("a number is missing before {first:?}"))),
            number => number.parse().map_err(|_| wrong(at, "the number is too large".to_owned()))?,
        };
        while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        let at_unit = chars.peek().map_or_else(|| text.chars().count(), |(at, _)| *at);
        let mut name = String::new();
        while let Some((_, letter)) = chars.next_if(|(_, c)| c.is_alphabetic()) {
            name.extend(letter.to_lowercase().take(1));
        }
        let Some(length) = unit(&name) else {
            let name: String = name.chars().take(20).collect();
            return Err(wrong(
                at_unit,
                if name.is_empty() { "a unit is missing".to_owned() } else { format!("{name:?} is no unit") },
            ));
        };
        if seen.contains(&length) {
            return Err(wrong(at, format!("{name:?} is there twice")));
        }
        seen.push(length);
        let added = amount.checked_mul(length).and_then(|part| sum.checked_add(part));
        sum = added.ok_or_else(|| wrong(at, "this is longer than a time can be".to_owned()))?;
    }
    if seen.is_empty() { Err(wrong(0, "there is no length of time".to_owned())) } else { Ok(sum) }
}

/// Writes a length of time so that [`parse`] reads it again: "1 hour 30 minutes".
pub fn show(millis: Millis) -> String {
    let (mut rest, mut parts) = (millis, Vec::new());
    // Weeks are written as days: a reader compares them with dates.
    for (name, length) in
        [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)]
    {
        let amount = rest / length;
        rest %= length;
        if amount > 0 {
            parts.push(format!("{amount} {name}{}", if amount == 1 { "" } else { "s" }));
        }
    }
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_shown() {
        for (text, millis, shown) in [
            ("10 minutes", 600_000, "10 minutes"),
            ("1h 30m", 5_400_000, "1 hour 30 minutes"),
            ("1h30m", 5_400_000, "1 hour 30 minutes"),
            ("3 days", 259_200_000, "3 days"),
            ("2 Weeks", 1_209_600_000, "14 days"),
            ("1 hour, 1 second", 3_601_000, "1 hour 1 second"),
            ("250ms", 250, "250 milliseconds"),
            ("0s", 0, "0 seconds"),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
            assert_eq!(show(millis), shown);
            assert_eq!(parse(shown), Ok(millis), "{shown}");
        }
    }

    #[test]
    fn what_is_no_length_says_where() {
        for (text, at, says) in [
            ("", 0, "no length"),
            ("minutes", 0, "a number is missing"),
            ("10", 2, "a unit is missing"),
            ("10 parsecs", 3, "\"parsecs\" is no unit"),
            ("1h 2h", 3, "twice"),
            ("-1 s", 0, "a number is missing"),
            ("1.5h", 1, "a unit is missing"),
            ("99999999999999999999 s", 0, "too large"),
            ("9999999999999999999 w", 0, "longer"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
        assert!(parse(&"x".repeat(1 << 20)).is_err());
    }
}
