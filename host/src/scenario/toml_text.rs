//! Reads TOML with the place of everything, and collects what is wrong with it.
//!
//! Must not know: what a scenario is.

use std::{borrow::Cow, fmt, ops::Range};

use serde_json::{Map, Value as Json};
use strsim::levenshtein;
use toml::{
    Spanned,
    de::{DeArray, DeInteger, DeTable, DeValue},
};

/// Names that differ by more than this many letters are no slip of the pen.
const SLIPS: usize = 3;
/// Faults of one file that are told.
const FAULTS_MAX: usize = 100;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.line, self.column, self.message)
    }
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// A text, and what was found wrong in it.
pub(super) struct Reader<'i> {
    text: &'i str,
    faults: Vec<Fault>,
}

impl<'i> Reader<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        Self { text, faults: Vec::new() }
    }

    /// The text as TOML.
    pub(super) fn parse(&mut self) -> Option<Spanned<DeTable<'i>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                self.fault(span, error.message().trim_end().to_owned());
                None
            }
        }
    }

    /// What was found wrong, in order of place.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults.dedup();
        self.faults.truncate(FAULTS_MAX);
        self.faults
    }

    pub(super) fn fault(&mut self, span: Range<usize>, message: String) {
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.faults.push(Fault { line: self.line(&span), column, message });
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.text[..self.text.floor_char_boundary(span.start)].matches('\n').count() + 1
    }

    /// Finds keys that `what` does not have.
    pub(super) fn check_keys(&mut self, what: &str, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let near = near(key.get_ref(), known.iter().copied());
            let all = if near.is_empty() { format!("; its keys are {}", known.join(", ")) } else { near };
            self.fault(key.span(), format!("{what} has no {:?}{all}", key.get_ref()));
        }
    }

    pub(super) fn table<'a>(&mut self, what: &str, value: &'a Value<'i>) -> Option<&'a DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(what, "a table", value);
        }
        table
    }

    pub(super) fn array<'a>(&mut self, what: &str, value: &'a Value<'i>) -> Option<&'a DeArray<'i>> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong(what, "a list", value);
        }
        array
    }

    pub(super) fn text<'a>(&mut self, what: &str, value: &'a Value<'i>) -> Option<&'a str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(what, "a text", value);
        }
        text
    }

    /// A text, or a date and time as TOML writes them.
    pub(super) fn time_text<'a>(&mut self, what: &str, value: &'a Value<'i>) -> Option<Cow<'a, str>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Cow::Borrowed(text.as_ref())),
            DeValue::Datetime(datetime) => Some(Cow::Owned(datetime.to_string())),
            _ => {
                self.wrong(what, "a time, like \"2026-03-27 18:00\"", value);
                None
            }
        }
    }

    pub(super) fn count(&mut self, what: &str, value: &Value<'i>, range: Range<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start, range.end - 1);
        let Some(number) = value.get_ref().as_integer() else {
            self.wrong(what, &wanted, value);
            return None;
        };
        let count = integer(number).and_then(|it| u64::try_from(it).ok()).filter(|count| range.contains(count));
        if count.is_none() {
            self.fault(value.span(), format!("{what} is {wanted}, not {number}"));
        }
        count
    }

    /// Checks a text with a function of its own.
    pub(super) fn checked<T, E: fmt::Display>(&mut self, value: &Value<'i>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.fault(value.span(), error.to_string())).ok()
    }

    pub(super) fn wrong(&mut self, what: &str, wanted: &str, value: &Value<'i>) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(value.span(), format!("{what} is {wanted}, not {found}"));
    }

    /// A value as JSON. Dates become texts.
    pub(super) fn json(&mut self, value: &Value<'i>) -> Option<Json> {
        Some(match value.get_ref() {
            DeValue::String(text) => Json::String(text.to_string()),
            DeValue::Boolean(value) => Json::Bool(*value),
            DeValue::Datetime(datetime) => Json::String(datetime.to_string()),
            DeValue::Integer(number) => match integer(number) {
                Some(number) => number.into(),
                None => {
                    self.fault(value.span(), format!("{number} is past 64 bits"));
                    return None;
                }
            },
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                let Some(number) = number else {
                    self.fault(value.span(), "a number must be finite".to_owned());
                    return None;
                };
                Json::Number(number)
            }
            DeValue::Array(items) => {
                let items: Vec<Option<Json>> = items.iter().map(|item| self.json(item)).collect();
                Json::Array(items.into_iter().collect::<Option<_>>()?)
            }
            DeValue::Table(table) => {
                let mut fields = Map::new();
                for (key, value) in table.iter() {
                    fields.insert(key.get_ref().to_string(), self.json(value)?);
                }
                Json::Object(fields)
            }
        })
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The known name that was probably meant, in brackets.
pub(super) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|known| (levenshtein(known, name), known)).min();
    match nearest.filter(|(distance, known)| *distance <= SLIPS && *distance < known.len()) {
        Some((_, near)) => format!(" (did you mean {near}?)"),
        None => String::new(),
    }
}
