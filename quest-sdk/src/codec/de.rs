//! The reader. It takes every form that MessagePack allows, whoever wrote it.

use serde::de::{self, DeserializeSeed, Visitor};

use super::CodecError;

type Read<T> = Result<T, CodecError>;

/// Reads MessagePack.
pub(super) struct Unpacker<'a> {
    rest: &'a [u8],
}

/// What stands next: a whole scalar, or the beginning of a structure.
pub(super) enum Head<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Past the signed range.
    Large(u64),
    Number(f64),
    Text(&'a str),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads what stands next.
    pub(super) fn head(&mut self) -> Read<Head<'a>> {
        let marker = self.take(1)?[0];
        Ok(match marker {
            0x00..=0x7f => Head::Integer(marker.into()),
            0xe0..=0xff => Head::Integer((marker as i8).into()),
            0x80..=0x8f => Head::Map((marker & 15).into()),
            0x90..=0x9f => Head::Array((marker & 15).into()),
            0xa0..=0xbf => self.text((marker & 31).into())?,
            0xc0 => Head::Null,
            0xc2 | 0xc3 => Head::Boolean(marker == 0xc3),
            0xc4..=0xc6 => {
                let length = self.number(1 << (marker - 0xc4))? as usize;
                Head::Binary(self.take(length)?)
            }
            0xca => Head::Number(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Head::Number(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => {
                let value = self.number(1 << (marker - 0xcc))?;
                i64::try_from(value).map_or(Head::Large(value), Head::Integer)
            }
            0xd0..=0xd3 => {
                let width = 1 << (marker - 0xd0);
                let unused = 64 - 8 * width as u32;
                Head::Integer(((self.number(width)? << unused) as i64) >> unused)
            }
            0xd9..=0xdb => {
                let length = self.number(1 << (marker - 0xd9))? as usize;
                self.text(length)?
            }
            0xdc | 0xdd => Head::Array(self.number(2 << (marker - 0xdc))? as usize),
            0xde | 0xdf => Head::Map(self.number(2 << (marker - 0xde))? as usize),
            _ => return Err(CodecError::new("a MessagePack extension")),
        })
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(CodecError::new("the value is cut short")),
        }
    }

    fn number(&mut self, width: usize) -> Read<u64> {
        Ok(self.take(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length: usize) -> Read<Head<'a>> {
        match std::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(Head::Text(text)),
            Err(_) => Err(CodecError::new("text is not UTF-8")),
        }
    }
}

impl<'de> de::Deserializer<'de> for &mut Unpacker<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.head()? {
            Head::Null => visitor.visit_unit(),
            Head::Boolean(value) => visitor.visit_bool(value),
            Head::Integer(value) => visitor.visit_i64(value),
            Head::Large(value) => visitor.visit_u64(value),
            Head::Number(value) => visitor.visit_f64(value),
            Head::Text(text) => visitor.visit_borrowed_str(text),
            Head::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Head::Array(left) => visitor.visit_seq(Inside { unpacker: self, left }),
            Head::Map(left) => visitor.visit_map(Inside { unpacker: self, left }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        if self.rest.first() == Some(&0xc0) {
            self.rest = &self.rest[1..];
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        let before = self.rest;
        match self.head()? {
            Head::Text(_) => {
                self.rest = before;
                visitor.visit_enum(Variant { unpacker: self, has_content: false })
            }
            Head::Map(1) => visitor.visit_enum(Variant { unpacker: self, has_content: true }),
            _ => Err(CodecError::new("a variant is text, or a map with one entry")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The elements of an array, or the entries of a map.
struct Inside<'u, 'de> {
    unpacker: &'u mut Unpacker<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Inside<'_, 'de> {
    type Error = CodecError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.unpacker).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Inside<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<S::Value> {
        seed.deserialize(&mut *self.unpacker)
    }
}

struct Variant<'u, 'de> {
    unpacker: &'u mut Unpacker<'de>,
    has_content: bool,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<(S::Value, Self)> {
        let name = seed.deserialize(&mut *self.unpacker)?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;

    fn unit_variant(self) -> Read<()> {
        match self.has_content {
            false => Ok(()),
            true => serde::Deserialize::deserialize(self.unpacker),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<S::Value> {
        match self.has_content {
            true => seed.deserialize(self.unpacker),
            false => Err(CodecError::new("the variant needs a content")),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Read<V::Value> {
        self.newtype_variant_seed(Content(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Read<V::Value> {
        self.newtype_variant_seed(Content(visitor))
    }
}

/// A variant's content, whatever its visitor expects.
struct Content<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Content<V> {
    type Value = V::Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self.0)
    }
}
