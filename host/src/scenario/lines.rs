//! What was expected beside what was found, as lines.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use similar::{ChangeTag, TextDiff};

/// A JSON text longer than this is laid out over several lines.
const WIDTH: usize = 100;

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Where it stands.
    pub side: Side,
    /// The text.
    pub text: String,
}

/// Where a line of a comparison stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// On both sides.
    Both,
    /// Expected, and not found.
    Expected,
    /// Found, and not expected.
    Found,
}

impl Line {
    /// The line with a sign in front, as in a diff.
    pub fn signed(&self) -> String {
        let sign = match self.side {
            Side::Both => ' ',
            Side::Expected => '-',
            Side::Found => '+',
        };
        format!("{sign} {}", self.text).trim_end().to_owned()
    }
}

/// Compares two texts line by line.
pub(super) fn compare(expected: &str, found: &str) -> Vec<Line> {
    let diff = TextDiff::from_lines(expected, found);
    let line = |change: similar::Change<&str>| {
        let side = match change.tag() {
            ChangeTag::Equal => Side::Both,
            ChangeTag::Delete => Side::Expected,
            ChangeTag::Insert => Side::Found,
        };
        Line { side, text: change.value().trim_end_matches('\n').to_owned() }
    };
    diff.iter_all_changes().map(line).collect()
}

/// A value over one line or several.
pub(super) fn value(value: &Json) -> String {
    let short = value.to_string();
    if short.len() <= WIDTH {
        return short + "\n";
    }
    serde_json::to_string_pretty(value).unwrap_or(short) + "\n"
}

/// An answer: a table's fields one a line.
pub(super) fn answer(it: &Json) -> String {
    match it {
        Json::Object(fields) if !fields.is_empty() => {
            fields.iter().map(|(name, it)| format!("{name} = {}", value(it))).collect()
        }
        other => value(other),
    }
}

/// Named values under a heading.
pub(super) fn named(heading: &str, fields: &Map<String, Json>) -> String {
    let lines = fields.iter().map(|(name, it)| indented(&format!("{name} = {}", value(it))));
    format!("{heading}\n{}", or_none(lines.collect()))
}

/// Items under a heading.
pub(super) fn items(heading: &str, items: &[Json]) -> String {
    let lines = items.iter().map(|item| indented(&value(item)));
    format!("{heading}\n{}", or_none(lines.collect()))
}

fn or_none(lines: String) -> String {
    if lines.is_empty() { "  none\n".to_owned() } else { lines }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
