//! The only place that prints: data to standard output, talk to standard error, colours only where they are wanted.

use std::io::{self, Write as _};

use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::{Format, time::show as time};

/// Prints in the format asked for.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// One JSON value on a line.
    pub(crate) fn json(&self, value: &Value) {
        self.line(&value.to_string());
    }

    /// A line of data. Ends the process if nobody reads it any more (`| head`): there is nothing left to do then.
    pub(crate) fn line(&self, text: &str) {
        match writeln!(anstream::stdout(), "{text}") {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => {
                self.error("", &format!("cannot write to standard output: {error}"), "");
                std::process::exit(1);
            }
        }
    }

    /// JSON for programs, or rows of these fields for people.
    pub(crate) fn rows(&self, value: &Value, list: &str, fields: &[&str]) {
        let empty = Vec::new();
        let rows = value[list].as_array().unwrap_or(&empty);
        if self.is_json() {
            rows.iter().for_each(|row| self.json(row));
            return;
        }
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| fields.iter().map(|field| cell(&row[*field], field)).collect()).collect();
        let width = |column: usize| {
            let widest = cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            widest.max(fields[column].len())
        };
        let widths: Vec<usize> = (0..fields.len()).map(width).collect();
        let pad = |texts: &[String]| {
            let padded = texts.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        if rows.is_empty() {
            self.say("none");
            return;
        }
        let heads: Vec<String> = fields.iter().map(|field| field.to_uppercase()).collect();
        self.line(&pad(&heads).bold().to_string());
        cells.iter().for_each(|row| self.line(&pad(row)));
    }

    /// The fields of an object, one a line.
    pub(crate) fn fields(&self, value: &Value) {
        for (name, value) in value.as_object().into_iter().flatten() {
            self.line(&format!("{name:12} {}", cell(value, name)));
        }
    }

    /// Talk for people.
    pub(crate) fn say(&self, text: &str) {
        if !self.is_json() {
            talk(text);
        }
    }

    /// A heading of talk.
    pub(crate) fn say_named(&self, name: &str, text: &str) {
        self.say(&format!("{:>10} {text}", name.green().bold()));
    }

    /// Something that should be looked at.
    pub(crate) fn warn(&self, text: &str) {
        if self.is_json() {
            return talk(&json!({ "warning": text }).to_string());
        }
        talk(&format!("{}: {text}", "warning".yellow().bold()));
    }

    /// How to mend something, or go on.
    pub(crate) fn hint(&self, text: &str) {
        if !text.is_empty() {
            self.say(&format!("{}: {text}", "hint".cyan().bold()));
        }
    }

    /// An error and how to mend it. Programs get it on standard error too, as an object of the API's form.
    pub(crate) fn error(&self, code: &str, text: &str, hint: &str) {
        if self.is_json() {
            return talk(&json!({ "error": { "code": code, "message": text, "hint": hint } }).to_string());
        }
        let code = if code.is_empty() { String::new() } else { format!(" [{code}]") };
        talk(&format!("{}: {text}{code}", "error".red().bold()));
        self.hint(hint);
    }

    /// Where to go on reading. Beside the data, which is what was read.
    pub(crate) fn cursor(&self, cursor: &str) {
        if self.is_json() {
            return talk(&json!({ "cursor": cursor }).to_string());
        }
        self.hint(&format!("go on with --cursor {cursor}"));
    }
}

/// Nobody may be listening (a closed terminal): that is no reason to end.
fn talk(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn cell(value: &Value, field: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Number(number) if is_time(field) => time(number.as_u64().unwrap_or(0)),
        Value::Object(held) if field == "held" => {
            let at = time(held.get("retry_at").and_then(Value::as_u64).unwrap_or(0));
            let part = |name: &str| plain(held.get(name).and_then(Value::as_str).unwrap_or_default());
            format!("until {at}, {}: {}", part("code"), part("message"))
        }
        other => other.to_string(),
    }
}

/// A text on one line, that cannot steer a terminal: quests may write anything.
pub(crate) fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn is_time(field: &str) -> bool {
    ["due", "at", "added_at", "accepted_at", "died_at", "first_at", "last_at"].contains(&field)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn texts_of_quests_do_not_steer_the_terminal() {
        assert_eq!(plain("ü\n\u{1b}[31mred"), "ü\\n\\u{1b}[31mred");
    }
}
