//! Which events are meant: a name, or a name and a condition on the payload.

use super::expression::{Expression, Wrong};
use crate::model::{Value, check_event};

/// Alternatives that one condition may have.
const ALTERNATIVES_MAX: usize = 16;

/// `purchase where amount >= 100`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    name: String,
    expression: Option<Expression>,
}

impl Condition {
    /// Reads a condition. Errors give the character in `text`.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let (name, expression) = match text.split_once(" where ") {
            Some((name, expression)) => (name.trim(), Some(expression)),
            None => match text.trim().strip_suffix(" where") {
                Some(_) => {
                    let message = "there is no condition after `where`".to_owned();
                    return Err(Wrong { at: text.chars().count(), message });
                }
                None => (text.trim(), None),
            },
        };
        check_event(name).map_err(|error| Wrong { at: 0, message: error.to_string() })?;
        let offset = expression.map_or(0, |expression| text.chars().count() - expression.chars().count());
        let expression = expression
            .map(Expression::parse)
            .transpose()
            .map_err(|wrong| Wrong { at: wrong.at + offset, message: wrong.message })?;
        Ok(Self { name: name.to_owned(), expression })
    }

    /// Whether it is about events of that name.
    pub(super) fn observes(&self, event: &str) -> bool {
        self.name == event
    }

    /// Whether it is met.
    pub(super) fn is_met(&self, event: &str, payload: &Value) -> bool {
        self.name == event && self.expression.as_ref().is_none_or(|expression| expression.holds(payload))
    }
}

/// One of several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OneOf(Vec<Condition>);

impl OneOf {
    pub(super) const MAX: usize = ALTERNATIVES_MAX;

    pub(super) fn new(conditions: Vec<Condition>) -> Self {
        Self(conditions)
    }

    pub(super) fn observes(&self, event: &str) -> bool {
        self.0.iter().any(|condition| condition.observes(event))
    }

    pub(super) fn is_met(&self, event: &str, payload: &Value) -> bool {
        self.0.iter().any(|condition| condition.is_met(event, payload))
    }
}
