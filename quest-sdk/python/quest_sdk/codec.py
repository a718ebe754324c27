"""Values to the contract's and back: scalars as they are, lists and dicts as MessagePack. It knows nothing of quests."""

import struct

from wit_world.imports.types import (
    Value_Binary,
    Value_Boolean,
    Value_Integer,
    Value_Null,
    Value_Number,
    Value_Structure,
    Value_Text,
)

LEAST, MOST = -(2**63), 2**63 - 1
DEPTH_MAX = 64


class InvalidValue(Exception):
    """What the contract's values cannot hold."""


def lower(value):
    """A value of Python as one of the contract."""
    if value is None:
        return Value_Null()
    if value is True or value is False:
        return Value_Boolean(value)
    if isinstance(value, int):
        return Value_Integer(_whole(value))
    if isinstance(value, float):
        return Value_Number(float(value))
    if isinstance(value, str):
        utf8(value)
        return Value_Text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Value_Binary(bytes(value))
    out = bytearray()
    _pack(out, value, 1)
    return Value_Structure(bytes(out))


def lift(value):
    """A value of the contract as Python has it."""
    if isinstance(value, Value_Null):
        return None
    if isinstance(value, Value_Structure):
        return _unpack(value.value, 0)[0]
    return value.value


def _whole(value):
    if not LEAST <= value <= MOST:
        raise InvalidValue(f"{value} is past the integers that a value can hold (64 bits with a sign); keep it as text")
    return int(value)


def utf8(value):
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{value!r} holds half of a surrogate pair, which no text can") from None


def _head(out, size, few, most, tag8, tag16):
    if size <= most:
        out.append(few | size)
    elif tag8 and size < 0x100:
        out += struct.pack(">BB", tag8, size)
    elif size < 0x10000:
        out += struct.pack(">BH", tag16, size)
    else:
        out += struct.pack(">BI", tag16 + 1, size)


def _pack(out, value, depth):
    if depth > DEPTH_MAX + 1:
        raise InvalidValue(f"the value is nested more than {DEPTH_MAX} deep")
    if value is None:
        out.append(0xC0)
    elif value is True or value is False:
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _pack_integer(out, _whole(value))
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        text = utf8(value)
        _head(out, len(text), 0xA0, 31, 0xD9, 0xDA)
        out += text
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(out, len(value), 0, -1, 0xC4, 0xC5)
        out += value
    elif isinstance(value, (list, tuple)):
        _head(out, len(value), 0x90, 15, 0, 0xDC)
        for item in value:
            _pack(out, item, depth + 1)
    elif isinstance(value, dict):
        _head(out, len(value), 0x80, 15, 0, 0xDE)
        for key, item in value.items():
            _pack(out, key, depth + 1)
            _pack(out, item, depth + 1)
    else:
        hint = {"set": "list", "frozenset": "list", "datetime": "its timestamp or text", "date": "text", "Decimal": "text"}
        name = type(value).__name__
        raise InvalidValue(f"a {name} is no value: use {hint.get(name, 'None, bool, int, float, str, bytes, list or dict')}")


def _pack_integer(out, value):
    if -32 <= value < 128:
        out += struct.pack(">b" if value < 0 else ">B", value)
    elif -(2**7) <= value < 2**7:
        out += struct.pack(">Bb", 0xD0, value)
    elif -(2**15) <= value < 2**15:
        out += struct.pack(">Bh", 0xD1, value)
    elif -(2**31) <= value < 2**31:
        out += struct.pack(">Bi", 0xD2, value)
    else:
        out += struct.pack(">Bq", 0xD3, value)


_SCALARS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_SIZES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def _unpack(data, at):
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 0x100, at
    if tag < 0x90:
        return _unpack_map(data, at, tag & 15)
    if tag < 0xA0:
        return _unpack_list(data, at, tag & 15)
    if tag < 0xC0:
        return data[at : at + (tag & 31)].decode(), at + (tag & 31)
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    if tag in _SCALARS:
        form = _SCALARS[tag]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    form = _SIZES.get(tag)
    if form is None:
        raise InvalidValue(f"MessagePack with the tag {tag:#x} is none that the host gives")
    (size,) = struct.unpack_from(form, data, at)
    at += struct.calcsize(form)
    if tag >= 0xDE:
        return _unpack_map(data, at, size)
    if tag >= 0xDC:
        return _unpack_list(data, at, size)
    piece = data[at : at + size]
    return (piece.decode() if tag >= 0xD9 else bytes(piece)), at + size


def _unpack_list(data, at, size):
    items = []
    for _ in range(size):
        item, at = _unpack(data, at)
        items.append(item)
    return items, at


def _unpack_map(data, at, size):
    pairs = {}
    for _ in range(size):
        key, at = _unpack(data, at)
        # A list or a map cannot be a key of a dict; its text can.
        if isinstance(key, (list, dict)):
            key = repr(key)
        pairs[key], at = _unpack(data, at)
    return pairs, at
