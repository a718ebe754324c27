//! Both forms of values, and garbage in each.

use super::*;
use proptest::prelude::*;

fn structure(json: Json) -> Value {
    Value::from_json_value(&json).expect("valid")
}

#[test]
fn scalars_survive_both_forms() {
    for value in [
        Value::Null,
        Value::Boolean(true),
        Value::Integer(0),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Integer(-33),
        Value::Number(0.1),
        Value::Number(-0.0),
        Value::Text("héllo".to_owned()),
        Value::Text(String::new()),
    ] {
        assert_eq!(Value::decode(&value.encode()).as_ref(), Ok(&value));
        let json = value.to_json().expect("scalar");
        assert_eq!(Value::from_json(&json).as_ref(), Ok(&value), "{json}");
    }
    let binary = Value::Binary(vec![0, 255]);
    assert_eq!(Value::decode(&binary.encode()).as_ref(), Ok(&binary));
    assert!(matches!(binary.to_json(), Err(ValueError::NotInJson(_))));
}

#[test]
fn structures() {
    let value = structure(serde_json::json!({"items": [{"name": "x"}, 2, []], "a/b": {"~": 1.5}}));
    assert_eq!(value.field("/items/0/name"), Some(Value::from("x")));
    assert_eq!(value.field("/items/1"), Some(Value::Integer(2)));
    assert_eq!(value.field("/items/2"), Some(structure(serde_json::json!([]))));
    assert_eq!(value.field("/a~1b/~0"), Some(Value::Number(1.5)));
    for missing in ["/items/3", "/items/00", "/items/-1", "/nope", "items", "/items/0/name/x"] {
        assert_eq!(value.field(missing), None, "{missing}");
    }
}

#[test]
fn bad_values_are_refused() {
    for bytes in
        [&[][..], &[0xc1], &[0x91], &[0xc0, 0xc0], &[0xda, 0xff], &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]]
    {
        assert!(Value::decode(bytes).is_err(), "{bytes:?}");
    }
    assert_eq!(Value::Structure(vec![1]).check(), Err(ValueError::NotAStructure));
    assert_eq!(Value::Structure(vec![0x91; 100]).check(), Err(ValueError::TooDeep));
    assert_eq!(Value::Number(f64::NAN).check(), Err(ValueError::NotFinite));
    assert!(Value::from_json("18446744073709551615").is_err());
    assert!(Value::from_json("{").is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = Value::decode(&bytes) {
            let _ = value.to_json();
            let _ = value.to_json_lossy();
            let _ = value.field("/0/a/1");
            prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
        }
    }
}
