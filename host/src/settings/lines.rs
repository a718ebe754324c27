//! On which line of a TOML text a setting stands, as far as can be told without a parser that remembers it.

/// The line (from 1) that sets `path`, or that opens what holds it.
pub(super) fn line_of(text: &str, path: &str) -> usize {
    let mut section = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let here = if let Some(rest) = line.strip_prefix('[') {
            section = bare(rest.split(']').next().unwrap_or_default());
            section.clone()
        } else if let Some((key, _)) = line.split_once('=') {
            if section.is_empty() { bare(key) } else { format!("{section}.{}", bare(key)) }
        } else {
            continue;
        };
        let is_inline = !line.starts_with('[') && path.strip_prefix(&here).is_some_and(|rest| rest.starts_with('.'));
        if here == path || is_inline {
            return number;
        }
    }
    1
}

/// A key without its spaces and quotes.
fn bare(key: &str) -> String {
    key.chars().filter(|c| !c.is_whitespace() && !['"', '\''].contains(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn keys_are_found_where_they_are_set() {
        let text = "# lease_ms = 1\nlisten = \"x\"\n\n[engine]\nlease_ms = 2\n[ \"pace\" ]\nlease_ms=3\naccept.\"inbox_max\" = 1\n";
        for (path, line) in [
            ("listen", 2),
            ("engine.lease_ms", 5),
            ("pace.lease_ms", 7),
            ("pace.accept.inbox_max", 8),
            ("pace", 6),
            ("missing", 1),
        ] {
            assert_eq!(line_of(text, path), line, "{path}");
        }
        assert_eq!(line_of("a = 1\npace = { lease_ms = 0 }\n", "pace.lease_ms"), 2);
    }
}
