//! The clauses after the recurrence: `; zone Europe/Berlin; missed all 10; jitter 5 minutes`.

use super::{
    super::{
        Clauses, Fold, Gap, Missed, Recurrence, Schedule, Zone,
        calendar::Calendar,
        civil::{self, Written},
        duration,
    },
    Parsed, Piece, Wrong, tokens,
};

/// How a recurrence ends, which a rule may say as well as a clause.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) count: Option<u64>,
    pub(super) until: Option<Written>,
}

const KEYS: [&str; 10] = ["zone", "gap", "fold", "short-months", "missed", "jitter", "from", "until", "count", "now"];

/// Without a bound of its own, `missed all` means the latest so many.
const MISSED_DEFAULT: u32 = 100;

/// No more missed runs happen than this.
const MISSED_MAX: u32 = 1_000;

/// Without one of its own, the grace of `missed skip`: a failover or a restart is not yet "missed".
const GRACE_MS: u64 = 60_000;

pub(super) fn read<'a>(
    text: &str,
    recurrence: Recurrence,
    pieces: impl Iterator<Item = Piece<'a>>,
    mut ends: Ends,
) -> Parsed<Schedule> {
    let is_hourly = matches!(&recurrence, Recurrence::Civil(calendar) if calendar.is_hourly());
    let mut schedule = Schedule {
        text: text.trim().to_owned(),
        recurrence,
        clauses: Clauses {
            zone: None,
            gap: if is_hourly { Gap::Skip } else { Gap::Shift },
            fold: if is_hourly { Fold::Both } else { Fold::First },
            missed: Missed::Once,
            jitter: 0,
            from: None,
            until: None,
            count: None,
            now: false,
        },
    };
    let mut seen: Vec<&str> = Vec::new();
    for piece in pieces.filter(|piece| !piece.text.is_empty()) {
        let words = tokens::words(piece);
        let key = words.first().copied().unwrap_or(piece);
        let name = key.text.to_lowercase();
        let Some(known) = KEYS.iter().find(|known| **known == name) else { return Err(unknown(key, &name)) };
        if seen.contains(known) {
            return Err(Wrong::new(key.at, format!("{known} is there twice"), "keep one of them"));
        }
        seen.push(known);
        let rest = piece.text.get(key.text.len()..).unwrap_or_default();
        let value = Piece { text: rest, at: piece.at + key.text.chars().count() }.trimmed();
        clause(&mut schedule, &mut ends, known, key.at, value)?;
    }
    schedule.clauses.count = ends.count;
    schedule.clauses.until = ends.until;
    Ok(schedule)
}

fn unknown(key: Piece<'_>, name: &str) -> Wrong {
    let name: String = name.chars().take(20).collect();
    let near = KEYS.iter().map(|known| (strsim::damerau_levenshtein(known, &name), *known)).min();
    let hint = match (name.as_str(), near) {
        ("tz" | "timezone" | "in", _) => "did you mean zone?".to_owned(),
        ("start" | "starting" | "anchor", _) => "did you mean from?".to_owned(),
        (_, Some((far, near))) if far <= 2 => format!("did you mean {near}?"),
        _ => format!("there are {}", KEYS.join(", ")),
    };
    Wrong::new(key.at, format!("{name:?} is no clause"), hint)
}

fn clause(schedule: &mut Schedule, ends: &mut Ends, key: &str, at: usize, value: Piece<'_>) -> Parsed<()> {
    let lower = value.text.to_lowercase();
    let is_exact = matches!(schedule.recurrence, Recurrence::Exact(_));
    if is_exact && ["gap", "fold", "short-months"].contains(&key) {
        return Err(Wrong::new(at, format!("{key} means nothing to an exact interval"), "leave it out"));
    }
    let wrong = |values: &str| {
        let shown: String = value.text.chars().take(40).collect();
        let message =
            if shown.is_empty() { format!("{key} needs a value") } else { format!("{shown:?} is no value of {key}") };
        Wrong::new(value.at, message, format!("{key} is {values}"))
    };
    let clauses = &mut schedule.clauses;
    match key {
        "zone" => {
            let zone = Zone::parse(value.text).map_err(|unknown| {
                Wrong::new(value.at, format!("no time zone is called {:?}", unknown.name), unknown.hint())
            });
            clauses.zone = Some(zone?);
        }
        "gap" => {
            clauses.gap = match lower.as_str() {
                "shift" => Gap::Shift,
                "skip" => Gap::Skip,
                _ => return Err(wrong("shift or skip")),
            }
        }
        "fold" => {
            clauses.fold = match lower.as_str() {
                "first" => Fold::First,
                "second" => Fold::Second,
                "both" => Fold::Both,
                _ => return Err(wrong("first, second or both")),
            }
        }
        "short-months" => {
            let clamp = match lower.as_str() {
                "last-day" | "last day" => true,
                "skip" => false,
                _ => return Err(wrong("last-day or skip")),
            };
            match &mut schedule.recurrence {
                Recurrence::Civil(Calendar::Days(days)) => days.clamp = clamp,
                _ if !clamp => {}
                Recurrence::Civil(Calendar::Cron(_)) => {
                    return Err(Wrong::new(at, "cron leaves out days that a month lacks", "L is a month's last day"));
                }
                _ => {
                    let hint = "BYMONTHDAY=-1 is a month's last day";
                    return Err(Wrong::new(at, "RFC 5545 leaves out days that a month lacks", hint));
                }
            }
        }
        "missed" => {
            clauses.missed = missed(&lower)
                .ok_or_else(|| wrong("once, skip, \"skip within 5 minutes\", all, or \"all 10\" (1 to 1000)"))?
        }
        "jitter" => {
            clauses.jitter = duration::parse(&lower)
                .map_err(|it| Wrong::new(value.at + it.at, it.message, "it is like \"jitter 5 minutes\""))?;
        }
        "from" => clauses.from = Some(time(value)?),
        "until" => {
            if ends.until.is_some() {
                return Err(Wrong::new(at, "the rule says UNTIL already", "keep one of them"));
            }
            ends.until = Some(time(value)?);
        }
        "count" => {
            if ends.count.is_some() {
                return Err(Wrong::new(at, "the rule says COUNT already", "keep one of them"));
            }
            let count = lower.parse().ok().filter(|count| *count > 0).ok_or_else(|| wrong("a number from 1 on"))?;
            ends.count = Some(count);
        }
        _ if value.text.is_empty() => clauses.now = true,
        _ => return Err(wrong("nothing else: the word alone")),
    }
    Ok(())
}

fn time(value: Piece<'_>) -> Parsed<Written> {
    civil::written(value.text).map_err(|wrong| {
        let hint = wrong.hint();
        Wrong::new(value.at, wrong.message, hint)
    })
}

fn missed(value: &str) -> Option<Missed> {
    let (word, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    match (word, rest.trim()) {
        ("once", "") => Some(Missed::Once),
        ("skip", "") => Some(Missed::Skip { grace: GRACE_MS }),
        ("skip", grace) => Some(Missed::Skip { grace: duration::parse(grace.strip_prefix("within")?).ok()? }),
        ("all", "") => Some(Missed::All { at_most: MISSED_DEFAULT }),
        ("all", bound) => {
            bound.parse().ok().filter(|it| (1..=MISSED_MAX).contains(it)).map(|at_most| Missed::All { at_most })
        }
        _ => None,
    }
}
