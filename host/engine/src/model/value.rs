//! Values: what a variable, a payload or an answer holds, and its two forms outside, MessagePack (stored, crossing
//! the wasm border) and JSON text (people, scripts). What a form cannot hold is refused, never mangled.

use rmp::Marker;
use serde_json::Value as Json;
use thiserror::Error;

/// The largest integer that every language a quest can be written in represents exactly (2^53 - 1).
pub const PORTABLE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// Deeper structures are refused: a decoder's recursion must not be a guest's to choose.
const DEPTH_MAX: usize = 64;

/// A value. Scalars are cases of their own so that a counter needs no codec; arrays and maps stay MessagePack.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A finite double.
    Number(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// One whole MessagePack array or map.
    Structure(Vec<u8>),
}

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not MessagePack, cut short, or with bytes left over.
    #[error("not one whole MessagePack value: {0}")]
    Malformed(String),
    /// JSON text that does not parse.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// A value that JSON has no form for.
    #[error("JSON cannot hold {0}")]
    NotInJson(String),
    /// NaN or an infinity.
    #[error("a number must be finite")]
    NotFinite,
    /// An unsigned integer past the signed 64-bit range.
    #[error("the integer {0} is outside the signed 64-bit range")]
    OutOfRange(String),
    /// A structure nested too deeply.
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// A scalar given as a structure.
    #[error("a structure must be a MessagePack array or map")]
    NotAStructure,
}

impl Value {
    /// The value as MessagePack.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() + 9);
        // Writing into a Vec cannot fail.
        let _ = match self {
            Value::Null => rmp::encode::write_nil(&mut out),
            Value::Boolean(value) => rmp::encode::write_bool(&mut out, *value),
            Value::Integer(value) => rmp::encode::write_sint(&mut out, *value).map(|_| ()).map_err(Into::into),
            Value::Number(value) => rmp::encode::write_f64(&mut out, *value).map_err(Into::into),
            Value::Text(text) => rmp::encode::write_str(&mut out, text).map_err(Into::into),
            Value::Binary(bytes) => rmp::encode::write_bin(&mut out, bytes).map_err(Into::into),
            Value::Structure(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        };
        out
    }

    /// Reads one whole MessagePack value.
    pub fn decode(bytes: &[u8]) -> Result<Value, ValueError> {
        let marker = bytes.first().map(|byte| Marker::from_u8(*byte));
        let mut rest = bytes;
        let value = match marker {
            None => return Err(ValueError::Malformed("no bytes".to_owned())),
            Some(Marker::Null) => {
                rest = &bytes[1..];
                Value::Null
            }
            Some(Marker::True | Marker::False) => {
                rest = &bytes[1..];
                Value::Boolean(bytes[0] == 0xc3)
            }
            Some(Marker::F32) => Value::Number(f64::from(rmp::decode::read_f32(&mut rest).map_err(malformed)?)),
            Some(Marker::F64) => Value::Number(rmp::decode::read_f64(&mut rest).map_err(malformed)?),
            Some(Marker::U64) => {
                let value = rmp::decode::read_u64(&mut rest).map_err(malformed)?;
                Value::Integer(i64::try_from(value).map_err(|_| ValueError::OutOfRange(value.to_string()))?)
            }
            Some(
                Marker::FixPos(_)
                | Marker::FixNeg(_)
                | Marker::U8
                | Marker::U16
                | Marker::U32
                | Marker::I8
                | Marker::I16
                | Marker::I32
                | Marker::I64,
            ) => Value::Integer(rmp::decode::read_int(&mut rest).map_err(malformed)?),
            Some(Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => {
                let (text, tail) = rmp::decode::read_str_from_slice(bytes)
                    .map_err(|error| ValueError::Malformed(error.to_string()))?;
                rest = tail;
                Value::Text(text.to_owned())
            }
            Some(Marker::Bin8 | Marker::Bin16 | Marker::Bin32) => {
                let length = rmp::decode::read_bin_len(&mut rest).map_err(malformed)? as usize;
                let body = rest.get(..length).ok_or_else(cut_short)?.to_vec();
                rest = &rest[length..];
                Value::Binary(body)
            }
            Some(_) => {
                check_structure(bytes)?;
                return Ok(Value::Structure(bytes.to_vec()));
            }
        };
        if !rest.is_empty() {
            return Err(ValueError::Malformed(format!("{} bytes left over", rest.len())));
        }
        value.check()?;
        Ok(value)
    }

    /// Checks what a guest gave: finite numbers, and structures that are one whole array or map.
    pub fn check(&self) -> Result<(), ValueError> {
        match self {
            Value::Number(number) if !number.is_finite() => Err(ValueError::NotFinite),
            Value::Structure(bytes) => check_structure(bytes),
            _ => Ok(()),
        }
    }

    /// Reads JSON text. Objects and arrays become structures, with the order of an object's keys kept.
    pub fn from_json(text: &str) -> Result<Value, ValueError> {
        let json: Json = serde_json::from_str(text).map_err(|error| ValueError::NotJson(error.to_string()))?;
        Value::from_json_value(&json)
    }

    /// Converts parsed JSON.
    pub fn from_json_value(json: &Json) -> Result<Value, ValueError> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => Value::Integer(integer),
                (None, Some(large), _) => return Err(ValueError::OutOfRange(large.to_string())),
                (None, None, Some(float)) if float.is_finite() => Value::Number(float),
                _ => return Err(ValueError::OutOfRange(number.to_string())),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(_) | Json::Object(_) => {
                let mut out = Vec::new();
                write_json(&mut out, json, 0)?;
                Value::Structure(out)
            }
        })
    }

    /// The value as JSON text, or why JSON cannot hold it (bytes, keys that are not text, …).
    pub fn to_json(&self) -> Result<String, ValueError> {
        Ok(self.to_json_value()?.to_string())
    }

    /// As [`Value::to_json`], parsed.
    pub fn to_json_value(&self) -> Result<Json, ValueError> {
        Ok(match self {
            Value::Null => Json::Null,
            Value::Boolean(value) => Json::Bool(*value),
            Value::Integer(value) => Json::from(*value),
            Value::Number(value) => finite(*value)?,
            Value::Text(text) => Json::String(text.clone()),
            Value::Binary(_) => return Err(ValueError::NotInJson("bytes".to_owned())),
            Value::Structure(bytes) => read_json(&mut &bytes[..], 0, &mut |_| None)?,
        })
    }

    /// JSON for people: as [`Value::to_json_value`], but bytes become `{"$binary": "hex"}` so that nothing hides the rest.
    pub fn to_json_lossy(&self) -> Json {
        let show = |bytes: &[u8]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!({ "$binary": hex })
        };
        match self {
            Value::Binary(bytes) => show(bytes),
            Value::Structure(bytes) => read_json(&mut &bytes[..], 0, &mut |binary| Some(show(binary)))
                .unwrap_or_else(|error| serde_json::json!({ "$unreadable": error.to_string() })),
            other => other.to_json_value().unwrap_or(Json::Null),
        }
    }

    /// The place that a JSON Pointer (RFC 6901) names, e.g. `/items/0/name`; none if there is none.
    pub fn field(&self, pointer: &str) -> Option<Value> {
        if pointer.is_empty() {
            return Some(self.clone());
        }
        let Value::Structure(bytes) = self else { return None };
        let mut rest = &bytes[..];
        for token in pointer.strip_prefix('/')?.split('/') {
            let token = token.replace("~1", "/").replace("~0", "~");
            rest = child(rest, &token)?;
        }
        let mut end = rest;
        skip(&mut end, 0).ok()?;
        Value::decode(&rest[..rest.len() - end.len()]).ok()
    }

    /// Bytes that the value counts for against limits.
    pub fn size(&self) -> usize {
        match self {
            Value::Null | Value::Boolean(_) => 1,
            Value::Integer(_) | Value::Number(_) => 9,
            Value::Text(text) => text.len() + 5,
            Value::Binary(bytes) | Value::Structure(bytes) => bytes.len() + 5,
        }
    }
}

// Stored inside entries as the MessagePack bytes themselves.
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.encode())
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Value::decode(&bytes).map_err(serde::de::Error::custom)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Value::Integer(integer)
    }
}

fn malformed(error: impl std::fmt::Display) -> ValueError {
    ValueError::Malformed(error.to_string())
}

fn cut_short() -> ValueError {
    ValueError::Malformed("cut short".to_owned())
}

fn finite(number: f64) -> Result<Json, ValueError> {
    serde_json::Number::from_f64(number).map(Json::Number).ok_or(ValueError::NotFinite)
}

fn check_structure(bytes: &[u8]) -> Result<(), ValueError> {
    match bytes.first().map(|byte| Marker::from_u8(*byte)) {
        Some(
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 | Marker::FixMap(_) | Marker::Map16 | Marker::Map32,
        ) => {}
        _ => return Err(ValueError::NotAStructure),
    }
    let mut rest = bytes;
    skip(&mut rest, 0)?;
    if rest.is_empty() { Ok(()) } else { Err(ValueError::Malformed(format!("{} bytes left over", rest.len()))) }
}

/// One element's head: how many bytes of body follow it, or how many elements.
enum Head {
    Body(usize),
    Elements(usize),
}

fn head(rest: &mut &[u8]) -> Result<Head, ValueError> {
    let marker = rmp::decode::read_marker(rest).map_err(|_| cut_short())?;
    let mut number = |width: usize| -> Result<usize, ValueError> {
        let bytes = rest.get(..width).ok_or_else(cut_short)?;
        let value = bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        *rest = &rest[width..];
        Ok(value)
    };
    Ok(match marker {
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => Head::Body(0),
        Marker::U8 | Marker::I8 => Head::Body(1),
        Marker::U16 | Marker::I16 => Head::Body(2),
        Marker::U32 | Marker::I32 | Marker::F32 => Head::Body(4),
        Marker::U64 | Marker::I64 | Marker::F64 => Head::Body(8),
        Marker::FixStr(length) => Head::Body(usize::from(length)),
        Marker::Str8 | Marker::Bin8 => Head::Body(number(1)?),
        Marker::Str16 | Marker::Bin16 => Head::Body(number(2)?),
        Marker::Str32 | Marker::Bin32 => Head::Body(number(4)?),
        Marker::FixArray(count) => Head::Elements(usize::from(count)),
        Marker::Array16 => Head::Elements(number(2)?),
        Marker::Array32 => Head::Elements(number(4)?),
        Marker::FixMap(count) => Head::Elements(2 * usize::from(count)),
        Marker::Map16 => Head::Elements(2 * number(2)?),
        Marker::Map32 => Head::Elements(2 * number(4)?),
        Marker::FixExt1 => Head::Body(2),
        Marker::FixExt2 => Head::Body(3),
        Marker::FixExt4 => Head::Body(5),
        Marker::FixExt8 => Head::Body(9),
        Marker::FixExt16 => Head::Body(17),
        Marker::Ext8 => Head::Body(number(1)? + 1),
        Marker::Ext16 => Head::Body(number(2)? + 1),
        Marker::Ext32 => Head::Body(number(4)? + 1),
        Marker::Reserved => return Err(ValueError::Malformed("a reserved marker".to_owned())),
    })
}

/// Moves past one element, checking its form.
fn skip(rest: &mut &[u8], depth: usize) -> Result<(), ValueError> {
    if depth > DEPTH_MAX {
        return Err(ValueError::TooDeep);
    }
    match head(rest)? {
        Head::Body(length) => {
            *rest = rest.get(length..).ok_or_else(cut_short)?;
        }
        Head::Elements(count) => {
            for _ in 0..count {
                skip(rest, depth + 1)?;
            }
        }
    }
    Ok(())
}

fn child<'a>(mut rest: &'a [u8], token: &str) -> Option<&'a [u8]> {
    match Marker::from_u8(*rest.first()?) {
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let count = rmp::decode::read_array_len(&mut rest).ok()? as usize;
            let index: usize = token.parse().ok()?;
            if index >= count || (token.len() > 1 && token.starts_with('0')) {
                return None;
            }
            for _ in 0..index {
                skip(&mut rest, 0).ok()?;
            }
            Some(rest)
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let count = rmp::decode::read_map_len(&mut rest).ok()?;
            for _ in 0..count {
                let found = rmp::decode::read_str_from_slice(rest).is_ok_and(|(key, _)| key == token);
                skip(&mut rest, 0).ok()?;
                if found {
                    return Some(rest);
                }
                skip(&mut rest, 0).ok()?;
            }
            None
        }
        _ => None,
    }
}

fn write_json(out: &mut Vec<u8>, json: &Json, depth: usize) -> Result<(), ValueError> {
    if depth > DEPTH_MAX {
        return Err(ValueError::TooDeep);
    }
    match json {
        Json::Array(items) => {
            let _ = rmp::encode::write_array_len(out, items.len() as u32);
            for item in items {
                write_json(out, item, depth + 1)?;
            }
        }
        Json::Object(fields) => {
            let _ = rmp::encode::write_map_len(out, fields.len() as u32);
            for (name, value) in fields {
                let _ = rmp::encode::write_str(out, name);
                write_json(out, value, depth + 1)?;
            }
        }
        scalar => out.extend_from_slice(&Value::from_json_value(scalar)?.encode()),
    }
    Ok(())
}

/// Reads one element as JSON; `binary` says what bytes become, or refuses them.
fn read_json(
    rest: &mut &[u8],
    depth: usize,
    binary: &mut dyn FnMut(&[u8]) -> Option<Json>,
) -> Result<Json, ValueError> {
    if depth > DEPTH_MAX {
        return Err(ValueError::TooDeep);
    }
    match Marker::from_u8(*rest.first().ok_or_else(cut_short)?) {
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let count = rmp::decode::read_array_len(rest).map_err(malformed)?;
            (0..count).map(|_| read_json(rest, depth + 1, binary)).collect::<Result<_, _>>().map(Json::Array)
        }
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
            let count = rmp::decode::read_map_len(rest).map_err(malformed)?;
            let mut fields = serde_json::Map::new();
            for _ in 0..count {
                let (key, tail) = rmp::decode::read_str_from_slice(*rest)
                    .map_err(|_| ValueError::NotInJson("a map with a key that is not text".to_owned()))?;
                let key = key.to_owned();
                *rest = tail;
                if fields.contains_key(&key) {
                    return Err(ValueError::NotInJson("a map that has a key twice".to_owned()));
                }
                fields.insert(key, read_json(rest, depth + 1, binary)?);
            }
            Ok(Json::Object(fields))
        }
        _ => {
            let start = *rest;
            skip(rest, depth)?;
            let element = &start[..start.len() - rest.len()];
            if let Marker::U64 = Marker::from_u8(element[0]) {
                // JSON text holds any integer; the signed range is a limit of variables, not of JSON.
                return rmp::decode::read_u64(&mut &element[..]).map(Json::from).map_err(malformed);
            }
            match Value::decode(element) {
                Ok(Value::Binary(bytes)) => binary(&bytes).ok_or_else(|| ValueError::NotInJson("bytes".to_owned())),
                Ok(value) => value.to_json_value(),
                Err(ValueError::NotAStructure) => Err(ValueError::NotInJson("a MessagePack extension".to_owned())),
                Err(error) => Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
