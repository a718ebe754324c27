//! Keys: what tells apart the events of a pattern with `by`.

use crate::{action::Seed, model::Value};

/// Bytes of a key; of a longer one the beginning and a hash of the whole are kept.
const BYTES_MAX: usize = 128;

/// The key at a place of a payload: text, an integer (a whole number counts as one), or true or false. `7` and `"7"` are one key. None
/// if there is nothing else there.
pub(super) fn of(payload: &Value, place: &str) -> Option<String> {
    /// Up to here a whole number is exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let key = match payload.field(place)? {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < EXACT_MAX => (number as i64).to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Null | Value::Number(_) | Value::Binary(_) | Value::Structure(_) => return None,
    };
    (!key.is_empty()).then(|| short(key, BYTES_MAX))
}

/// A text of at most so many bytes: a longer one becomes its beginning and a hash of the whole, so that two that begin alike differ.
pub(super) fn short(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let hash = Seed::of(&[&text]).hex(8);
        text.truncate(text.floor_char_boundary(bytes_max - hash.len() - 1));
        text.push('#');
        text.push_str(&hash);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_scalars_that_tell_apart() {
        let key = |json: &str| of(&Value::from_json(json).expect("JSON"), "/id");
        for (json, expected) in [
            (r#"{"id": "a"}"#, Some("a")),
            (r#"{"id": 7}"#, Some("7")),
            (r#"{"id": "7"}"#, Some("7")),
            (r#"{"id": 7.0}"#, Some("7")),
            (r#"{"id": -7}"#, Some("-7")),
            (r#"{"id": true}"#, Some("true")),
            (r#"{"id": 7.5}"#, None),
            (r#"{"id": 1e300}"#, None),
            (r#"{"id": null}"#, None),
            (r#"{"id": ""}"#, None),
            (r#"{"id": [1]}"#, None),
            (r#"{"other": 1}"#, None),
            ("7", None),
        ] {
            assert_eq!(key(json).as_deref(), expected, "{json}");
        }
        let (one, other) = ("ä".repeat(100) + "1", "ä".repeat(100) + "2");
        let (one, other) = (short(one, BYTES_MAX), short(other, BYTES_MAX));
        assert!(one != other && one.len() <= BYTES_MAX && other.len() <= BYTES_MAX, "{one} {other}");
        assert_eq!(short("x".repeat(BYTES_MAX), BYTES_MAX).len(), BYTES_MAX);
    }
}
