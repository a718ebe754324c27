//! The kinds of patterns: for each what its spec says, what it keeps of one key, and what follows from events and time.

mod absence;
mod count;
mod lookback;
mod quiet;
mod sequence;
mod session;
mod several;
mod streak;
mod within;

use serde::{Deserialize, Serialize};

use super::{
    KINDS, Rules, Seen,
    calls::{Calls, Told, array, maybe, number, whole},
    condition::{Condition, OneOf},
    keys,
    spec::{Fields, Read, SpecError},
};

/// What a pattern keeps of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Unit {
    /// Of `within`.
    Within(within::Open),
    /// Of `sequence`.
    Sequence(sequence::Starts),
    /// Of `absence`.
    Absence(absence::Waits),
    /// Of `count` in a sliding window.
    Sliding(count::Sliding),
    /// Of `count` in a tumbling window.
    Tumbling(count::Tumbling),
    /// Of `streak`.
    Streak(streak::Streak),
    /// Of `debounce`.
    Debounce(quiet::Restless),
    /// Of `throttle`.
    Throttle(quiet::Throttled),
    /// Of `batch`.
    Batch(quiet::Items),
    /// Of `session`.
    Session(session::Session),
    /// Of `any`.
    Any(several::Began),
    /// Of `all`.
    All(several::Latest),
    /// Of `lookback` and `history`.
    Past(lookback::Past),
}

/// A kind with its rules.
pub(super) struct Known {
    pub(super) kind: &'static str,
    pub(super) rules: Box<dyn Rules>,
    /// The actions that it may call, by their keys.
    pub(super) actions: Vec<(&'static str, Option<String>)>,
    /// Whether it can be told apart by keys.
    pub(super) takes_by: bool,
    /// Whether it can end with its first call.
    pub(super) takes_once: bool,
}

/// Reads what is left of a spec by its kind.
pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    match fields.kind() {
        "within" => within::read(fields),
        "sequence" => sequence::read(fields),
        "absence" => absence::read(fields),
        "count" => count::read(fields),
        "streak" => streak::read(fields),
        "debounce" => quiet::debounce::read(fields),
        "throttle" => quiet::throttle::read(fields),
        "batch" => quiet::batch::read(fields),
        "session" => session::read(fields),
        "any" => several::any::read(fields),
        "all" => several::all::read(fields),
        "lookback" => lookback::read(fields),
        "history" => lookback::read_history(fields),
        unknown => {
            let near = KINDS.iter().map(|kind| (strsim::jaro_winkler(kind, unknown), *kind));
            let near = near.filter(|(score, _)| *score > 0.8).max_by(|one, other| one.0.total_cmp(&other.0));
            let hint = match near {
                Some((_, near)) => format!("did you mean {near:?}?"),
                None => format!("there are {}", KINDS.join(", ")),
            };
            let shown: String = unknown.chars().take(40).collect();
            Err(SpecError { key: "kind".to_owned(), message: format!("no pattern is of the kind {shown:?}: {hint}") })
        }
    }
}
