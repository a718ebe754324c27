//! What an expression gives for a payload.

use std::{borrow::Cow, cmp::Ordering};

use super::{Comparison, Node, TextTest};
use crate::model::Value;

pub(super) fn is_true(node: &Node, payload: &Value) -> bool {
    match node {
        Node::Not(inner) => !is_true(inner, payload),
        Node::And(one, other) => is_true(one, payload) && is_true(other, payload),
        Node::Or(one, other) => is_true(one, payload) || is_true(other, payload),
        Node::Exists(pointer) => payload.field(pointer).is_some(),
        Node::Compare(comparison, one, other) => {
            let (one, other) = (value(one, payload), value(other, payload));
            compare(*comparison, one.as_deref(), other.as_deref())
        }
        Node::In(one, list) => {
            let one = value(one, payload);
            one.is_some_and(|one| list.iter().any(|item| compare(Comparison::Equal, Some(&one), Some(item))))
        }
        Node::Text(test, one, other) => match (value(one, payload).as_deref(), value(other, payload).as_deref()) {
            (Some(Value::Text(text)), Some(Value::Text(part))) => match test {
                TextTest::Contains => text.contains(part),
                TextTest::StartsWith => text.starts_with(part),
                TextTest::EndsWith => text.ends_with(part),
            },
            _ => false,
        },
        Node::Literal(_) | Node::Field(_) => matches!(value(node, payload).as_deref(), Some(Value::Boolean(true))),
    }
}

/// A part's value; none for a field that is not there.
fn value<'a>(node: &'a Node, payload: &Value) -> Option<Cow<'a, Value>> {
    match node {
        Node::Literal(value) => Some(Cow::Borrowed(value)),
        Node::Field(pointer) => payload.field(pointer).map(Cow::Owned),
        other => Some(Cow::Owned(Value::Boolean(is_true(other, payload)))),
    }
}

/// A field that is not there equals null, and nothing else.
fn compare(comparison: Comparison, one: Option<&Value>, other: Option<&Value>) -> bool {
    let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
    let order = order(one, other);
    match comparison {
        Comparison::Equal => order.map_or(one == other, Ordering::is_eq),
        Comparison::Unequal => order.map_or(one != other, Ordering::is_ne),
        Comparison::Less => order.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// Two scalars in order, if they are of one type. Integers and numbers are compared as what they are, not as what fits a float.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => one.partial_cmp(other),
        (Value::Integer(one), Value::Number(other)) => Some(against(*one, *other)),
        (Value::Number(one), Value::Integer(other)) => Some(against(*other, *one).reverse()),
        (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// An integer against a finite float, exactly: beyond 2^53 a float is no longer next to each integer.
fn against(integer: i64, float: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float >= END {
        return Ordering::Less;
    }
    if float < -END {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    // Within the range, a whole float is an integer.
    integer.cmp(&(whole as i64)).then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}
