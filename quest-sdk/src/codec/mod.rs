//! serde to values and back: a small MessagePack writer and reader, because a guest's bytes are most of an action's cost.
//!
//! Structs and maps become maps, sequences and tuples arrays, unit variants text, other variants `{variant: content}`.
//! What a value cannot hold is refused, never mangled.

mod de;
mod ser;

use std::fmt;

use serde::{
    Serialize,
    de::{DeserializeOwned, Expected, Unexpected},
};

use crate::Value;

/// Why something does not go into a value, or a value not into a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecError(String);

/// A value that holds `data`. Refused: integers past the signed 64-bit range, numbers that are not finite.
pub fn to_value<T: Serialize + ?Sized>(data: &T) -> Result<Value, CodecError> {
    let mut packer = ser::Packer::default();
    data.serialize(&mut packer)?;
    Ok(classify(packer.into_bytes()))
}

/// What `value` holds, as a `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, CodecError> {
    read_value(&value)
}

/// As [`from_value`], of a value that is still needed.
pub(crate) fn read_value<T: DeserializeOwned>(value: &Value) -> Result<T, CodecError> {
    let scalar;
    let bytes = match value {
        Value::Structure(bytes) => bytes,
        other => {
            scalar = pack(other)?;
            &scalar
        }
    };
    T::deserialize(&mut de::Unpacker::new(bytes))
}

/// Packed bytes of our own making: a scalar becomes its own case.
fn classify(bytes: Vec<u8>) -> Value {
    match de::Unpacker::new(&bytes).head() {
        Ok(de::Head::Null) => Value::Null,
        Ok(de::Head::Boolean(value)) => Value::Boolean(value),
        Ok(de::Head::Integer(value)) => Value::Integer(value),
        Ok(de::Head::Number(value)) => Value::Number(value),
        Ok(de::Head::Text(text)) => Value::Text(text.to_owned()),
        Ok(de::Head::Binary(bytes)) => Value::Binary(bytes.to_vec()),
        _ => Value::Structure(bytes),
    }
}

fn pack(scalar: &Value) -> Result<Vec<u8>, CodecError> {
    let mut packer = ser::Packer::default();
    match scalar {
        Value::Null | Value::Structure(_) => packer.null(),
        Value::Boolean(value) => packer.boolean(*value),
        Value::Integer(value) => packer.integer(*value),
        Value::Number(value) => packer.number(*value)?,
        Value::Text(text) => packer.text(text),
        Value::Binary(bytes) => packer.binary(bytes),
    }
    Ok(packer.into_bytes())
}

impl CodecError {
    fn new(message: &str) -> Self {
        Self(message.to_owned())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

// serde's own texts print whatever was found, and so bring all of float formatting into every quest (28 KiB).
impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected, &found)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::expected(expected, &found)
    }
}

impl CodecError {
    fn expected(expected: &dyn Expected, found: &Unexpected<'_>) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "this integer",
            Unexpected::Float(_) => "a number",
            Unexpected::Char(_) | Unexpected::Str(_) => "this text",
            Unexpected::Bytes(_) => "bytes",
            Unexpected::Unit | Unexpected::Option => "nothing",
            Unexpected::Seq => "an array",
            Unexpected::Map => "a map",
            _ => "something else",
        };
        let mut text = String::from(found);
        text.push_str(" where ");
        text.push_str(&expected.to_string());
        text.push_str(" is expected");
        Self(text)
    }
}

#[cfg(test)]
mod tests;
