//! Reads a spec: a flat map, whose every key is known, of the right type, and used.

use serde_json::{Map, Value as Json};

use super::{
    condition::{Condition, OneOf},
    expression::{Wrong, pointer},
};
use crate::{
    model::{Millis, Value},
    schedule::civil,
};

/// Bytes of a spec as JSON text.
const TEXT_BYTES_MAX: usize = 16 * 1_024;
/// What comes again without an event comes at most so often: one wait after another, over a long standstill, is work that nobody sees.
const REPEATED_MS_MIN: Millis = 1_000;
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
            Some(other) => return Err(whole(format!("`kind` is a text, not {}", clipped(&other.to_string())))),
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

    /// The key is missing; or it is there, but for its spelling.
    fn missing(&self, key: &'static str, example: &str) -> SpecError {
        let near = self.fields.keys().find(|given| is_near(key, given) && !self.known.contains(&given.as_str()));
        if let Some(given) = near {
            return self.unknown(given, &format!("did you mean `{key}`?"));
        }
        let message = format!("the {} pattern needs `{key}`, like {example}", self.kind);
        SpecError { key: key.to_owned(), message }
    }

    pub(super) fn optional_text(&mut self, key: &'static str) -> Read<Option<String>> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, format_args!("a text is wanted, not {}", clipped(&other.to_string())))),
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
            Some(other) => {
                Err(self.wrong(key, format_args!("true or false is wanted, not {}", clipped(&other.to_string()))))
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub(super) fn optional_whole(&mut self, key: &'static str, min: u64, max: u64) -> Read<Option<u64>> {
        let Some(given) = self.take(key) else { return Ok(None) };
        match given.as_u64().filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(
                key,
                format_args!("a whole number from {min} to {max} is wanted, not {}", clipped(&given.to_string())),
            )),
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
                None => Err(self.wrong(key, format_args!("a number is wanted, not {}", clipped(&given.to_string())))),
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
                self.wrong(
                    key,
                    format_args!(
                        "a length of time is wanted, like \"10 minutes\", not {}",
                        clipped(&other.to_string())
                    ),
                )
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
                Err(self.wrong(key, format_args!("{} is none of {}", clipped(&format!("{text:?}")), words.join(", "))))
            }
        }
    }

    /// A place in the payload: a field's name, or a JSON Pointer.
    pub(super) fn optional_place(&mut self, key: &'static str) -> Read<Option<String>> {
        let Some(text) = self.optional_text(key)? else { return Ok(None) };
        if text.starts_with('/') {
            return Ok(Some(text));
        }
        match pointer(&text) {
            Some(pointer) => Ok(Some(pointer)),
            None => {
                let shown = clipped(&format!("{text:?}"));
                Err(self.wrong(key, format_args!("{shown} names no field: `order_id`, `order.id` or `/order/id`")))
            }
        }
    }

    /// One condition, or several of which one is enough.
    pub(super) fn optional_condition(&mut self, key: &'static str) -> Read<Option<OneOf>> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(OneOf::new(vec![self.condition_of(key, &text)?]))),
            Some(Json::Array(items)) => Ok(Some(OneOf::new(self.conditions_of(key, &items, 1)?))),
            Some(other) => Err(self
                .wrong(key, format_args!("an event is wanted, like \"opened\", not {}", clipped(&other.to_string())))),
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
            Some(other) => {
                Err(self.wrong(key, format_args!("a list of events is wanted, not {}", clipped(&other.to_string()))))
            }
            None => Err(self.missing(key, &format!("\"{key}\": [\"first\", \"second where amount > 1\"]"))),
        }
    }

    fn conditions_of(&self, key: &str, items: &[Json], min: usize) -> Read<Vec<Condition>> {
        if items.len() < min || items.len() > OneOf::MAX {
            return Err(self.wrong(key, format_args!("{min} to {} events are wanted, not {}", OneOf::MAX, items.len())));
        }
        let read = |item: &Json| match item {
            Json::String(text) => self.condition_of(key, text),
            other => Err(self
                .wrong(key, format_args!("an event is wanted, like \"opened\", not {}", clipped(&other.to_string())))),
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
        let near = near.filter(|(score, _)| *score > NEAR).max_by(|one, other| one.0.total_cmp(&other.0));
        Err(match near {
            Some((_, near)) => self.unknown(key, &format!("did you mean `{near}`?")),
            None => self.unknown(key, &format!("known are {}", self.known.join(", "))),
        })
    }

    fn unknown(&self, key: &str, hint: &str) -> SpecError {
        let key = clipped(key);
        SpecError { message: format!("the {} pattern has no key `{key}`: {hint}", self.kind), key }
    }

    /// What comes again and again has a shortest time.
    pub(super) fn check_repeated(&self, key: &'static str, time: Millis) -> Read<()> {
        if time < REPEATED_MS_MIN {
            return Err(self.wrong(key, "what repeats takes at least a second"));
        }
        Ok(())
    }
}

/// How alike two words are of which one may be the other, misspelt.
const NEAR: f64 = 0.8;

pub(super) fn is_near(known: &str, given: &str) -> bool {
    strsim::jaro_winkler(known, given) > NEAR
}

/// The beginning of something that is shown in an error.
fn clipped(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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
