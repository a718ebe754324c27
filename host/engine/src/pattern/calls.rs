//! What a pattern calls, and what the action is told: a map in MessagePack, in which payloads stay as they came, bytes too.

use crate::model::{Millis, Value};

/// What an action is told besides the kind, the outcome and the key.
pub(super) type Told = Vec<(&'static str, Value)>;

/// What is called in one step.
#[derive(Debug, Default)]
pub(super) struct Calls(pub(super) Vec<Call>);

#[derive(Debug)]
pub(super) struct Call {
    pub(super) action: String,
    pub(super) outcome: &'static str,
    pub(super) at: Millis,
    pub(super) told: Told,
}

impl Calls {
    /// Calls an action, if there is one for the outcome.
    pub(super) fn call(&mut self, action: Option<&String>, outcome: &'static str, at: Millis, told: Told) {
        if let Some(action) = action {
            self.0.push(Call { action: action.clone(), outcome, at, told });
        }
    }
}

/// A time or a count as a value.
pub(super) fn whole(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A time that may not be there.
pub(super) fn maybe(time: Option<Millis>) -> Value {
    time.map_or(Value::Null, whole)
}

/// A number; what is past all numbers is null.
pub(super) fn number(number: f64) -> Value {
    if number.is_finite() { Value::Number(number) } else { Value::Null }
}

/// Several values as an array. Those that are nested so deeply that an array could not hold them are null.
pub(super) fn array(values: &[Value]) -> Value {
    let mut bytes = Vec::new();
    // Writing into a Vec cannot fail.
    let _ = rmp::encode::write_array_len(&mut bytes, u32::try_from(values.len()).unwrap_or(u32::MAX));
    for value in values {
        // In an array, in a map.
        bytes.extend(if is_within(value, 2) { value.encode() } else { Value::Null.encode() });
    }
    Value::Structure(bytes)
}

/// A map of what an action is told. A payload that is nested so deeply that a map could not hold it is null.
pub(super) fn map(fields: &Told) -> Value {
    let mut bytes = Vec::new();
    let _ = rmp::encode::write_map_len(&mut bytes, u32::try_from(fields.len()).unwrap_or(u32::MAX));
    for (name, value) in fields {
        let _ = rmp::encode::write_str(&mut bytes, name);
        bytes.extend(if is_within(value, 1) { value.encode() } else { Value::Null.encode() });
    }
    Value::Structure(bytes)
}

/// Whether a value is still one when it is put into so many arrays or maps.
fn is_within(value: &Value, outer: usize) -> bool {
    let Value::Structure(bytes) = value else { return true };
    // An array of one element, as often as asked.
    let mut wrapped = vec![0x91; outer];
    wrapped.extend_from_slice(bytes);
    Value::Structure(wrapped).check().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_as_they_came_unless_nothing_could_hold_them() {
        let nested = |depth: usize| Value::from_json(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        let deepest = (1..200).take_while(|depth| nested(*depth).is_ok()).last().expect("some are");
        let fits = nested(deepest - 1).expect("a value");
        let bytes = Value::Binary(vec![0, 159, 146, 150]);
        let told =
            map(&vec![("event", fits.clone()), ("bytes", bytes.clone()), ("deep", nested(deepest).expect("a value"))]);
        assert_eq!(told.check(), Ok(()));
        assert_eq!(told.field("/event"), Some(fits.clone()));
        assert_eq!(told.field("/bytes"), Some(bytes));
        assert_eq!(told.field("/deep"), Some(Value::Null));
        let several = map(&vec![("events", array(&[fits, nested(deepest - 2).expect("a value")]))]);
        assert_eq!(several.check(), Ok(()));
        assert_eq!(several.field("/events/0"), Some(Value::Null));
        assert_eq!(several.field("/events/1"), nested(deepest - 2).ok());
    }
}
