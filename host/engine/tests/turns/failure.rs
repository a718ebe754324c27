//! Retries, held deliveries, dead letters, upgrades.

use quest_engine::{
    limits::EngineLimits,
    model::{Body, Catalog, Command, Value},
};

use crate::world::{World, count, permanent, quest, transient};

fn flaky() -> World {
    World::new(vec![
        (quest("flaky", &[("x", "e"), ("calm", "f")]), |run| match run.action.as_str() {
            "x" if run.attempt < 3 => Err(transient()),
            _ => Ok(count(run)),
        }),
        (quest("steady", &[("x", "e")]), |run| Ok(count(run))),
    ])
}

#[test]
fn a_transient_failure_holds_its_instance_only() {
    let mut world = flaky();
    world.add("u", "flaky").add("u", "steady").emit("u", "e").emit("u", "f").run();
    assert_eq!(world.runs[2..], ["flaky.x@1000", "steady.x@1000"], "f waits behind the failed e");
    world.sleep(1_000).run();
    world.sleep(2_000).run();
    assert_eq!(world.runs[4..], ["flaky.x@1000#2", "flaky.x@1000#3", "flaky.calm@1000"]);
    assert_eq!(world.dead_codes(), Vec::<&str>::new());
    assert_eq!((world.n("u", "flaky"), world.n("u", "steady")), (Some(3), Some(2)));
}

#[test]
fn after_its_tries_it_is_a_dead_letter_and_the_instance_goes_on() {
    let mut world = World::new(vec![(quest("q", &[("x", "e"), ("y", "f")]), |run| {
        if run.action == "x" { Err(transient()) } else { Ok(count(run)) }
    })]);
    world.add("u", "q").emit("u", "e").emit("u", "f");
    for _ in 0..10 {
        world.run().sleep(600_000);
    }
    assert_eq!(world.runs.iter().filter(|run| run.starts_with("q.x")).count(), 6);
    assert_eq!(world.dead_codes(), ["transient"]);
    assert_eq!(world.n("u", "q"), Some(2));
    assert_eq!(world.dead[0].attempts, 6);
}

#[test]
fn a_permanent_failure_is_a_dead_letter_at_once_and_can_be_retried() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| match run.accepted_at {
        1_000 if run.action == "x" => Err(permanent()),
        _ => Ok(count(run)),
    })]);
    world.add("u", "q").emit("u", "e").run();
    let dead = world.dead[0].id.clone();
    world.sleep(5).accept("u", Body::Operate(Command::DeadRetry { dead: dead.clone() })).run();
    assert_eq!(world.runs[2..], ["q.x@1005"], "a new acceptance, at the tail");
    assert_eq!(world.n("u", "q"), Some(2));
    world.dead.clear();
    world.accept("u", Body::Operate(Command::DeadDrop { dead })).run();
    assert!(world.answers.last().unwrap().contains("no-such-dead-letter"));
}

#[test]
fn held_deliveries_are_bounded_and_removal_gives_them_up() {
    let limits = EngineLimits { held_max: 3, ..EngineLimits::default() };
    let mut world = World::with_limits(
        vec![(quest("q", &[("x", "e")]), |run| if run.action == "x" { Err(transient()) } else { Ok(count(run)) })],
        limits,
    );
    world.add("u", "q").emit("u", "e").emit("u", "e").emit("u", "e").emit("u", "e").run();
    assert_eq!(world.dead_codes(), ["held-full"]);
    world.remove("u", "q").run();
    assert_eq!(world.dead_codes(), ["held-full", "removed", "removed", "removed"]);
    assert_eq!(world.keys_of("u"), ["u.dead"]);
}

#[test]
fn a_timer_of_a_held_instance_waits_with_it() {
    let mut world =
        World::new(vec![(quest("q", &[("set", "set"), ("x", "e"), ("fire", "")]), |run| match run.action.as_str() {
            "set" => Ok(crate::world::timer("t", "fire", run.accepted_at + 10)),
            "x" if run.attempt == 1 => Err(transient()),
            _ => Ok(count(run)),
        })]);
    world.add("u", "q").emit("u", "set").emit("u", "e").sleep(100).run();
    assert_eq!(world.runs.len(), 3);
    world.sleep(5_000).run();
    assert_eq!(world.runs[3..], ["q.x@1000#2", "q.fire@1010"]);
}

#[test]
fn an_upgrade_runs_inside_the_next_actions_transaction() {
    let mut world =
        World::new(vec![(quest("q", &[("x", "e"), ("bad", "b"), ("upgrade", "")]), |run| match run.action.as_str() {
            "bad" => Err(permanent()),
            "upgrade" => {
                assert_eq!(run.payload, Value::Integer(1), "the version that it comes from");
                Ok(count(run))
            }
            _ => Ok(count(run)),
        })]);
    world.add("u", "q").run();
    let mut newer = quest("q", &[("x", "e"), ("bad", "b"), ("upgrade", "")]);
    newer.version = 2;
    world.catalog = std::sync::Arc::new(Catalog::new([newer]));
    world.emit("u", "b").run();
    assert_eq!(world.n("u", "q"), Some(1), "the action failed: so did the upgrade");
    world.emit("u", "e").emit("u", "e").run();
    assert_eq!(world.runs[1..], ["q.upgrade@1000", "q.bad@1000", "q.upgrade@1000", "q.x@1000", "q.x@1000"]);
    assert_eq!(world.n("u", "q"), Some(4));
    // Older code never runs what newer code wrote: it waits.
    world.catalog = std::sync::Arc::new(Catalog::new([quest("q", &[("x", "e")])]));
    world.emit("u", "e").run();
    assert_eq!(world.n("u", "q"), Some(4));
    let mut again = quest("q", &[("x", "e")]);
    again.version = 2;
    world.catalog = std::sync::Arc::new(Catalog::new([again]));
    world.sleep(10_000).run();
    assert_eq!(world.n("u", "q"), Some(5));
}
