//! Checks JSON against schemas, as the OpenAPI text and the scenario files have them: as much of them as those texts use. A keyword that is not known here is an error, so
//! that nothing is taken for checked that is not.

use serde_json::{Map, Value};

/// What is wrong with `value` by `schema`; empty if nothing is. `api` is the whole text, for references into it.
pub fn faults(api: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(api, schema, value, "", &mut found);
    found
}

/// Follows a `$ref`, if this is one.
///
/// # Panics
/// When it leads nowhere.
pub fn resolve<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => api.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} leads nowhere")),
        None => value,
    }
}

fn check(api: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = resolve(api, schema);
    let none = Map::new();
    let fields = schema.as_object().unwrap_or(&none);
    for (keyword, wanted) in fields {
        match keyword.as_str() {
            "description" | "title" | "$schema" | "$defs" => {}
            "type" if is_type(wanted, value) => {}
            "type" => found.push(format!("{at}: {value} is no {wanted}")),
            "maxLength" => {
                let too_long = value.as_str().is_some_and(|text| text.len() as u64 > wanted.as_u64().unwrap_or(0));
                found.extend(too_long.then(|| format!("{at}: longer than {wanted}")));
            }
            "minimum" | "maximum" | "default" => {}
            "enum" if wanted.as_array().is_some_and(|list| list.contains(value)) => {}
            "enum" => found.push(format!("{at}: {value} is none of {wanted}")),
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap_or(&none) {
                    if let Some(value) = value.get(name) {
                        check(api, schema, value, &format!("{at}/{name}"), found);
                    }
                }
            }
            "required" => {
                let names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                found.extend(names.filter(|name| value.get(name).is_none()).map(|name| format!("{at}: no {name}")));
            }
            "additionalProperties" => {
                let named = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
                for (name, value) in value.as_object().unwrap_or(&none) {
                    match wanted {
                        _ if named.contains_key(name) => {}
                        Value::Bool(true) => {}
                        Value::Bool(false) => found.push(format!("{at}: {name} is not described")),
                        schema => check(api, schema, value, &format!("{at}/{name}"), found),
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(api, wanted, value, &format!("{at}/{index}"), found);
                }
            }
            "oneOf" => {
                let fits = |schema: &&Value| faults(api, schema, value).is_empty();
                let count = wanted.as_array().into_iter().flatten().filter(fits).count();
                found.extend((count != 1).then(|| format!("{at}: {value} fits {count} of {wanted}")));
            }
            "anyOf" => {
                let fits = |schema: &Value| faults(api, schema, value).is_empty();
                let any = wanted.as_array().into_iter().flatten().any(fits);
                found.extend((!any).then(|| format!("{at}: {value} fits none of {wanted}")));
            }
            unknown => found.push(format!("{at}: the schema's {unknown} is not checked")),
        }
    }
}

fn is_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|wanted| is_type(wanted, value)),
        _ => match wanted.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::faults;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_named() {
        let api = json!({"components": {"schemas": {"N": {"type": "integer"}}}});
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["n"],
            "properties": {"n": {"$ref": "#/components/schemas/N"}, "list": {"type": "array", "items": {"type": ["string", "null"]}}},
        });
        for (value, says) in [
            (json!({"n": 1, "list": ["a", null]}), ""),
            (json!({"n": "1"}), "/n: \"1\" is no \"integer\""),
            (json!({}), ": no n"),
            (json!({"n": 1, "m": 1}), ": m is not described"),
            (json!({"n": 1, "list": [1]}), "/list/0: 1 is no [\"string\",\"null\"]"),
        ] {
            assert_eq!(faults(&api, &schema, &value).join(""), says);
        }
        assert_eq!(faults(&api, &json!({"oneOf": [{"type": "object"}, {"enum": [1]}]}), &json!(1)).len(), 0);
        assert_eq!(faults(&api, &json!({"pattern": "x"}), &json!(1)), [": the schema's pattern is not checked"]);
    }
}
