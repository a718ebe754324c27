//! Expected values: JSON in which some tables stand for more than one value.

use std::ops::Range;

use serde_json::{Map, Value as Json};
use toml::de::DeValue;

use super::{
    keys::MATCHERS,
    toml_text::{Reader, Value, near},
};

/// An expected value, with its matchers checked.
pub(super) fn expected<'i>(reader: &mut Reader<'i>, value: &Value<'i>) -> Option<Json> {
    check(reader, value);
    reader.json(value)
}

/// Fields of an expected item; a text alone is its first.
pub(super) fn item<'i>(reader: &mut Reader<'i>, what: &str, keys: &[&str], value: &Value<'i>) -> Option<Json> {
    if let DeValue::String(text) = value.get_ref() {
        return Some(Json::Object(Map::from_iter([(keys[0].to_owned(), Json::String(text.to_string()))])));
    }
    let Some(table) = value.get_ref().as_table() else {
        reader.wrong(what, "a text or a table", value);
        return None;
    };
    reader.check_keys(what, table, keys);
    let mut fields = Map::new();
    // In the order in which what is found is shown.
    for key in keys {
        if let Some(value) = table.get(*key) {
            fields.insert((*key).to_owned(), expected(reader, value)?);
        }
    }
    Some(Json::Object(fields))
}

fn check<'i>(reader: &mut Reader<'i>, value: &Value<'i>) {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().for_each(|item| check(reader, item)),
        DeValue::Table(table) => {
            let first = table.keys().find(|key| key.get_ref().starts_with('$')).map(|key| (key.span(), key.get_ref()));
            if let Some((span, key)) = first {
                let inner = table.values().next().map(|value| value.get_ref());
                check_matcher(reader, span, key, table.len(), inner);
            }
            table.values().for_each(|value| check(reader, value));
        }
        _ => {}
    }
}

fn check_matcher<'i>(
    reader: &mut Reader<'i>,
    span: Range<usize>,
    key: &str,
    fields: usize,
    value: Option<&DeValue<'i>>,
) {
    let is_right = matches!(
        (key, value),
        ("$contains" | "$binary", Some(DeValue::String(_)))
            | ("$any" | "$absent" | "$null", Some(DeValue::Boolean(true)))
    );
    let message = if !MATCHERS.contains(&key) {
        let near = near(key, MATCHERS.iter().copied());
        format!("there is no {key:?}{near}; what stands for a value is one of {}", MATCHERS.join(", "))
    } else if fields != 1 {
        format!("{key:?} stands alone in its table")
    } else if !is_right {
        let right = match key {
            "$contains" => "{ \"$contains\" = \"text\" }".to_owned(),
            "$binary" => "{ \"$binary\" = \"00ff\" }".to_owned(),
            _ => format!("{{ {key:?} = true }}"),
        };
        format!("it is written {right}")
    } else {
        return;
    };
    reader.fault(span, message);
}
