//! The text form: a recurrence, then clauses after `;`. The parts of an iCalendar rule are written with `;` too, and are told by their `=`.

mod clauses;
mod ical;
mod times;
mod tokens;
mod words;

use super::{Recurrence, Schedule, ScheduleError, TEXT_BYTES_MAX, calendar::Calendar, calendar::cron::Cron};
use tokens::Tokens;

/// A piece of the text and where it begins, in characters.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    /// Without the spaces around it.
    fn trimmed(self) -> Self {
        let begin = self.text.trim_start();
        let skipped = self.text.chars().count() - begin.chars().count();
        Self { text: begin.trim_end(), at: self.at + skipped }
    }

    /// The pieces between the separators.
    fn split(self, separator: char) -> impl Iterator<Item = Piece<'a>> {
        let mut at = self.at;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, at };
            at += text.chars().count() + 1;
            piece
        })
    }
}

/// What went wrong where: becomes a [`ScheduleError`] when the whole text is at hand.
#[derive(Debug)]
struct Wrong {
    at: usize,
    message: String,
    hint: String,
}

impl Wrong {
    fn new(at: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: hint.into() }
    }
}

type Parsed<T> = Result<T, Wrong>;

const FORMS: &str = "a recurrence is like \"every 3 days at 09:00\", \"mondays and thursdays 18:30\", \"last weekday of the month\", \
    a cron expression, or an RRULE (docs/schedules.md)";

pub(super) fn parse(text: &str) -> Result<Schedule, ScheduleError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a schedule has at most {TEXT_BYTES_MAX} bytes, and this has {}", text.len());
        return Err(ScheduleError::new(text, 0, message, ""));
    }
    read(text).map_err(|wrong| ScheduleError::new(text, wrong.at, wrong.message, wrong.hint))
}

fn read(text: &str) -> Parsed<Schedule> {
    let mut pieces = Piece { text, at: 0 }.split(';').map(Piece::trimmed).peekable();
    let first = pieces.next().filter(|piece| !piece.text.is_empty());
    let first = first.ok_or_else(|| Wrong::new(0, "there is no recurrence", FORMS))?;
    let mut ends = clauses::Ends::default();
    let recurrence = if ical::is_rule(first.text) {
        let mut parts = vec![first];
        while let Some(part) = pieces.next_if(|piece| piece.text.contains('=')) {
            parts.push(part);
        }
        Recurrence::Civil(Calendar::Rule(Box::new(ical::rule(&parts, &mut ends)?)))
    } else if is_cron(first.text) {
        Recurrence::Civil(Calendar::Cron(Box::new(cron(first)?)))
    } else {
        words::recurrence(&mut Tokens::of(first)?)?
    };
    clauses::read(text, recurrence, pieces, ends)
}

/// Cron expressions begin with `@`, with the word, or with two fields that no other form begins with.
fn is_cron(text: &str) -> bool {
    let mut fields = text.split_whitespace();
    let is_field = |field: Option<&str>| {
        field.is_some_and(|field| field.chars().all(|c| c.is_ascii_digit() || "*/,-?".contains(c)))
    };
    text.starts_with('@') || after_cron(text).is_some() || (is_field(fields.next()) && is_field(fields.next()))
}

fn after_cron(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(4)?;
    (word.eq_ignore_ascii_case("cron") && rest.starts_with([' ', '\t', ':'])).then(|| &rest[1..])
}

const CRON: &str =
    "five fields (minute, hour, day of month, month, weekday), six with seconds first, or a name like @daily";

fn cron(piece: Piece<'_>) -> Parsed<Cron> {
    let piece = match after_cron(piece.text) {
        Some(text) => Piece { text, at: piece.at + 5 }.trimmed(),
        None => piece,
    };
    if let Some(name) = piece.text.strip_prefix('@') {
        let names = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let lower = name.to_lowercase();
        if !names.contains(&lower.as_str()) {
            let hint = if lower.starts_with("every") {
                "write it as \"every 5 minutes\""
            } else {
                "there are @yearly, @monthly, @weekly, @daily and @hourly"
            };
            return Err(Wrong::new(
                piece.at,
                format!("@{} is no time", name.chars().take(20).collect::<String>()),
                hint,
            ));
        }
        // The one usual name that the parser does not have.
        if lower == "midnight" {
            return Cron::parse("@daily").map_err(|message| Wrong::new(piece.at, message, CRON));
        }
    }
    Cron::parse(piece.text).map_err(|message| {
        // The field that is wrong is the one that is wrong among stars.
        let fields: Vec<Piece<'_>> = tokens::words(piece);
        let wrong = [5, 6].contains(&fields.len()).then(|| {
            fields.iter().enumerate().find(|(position, field)| {
                let alone: Vec<&str> =
                    (0..fields.len()).map(|it| if it == *position { field.text } else { "*" }).collect();
                Cron::parse(&alone.join(" ")).is_err()
            })
        });
        // Of what the parser says, the kind of its error is nothing to the reader.
        let said = message.rsplit(": ").next().unwrap_or(&message);
        match wrong.flatten() {
            Some((_, field)) => {
                Wrong::new(field.at, format!("{:?} is no field of cron here: {said}", field.text), CRON)
            }
            None if [5, 6].contains(&fields.len()) => Wrong::new(piece.at, message, CRON),
            None => Wrong::new(
                piece.at,
                format!("a cron expression has five fields or six, and this has {}", fields.len()),
                CRON,
            ),
        }
    })
}
