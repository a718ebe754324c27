//! serde to values and back: a small MessagePack writer and reader, because a guest's bytes are most of an action's cost.
//!
//! Structs and maps become maps, sequences and tuples arrays, unit variants text, other variants `{variant: content}`.
//! What a value cannot hold is refused, never mangled.

mod de;
mod ser;

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

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
    let bytes = flatten(value)?;
    let mut unpacker = de::Unpacker::new(&bytes);
    T::deserialize(&mut unpacker)
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

fn flatten(value: Value) -> Result<Vec<u8>, CodecError> {
    let mut packer = ser::Packer::default();
    match value {
        Value::Structure(bytes) => return Ok(bytes),
        Value::Null => packer.null(),
        Value::Boolean(value) => packer.boolean(value),
        Value::Integer(value) => packer.integer(value),
        Value::Number(value) => packer.number(value)?,
        Value::Text(text) => packer.text(&text),
        Value::Binary(bytes) => packer.binary(&bytes),
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

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests;
