//! Reads a spec: a flat map, whose every key is known, of the right type, and used.

use serde_json::{Map, Value as Json};

use super::{
    condition::{Condition, OneOf},
    expression::Wrong,
};
use crate::{
    model::{Millis, Value},
    schedule::civil,
};

/// Bytes of a spec as JSON text.
const TEXT_BYTES_MAX: usize = 16 * 1_024;
/// The longest time that a pattern reckons with: 100 years.
const TIME_MAX: Millis = 100 * 366 * 86_400_000;

/// What is wrong with a spec, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpecError {
    /// The key that is wrong; empty when it is the whole.
    pub key: String,
    /// The text for people. Of conditions it has several lines, with a mark under the character.
    pub message: String,
}

pub(super) type Read<T> = Result<T, SpecError>;

/// The fields of a spec, each taken once.
#[derive(Debug)]
pub(super) struct Fields {
    kind: String,
    fields: Map<String, Json>,
    known: Vec<&'static str>,
}

impl Fields {
    pub(super) fn of(spec: &Value) -> Read<Self> {
        let whole = |message: String| SpecError { key: String::new(), message };
        if spec.size() > TEXT_BYTES_MAX {
            return Err(whole(format!("a pattern's spec has at most {TEXT_BYTES_MAX} bytes")));
        }
        let json = spec.to_json_value().map_err(|error| whole(error.to_string()))?;
        let Json::Object(mut fields) = json else {
            let hint = r#"a pattern's spec is a map, like {"kind": "absence", "of": "opened", "for": "14 days", "action": "miss"}"#;
            return Err(whole(hint.to_owned()));
        };
        let kind = match fields.remove("kind") {
            Some(Json::String(kind)) => kind,
            Some(other) => return Err(whole(format!("`kind` is a text, not {other}"))),
            None => return Err(whole(format!("`kind` is missing: one of {}", super::KINDS.join(", ")))),
        };
        Ok(Self { kind, fields, known: Vec::new() })
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn wrong(&self, key: &str, message: impl std::fmt::Display) -> SpecError {
        SpecError { key: key.to_owned(), message: format!("`{key}` of the {} pattern: {message}", self.kind) }
    }

    fn take(&mut self, key: &'static str) -> Option<Json> {
        self.known.push(key);
        self.fields.remove(key)
    }

    fn missing(&self, key: &str, example: &str) -> SpecError {
        let message = format!("the {} pattern needs `{key}`, like {example}", self.kind);
        SpecError { key: key.to_owned(), message }
    }

    pub(super) fn optional_text(&mut self, key: &'static str) -> Read<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, format_args!("a text is wanted, not {other}"))),
        }
    }

    /// An action's name, which must be one of the quest's.
    pub(super) fn optional_action(&mut self, key: &'static str) -> Read<Option<String>> {
        self.optional_text(key)
    }

    pub(super) fn action(&mut self, key: &'static str) -> Read<String> {
        let action = self.optional_action(key)?;
        action.ok_or_else(|| self.missing(key, &format!("\"{key}\": \"remind\", an action of the quest")))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Read<bool> {
        match self.take(key) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, format_args!("true or false is wanted, not {other}"))),
        }
    }

    /// A whole number from `min` to `max`.
    pub(super) fn optional_whole(&mut self, key: &'static str, min: u64, max: u64) -> Read<Option<u64>> {
        let Some(given) = self.take(key) else { return Ok(None) };
        match given.as_u64().filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, format_args!("a whole number from {min} to {max} is wanted, not {given}"))),
        }
    }

    pub(super) fn whole(&mut self, key: &'static str, min: u64, max: u64) -> Read<u64> {
        let number = self.optional_whole(key, min, max)?;
        number.ok_or_else(|| self.missing(key, &format!("\"{key}\": 5")))
    }

    pub(super) fn optional_number(&mut self, key: &'static str) -> Read<Option<f64>> {
        match self.take(key) {
            None => Ok(None),
            Some(given) => match given.as_f64().filter(|number| number.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(key, format_args!("a number is wanted, not {given}"))),
            },
        }
    }

    /// A length of time: text, or milliseconds. At least one millisecond.
    pub(super) fn optional_time(&mut self, key: &'static str) -> Read<Option<Millis>> {
        let Some(given) = self.take(key) else { return Ok(None) };
        let time = match &given {
            Json::String(text) => civil::duration(text).map_err(|error| {
                let mark = marked(text, error.at);
                self.wrong(key, format_args!("{error}{mark}"))
            })?,
            other => other.as_u64().ok_or_else(|| {
                self.wrong(key, format_args!("a length of time is wanted, like \"10 minutes\", not {other}"))
            })?,
        };
        if time == 0 || time > TIME_MAX {
            return Err(self.wrong(key, "a length of time is 1 ms to 100 years"));
        }
        Ok(Some(time))
    }

    pub(super) fn time(&mut self, key: &'static str) -> Read<Millis> {
        let time = self.optional_time(key)?;
        time.ok_or_else(|| self.missing(key, &format!("\"{key}\": \"10 minutes\"")))
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Read<Option<T>> {
        let Some(text) = self.optional_text(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.wrong(key, format_args!("{text:?} is none of {}", words.join(", "))))
            }
        }
    }

    /// A place in the payload: a field's name, or a JSON Pointer.
    pub(super) fn optional_place(&mut self, key: &'static str) -> Read<Option<String>> {
        let Some(text) = self.optional_text(key)? else { return Ok(None) };
        if text.starts_with('/') {
            return Ok(Some(text));
        }
        let parts: Vec<&str> = text.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(self.wrong(key, format_args!("{text:?} names no field: `order_id`, `order.id` or `/order/id`")));
        }
        Ok(Some(parts.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()))
    }

    /// One condition, or several of which one is enough.
    pub(super) fn optional_condition(&mut self, key: &'static str) -> Read<Option<OneOf>> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(OneOf::new(vec![self.condition_of(key, &text)?]))),
            Some(Json::Array(items)) => Ok(Some(OneOf::new(self.conditions_of(key, &items, 1)?))),
            Some(other) => Err(self.wrong(key, format_args!("an event is wanted, like \"opened\", not {other}"))),
        }
    }

    pub(super) fn condition(&mut self, key: &'static str) -> Read<OneOf> {
        let condition = self.optional_condition(key)?;
        condition
            .ok_or_else(|| self.missing(key, &format!("\"{key}\": \"opened\" or \"purchase where amount >= 100\"")))
    }

    /// Several conditions, at least `min`, each of its own.
    pub(super) fn conditions(&mut self, key: &'static str, min: usize) -> Read<Vec<Condition>> {
        match self.take(key) {
            Some(Json::Array(items)) => self.conditions_of(key, &items, min),
            Some(other) => Err(self.wrong(key, format_args!("a list of events is wanted, not {other}"))),
            None => Err(self.missing(key, &format!("\"{key}\": [\"first\", \"second where amount > 1\"]"))),
        }
    }

    fn conditions_of(&self, key: &str, items: &[Json], min: usize) -> Read<Vec<Condition>> {
        if items.len() < min || items.len() > OneOf::MAX {
            return Err(self.wrong(key, format_args!("{min} to {} events are wanted, not {}", OneOf::MAX, items.len())));
        }
        let read = |item: &Json| match item {
            Json::String(text) => self.condition_of(key, text),
            other => Err(self.wrong(key, format_args!("an event is wanted, like \"opened\", not {other}"))),
        };
        items.iter().map(read).collect()
    }

    fn condition_of(&self, key: &str, text: &str) -> Read<Condition> {
        Condition::parse(text).map_err(|Wrong { at, message }| {
            let mark = marked(text, at);
            self.wrong(key, format_args!("{message}{mark}"))
        })
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Read<()> {
        let Some((key, _)) = self.fields.iter().next() else { return Ok(()) };
        let near = self.known.iter().map(|known| (strsim::jaro_winkler(known, key), *known));
        let near = near.filter(|(score, _)| *score > 0.8).max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = match near {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => format!("known are {}", self.known.join(", ")),
        };
        let message = format!("the {} pattern has no key `{key}`: {hint}", self.kind);
        Err(SpecError { key: key.clone(), message })
    }
}

/// The text with a mark under one of its characters, on lines of their own.
fn marked(text: &str, at: usize) -> String {
    // Long texts are shown around the place.
    const BEFORE: usize = 60;
    let skipped = at.saturating_sub(BEFORE);
    let shown: String =
        text.chars().skip(skipped).take(2 * BEFORE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("\n  {shown}\n  {}^", " ".repeat(at - skipped))
}
