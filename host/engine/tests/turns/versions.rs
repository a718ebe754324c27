//! Upgrades that are taken back: what an instance was before is kept for a while, and put back whole.

use std::sync::Arc;

use quest_engine::{
    action::{Changes, Failure, Invocation},
    limits::EngineLimits,
    model::{Body, Catalog, Command, QuestDefinition, Value},
    record::Before,
};

use crate::world::{World, count, permanent, quest};

fn definition(version: u32) -> QuestDefinition {
    let mut definition = quest("q", &[("x", "e"), ("bad", "b"), ("upgrade", "")]);
    definition.version = version;
    definition
}

/// `x` counts; `upgrade` takes a hundred away and notes that it ran.
fn behave(run: &Invocation) -> Result<Changes, Failure> {
    match run.action.as_str() {
        "bad" => Err(permanent()),
        "upgrade" => {
            let mut changes = count(run);
            let before = run.variables.get("n").cloned().unwrap_or_default();
            let Value::Integer(n) = before else { return Err(permanent()) };
            changes.variables.insert("n".to_owned(), Some(Value::Integer(n - 100)));
            changes.variables.insert("new".to_owned(), Some(Value::Boolean(true)));
            Ok(changes)
        }
        _ => Ok(count(run)),
    }
}

fn serve(world: &mut World, version: u32) {
    world.catalog = Arc::new(Catalog::new([definition(version)]));
}

fn upgraded() -> World {
    let mut world = World::new(vec![(definition(1), behave)]);
    world.add("u", "q").emit("u", "e").emit("u", "e").run();
    assert_eq!(world.n("u", "q"), Some(3));
    serve(&mut world, 2);
    world.emit("u", "b").run();
    assert!(world.before("u", "q").is_none(), "the action failed: nothing was upgraded");
    world.emit("u", "e").run();
    assert_eq!(world.n("u", "q"), Some(-96));
    world
}

fn restore(world: &mut World, before: Before) {
    world.accept("u", Body::Operate(Command::Restore { quest: "q".to_owned(), before })).run();
}

#[test]
fn an_instance_is_put_back_and_goes_on_with_what_waited() {
    let mut world = upgraded();
    let before = world.before("u", "q").unwrap();
    assert_eq!((before.from, before.to), (1, 2));
    serve(&mut world, 1);
    world.emit("u", "e").run();
    assert_eq!(world.n("u", "q"), Some(-96), "older code does not run it");
    restore(&mut world, before);
    assert_eq!(world.n("u", "q"), Some(4), "as it was, and the event that waited");
    assert!(world.before("u", "q").is_none());
    // And up again.
    serve(&mut world, 2);
    world.emit("u", "e").run();
    assert_eq!(world.n("u", "q"), Some(-95));
}

#[test]
fn what_is_not_kept_is_not_put_back() {
    let mut world = upgraded();
    let before = world.before("u", "q").unwrap();
    let answers = world.answers.len();
    restore(&mut world, Before { instance: "another".to_owned(), ..before.clone() });
    restore(&mut world, Before { from: 7, ..before.clone() });
    let said = world.answers[answers..].join(" ");
    assert!(said.contains("instance-gone") && said.contains("nothing-kept"), "{said}");
    assert_eq!(world.n("u", "q"), Some(-96));
    // Another upgrade: only the last one can be taken back.
    serve(&mut world, 3);
    world.emit("u", "e").run();
    restore(&mut world, before);
    assert!(world.answers.last().unwrap().contains("nothing-kept"));
    assert_eq!(world.before("u", "q").unwrap().from, 2);
}

#[test]
fn it_is_kept_for_a_while_and_goes_with_the_instance() {
    let mut world = upgraded();
    world.sleep(EngineLimits::default().before_kept_ms + 1).emit("u", "e").run();
    assert!(world.before("u", "q").is_none());
    let mut world = upgraded();
    world.remove("u", "q").run();
    assert!(world.before("u", "q").is_none());
    // The letter of the action that failed outlives the instance.
    assert_eq!(world.keys_of("u"), ["u.dead"]);
}
