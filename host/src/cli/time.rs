//! Times as people write them: RFC 3339 in UTC. The API speaks Unix milliseconds.

/// Unix milliseconds as RFC 3339 in UTC (days to civil dates after Howard Hinnant's algorithm).
pub(crate) fn show(millis: u64) -> String {
    let (days, rest) = ((millis / 86_400_000) as i64, millis % 86_400_000);
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Unix milliseconds, or RFC 3339 in UTC (`2026-11-24T09:00:00Z`, with or without milliseconds).
pub(crate) fn read(text: &str) -> Result<u64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let wrong = || "a time is like 2026-11-24T09:00:00Z, or Unix milliseconds".to_owned();
    let whole = match text.strip_suffix('Z') {
        Some(seconds) if seconds.len() == 19 => format!("{seconds}.000Z"),
        _ => text.to_owned(),
    };
    // The days before a date are not reckoned, but searched by the one calendar that there is here: what is shown is what was meant.
    let year: u64 = whole.get(..4).and_then(|year| year.parse().ok()).ok_or_else(wrong)?;
    let from = year.checked_sub(1970).ok_or_else(wrong)? * 365;
    let day = |day: u64| show(day * MS_PER_DAY);
    let date = whole.get(..10).ok_or_else(wrong)?;
    let days = (from..from + 366 + (year - 1970) / 4 + 1).find(|it| day(*it).starts_with(date)).ok_or_else(wrong)?;
    let part = |at: std::ops::Range<usize>| whole.get(at).and_then(|part| part.parse::<u64>().ok()).ok_or_else(wrong);
    let (hour, minute, second, ms) = (part(11..13)?, part(14..16)?, part(17..19)?, part(20..23)?);
    let millis = days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms;
    if show(millis) == whole { Ok(millis) } else { Err(wrong()) }
}

const MS_PER_DAY: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::{read, show};

    #[test]
    fn times_are_shown_and_read() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_511_045_678, "2026-11-24T09:04:05.678Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!((show(millis).as_str(), read(text)), (text, Ok(millis)));
        }
        assert_eq!(read("2026-11-24T09:04:05Z"), Ok(1_795_511_045_000));
        assert_eq!(read("1795511045678"), Ok(1_795_511_045_678));
        for text in
            ["", "soon", "2026-02-30T00:00:00Z", "2026-11-24", "1969-01-01T00:00:00Z", "2026-11-24T24:00:00Z", "-1"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
