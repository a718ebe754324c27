//! Values in their two forms, MessagePack and JSON text: what is read is written as it was, within the bounds of size and depth, and what a form
//! cannot hold is refused. And the same across the border, to a quest and back.

use std::sync::{Arc, OnceLock};

use quest_engine::{
    action::{FailureKind, Invocation},
    model::{Entry, Value, ValueError},
    record::Record as _,
};
use quest_host::wasm::{Module, Runtime, RuntimeSettings};

use super::target;
use crate::wasm::{invocation, probe};

const WORDS: &[&str] = &[
    "\u{0}",
    "\"",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-0",
    "-0.0",
    "1e308",
    "1e-400",
    "9007199254740993",
    "-9223372036854775808",
    "18446744073709551615",
    "0.1",
    "[",
    "]",
    "{",
    "}",
    "{\"a\":",
    "[[[[[[[[",
    ",",
    ":",
    "$binary",
    "é",
    "\u{1f600}",
];

target!(messagepack, random: 20_000, mutants: 40_000, words: WORDS, check: messagepack_holds);
target!(json, random: 5_000, mutants: 40_000, words: WORDS, check: json_holds);
target!(across_the_border, random: 500, mutants: 4_000, words: WORDS, check: the_border_holds);

/// Bytes as a store, or a quest, hands them over.
fn messagepack_holds(bytes: &[u8]) {
    if let Ok(entry) = Entry::from_bytes(bytes) {
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).as_ref(), Ok(&entry), "an entry reads back");
    }
    let Ok(value) = Value::decode(bytes) else { return };
    value.check().unwrap();
    reads_back(&value);
    let shown = value.to_json_lossy();
    assert!(shown["$unreadable"].is_null() || matches!(value, Value::Structure(_)), "{shown}");
    match value.to_json() {
        Ok(text) => match Value::from_json(&text) {
            Ok(read) => {
                reads_back(&read);
                assert_eq!(read.to_json().as_ref(), Ok(&text), "JSON of what was JSON");
                assert_eq!(read.to_json_value(), value.to_json_value());
                assert_eq!(count(&mut &read.encode()[..]), count(&mut &bytes[..]), "nothing is left out: {text}");
            }
            // JSON text holds any integer, a value the signed ones.
            Err(error) => assert!(matches!(error, ValueError::OutOfRange(_)), "{error}: {text}"),
        },
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    places(&value);
}

/// Elements of whole MessagePack, whatever each is.
fn count(rest: &mut &[u8]) -> u64 {
    let (first, tail) = rest.split_first().unwrap();
    let mut number = |width: usize| {
        let (number, tail) = tail.split_at(width);
        *rest = tail;
        number.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (body, elements) = match first {
        0x80..=0x8f => (number(0), 2 * u64::from(first & 15)),
        0x90..=0x9f => (number(0), u64::from(first & 15)),
        0xa0..=0xbf => (number(0) + u64::from(first & 31), 0),
        0xc4 | 0xd9 => (number(1), 0),
        0xc5 | 0xda => (number(2), 0),
        0xc6 | 0xdb => (number(4), 0),
        0xca | 0xce | 0xd2 => (number(0) + 4, 0),
        0xcb | 0xcf | 0xd3 => (number(0) + 8, 0),
        0xcc | 0xd0 => (number(0) + 1, 0),
        0xcd | 0xd1 => (number(0) + 2, 0),
        0xdc => (0, number(2)),
        0xdd => (0, number(4)),
        0xde => (0, 2 * number(2)),
        0xdf => (0, 2 * number(4)),
        _ => (number(0), 0),
    };
    *rest = &rest[body as usize..];
    1 + (0..elements).map(|_| count(rest)).sum::<u64>()
}

/// A text as a producer, or a quest, hands it over.
fn json_holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    let Ok(value) = Value::from_json(text) else { return };
    reads_back(&value);
    assert_eq!(value.to_json_value().unwrap(), parsed.unwrap(), "nothing is mangled");
    assert_eq!(value.to_json_lossy(), value.to_json_value().unwrap());
    places(&value);
}

/// Encoded, decoded, encoded: the same; and not larger than it counts for.
fn reads_back(value: &Value) {
    let bytes = value.encode();
    assert!(bytes.len() <= value.size(), "{} bytes count for {}: {value:?}", bytes.len(), value.size());
    let read = Value::decode(&bytes);
    assert_eq!(read.as_ref(), Ok(value));
    assert_eq!(read.unwrap().encode(), bytes);
}

/// Any place may be asked for.
fn places(value: &Value) {
    for pointer in ["", "/", "/0", "/a", "/a/b", "/00", "/-", "/~1", "/~", "/18446744073709551616", "/0/0/0/0"] {
        if let Some(place) = value.field(pointer) {
            reads_back(&place);
        }
    }
}

fn runtime() -> &'static (Runtime, Arc<Module>) {
    static RUNTIME: OnceLock<(Runtime, Arc<Module>)> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let settings = RuntimeSettings { action_ms_max: 60_000, instances_max: 4, ..RuntimeSettings::default() };
        let runtime = Runtime::new(settings).unwrap();
        let module = runtime.load(&probe()).unwrap();
        (runtime, module)
    })
}

/// A quest hands back what it was given, and hands over bytes as a structure and a text as JSON.
fn the_border_holds(bytes: &[u8]) {
    if let Ok(value) = Value::decode(bytes) {
        assert_eq!(answer("echo", value.clone()), Ok(value.clone()));
        // There and back as JSON text: what one of the two cannot hold is refused, not changed.
        let (code, expected) = match value.to_json() {
            Ok(text) => ("invalid-json", Value::from_json(&text).ok()),
            Err(_) => ("not-json", None),
        };
        assert_eq!(answer("echo-json", value), expected.ok_or_else(|| code.to_owned()));
    }
    let structure = Value::Structure(bytes.to_vec());
    let expected = structure.check().map(|()| structure).map_err(|_| "invalid-value".to_owned());
    assert_eq!(answer("hand-over-structure", Value::Binary(bytes.to_vec())), expected);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let expected = Value::from_json(&text).map_err(|_| "invalid-json".to_owned());
    assert_eq!(answer("hand-over-json", Value::Text(text)), expected);
}

/// What the probe answers, or the code of its failure.
fn answer(action: &str, payload: Value) -> Result<Value, String> {
    let (runtime, module) = runtime();
    match runtime.invoke(module, runtime.plain().of("probe"), Invocation { payload, ..invocation(action) }).result {
        Ok(changes) => Ok(changes.reply.unwrap_or_default()),
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Permanent, "{failure:?}");
            Err(failure.code)
        }
    }
}
