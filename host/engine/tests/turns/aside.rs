//! Runs that are set aside: their context waits whole, and nothing else does.

use quest_engine::model::{Body, Value};

use crate::world::{World, count, quest, timer, transient};

fn world() -> World {
    let mut world = World::new(vec![
        (quest("q", &[("long", "e"), ("short", "f"), ("set", "s"), ("fire", "")]), |run| match run.action.as_str() {
            "set" => Ok(timer("t", "fire", run.accepted_at + 10)),
            _ => Ok(count(run)),
        }),
        (quest("z", &[("short", "e")]), |run| Ok(count(run))),
    ]);
    world.one_owner = true;
    world.add("u", "q").add("u", "z").add("v", "q").run();
    world.runs.clear();
    world.slow = Some("long");
    world
}

#[test]
fn its_context_waits_in_order_and_others_do_not() {
    let mut world = world();
    world.emit("u", "e").emit("u", "f").emit("v", "f").run();
    assert_eq!(world.runs, ["q.long@1000", "q.short@1000"], "the second is of the other context");
    assert_eq!((world.n("u", "q"), world.n("v", "q")), (Some(1), Some(2)));
    world.emit("u", "f").emit("v", "f").run();
    assert_eq!(world.runs[2..], ["q.short@1000"], "what comes later waits too");
    world.runs.clear();
    world.resume("u").run();
    assert_eq!(world.runs, ["q.long@1000", "z.short@1000", "q.short@1000", "q.short@1000"]);
    assert_eq!(world.n("u", "q"), Some(4));
}

#[test]
fn a_waiting_context_keeps_nobody_awake() {
    let mut world = world();
    world.emit("u", "s").emit("u", "e").run();
    let batches = world.batches.len();
    world.sleep(1_000).run();
    assert_eq!((world.next_wake(), world.batches.len()), (None, batches), "its timer is due, and waits");
    assert!(!world.turn(512), "nor is there anything to do");
    world.runs.clear();
    world.resume("u").run();
    assert_eq!(world.runs, ["q.long@1000", "z.short@1000", "q.fire@1010"]);
}

#[test]
fn a_new_owner_runs_it_anew_and_it_is_no_failed_try() {
    let mut world = world();
    world.emit("u", "e").run();
    (world.slow, world.one_owner) = (None, false);
    world.runs.clear();
    world.run();
    assert_eq!(world.runs, ["q.long@1000", "z.short@1000"], "in its place, and not as a second try");
    assert_eq!(world.n("u", "q"), Some(2));
}

#[test]
fn what_is_removed_meanwhile_is_removed_behind_it() {
    let mut world = world();
    world.emit("u", "e").remove("u", "q").run();
    assert_eq!(world.quests("u"), ["q", "z"]);
    world.resume("u").run();
    assert_eq!((world.quests("u"), world.dead_codes()), (vec!["z".to_owned()], Vec::new()));
    assert!(world.answers.last().is_some_and(|answer| answer.contains("Answered")), "{:?}", world.answers);
}

#[test]
fn what_comes_of_it_may_be_a_failure_as_any() {
    let mut world = World::new(vec![(quest("q", &[("long", "e"), ("short", "f")]), |run| match run.action.as_str() {
        "long" if run.attempt == 1 => Err(transient()),
        _ => Ok(count(run)),
    })]);
    world.one_owner = true;
    world.slow = Some("long");
    world.add("u", "q").emit("u", "e").emit("u", "f").run();
    world.resume("u").run();
    assert_eq!(world.runs, ["q.init@1000", "q.long@1000", "q.long@1000"]);
    world.sleep(1_000).run();
    assert_eq!(world.runs[3..], ["q.long@1000#2", "q.short@1000"]);
}

#[test]
fn an_upgrade_that_is_set_aside_begins_anew_with_its_action() {
    let mut world = World::new(vec![(quest("q", &[("x", "e"), ("upgrade", "")]), |run| Ok(count(run)))]);
    world.one_owner = true;
    world.add("u", "q").run();
    let mut newer = quest("q", &[("x", "e"), ("upgrade", "")]);
    newer.version = 2;
    world.catalog = std::sync::Arc::new(quest_engine::model::Catalog::new([newer]));
    world.slow = Some("upgrade");
    world.accept("u", Body::Emit { name: "e".to_owned(), payload: Value::Null }).run();
    assert_eq!(world.n("u", "q"), Some(1));
    world.resume("u").run();
    assert_eq!(world.runs[1..], ["q.upgrade@1000", "q.upgrade@1000", "q.x@1000"]);
    assert_eq!(world.n("u", "q"), Some(3));
}
