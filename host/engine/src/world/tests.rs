//! The world's own promises, with quests of a few lines.

use std::collections::BTreeMap;

use super::*;
use crate::{
    action::{Changes, TimerSet},
    world::time::Zone,
};

/// `add-on`s `start`: sets a timer for a second later. `stop` cancels it. `spin` sets one for now, again and again. All count.
struct Timers;

impl Runner for Timers {
    fn catalog(&self) -> Arc<Catalog> {
        let on = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect::<Vec<_>>();
        let actions = BTreeMap::from([
            ("start".to_owned(), on(&["start"])),
            ("stop".to_owned(), on(&["stop"])),
            ("ring".to_owned(), on(&["all"])),
            ("spin".to_owned(), on(&["spin"])),
        ]);
        let add_on = on(&["start"]);
        let quest = QuestDefinition { name: "q".to_owned(), version: 1, actions, add_on, ..QuestDefinition::default() };
        Arc::new(Catalog::new([quest]))
    }

    fn run(&self, invocation: Invocation, _: Option<&QuestDefinition>) -> Ran {
        let mut changes = Changes::default();
        let count = |name: &str| match invocation.variables.get(name) {
            Some(Value::Integer(count)) => *count,
            _ => 0,
        };
        let action = invocation.action.as_str();
        changes.variables.insert(action.to_owned(), Some(Value::Integer(count(action) + 1)));
        let timer = |action: &str, after| {
            let due = invocation.accepted_at + after;
            Some(TimerSet { action: action.to_owned(), due, payload: Arc::default(), recurrence: None })
        };
        match action {
            "start" => _ = changes.timers.insert("t".to_owned(), timer("ring", 1_000)),
            "stop" => _ = changes.timers.insert("t".to_owned(), None),
            "spin" => _ = changes.timers.insert("s".to_owned(), timer("spin", 0)),
            _ => {}
        }
        Ran { result: Ok(changes), logs: Vec::new() }
    }
}

fn emit(name: &str) -> Body {
    Body::Emit { name: name.to_owned(), payload: Value::Null }
}

fn count(world: &World<Timers>, context: &str, action: &str) -> Option<Value> {
    world.variables(context, "q").and_then(|variables| variables.get(action).cloned())
}

#[test]
fn what_comes_at_a_timers_own_millisecond_is_in_time() {
    for (in_time, rings) in [(true, None), (false, Some(Value::Integer(1)))] {
        let mut world = World::new(Timers, Options::default());
        world.accept("a", emit("start")).expect("rest");
        let due = BEGINNING + 1_000;
        assert_eq!(world.next_wake(), Some(due));
        match in_time {
            true => world.advance_before(due).expect("rest"),
            false => world.advance_to(due).expect("rest"),
        }
        world.accept("a", emit("stop")).expect("rest");
        assert_eq!((world.now(), count(&world, "a", "ring")), (due, rings));
    }
}

#[test]
fn the_past_is_forgotten_and_the_state_is_not() {
    let mut world = World::new(Timers, Options::default());
    for round in 1..=3 {
        for context in ["a", "b"] {
            world.accept(context, emit("start")).expect("rest");
        }
        world.broadcast("all", Value::Null).expect("rest");
        assert_eq!(count(&world, "b", "ring"), Some(Value::Integer(round)), "broadcasts go on");
        assert!(!world.moments().is_empty());
        world.forget_past();
        assert!(world.moments().is_empty() && world.broadcasts.is_empty());
    }
    assert_eq!(world.contexts(), ["a", "b"]);
    assert_eq!(
        world.snapshot("a", &Zone::utc()).to_string(),
        "\
a at 2026-01-01 00:00:00 UTC
quests
  q
    init = 1
    ring = 3
    start = 3
timers
  q.t → ring at 2026-01-01 00:00:01"
    );
}

#[test]
fn a_timer_that_sets_itself_at_once_is_no_end_of_work() {
    let mut world = World::new(Timers, Options::default());
    world.accept("a", emit("start")).expect("rest");
    assert_eq!(world.accept("a", emit("spin")), Err(Restless::AtOnce));
}
