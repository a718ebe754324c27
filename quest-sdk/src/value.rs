//! What crosses the border: the same seven cases on both backends.

/// What a variable, a payload or an answer holds. Most authors never see it: [`crate::to_value`] and
/// [`crate::from_value`] make it of whatever serde knows, and back.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer. Portable between all languages within ±(2^53 − 1).
    Integer(i64),
    /// A finite double.
    Number(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes (`serde_bytes`).
    Binary(Vec<u8>),
    /// One whole MessagePack array or map.
    Structure(Vec<u8>),
}
