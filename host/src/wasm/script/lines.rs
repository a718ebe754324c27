//! A message that names a line of a script, with that line's text.

/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// Behind the first line of `message` the text of the first line of the script that it names, as `NAME:LINE`.
pub(super) fn with_text(message: &str, name: &str, source: &str) -> String {
    let Some((number, text)) = named(message, name, source) else { return message.to_owned() };
    let text: String = text.trim().chars().take(SHOWN).collect();
    if text.is_empty() {
        return message.to_owned();
    }
    let (first, rest) = message.split_once('\n').map_or((message, None), |(first, rest)| (first, Some(rest)));
    let rest = rest.map_or_else(String::new, |rest| format!("\n{rest}"));
    format!("{first}; line {number} is `{text}`{rest}")
}

fn named<'s>(message: &str, name: &str, source: &'s str) -> Option<(usize, &'s str)> {
    if name.is_empty() {
        return None;
    }
    message.match_indices(name).find_map(|(at, _)| {
        let digits = message[at + name.len()..].strip_prefix(':')?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let number: usize = digits[..end].parse().ok()?;
        Some((number, source.lines().nth(number.checked_sub(1)?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::with_text;

    #[test]
    fn a_line_that_is_named_is_shown() {
        let source = "first\n  x = nil + 1\n\nlast";
        let shown = |message: &str| with_text(message, "q.lua", source);
        assert_eq!(shown("q.lua:2: no"), "q.lua:2: no; line 2 is `x = nil + 1`");
        assert_eq!(shown("q.lua:2: no\nstack"), "q.lua:2: no; line 2 is `x = nil + 1`\nstack");
        assert_eq!(shown("at q.lua:4:7: no"), "at q.lua:4:7: no; line 4 is `last`");
        for same in [
            "no",
            "q.lua: no",
            "q.lua:0: no",
            "q.lua:3: blank",
            "q.lua:9: past the end",
            "q.lua:99999999999999999999: no",
        ] {
            assert_eq!(shown(same), same);
        }
        assert_eq!(with_text("a:1: b", "", source), "a:1: b");
    }
}
