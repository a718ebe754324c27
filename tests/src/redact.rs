//! Puts names in the place of what differs from run to run, so that the rest of an output can be compared.
//!
//! What it replaces keeps its width where a table's columns hang on it.

/// An output with ids, times, cursors, durations, sizes and ports replaced.
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = time(rest) {
            out.push_str(&format!("{:length$}", "[time]"));
            rest = &rest[length..];
            continue;
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        out.push_str(&name(word, after, &out).unwrap_or_else(|| word.to_owned()));
        rest = after;
    }
    out
}

/// What a word is called; none if it is the same in every run.
fn name(word: &str, after: &str, before: &str) -> Option<String> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if digits && word.len() == 13 {
        return Some("[ms]".to_owned());
    }
    if hex && word.len() >= 16 && word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(format!("{:width$}", "[id]", width = word.len()));
    }
    if word.len() > 60 || before.ends_with("--cursor ") || before.ends_with("\"cursor\":\"") {
        return Some("[cursor]".to_owned());
    }
    if digits && (after.starts_with(" ms") || after.starts_with(" KiB") || before.ends_with("127.0.0.1:")) {
        return Some("[n]".to_owned());
    }
    let fields = ["\"size\":", "\"compiled_in_ms\":", "\"uptime_ms\":", "\"took_ms\":"];
    (digits && fields.iter().any(|field| before.ends_with(field))).then(|| "[n]".to_owned())
}

/// The length of an RFC 3339 time that begins here.
fn time(text: &str) -> Option<usize> {
    const MODEL: &[u8] = b"0000-00-00T00:00:00.000Z";
    let fits = |(model, byte): (&u8, &u8)| if *model == b'0' { byte.is_ascii_digit() } else { model == byte };
    let bytes = text.as_bytes().get(..MODEL.len())?;
    MODEL.iter().zip(bytes).all(fits).then_some(MODEL.len())
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn what_differs_from_run_to_run_is_named() {
        for (text, redacted) in [
            ("accepted 0123456789abcdef0123456789abcdef", "accepted [id]                            "),
            ("2026-11-25T01:02:03.004Z  ada", "[time]                    ada"),
            ("{\"due\":1795511045678,\"n\":12}", "{\"due\":[ms],\"n\":12}"),
            ("compiled in 125 ms, http://127.0.0.1:7766", "compiled in [n] ms, http://127.0.0.1:[n]"),
            ("go on with --cursor AAA_b-1", "go on with --cursor [cursor]"),
            ("my_example_quest → ü", "my_example_quest → ü"),
        ] {
            assert_eq!(redact(text), redacted);
        }
    }
}
