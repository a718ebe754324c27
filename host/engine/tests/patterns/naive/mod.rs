//! What patterns mean, by a look at the whole history for each call. Slow, and in another form than the patterns' own.

mod calls;
mod streak;
mod window;

use quest_engine::model::Millis;
use serde_json::{Value as Json, json};

pub use streak::Streak;

use crate::history::Event;

/// A call that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub at: Millis,
    /// The event that it was called at; after all events of its time if it was a deadline.
    pub by: usize,
    pub action: &'static str,
    pub told: Json,
}

/// An event that a pattern may look at, with its place in the history.
pub type Placed<'a> = (usize, &'a Event);

/// A condition: a name, and perhaps the least `n`.
#[derive(Debug, Clone)]
pub struct Condition {
    pub name: &'static str,
    pub least: Option<i64>,
}

impl Condition {
    pub fn text(&self) -> String {
        match self.least {
            Some(least) => format!("{} where n >= {least}", self.name),
            None => self.name.to_owned(),
        }
    }

    pub fn is_met(&self, event: &Event) -> bool {
        event.name == self.name && self.least.is_none_or(|least| event.payload["n"].as_i64() >= Some(least))
    }
}

pub fn one_of(conditions: &[Condition], event: &Event) -> bool {
    conditions.iter().any(|condition| condition.is_met(event))
}

/// Kinds with what their specs say, in milliseconds.
#[derive(Debug, Clone)]
pub enum Rule {
    Within {
        after: Vec<Condition>,
        expect: Vec<Condition>,
        within: Millis,
        restart: bool,
    },
    Sequence {
        steps: Vec<Condition>,
        within: Millis,
        strict: bool,
    },
    Absence {
        of: Vec<Condition>,
        time: Millis,
        repeat: bool,
    },
    Count {
        of: Vec<Condition>,
        time: Millis,
        tumbling: bool,
        measure: &'static str,
        threshold: &'static str,
        bound: i64,
    },
    Debounce {
        of: Vec<Condition>,
        quiet: Millis,
        max_wait: Option<Millis>,
    },
    Throttle {
        of: Vec<Condition>,
        per: Millis,
        trailing: bool,
    },
    Batch {
        of: Vec<Condition>,
        size: usize,
        within: Option<Millis>,
    },
    Session {
        of: Vec<Condition>,
        gap: Millis,
    },
    Any {
        of: Vec<Condition>,
        within: Option<Millis>,
        repeat: bool,
    },
    All {
        of: Vec<Condition>,
        within: Millis,
    },
    Lookback {
        of: Vec<Condition>,
        after: Vec<Condition>,
        within: Millis,
    },
}

fn texts(conditions: &[Condition]) -> Json {
    let texts: Vec<String> = conditions.iter().map(Condition::text).collect();
    json!(texts)
}

impl Rule {
    /// Its spec.
    pub fn spec(&self) -> Json {
        match self {
            Rule::Within { after, expect, within, restart } => json!({
                "kind": "within", "after": texts(after), "expect": texts(expect), "within": within, "restart": restart,
                "action": "act", "else": "otherwise",
            }),
            Rule::Sequence { steps, within, strict } => {
                json!({ "kind": "sequence", "steps": texts(steps), "within": within, "strict": strict, "action": "act" })
            }
            Rule::Absence { of, time, repeat } => {
                json!({ "kind": "absence", "of": texts(of), "for": time, "repeat": repeat, "action": "act" })
            }
            Rule::Count { of, time, tumbling, measure, threshold, bound } => {
                let window = if *tumbling { "tumbling" } else { "sliding" };
                let mut spec = json!({
                    "kind": "count", "of": texts(of), "in": time, "window": window, "measure": measure, "action": "act",
                });
                spec[threshold] = json!(bound);
                if *measure != "count" {
                    spec["field"] = json!("n");
                }
                spec
            }
            Rule::Debounce { of, quiet, max_wait } => {
                let mut spec = json!({ "kind": "debounce", "of": texts(of), "quiet": quiet, "action": "act" });
                if let Some(max_wait) = max_wait {
                    spec["max-wait"] = json!(max_wait);
                }
                spec
            }
            Rule::Throttle { of, per, trailing } => {
                json!({ "kind": "throttle", "of": texts(of), "per": per, "trailing": trailing, "action": "act" })
            }
            Rule::Batch { of, size, within } => {
                let mut spec = json!({ "kind": "batch", "of": texts(of), "size": size, "action": "act" });
                if let Some(within) = within {
                    spec["within"] = json!(within);
                }
                spec
            }
            Rule::Session { of, gap } => json!({ "kind": "session", "of": texts(of), "gap": gap, "action": "act" }),
            Rule::Any { of, within, repeat } => {
                let mut spec = json!({ "kind": "any", "of": texts(of), "repeat": repeat, "action": "act" });
                if let Some(within) = within {
                    (spec["within"], spec["else"]) = (json!(within), json!("otherwise"));
                }
                spec
            }
            Rule::All { of, within } => {
                json!({ "kind": "all", "of": texts(of), "within": within, "action": "act" })
            }
            Rule::Lookback { of, after, within } => json!({
                "kind": "lookback", "of": texts(of), "after": texts(after), "within": within, "action": "act",
                "else": "otherwise",
            }),
        }
    }

    fn calls(&self, events: &[Placed<'_>], begin: Option<Millis>, end: Millis) -> Vec<Call> {
        match self {
            Rule::Within { after, expect, within, restart } => {
                window::within(events, after, expect, *within, *restart, end)
            }
            Rule::Sequence { steps, within, strict } => window::sequence(events, steps, *within, *strict),
            Rule::Absence { of, time, repeat } => calls::absence(events, of, *time, *repeat, begin, end),
            Rule::Count { of, time, tumbling: true, measure, threshold, bound } => {
                window::tumbling(events, of, *time, measure, threshold, *bound, end)
            }
            Rule::Count { of, time, tumbling: false, measure, threshold, bound } => {
                window::sliding(events, of, *time, measure, threshold, *bound)
            }
            Rule::Debounce { of, quiet, max_wait } => {
                calls::debounce(events, of, *quiet, max_wait.unwrap_or(Millis::MAX / 2), end)
            }
            Rule::Throttle { of, per, trailing } => calls::throttle(events, of, *per, *trailing, begin.is_none(), end),
            Rule::Batch { of, size, within } => calls::batch(events, of, *size, *within, end),
            Rule::Session { of, gap } => calls::session(events, of, *gap, end),
            Rule::Any { of, within, repeat } => window::any(events, of, *within, *repeat, begin.unwrap_or(0), end),
            Rule::All { of, within } => window::all(events, of, *within),
            Rule::Lookback { of, after, within } => window::lookback(events, of, after, *within),
        }
    }

    /// All calls in order. With `by`, each key's events are a history of their own; with `once`, the first call is the last.
    pub fn expected(&self, events: &[Event], begin: Millis, end: Millis, by: bool, once: bool) -> Vec<Call> {
        let placed = || events.iter().enumerate();
        let mut calls = Vec::new();
        if by {
            let key = |event: &Event| match &event.payload["k"] {
                Json::Null => None,
                Json::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            for wanted in ["7", "x", "y"] {
                let events: Vec<Placed<'_>> =
                    placed().filter(|(_, event)| key(event).as_deref() == Some(wanted)).collect();
                for mut call in self.calls(&events, None, end) {
                    call.told["key"] = json!(wanted);
                    calls.push(call);
                }
            }
        } else {
            calls = self.calls(&placed().collect::<Vec<_>>(), Some(begin), end);
        }
        // Keys were in order, and stay so at one deadline.
        calls.sort_by_key(|call| (call.at, call.by));
        if once {
            calls.truncate(1);
        }
        calls
    }
}

/// A call at an event.
fn at((place, event): Placed<'_>, action: &'static str, told: Json) -> Call {
    let mut told = told;
    told["event"] = event.payload.clone();
    Call { at: event.stamp, by: place, action, told }
}

/// A call at a deadline.
fn deadline(at: Millis, action: &'static str, told: Json) -> Call {
    Call { at, by: usize::MAX, action, told }
}
