//! Times as people write them: RFC 3339 in UTC. The API speaks Unix milliseconds.

use quest_engine::schedule::{Zone, civil};

/// Unix milliseconds as RFC 3339 in UTC.
pub(crate) fn show(millis: u64) -> String {
    civil::rfc3339(millis, &Zone::utc())
}

/// Unix milliseconds, or RFC 3339 in UTC (`2026-11-24T09:00:00Z`, with or without milliseconds).
pub(crate) fn read(text: &str) -> Result<u64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let wrong = || "a time is like 2026-11-24T09:00:00Z, or Unix milliseconds".to_owned();
    let millis = civil::read(text, &Zone::utc()).map_err(|_| wrong())?;
    // What is shown is what was meant: no other form of a time is taken for this one.
    let shown = show(millis);
    if shown == text || shown.replace(".000Z", "Z") == text { Ok(millis) } else { Err(wrong()) }
}

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
