//! New code takes effect for instances that nothing happens to: what it declares begins, changes and ends there, and a timer whose action
//! is gone waits for it.

use std::sync::Arc;

use quest_engine::{
    action::{Changes, Failure, Invocation},
    limits::EngineLimits,
    model::{Catalog, Every, QuestDefinition},
};

use crate::world::{World, count, quest, timer};

const HOUR: u64 = 3_600_000;
const CONTEXTS: usize = 5;

/// A quest with an action on `e` that sets a timer for `late` an hour ahead, and the recurrences given.
fn definition(actions: &[&str], recurrences: &[(&str, &str)]) -> QuestDefinition {
    let mut definition = quest("q", &[("set", "e"), ("tick", "")]);
    for action in actions {
        definition.actions.insert((*action).to_owned(), Vec::new());
    }
    for (name, schedule) in recurrences {
        let every = Every { action: "tick".to_owned(), schedule: (*schedule).to_owned() };
        definition.every.insert((*name).to_owned(), every);
    }
    definition
}

fn behave(run: &Invocation) -> Result<Changes, Failure> {
    Ok(match run.action.as_str() {
        "set" => timer("later", "late", run.accepted_at + HOUR),
        _ => count(run),
    })
}

fn serve(world: &mut World, definition: QuestDefinition) {
    world.catalog = Arc::new(Catalog::new([definition]));
}

fn world(first: QuestDefinition) -> World {
    let mut world = World::with_limits(vec![(first, behave)], EngineLimits::default());
    world.now = 0;
    for context in 0..CONTEXTS {
        world.add(&format!("u{context}"), "q");
    }
    world.run();
    world
}

fn dues(world: &World) -> Vec<Vec<u64>> {
    (0..CONTEXTS).map(|context| world.due(&format!("u{context}"))).collect()
}

#[test]
fn what_is_declared_anew_begins_where_nothing_happens() {
    let mut world = world(definition(&[], &[]));
    serve(&mut world, definition(&[], &[("hourly", "every 1 hour")]));
    world.run();
    assert_eq!(dues(&world), vec![vec![HOUR]; CONTEXTS]);
    serve(&mut world, definition(&[], &[("hourly", "every 3 hours")]));
    world.run();
    assert_eq!(dues(&world), vec![vec![3 * HOUR]; CONTEXTS]);
    world.sleep(3 * HOUR + 1).run();
    assert_eq!(world.runs.iter().filter(|run| run.contains("tick")).count(), CONTEXTS);
    serve(&mut world, definition(&[], &[]));
    world.run();
    assert_eq!(dues(&world), vec![Vec::<u64>::new(); CONTEXTS]);
    let turns = world.batches.len();
    world.run();
    assert_eq!(world.batches.len(), turns, "then it rests");
}

#[test]
fn code_that_changes_while_contexts_are_looked_at_is_looked_at_from_the_beginning() {
    let mut world = world(definition(&[], &[]));
    serve(&mut world, definition(&[], &[("hourly", "every 1 hour")]));
    assert!(world.turn(512), "a chunk");
    assert_eq!(dues(&world).iter().filter(|dues| !dues.is_empty()).count(), 2);
    // The code before is back: those that met the other one must meet it again.
    serve(&mut world, definition(&[], &[]));
    world.run();
    assert_eq!(dues(&world), vec![Vec::<u64>::new(); CONTEXTS]);
    serve(&mut world, definition(&[], &[("hourly", "every 2 hours")]));
    assert!(world.turn(512));
    serve(&mut world, definition(&[], &[("hourly", "every 1 hour")]));
    world.run();
    assert_eq!(dues(&world), vec![vec![HOUR]; CONTEXTS]);
}

#[test]
fn a_definition_that_says_the_same_is_not_looked_at_again() {
    let mut world = world(definition(&[], &[("hourly", "every 1 hour")]));
    let turns = world.batches.len();
    let mut same = definition(&[], &[("hourly", "every 1 hour")]);
    same.description = "in other words".to_owned();
    same.actions.insert("set".to_owned(), vec!["f".to_owned()]);
    serve(&mut world, same);
    world.run();
    assert_eq!(world.batches.len(), turns);
    // And what it is on counts at once.
    world.emit("u0", "e").emit("u0", "f").run();
    assert_eq!(world.runs.iter().filter(|run| run.contains("set")).count(), 1);
}

#[test]
fn a_timer_whose_action_is_gone_waits_for_it() {
    let mut world = world(definition(&["late"], &[]));
    world.emit("u0", "e").run();
    assert_eq!(world.due("u0"), [HOUR]);
    serve(&mut world, definition(&[], &[]));
    world.sleep(5 * HOUR).run();
    assert_eq!((world.due("u0"), world.dead_codes().len()), (vec![HOUR], 0), "kept as it was");
    // Other things go on meanwhile.
    world.emit("u1", "e").run();
    serve(&mut world, definition(&["late"], &[]));
    world.run();
    assert_eq!(world.runs.last().unwrap(), &format!("q.late@{HOUR}"), "{:?}", world.runs);
    assert_eq!(world.due("u0"), [0u64; 0]);
}

#[test]
fn a_timer_whose_action_does_not_come_back_is_a_dead_letter_in_the_end() {
    let mut world = world(definition(&["late"], &[]));
    let kept = EngineLimits::default().dangling_kept_ms;
    world.emit("u0", "e").run();
    serve(&mut world, definition(&[], &[]));
    world.run();
    world.sleep(HOUR + kept - 1).run();
    assert_eq!(world.dead_codes(), [""; 0]);
    world.sleep(2).run();
    assert_eq!(world.dead_codes(), ["unknown-action"]);
    assert_eq!(world.due("u0"), [0u64; 0]);
    // Nothing but that: what it set is gone with it.
    serve(&mut world, definition(&["late"], &[]));
    world.run();
    assert_eq!(world.runs.iter().filter(|run| run.contains("late")).count(), 0);
}
