//! What is wrong with a text, where, and how to mend it.

use std::fmt;

/// How many characters of a text are shown around the one that is wrong.
const SHOWN: usize = 72;

/// A text that is no schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError {
    message: String,
    hint: String,
    /// In characters from the text's beginning.
    at: usize,
    /// The part of the text that is shown, and where in it the caret stands.
    shown: String,
    caret: usize,
}

impl ScheduleError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let from = at.saturating_sub(SHOWN / 2);
        // One column a character, whatever it is: a tab or a line's end would move the caret.
        let shown = text.chars().skip(from).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { message: message.into(), hint: hint.into(), at, shown, caret: at - from }
    }

    /// Where it is, in characters from the text's beginning.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What is wrong, and below it the text with a caret under the character.
    pub fn pointed(&self) -> String {
        format!("{}\n  {}\n  {:>width$}", self.message, self.shown, "^", width = self.caret + 1)
    }

    /// What is wrong, on one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How to mend it; may be empty.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pointed())?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {}", self.hint) }
    }
}

impl std::error::Error for ScheduleError {}
