//! The writer.

use serde::ser::{self, Serialize};

use super::CodecError;

type Done<T = ()> = Result<T, CodecError>;

/// Writes MessagePack.
#[derive(Default)]
pub(super) struct Packer {
    out: Vec<u8>,
}

impl Packer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn null(&mut self) {
        self.out.push(0xc0);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.out.push(0xc2 | u8::from(value));
    }

    pub(super) fn integer(&mut self, value: i64) {
        match value {
            -32..=127 => self.out.push(value as u8),
            _ => {
                self.out.push(0xd3);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }

    pub(super) fn number(&mut self, value: f64) -> Done {
        if !value.is_finite() {
            return Err(CodecError::new("a number must be finite"));
        }
        self.out.push(0xcb);
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        match text.len() {
            length @ 0..32 => self.out.push(0xa0 | length as u8),
            length => self.wide(0xdb, length),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) {
        self.wide(0xc6, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn wide(&mut self, marker: u8, length: usize) {
        self.out.push(marker);
        self.out.extend_from_slice(&(length as u32).to_be_bytes());
    }

    /// Begins an array or map. Its length is written when it is known: a place for it is left where it is not short.
    fn begin(&mut self, short: u8, wide: u8, length: Option<usize>) -> Parts<'_> {
        let patch = match length {
            Some(length @ 0..16) => {
                self.out.push(short | length as u8);
                None
            }
            _ => {
                self.wide(wide, 0);
                Some(self.out.len() - 4)
            }
        };
        Parts { packer: self, patch, count: 0 }
    }

    fn array(&mut self, length: Option<usize>) -> Parts<'_> {
        self.begin(0x90, 0xdd, length)
    }

    fn map(&mut self, length: Option<usize>) -> Parts<'_> {
        self.begin(0x80, 0xdf, length)
    }

    /// `{variant: …}`, of which the content follows.
    fn variant(&mut self, variant: &str) {
        self.out.push(0x81);
        self.text(variant);
    }
}

/// An array or a map on its way.
pub(super) struct Parts<'a> {
    packer: &'a mut Packer,
    patch: Option<usize>,
    count: u32,
}

impl Parts<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, part: &T) -> Done {
        self.count += 1;
        part.serialize(&mut *self.packer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        self.packer.text(name);
        self.part(value)
    }

    fn close(self) -> Done {
        if let Some(at) = self.patch {
            self.packer.out[at..at + 4].copy_from_slice(&self.count.to_be_bytes());
        }
        Ok(())
    }
}

impl<'a> ser::Serializer for &'a mut Packer {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn serialize_bool(self, value: bool) -> Done {
        self.boolean(value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Done {
        self.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Done {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Done {
        match i64::try_from(value) {
            Ok(value) => self.serialize_i64(value),
            Err(_) => Err(CodecError::new("an integer lies outside the signed 64-bit range")),
        }
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.number(value.into())
    }

    fn serialize_f64(self, value: f64) -> Done {
        self.number(value)
    }

    fn serialize_char(self, value: char) -> Done {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Done {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.binary(value);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.null();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        self.variant(variant);
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Done<Parts<'a>> {
        Ok(self.array(length))
    }

    fn serialize_tuple(self, length: usize) -> Done<Parts<'a>> {
        Ok(self.array(Some(length)))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Done<Parts<'a>> {
        Ok(self.array(Some(length)))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, length: usize) -> Done<Parts<'a>> {
        self.variant(variant);
        Ok(self.array(Some(length)))
    }

    fn serialize_map(self, length: Option<usize>) -> Done<Parts<'a>> {
        Ok(self.map(length))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Done<Parts<'a>> {
        Ok(self.map(Some(length)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Done<Parts<'a>> {
        self.variant(variant);
        Ok(self.map(Some(length)))
    }
}

macro_rules! parts {
    ($($kind:ident $method:ident),*) => { $(
        impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = CodecError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.part(value)
            }

            fn end(self) -> Done {
                self.close()
            }
        }
    )* };
}

macro_rules! fields {
    ($($kind:ident),*) => { $(
        impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.field(name, value)
            }

            fn end(self) -> Done {
                self.close()
            }
        }
    )* };
}

parts!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(&mut *self.packer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.part(value)
    }

    fn end(self) -> Done {
        self.close()
    }
}
