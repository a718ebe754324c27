//! What quests, actions, timers, events and contexts may be called.
//!
//! Quest, action and timer names are narrow, so that a store key parses from its right end whatever the context is called.

use thiserror::Error;

const NAME_BYTES_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 128;
const CONTEXT_BYTES_MAX: usize = 512;

/// A name that the host does not take; its text says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} {given:?} is not allowed: {rule}")]
pub struct InvalidName {
    what: &'static str,
    given: String,
    rule: &'static str,
}

/// Checks a quest, action, query or timer name: 1 to 64 of `A-Z a-z 0-9 _ -`.
pub fn check_name(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(InvalidName { what, given: shorten(name), rule: "a name is 1 to 64 letters, digits, '_' or '-'" })
}

/// Checks an event's name: 1 to 128 bytes of UTF-8 without control characters.
pub fn check_event(name: &str) -> Result<(), InvalidName> {
    if is_text(name, EVENT_BYTES_MAX) {
        return Ok(());
    }
    Err(InvalidName {
        what: "event name",
        given: shorten(name),
        rule: "an event's name is 1 to 128 bytes without control characters",
    })
}

/// Checks a context: 1 to 512 bytes of UTF-8 without control characters.
pub fn check_context(context: &str) -> Result<(), InvalidName> {
    if is_text(context, CONTEXT_BYTES_MAX) {
        return Ok(());
    }
    Err(InvalidName {
        what: "context",
        given: shorten(context),
        rule: "a context is 1 to 512 bytes without control characters",
    })
}

fn is_text(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// Errors quote what was given, but never a megabyte of it.
fn shorten(text: &str) -> String {
    const CHARS: usize = 80;
    match text.char_indices().nth(CHARS) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "my_quest-1", "A9", &"x".repeat(64)] {
            assert_eq!(check_name("quest", good), Ok(()), "{good}");
        }
        for bad in ["", "a.b", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(check_name("quest", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contexts_and_events() {
        for good in ["user-1", "用户.9:$x {1}", &"x".repeat(512)] {
            assert_eq!(check_context(good), Ok(()), "{good}");
        }
        for bad in ["", "a\nb", "\u{0}", "\u{85}", &"x".repeat(513)] {
            assert!(check_context(bad).is_err(), "{bad}");
        }
        assert!(check_event("order.paid").is_ok());
        assert!(check_event(&"x".repeat(129)).is_err());
    }
}
