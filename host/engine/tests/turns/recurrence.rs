//! Timers that come again: declared and set, after downtime, by operators' hands, in other zones, under other code.

use std::{collections::BTreeMap, sync::Arc};

use quest_engine::{
    action::{Changes, Failure, Invocation, TimerSet},
    model::{Body, Catalog, Command, Every, QuestDefinition, Value},
    record::Recurrence,
    schedule::{Plan, Schedule},
};

use crate::world::{World, quest};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn every(schedule: &str) -> QuestDefinition {
    declared(&[("daily", schedule)])
}

fn declared(recurrences: &[(&str, &str)]) -> QuestDefinition {
    let mut definition = quest("q", &[("tick", ""), ("stop", "stop"), ("again", "again")]);
    for (name, schedule) in recurrences {
        let every = Every { action: "tick".to_owned(), schedule: (*schedule).to_owned() };
        definition.every.insert((*name).to_owned(), every);
    }
    definition
}

/// `tick` notes in `n` how many runs were left out; `stop` cancels; `again` sets the recurrence of its own payload.
fn behave(run: &Invocation) -> Result<Changes, Failure> {
    let mut changes = Changes::default();
    match run.action.as_str() {
        "tick" => {
            changes.variables.insert("n".to_owned(), Some(Value::Integer(run.missed as i64)));
        }
        "stop" => {
            changes.timers.insert("daily".to_owned(), None);
        }
        "again" => {
            let schedule = Schedule::parse("every 2 hours; count 2").unwrap();
            let plan = Plan::begin(&schedule, run.accepted_at, &run.zone, "salt").unwrap();
            let recurrence = Some(Recurrence { schedule: schedule.text().to_owned(), plan: plan.clone() });
            let set = TimerSet {
                action: "tick".to_owned(),
                due: plan.due(),
                payload: Arc::new(Value::Integer(7)),
                recurrence,
            };
            changes.timers.insert("mine".to_owned(), Some(set));
        }
        _ => {}
    }
    Ok(changes)
}

fn world(schedule: &str) -> World {
    let mut world = World::new(vec![(every(schedule), behave)]);
    world.now = 0;
    world
}

fn ticks(world: &World) -> Vec<u64> {
    let at = |run: &String| run.strip_prefix("q.tick@").and_then(|at| at.parse().ok());
    world.runs.iter().filter_map(at).collect()
}

fn operate(world: &mut World, command: Command) {
    world.accept("u", Body::Operate(command)).run();
}

#[test]
fn a_declared_one_begins_with_its_instance_and_ends_with_it() {
    let mut world = world("every 1 hour");
    world.add("u", "q").run();
    assert_eq!(world.due("u"), [HOUR]);
    for _ in 0..3 {
        world.sleep(HOUR).run();
    }
    world.sleep(1).run();
    assert_eq!(ticks(&world), [HOUR, 2 * HOUR, 3 * HOUR], "never early, and each once");
    world.remove("u", "q").run();
    world.sleep(10 * HOUR).run();
    assert_eq!((ticks(&world).len(), world.due("u")), (3, vec![]));
}

#[test]
fn one_that_an_action_sets_ends_when_its_schedule_does() {
    let mut world = world("every 100 days");
    world.add("u", "q").emit("u", "again").run();
    for _ in 0..10 {
        world.sleep(HOUR).run();
    }
    assert_eq!(ticks(&world), [2 * HOUR, 4 * HOUR]);
    assert_eq!(world.due("u"), [100 * DAY]);
}

#[test]
fn after_downtime_the_policy_decides_and_the_action_knows_what_was_left_out() {
    for (policy, expected, missed) in [
        ("once", vec![10 * HOUR], 9),
        ("all 3", vec![8 * HOUR, 9 * HOUR, 10 * HOUR], 0),
        ("all 100", (1..=10).map(|n| n * HOUR).collect(), 0),
        ("skip", vec![], 0),
    ] {
        let mut world = world(&format!("every 1 hour; missed {policy}"));
        world.add("u", "q").run();
        world.sleep(10 * HOUR + HOUR / 2).run();
        assert_eq!(ticks(&world), expected, "{policy}");
        if !expected.is_empty() {
            assert_eq!(world.n("u", "q"), Some(missed), "{policy}");
        }
        assert_eq!(world.due("u"), [11 * HOUR], "{policy}: it goes on as planned");
    }
}

#[test]
fn what_was_in_time_comes_before_a_run_that_was_missed() {
    let mut world = world("every 1 hour");
    world.add("u", "q").run();
    world.sleep(2 * HOUR).emit("u", "stop").sleep(HOUR / 2).run();
    assert_eq!(ticks(&world), [0u64; 0], "cancelled at the due time of the latest run, which comes after it");
}

#[test]
fn operators_fire_move_and_cancel() {
    let (quest, timer) = ("q".to_owned(), "daily".to_owned());
    let mut world = world("every 1 hour");
    world.add("u", "q").sleep(10).run();
    operate(&mut world, Command::TimerFire { quest: quest.clone(), timer: timer.clone() });
    assert_eq!((ticks(&world), world.due("u")), (vec![10], vec![HOUR]), "one run more");
    let due = 90 * 60_000;
    operate(&mut world, Command::TimerMove { quest: quest.clone(), timer: timer.clone(), due });
    world.sleep(due).run();
    assert_eq!((ticks(&world), world.due("u")), (vec![10, due], vec![2 * HOUR]), "only one run was moved");
    operate(&mut world, Command::TimerMove { quest: quest.clone(), timer: timer.clone(), due: 5 * HOUR + 1 });
    world.sleep(4 * HOUR).run();
    assert_eq!(
        (ticks(&world), world.due("u")),
        (vec![10, due, 5 * HOUR + 1], vec![6 * HOUR]),
        "past what it stands for"
    );
    operate(&mut world, Command::TimerCancel { quest, timer });
    assert_eq!(world.due("u"), [0u64; 0]);
}

#[test]
fn a_context_has_a_zone_of_its_own_and_another_plans_anew() {
    let mut world = world("every day at 09:00");
    world.add("u", "q").run();
    assert_eq!(world.due("u"), [9 * HOUR], "UTC unless one is set");
    let zone = |name: &str| Command::ZoneSet { zone: Some(name.to_owned()) };
    operate(&mut world, zone("Asia/Tokyo"));
    // 00:00 UTC is 09:00 in Tokyo: strictly after now, so tomorrow's.
    assert_eq!(world.due("u"), [DAY]);
    operate(&mut world, zone("America/New_York"));
    assert_eq!(world.due("u"), [14 * HOUR]);
    operate(&mut world, zone("America/New_Yrok"));
    assert!(world.answers.last().unwrap().contains("unknown-zone"), "{:?}", world.answers);
    assert_eq!(world.due("u"), [14 * HOUR]);
    operate(&mut world, Command::ZoneSet { zone: None });
    assert_eq!(world.due("u"), [9 * HOUR]);
    operate(&mut world, zone("Asia/Tokyo"));
    operate(&mut world, Command::Forget);
    assert_eq!(world.keys_of("u"), [""; 0], "the zone is forgotten too");
}

#[test]
fn a_zone_that_is_fixed_in_the_text_stays() {
    let mut world = world("every day at 09:00; zone Europe/Berlin");
    world.add("u", "q").run();
    operate(&mut world, Command::ZoneSet { zone: Some("Asia/Tokyo".to_owned()) });
    assert_eq!(world.due("u"), [8 * HOUR]);
}

#[test]
fn other_code_adds_changes_and_ends_what_is_declared_for_instances_that_live() {
    let mut world = World::new(vec![(declared(&[("daily", "every 1 hour"), ("other", "every 5 hours")]), behave)]);
    world.now = 0;
    world.add("u", "q").emit("u", "stop").run();
    assert_eq!(world.due("u"), [5 * HOUR], "the quest has cancelled the hourly one");
    let serve = |world: &mut World, recurrences: &[(&str, &str)]| {
        world.catalog = Arc::new(Catalog::new([declared(recurrences)]));
        world.emit("u", "nothing").run();
    };
    serve(&mut world, &[("daily", "every 1 hour"), ("other", "every 6 hours"), ("new", "every 7 hours")]);
    assert_eq!(world.due("u"), [7 * HOUR, 6 * HOUR], "what was cancelled stays so");
    serve(&mut world, &[("new", "every 7 hours")]);
    assert_eq!(world.due("u"), [7 * HOUR]);
    serve(&mut world, &[]);
    assert_eq!(world.due("u"), [0u64; 0]);
}

#[test]
fn one_that_waits_behind_a_failure_runs_when_its_instance_does() {
    let behave = |run: &Invocation| match run.action.as_str() {
        "again" if run.attempt < 2 => Err(crate::world::transient()),
        _ => Ok(Changes { variables: BTreeMap::new(), ..Changes::default() }),
    };
    let mut world = World::new(vec![(every("every 1 second"), behave)]);
    world.now = 0;
    world.add("u", "q").sleep(500).emit("u", "again").sleep(1).run();
    world.sleep(300).run();
    assert_eq!(ticks(&world), [0u64; 0]);
    for _ in 0..40 {
        world.sleep(100).run();
    }
    let order: Vec<&str> = world.runs.iter().map(|run| run.split('@').next().unwrap()).collect();
    assert_eq!(order[..3], ["q.init", "q.again", "q.again"], "{:?}", world.runs);
    assert!(ticks(&world)[0] >= 1_000);
}
