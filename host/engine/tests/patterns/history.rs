//! Histories of events, and a pattern that is shown one as the engine does it: a deadline comes after every event that was accepted at
//! or before it.

use proptest::prelude::*;
use quest_engine::{
    model::{Millis, Value},
    pattern::{self, Fire, Seen, Spec, State},
    schedule::Zone,
};
use serde_json::{Value as Json, json};

/// What the times of tests are multiples of, nearly.
pub const UNIT: Millis = 1_000;
/// When histories begin.
pub const BEGIN: Millis = 1_000 * UNIT;

#[derive(Debug, Clone)]
pub struct Event {
    pub name: &'static str,
    pub payload: Json,
    pub stamp: Millis,
}

/// An event with a number, and most often a key.
fn event() -> impl Strategy<Value = (&'static str, Json)> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let key = prop_oneof![4 => Just(json!("x")), 2 => Just(json!("y")), 1 => Just(json!(7)), 1 => Just(Json::Null)];
    (name, 0..4i64, key).prop_map(|(name, n, key)| (name, json!({ "n": n, "k": key })))
}

/// Events in the order of their stamps. Many fall together, on each other's deadlines, and a millisecond beside them.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let shift = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(UNIT - 1)];
    let step = prop_oneof![2 => Just(0u64), 6 => 0..4u64, 1 => 0..30u64];
    prop::collection::vec((event(), step, shift), 0..40).prop_map(|steps| {
        let (mut at, mut last, mut events) = (0, 0, Vec::new());
        for ((name, payload), step, shift) in steps {
            at += step;
            last = last.max(BEGIN + at * UNIT + shift);
            events.push(Event { name, payload, stamp: last });
        }
        events
    })
}

pub fn spec(json: &Json) -> Spec {
    let value = Value::from_json_value(json).expect("it is there");
    Spec::parse(&value, &|action| matches!(action, "act" | "otherwise"))
        .unwrap_or_else(|error| panic!("{json}: {error}"))
}

pub fn stored(state: &State) -> Vec<u8> {
    rmp_serde::to_vec(state).expect("it is there")
}

/// A pattern that lives.
pub struct Live {
    pub spec: Spec,
    pub state: State,
    pub zone: Zone,
    pub fires: Vec<Fire>,
    /// Whether it is stored and loaded at every step.
    pub is_stored: bool,
    last: Millis,
}

impl Live {
    pub fn start(spec: Spec, zone: Zone) -> Self {
        let state = pattern::start(&spec, BEGIN);
        Self { spec, state, zone, fires: Vec::new(), is_stored: false, last: BEGIN }
    }

    fn step(&mut self, fires: Vec<Fire>) {
        self.fires.extend(fires);
        if self.is_stored {
            let again: State = rmp_serde::from_slice(&stored(&self.state)).expect("it is there");
            assert_eq!(again, self.state);
            self.state = again;
        }
        let seen = pattern::inspect(&self.spec, &self.state);
        assert_eq!(seen.field("/kind"), Some(self.spec.kind().into()), "{seen:?}");
    }

    fn tick(&mut self, at: Millis) {
        let fires = pattern::tick(&self.spec, &mut self.state, at, &self.zone);
        self.step(fires);
        let due = pattern::due(&self.spec, &self.state);
        assert!(due.is_none_or(|due| due > at), "its time goes on after {at}: {due:?}");
    }

    /// Deadlines before a time.
    pub fn advance(&mut self, before: Millis) {
        while let Some(due) = pattern::due(&self.spec, &self.state).filter(|due| *due < before) {
            self.tick(due);
        }
    }

    pub fn observe(&mut self, event: &Event) {
        // Later stamps may already have been seen, and the deadlines before them have passed.
        self.last = self.last.max(event.stamp);
        self.advance(self.last);
        let payload = Value::from_json_value(&event.payload).expect("it is there");
        let seen = Seen { name: event.name, payload: &payload, stamp: event.stamp };
        let before = self.state.clone();
        let fires = pattern::observe(&self.spec, &mut self.state, &seen, &self.zone);
        if !self.spec.observes(event.name) {
            assert_eq!((self.state == before, fires.len()), (true, 0), "{event:?} does not concern it");
        }
        self.step(fires);
    }

    /// Everything, and the deadlines up to `end`.
    pub fn run(mut self, events: &[Event], end: Millis) -> Self {
        events.iter().for_each(|event| self.observe(event));
        self.advance(end + 1);
        self
    }
}
