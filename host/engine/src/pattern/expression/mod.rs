//! Conditions on a payload: `amount >= 100 and currency == "EUR"`. Small, typed, and checked when it is read.
//!
//! What is known to be wrong is refused when the text is read (`amount >= "x" and 3`). What only a payload shows is not: unlike
//! types are unequal and in no order, and a field that is not there is null.

mod evaluate;
mod lexer;
mod parser;

pub(super) use parser::pointer;

use crate::model::Value;

/// Bytes of an expression's text.
const TEXT_BYTES_MAX: usize = 4_096;

/// An expression that gives true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expression(Node);

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    /// A place in the payload, as a JSON Pointer.
    Field(String),
    Exists(String),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Value>),
    Text(TextTest, Box<Node>, Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// What is wrong with a text, and at which character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Wrong {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl Expression {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Wrong::new(0, format!("a condition has at most {TEXT_BYTES_MAX} bytes")));
        }
        parser::parse(&lexer::tokens(text)?, text.chars().count()).map(Self)
    }

    /// Whether it holds for a payload.
    pub(super) fn holds(&self, payload: &Value) -> bool {
        evaluate::is_true(&self.0, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, json: &str) -> bool {
        let expression = Expression::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        expression.holds(&Value::from_json(json).expect("JSON"))
    }

    #[test]
    fn conditions_hold_or_do_not() {
        let paid =
            r#"{"amount": 120, "currency": "EUR", "items": [{"name": "tea"}], "vip": true, "a b": null, "rate": 0.5}"#;
        for (text, expected) in [
            ("amount >= 100 and currency == \"EUR\"", true),
            ("amount >= 100 and currency == 'USD'", false),
            ("amount > 120 or amount < 120", false),
            ("not (amount != 120)", true),
            ("items.0.name == \"tea\"", true),
            ("/items/0/name == \"tea\"", true),
            ("/a~1b == null and not exists(/a~1b)", true),
            ("exists(amount) and not exists(discount)", true),
            ("currency in [\"USD\", \"EUR\"]", true),
            ("amount in [1, 2, -3.5]", false),
            ("vip", true),
            ("not vip", false),
            ("vip == true and rate == 0.5", true),
            ("rate < 1 and amount > 119.5", true),
            ("currency starts_with \"E\" and currency ends_with 'R' and currency contains \"U\"", true),
            // Of unlike types only "unequal" is true; what is not there is null.
            ("amount != \"120\"", true),
            ("amount == \"120\"", false),
            ("discount > 0", false),
            ("discount == null", true),
            ("currency > 5", false),
            ("amount", false),
            ("true", true),
        ] {
            assert_eq!(holds(text, paid), expected, "{text}");
        }
        assert!(holds("n == 9007199254740993", r#"{"n": 9007199254740993}"#), "integers are exact");
        assert!(!holds("n > 9007199254740992.0", r#"{"n": 9007199254740992}"#));
        assert!(holds("n > 9007199254740992.0", r#"{"n": 9007199254740993}"#));
        assert!(holds("n < 1e300 and n > -1e300", r#"{"n": 9223372036854775807}"#));
        assert!(!holds("amount > 1", "null") && !holds("amount > 1", "[1]") && holds("/0 == 1", "[1]"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, says) in [
            ("", 0, "there is no condition"),
            ("amount >=", 9, "something to compare with"),
            ("amount >= 1 and", 15, "a condition is missing"),
            ("amount => 1", 7, "=>"),
            ("amount = 1", 7, "=="),
            ("(amount > 1", 11, "`)`"),
            ("amount > 1)", 10, "nothing more"),
            ("amount >= \"x\" and 3", 18, "a number"),
            ("amount > true", 9, "not in an order"),
            ("1 > \"x\"", 4, "a number with a text"),
            ("not 3", 4, "a number"),
            ("\"open", 0, "does not end"),
            ("amount > 1 & x", 11, "`and`"),
            ("currency in \"EUR\"", 12, "`[`"),
            ("currency in [x]", 13, "a literal"),
            ("exists(1)", 7, "a field"),
            ("a > 99999999999999999999", 4, "too large"),
            ("a contains 3", 11, "a text"),
            ("a > 1e999", 4, "too large"),
            ("a..b > 1", 0, "a field"),
        ] {
            let wrong = Expression::parse(text).expect_err(text);
            assert_eq!(wrong.at, at, "{text}: {wrong:?}");
            assert!(wrong.message.contains(says), "{text}: {wrong:?}");
        }
        assert!(Expression::parse(&"(".repeat(4_000)).is_err(), "however deep");
        assert!(Expression::parse(&"not ".repeat(1_000)).is_err());
        assert!(Expression::parse(&"x or ".repeat(10_000)).is_err());
        assert!(holds(&format!("{}true", "false or ".repeat(400)), "null"), "long is not deep");
    }
}
