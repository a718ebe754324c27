//! Order and time: per instance by stamp, timers after what was accepted by their due time, floods aside.

use quest_engine::{
    action::{Effect, Invocation},
    limits::EngineLimits,
    model::Value,
};

use crate::world::{World, count, effects, quest, timer};

/// "Do `done` within 10 minutes of `begin`": `remind` runs if not.
fn deadline() -> World {
    World::new(vec![(quest("q", &[("begin", "begin"), ("done", "done"), ("remind", "")]), |run| {
        Ok(match run.action.as_str() {
            "begin" => timer("t", "remind", run.accepted_at + 600),
            _ => count(run),
        })
    })])
}

#[test]
fn whoever_was_in_time_wins_even_when_the_host_was_down_at_the_deadline() {
    for (delay, expected) in [(600, ["q.done@1600", "q.remind@1600"]), (601, ["q.remind@1600", "q.done@1601"])] {
        let mut world = deadline();
        world.add("u", "q").emit("u", "begin").sleep(delay).emit("u", "done").sleep(100_000).run();
        assert_eq!(world.runs[2..], expected, "after {delay} ms");
    }
}

#[test]
fn the_outcome_is_the_same_however_the_turns_are_cut() {
    let mut histories = Vec::new();
    for max in [1, 2, 3, 100] {
        let mut world = deadline();
        world.add("u", "q");
        for n in 0..10 {
            world.emit("u", if n % 3 == 0 { "begin" } else { "done" }).sleep(350);
        }
        world.sleep(10_000);
        while world.turn(max) {}
        histories.push(world.runs);
    }
    assert!(histories.iter().all(|runs| *runs == histories[0]), "{histories:#?}");
}

#[test]
fn a_timer_never_fires_early() {
    let mut world = deadline();
    world.add("u", "q").emit("u", "begin").run();
    world.sleep(600).run();
    assert_eq!(world.runs.len(), 2, "an entry stamped at the due time may still come");
    world.sleep(1).run();
    assert_eq!(world.runs[2..], ["q.remind@1600"]);
    assert_eq!(world.due("u"), Vec::<u64>::new());
}

#[test]
fn at_the_due_time_itself_what_still_comes_goes_first() {
    let mut world = deadline();
    world.add("u", "q").emit("u", "begin").run();
    // The context is looked at in the very millisecond: the timer waits all the same.
    world.sleep(600).emit("u", "nobody-is-on-it").run();
    world.emit("u", "done").sleep(1).run();
    assert_eq!(world.runs[2..], ["q.done@1600", "q.remind@1600"]);
}

#[test]
fn a_timer_waits_for_a_backlog_that_is_not_read_yet() {
    let limits = EngineLimits { context_turn_max: 4, ..EngineLimits::default() };
    let quests = vec![(quest("q", &[("begin", "begin"), ("done", "done"), ("remind", "")]), |run: &Invocation| {
        Ok(match run.action.as_str() {
            "begin" => timer("t", "remind", run.accepted_at + 600),
            _ => count(run),
        })
    })];
    let mut world = World::with_limits(quests.into_iter().map(|(q, b)| (q, b as _)).collect(), limits);
    world.add("u", "q").emit("u", "begin");
    // What nobody is on is passed over fast, so a turn comes to the end of what it has read with time left.
    for event in ["done", "nobody-is-on-it", "done"] {
        for _ in 0..10 {
            world.emit("u", event).sleep(20);
        }
    }
    world.sleep(100_000).run();
    let (last, before) = world.runs[2..].split_last().unwrap();
    assert_eq!((last.as_str(), before.len()), ("q.remind@1600", 20), "{before:?}");
}

#[test]
fn consequences_within_a_context_are_in_time_too() {
    let mut world = World::new(vec![
        (quest("a", &[("begin", "begin"), ("late", "")]), |run| {
            Ok(if run.action == "begin" { timer("t", "late", run.accepted_at) } else { count(run) })
        }),
        (quest("b", &[("relay", "begin")]), |run| {
            let emit = Effect::Emit { context: run.context.clone(), name: "begin2".to_owned(), payload: Value::Null };
            Ok(if run.action == "relay" { effects(vec![emit]) } else { count(run) })
        }),
        (quest("c", &[("end", "begin2")]), |run| Ok(count(run))),
    ]);
    world.add("u", "a").add("u", "b").add("u", "c").emit("u", "begin").sleep(5_000).run();
    assert_eq!(world.runs[3..], ["a.begin@1000", "b.relay@1000", "c.end@1000", "a.late@1000"]);
}

#[test]
fn a_flood_lets_others_pass_and_keeps_its_own_order() {
    let limits = EngineLimits { context_turn_max: 8, ..EngineLimits::default() };
    let mut world = World::with_limits(vec![(quest("q", &[("x", "e")]), |run| Ok(count(run)))], limits);
    world.add("flood", "q").add("calm", "q").run();
    for _ in 0..100 {
        world.emit("flood", "e");
        world.now += 1;
    }
    world.emit("calm", "e");
    world.turn(512);
    assert_eq!(world.n("calm", "q"), Some(2), "served within the flood's first turn");
    assert_eq!(world.n("flood", "q"), Some(9), "its own share of that turn, and no more");
    world.emit("flood", "e").run();
    assert_eq!(world.n("flood", "q"), Some(102));
    let stamps: Vec<u64> = world
        .runs
        .iter()
        .filter_map(|run| run.strip_prefix("q.x@")?.parse().ok())
        .filter(|stamp| *stamp < world.now)
        .collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let settled: u64 = world.batches.iter().flat_map(|batch| &batch.settled).map(|(_, count)| count).sum();
    assert_eq!(settled, 104, "each accepted entry left its context's count once");
}

#[test]
fn a_turn_ends_when_its_actions_have_changed_much_and_the_next_goes_on() {
    let limits = EngineLimits { turn_bytes_max: 2_500, ..EngineLimits::default() };
    let large = |run: &Invocation| {
        let mut changes = count(run);
        changes.variables.insert("large".to_owned(), Some(Value::Text("x".repeat(1_000))));
        Ok(changes)
    };
    let mut world = World::with_limits(vec![(quest("q", &[("x", "e")]), large)], limits);
    world.add("u", "q").add("v", "q").run();
    for _ in 0..5 {
        world.emit("u", "e").emit("v", "e");
        world.now += 1;
    }
    let before = world.runs.len();
    world.turn(512);
    assert_eq!(world.runs.len() - before, 3);
    world.run();
    assert_eq!((world.n("u", "q"), world.n("v", "q")), (Some(6), Some(6)));
    for context in ["u", "v"] {
        assert_eq!(world.keys_of(context).iter().filter(|key| key.ends_with("backlog")).count(), 0, "{context}");
    }
}

#[test]
fn timers_move_and_end_with_their_instance() {
    let mut world = deadline();
    world.add("u", "q").emit("u", "begin").sleep(500).emit("u", "begin").run();
    assert_eq!(world.due("u"), [2100]);
    world.sleep(200).run();
    assert_eq!(world.runs.len(), 3, "the first due time was moved");
    world.remove("u", "q").sleep(10_000).run();
    assert_eq!(world.runs.len(), 3);
    assert_eq!(world.keys_of("u"), Vec::<String>::new());
}
