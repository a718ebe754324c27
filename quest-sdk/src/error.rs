//! Why an action does not succeed: its own failures, and the host's refusals.

use std::fmt;

/// A failure of an action, or a refusal of the host. An action that returns one keeps nothing of what it did.
///
/// `?` turns any [`std::error::Error`] into a permanent failure with the code `failed`; therefore this type cannot
/// implement that trait itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: String,
    message: String,
}

/// What actions return: `Result` alone for those that answer nothing.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// A failure that passes by itself (a lock, a rate): the action is tried again later, with backoff.
pub fn transient(message: impl Into<String>) -> Error {
    fail("transient", message)
}

/// A failure for good: the event goes to the dead letters at once. `code` is for programs, `message` for people.
pub fn fail(code: impl Into<String>, message: impl Into<String>) -> Error {
    Error { code: code.into(), message: message.into() }
}

impl Error {
    /// A stable code, for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Code and message, for the border.
    pub(crate) fn into_parts(self) -> (String, String) {
        (self.code, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.code)?;
        out.write_str(": ")?;
        out.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        fail("failed", error.to_string())
    }
}
