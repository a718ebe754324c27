//! Compares what is expected with what is there, such that both can be shown side by side: the actual value, reduced to what was asked for.

use serde_json::{Map, Value as Json};

/// What `actual` looks like where `expected` looks: the same as `expected` if and only if it fits. Of a table only the expected keys count
/// unless it is compared `whole`; what is expected to be empty is empty.
pub(super) fn fit(expected: &Json, actual: Option<&Json>, whole: bool) -> Option<Json> {
    if let Some(fits) = matcher(expected, actual) {
        return if fits { Some(expected.clone()) } else { actual.cloned() };
    }
    let actual = actual?;
    Some(match (expected, actual) {
        (Json::Object(wanted), Json::Object(there)) if whole || !wanted.is_empty() => {
            Json::Object(fit_fields(wanted, there, whole))
        }
        (Json::Array(wanted), Json::Array(there)) => {
            let pairs = there.iter().enumerate().map(|(index, there)| match wanted.get(index) {
                Some(wanted) => fit(wanted, Some(there), whole).unwrap_or(Json::Null),
                None => there.clone(),
            });
            Json::Array(pairs.collect())
        }
        (Json::Number(wanted), Json::Number(there)) if wanted.as_f64() == there.as_f64() => {
            let is_exact = wanted.as_i64().zip(there.as_i64()).is_none_or(|(wanted, there)| wanted == there);
            if is_exact { expected.clone() } else { actual.clone() }
        }
        _ => actual.clone(),
    })
}

/// As [`fit`], of the fields of a table.
pub(super) fn fit_fields(wanted: &Map<String, Json>, there: &Map<String, Json>, whole: bool) -> Map<String, Json> {
    let mut fields = Map::new();
    for (name, wanted) in wanted {
        if let Some(fitted) = fit(wanted, there.get(name), whole) {
            fields.insert(name.clone(), fitted);
        }
    }
    let is_other = |name: &&String| !wanted.contains_key(*name);
    if whole || wanted.is_empty() {
        for name in there.keys().filter(is_other) {
            fields.insert(name.clone(), there[name].clone());
        }
    }
    fields
}

/// As [`fit`], of a list of items that happened in order: others may stand between the expected ones unless it is compared `whole`.
pub(super) fn fit_items(wanted: &[Json], there: &[Json], whole: bool) -> Vec<Json> {
    let keys: Vec<&String> = wanted.iter().filter_map(Json::as_object).flat_map(Map::keys).collect();
    let shown = |item: &Json| match item {
        Json::Object(fields) if !keys.is_empty() => {
            let named = fields.iter().filter(|(name, _)| keys.contains(name) || is_name(name));
            Json::Object(named.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        other => other.clone(),
    };
    let (mut next, mut others) = (0, 0);
    let mut fitted = Vec::new();
    for item in there {
        if wanted.get(next).is_some_and(|wanted| fits_item(wanted, item, whole)) {
            fitted.push(wanted[next].clone());
            next += 1;
        } else {
            fitted.push(shown(item));
            others += 1;
        }
    }
    let is_right = next == wanted.len() && (others == 0 || (!whole && !wanted.is_empty()));
    if is_right { wanted.to_vec() } else { fitted }
}

/// Of an item, the fields that nobody expects do not count, whole or not.
fn fits_item(wanted: &Json, item: &Json, whole: bool) -> bool {
    match (wanted, item) {
        (Json::Object(wanted), Json::Object(there)) => {
            wanted.iter().all(|(name, wanted)| fit(wanted, there.get(name), whole).as_ref() == Some(wanted))
        }
        _ => fit(wanted, Some(item), whole).as_ref() == Some(wanted),
    }
}

/// What an item is called, whatever was asked for.
fn is_name(field: &str) -> bool {
    ["topic", "event", "broadcast", "send_to", "add", "remove", "code"].contains(&field)
}

/// Whether a table that stands for more than one value fits; none if it is no such table.
fn matcher(expected: &Json, actual: Option<&Json>) -> Option<bool> {
    let fields = expected.as_object().filter(|fields| fields.len() == 1)?;
    let (name, argument) = fields.iter().next()?;
    Some(match name.as_str() {
        "$any" => actual.is_some(),
        "$absent" => actual.is_none(),
        "$null" => actual == Some(&Json::Null),
        "$contains" => {
            actual.and_then(Json::as_str).zip(argument.as_str()).is_some_and(|(text, part)| text.contains(part))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_fit_in_part_or_whole() {
        for (expected, actual, part, whole) in [
            (json!(7), json!(7), true, true),
            (json!(7), json!(7.0), true, true),
            (json!(7), json!("7"), false, false),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), false, false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true, false),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}}), true, false),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), true, true),
            (json!({"a": 1}), json!({}), false, false),
            (json!({}), json!({}), true, true),
            (json!({}), json!({"a": 1}), false, false),
            (json!([1, {"a": 1}]), json!([1, {"a": 1, "b": 2}]), true, false),
            (json!([1]), json!([1, 2]), false, false),
            (json!([]), json!([1]), false, false),
            (json!({"a": {"$any": true}}), json!({"a": null}), true, true),
            (json!({"a": {"$any": true}}), json!({}), false, false),
            (json!({"a": {"$absent": true}}), json!({}), true, true),
            (json!({"a": {"$absent": true}}), json!({"a": 1}), false, false),
            (json!({"$null": true}), json!(null), true, true),
            (json!({"$null": true}), json!(0), false, false),
            (json!({"$contains": "ell"}), json!("hello"), true, true),
            (json!({"$contains": "ell"}), json!(["ell"]), false, false),
        ] {
            let fits = |whole| fit(&expected, Some(&actual), whole).as_ref() == Some(&expected);
            assert_eq!((fits(false), fits(true)), (part, whole), "{expected} of {actual}");
        }
    }

    #[test]
    fn items_fit_in_their_order() {
        let there = [json!({"topic": "a", "payload": {"x": 1, "y": 2}}), json!({"topic": "b"}), json!({"topic": "c"})];
        let topic = |name: &str| json!({"topic": name});
        let payload = json!({"payload": {"x": 1}});
        for (wanted, part, whole) in [
            (vec![], false, false),
            (vec![topic("a"), topic("c")], true, false),
            (vec![topic("c"), topic("a")], false, false),
            (vec![topic("a"), topic("b"), topic("c")], true, true),
            (vec![topic("b"), topic("b")], false, false),
            (vec![payload.clone()], true, false),
            (vec![payload, topic("b"), topic("c")], true, false),
        ] {
            let fits = |whole| fit_items(&wanted, &there, whole) == wanted;
            assert_eq!((fits(false), fits(true)), (part, whole), "{wanted:?}");
        }
        assert!(fit_items(&[], &[], true).is_empty());
    }
}
