//! Plays the engine to one pattern: shows it events in their order, and ticks each deadline after every event that was accepted at or
//! before it. At every step it looks at what holds of each pattern: a deadline is never behind its clock, a tick moves it on, and a
//! state that is written and read again is the same.

use proptest::prelude::*;
use quest_engine::{
    model::Value,
    pattern::{self, Fire, Seen, Spec, State},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

/// When histories begin: a Tuesday in 2026, and no round number.
pub const BEGIN: u64 = 1_790_000_003_217;

/// An event of a history.
#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub payload: Json,
    pub at: u64,
}

impl Event {
    /// The number that conditions look at.
    pub fn number(&self) -> Option<f64> {
        self.payload["n"].as_f64()
    }

    pub fn key(&self) -> Option<&str> {
        self.payload["k"].as_str()
    }
}

/// An event condition, as a text for the spec and as what it means.
#[derive(Debug, Clone)]
pub struct Condition {
    pub name: &'static str,
    pub at_least: Option<i64>,
}

impl Condition {
    pub fn text(&self) -> String {
        match self.at_least {
            Some(number) => format!("{} where n >= {number}", self.name),
            None => self.name.to_owned(),
        }
    }

    pub fn is_met(&self, event: &Event) -> bool {
        let is_enough = |least: i64| event.number().is_some_and(|number| number >= least as f64);
        self.name == event.name && self.at_least.is_none_or(is_enough)
    }
}

/// One of several.
pub fn is_met(conditions: &[Condition], event: &Event) -> bool {
    conditions.iter().any(|condition| condition.is_met(event))
}

pub fn texts(conditions: &[Condition]) -> Json {
    conditions.iter().map(Condition::text).collect()
}

pub fn condition() -> impl Strategy<Value = Condition> {
    let at_least = prop::option::weighted(0.3, 1..4i64);
    (prop::sample::select(&["a", "b", "c"][..]), at_least).prop_map(|(name, at_least)| Condition { name, at_least })
}

pub fn conditions(min: usize, max: usize) -> impl Strategy<Value = Vec<Condition>> {
    prop::collection::vec(condition(), min..=max)
}

/// The time that the histories' patterns are about, in ms. Small, so that stamps meet deadlines.
pub const TIME: u64 = 1_000;

fn gap() -> impl Strategy<Value = u64> {
    let near = prop::sample::select(&[1, 40, 50, TIME - 1, TIME, TIME + 1, 2 * TIME, 2 * TIME + 1, 7 * TIME][..]);
    prop_oneof![4 => Just(0), 4 => (0..TIME / 20).prop_map(|tens| 10 * tens), 4 => near]
}

/// Events with gaps of none, of about the time, and of much more.
pub fn history() -> impl Strategy<Value = Vec<Event>> {
    let number = prop_oneof![
        4 => (0..5i64).prop_map(Json::from),
        1 => prop::sample::select(&[0.5, 2.0, 2.5, -1.25][..]).prop_map(Json::from),
        1 => prop::sample::select(vec![json!("2"), json!("x"), json!(true), Json::Null, json!([1])]),
    ];
    let key = prop::option::weighted(0.9, prop::sample::select(&["p", "q", "r"][..]));
    let event = (prop::sample::select(&["a", "a", "b", "b", "c", "x"][..]), number, key, gap());
    prop::collection::vec(event, 0..40).prop_map(|events| {
        let mut at = BEGIN;
        let event = |(index, (name, number, key, gap)): (usize, (_, Json, Option<&str>, u64))| {
            at += gap;
            let mut payload = json!({ "id": index, "n": number });
            if let Some(key) = key {
                payload["k"] = json!(key);
            }
            Event { name, payload, at }
        };
        events.into_iter().enumerate().map(event).collect()
    })
}

/// Until when a history is looked at.
pub fn end(history: &[Event], after: u64) -> u64 {
    history.last().map_or(BEGIN, |last| last.at) + after
}

/// How long after its last event.
pub fn after() -> impl Strategy<Value = u64> {
    prop::sample::select(&[0, 1, TIME - 1, TIME, TIME + 1, 3 * TIME, 5 * TIME][..])
}

pub fn parse(spec: &Json) -> Spec {
    let value = Value::from_json_value(spec).expect("JSON");
    Spec::parse(&value, &|_| true).unwrap_or_else(|error| panic!("{spec}: {error}"))
}

/// A live pattern, as the engine keeps it.
pub struct Live {
    pub spec: Spec,
    pub state: State,
    pub zone: Zone,
    pub fires: Vec<Json>,
    /// The largest MessagePack that its state has had.
    pub bytes: usize,
}

impl Live {
    pub fn new(spec: &Json, at: u64, zone: &Zone) -> Self {
        let spec = parse(spec);
        let state = pattern::start(&spec, at);
        let mut live = Self { spec, state, zone: zone.clone(), fires: Vec::new(), bytes: 0 };
        live.check();
        live
    }

    /// The pattern's own clock.
    pub fn clock(&self) -> u64 {
        serde_json::to_value(&self.state).expect("a state is JSON too")["clock"].as_u64().expect("a clock")
    }

    pub fn is_over(&self) -> bool {
        pattern::is_over(&self.state)
    }

    pub fn due(&self) -> Option<u64> {
        if self.is_over() { None } else { pattern::due(&self.spec, &self.state) }
    }

    pub fn inspect(&self) -> Json {
        pattern::inspect(&self.spec, &self.state).to_json_value().expect("JSON")
    }

    fn check(&mut self) {
        let bytes = rmp_serde::to_vec(&self.state).expect("it is written");
        let again: State = rmp_serde::from_slice(&bytes).expect("it is read");
        assert_eq!(again, self.state);
        self.bytes = self.bytes.max(bytes.len());
        self.state = again;
        if let Some(due) = self.due() {
            assert!(due >= self.clock(), "due at {due}, the clock is at {}", self.clock());
        }
        assert!(self.inspect().is_object());
    }

    fn fired(&mut self, fires: Vec<Fire>) {
        for fire in fires {
            let told = fire.payload.to_json_value().expect("JSON");
            assert!(self.spec.actions().contains(&fire.action));
            self.fires.push(json!({ "action": fire.action, "at": fire.stamp, "told": told }));
        }
    }

    pub fn tick(&mut self) {
        let due = self.due().expect("a deadline");
        let fires = pattern::tick(&self.spec, &mut self.state, due, &self.zone);
        self.fired(fires);
        assert!(self.due().is_none_or(|next| next > due), "{due} comes again and again");
        self.check();
    }

    /// Ticks every deadline before `at`.
    pub fn before(&mut self, at: u64) {
        while self.due().is_some_and(|due| due < at) {
            self.tick();
        }
    }

    pub fn observe(&mut self, event: &Event) {
        if self.is_over() {
            return;
        }
        let payload = Value::from_json_value(&event.payload).expect("JSON");
        let seen = Seen { name: event.name, payload: &payload, stamp: event.at };
        let fires = pattern::observe(&self.spec, &mut self.state, &seen, &self.zone);
        self.fired(fires);
        self.check();
    }

    pub fn show(&mut self, history: &[Event], end: u64) {
        for event in history {
            self.before(event.at);
            self.observe(event);
        }
        self.before(end + 1);
    }
}

/// What a pattern calls, when, and what it says.
pub fn run(spec: &Json, history: &[Event], end: u64) -> Vec<Json> {
    let mut live = Live::new(spec, BEGIN, &Zone::utc());
    live.show(history, end);
    live.fires
}

/// What a reference says: when, whether an event or time alone did it, and which event or key.
#[derive(Debug)]
pub struct Call {
    pub at: u64,
    /// The event that it came of, by its place in the history; none if a deadline passed.
    pub of: Option<usize>,
    pub action: &'static str,
    pub told: Json,
}

/// What should be called for these events, each with its place in the history; and whether they are one key's.
pub type Reference<'a> = dyn Fn(&[(usize, &Event)], bool) -> Vec<Call> + 'a;

/// Runs a reference for the whole, or for each key alone, and brings the calls in order: events first, then what is due.
pub fn expected(spec: &Json, history: &[Event], reference: &Reference<'_>) -> Vec<Json> {
    let is_keyed = spec.get("by").is_some();
    let of = |key: &str| history.iter().enumerate().filter(|(_, event)| event.key() == Some(key)).collect::<Vec<_>>();
    let mut calls: Vec<(String, Call)> = Vec::new();
    if is_keyed {
        for key in ["p", "q", "r"] {
            calls.extend(reference(&of(key), true).into_iter().map(|call| (key.to_owned(), call)));
        }
    } else {
        let whole: Vec<_> = history.iter().enumerate().collect();
        calls.extend(reference(&whole, false).into_iter().map(|call| (String::new(), call)));
    }
    // A stable sort: one key's calls at one time stay in their order.
    calls.sort_by_key(|(key, call)| (call.at, call.of.is_none(), call.of, key.clone()));
    if spec.get("once").is_some_and(|once| once == true) {
        calls.truncate(1);
    }
    let call = |(key, call): (String, Call)| {
        let mut told = call.told;
        told["kind"] = spec["kind"].clone();
        if is_keyed {
            told["key"] = json!(key);
        }
        json!({ "action": call.action, "at": call.at, "told": told })
    };
    calls.into_iter().map(call).collect()
}

/// The spec with `by` and `once` or without.
pub fn with(mut spec: Json, is_keyed: bool, once: bool) -> Json {
    if is_keyed {
        spec["by"] = json!("k");
    }
    if once {
        spec["once"] = json!(true);
    }
    spec
}

/// How many histories each property is held against.
pub fn many() -> ProptestConfig {
    ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() }
}
