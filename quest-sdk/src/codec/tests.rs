//! Every shape goes through, and the bytes are those that the host reads.

use std::{collections::BTreeMap, fmt::Debug};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::*;

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: T, expected: &Value) {
    let value = to_value(&data).expect("serialises");
    assert_eq!(value, *expected, "{data:?}");
    assert_eq!(from_value::<T>(value).expect("deserialises"), data);
}

fn check_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: T, json: &str) {
    let value = to_value(&data).expect("serialises");
    let Value::Structure(bytes) = &value else { panic!("{value:?} is no structure") };
    let seen = quest_engine::model::Value::decode(bytes).expect("whole").to_json().expect("JSON");
    assert_eq!(seen, json);
    assert_eq!(from_value::<T>(value).expect("deserialises"), data);
    let theirs = quest_engine::model::Value::from_json(json).expect("JSON").encode();
    assert_eq!(from_value::<T>(Value::Structure(theirs)).expect("deserialises"), data, "as another language writes it");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { side: f32 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    price: Option<u32>,
    shapes: Vec<Shape>,
}

#[test]
fn scalars() {
    check((), &Value::Null);
    check(None::<u8>, &Value::Null);
    check(true, &Value::Boolean(true));
    check(7u8, &Value::Integer(7));
    for integer in [0, 1, -1, -32, -33, 127, 128, 255, 256, 65_536, -40_000, i64::MAX, i64::MIN] {
        check(integer, &Value::Integer(integer));
    }
    check(-0.5f64, &Value::Number(-0.5));
    check("héllo".to_owned(), &Value::Text("héllo".to_owned()));
    check("x".repeat(300), &Value::Text("x".repeat(300)));
    check('é', &Value::Text("é".to_owned()));
    check(Shape::Unit, &Value::Text("Unit".to_owned()));
    check(serde_bytes::ByteBuf::from(vec![0, 255]), &Value::Binary(vec![0, 255]));
}

#[test]
fn structures() {
    check_json(vec![1, -2, 300], "[1,-2,300]");
    check_json((0..40).collect::<Vec<u32>>(), &format!("{:?}", (0..40).collect::<Vec<u32>>()).replace(' ', ""));
    check_json(BTreeMap::from([("a".to_owned(), 1.5)]), r#"{"a":1.5}"#);
    check_json((1u8, "x".to_owned()), r#"[1,"x"]"#);
    let shapes = vec![Shape::Unit, Shape::Newtype(3), Shape::Tuple(4, "t".into()), Shape::Struct { side: 0.5 }];
    check_json(
        Item { name: "n".to_owned(), price: None, shapes },
        r#"{"name":"n","price":null,"shapes":["Unit",{"Newtype":3},{"Tuple":[4,"t"]},{"Struct":{"side":0.5}}]}"#,
    );
}

#[test]
fn lengths_known_only_at_the_end() {
    struct Lazy;
    impl Serialize for Lazy {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..20).filter(|n| n % 7 == 0))
        }
    }
    let value = to_value(&Lazy).expect("serialises");
    assert_eq!(from_value::<Vec<u8>>(value).expect("deserialises"), [0, 7, 14]);
}

#[test]
fn refused() {
    assert!(to_value(&u64::MAX).is_err());
    assert!(to_value(&vec![f64::NAN]).is_err());
    assert!(from_value::<u8>(Value::Integer(256)).is_err());
    assert!(from_value::<u64>(Value::Text("1".to_owned())).is_err());
    assert!(from_value::<Item>(Value::Null).is_err());
    for bytes in [&[][..], &[0x92, 1], &[0xdd, 255, 255, 255, 255], &[0xd4, 1, 1], &[0xa2, 0xff, 0xff]] {
        assert!(from_value::<Vec<u8>>(Value::Structure(bytes.to_vec())).is_err(), "{bytes:?}");
    }
}
