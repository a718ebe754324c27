//! The four kinds of event, and instances that come and go between.

use quest_engine::{
    action::Effect,
    model::{Body, Command, Value},
};

use crate::world::{World, count, effects, quest};

fn counter() -> World {
    World::new(vec![(quest("counter", &[("visit", "visited"), ("direct", "")]), |run| Ok(count(run)))])
}

#[test]
fn multicast_reaches_every_subscribed_action_of_the_context() {
    let mut world = World::new(vec![
        (quest("a", &[("one", "e"), ("two", "e"), ("other", "f")]), |run| Ok(count(run))),
        (quest("b", &[("one", "e")]), |run| Ok(count(run))),
    ]);
    world.add("u", "a").add("u", "b").add("v", "a").emit("u", "e").run();
    assert_eq!(world.runs[2..5], ["a.one@1000", "a.two@1000", "b.one@1000"]);
    assert_eq!((world.n("u", "a"), world.n("u", "b"), world.n("v", "a")), (Some(3), Some(2), Some(1)));
}

#[test]
fn a_selector_reaches_one_action_and_an_instance_only_while_it_lives() {
    let mut world = counter();
    world.add("u", "counter").run();
    let send = |instance: Option<String>| Body::Send {
        quest: "counter".to_owned(),
        action: "direct".to_owned(),
        instance,
        name: None,
        payload: Value::Null,
    };
    let first = world.instance("u", "counter");
    world
        .accept("u", send(None))
        .accept("u", send(Some(first.clone())))
        .accept("u", send(Some("other".to_owned())))
        .run();
    assert_eq!(world.n("u", "counter"), Some(3));
    world.remove("u", "counter").add("u", "counter").accept("u", send(Some(first))).run();
    assert_eq!(world.n("u", "counter"), Some(1), "the new instance has only met its init");
    assert_eq!(world.ignored, ["instance-gone", "instance-gone"]);
}

#[test]
fn an_instance_removed_by_the_first_delivery_does_not_get_the_second() {
    let mut world = World::new(vec![
        (quest("a", &[("leave", "e")]), |run| {
            Ok(if run.action == "leave" {
                let (quest, context) = ("b".to_owned(), run.context.clone());
                effects(vec![
                    Effect::Remove { quest: quest.clone(), context: context.clone() },
                    Effect::Add { quest, context },
                ])
            } else {
                count(run)
            })
        }),
        (quest("b", &[("x", "e"), ("y", "e")]), |run| Ok(count(run))),
    ]);
    world.add("u", "a").add("u", "b").run();
    let before = world.instance("u", "b");
    // One event: `a.leave` runs first and replaces `b`, after b's deliveries of the same event, which were routed before.
    world.emit("u", "e").run();
    assert_ne!(world.instance("u", "b"), before);
    assert_eq!(world.n("u", "b"), Some(1), "the new b met its init only");
}

#[test]
fn add_on_adds_and_then_delivers() {
    let mut definition = quest("welcome", &[("greet", "signed-up")]);
    definition.add_on = vec!["signed-up".to_owned()];
    let mut world = World::new(vec![(definition, |run| Ok(count(run)))]);
    world.emit("u", "signed-up").emit("u", "signed-up").run();
    assert_eq!(world.runs, ["welcome.init@1000", "welcome.greet@1000", "welcome.greet@1000"]);
}

#[test]
fn a_failing_init_leaves_nothing() {
    let mut world = World::new(vec![(quest("a", &[("x", "e")]), |_| Err(crate::world::permanent()))]);
    world.add("u", "a").emit("u", "e").run();
    assert_eq!(world.runs, ["a.init@1000"]);
    assert_eq!(world.quests("u"), Vec::<String>::new());
    assert_eq!(world.dead_codes(), ["broken"]);
    assert_eq!(world.keys_of("u"), ["u.dead"]);
}

#[test]
fn dealloc_runs_and_never_blocks_removal() {
    let mut world = World::new(vec![(quest("a", &[("dealloc", "")]), |run| {
        if run.action == "dealloc" { Err(crate::world::permanent()) } else { Ok(count(run)) }
    })]);
    world.add("u", "a").run();
    world.remove("u", "a").run();
    assert_eq!(world.runs, ["a.init@1000", "a.dealloc@1000"]);
    assert_eq!(world.quests("u"), Vec::<String>::new());
    assert_eq!(world.dead_codes(), ["broken"]);
}

#[test]
fn lifecycle_actions_and_unknown_ones_cannot_be_called() {
    let mut world = counter();
    world.add("u", "counter").run();
    for action in ["init", "dealloc", "upgrade", "nope"] {
        let (quest, action) = ("counter".to_owned(), action.to_owned());
        world.accept("u", Body::Send { quest, action, instance: None, name: None, payload: Value::Null }).run();
    }
    assert_eq!(world.dead_codes(), ["unknown-action"; 4]);
    assert_eq!(world.n("u", "counter"), Some(1));
}

#[test]
fn forget_leaves_no_key() {
    let mut world =
        World::new(vec![(quest("a", &[("fail", "bad"), ("wait", "later")]), |run| match run.action.as_str() {
            "fail" => Err(crate::world::permanent()),
            "wait" => Ok(crate::world::timer("t", "fail", run.accepted_at + 1_000_000)),
            _ => Ok(count(run)),
        })]);
    world.add("u", "a").emit("u", "bad").emit("u", "later").run();
    assert!(world.keys_of("u").len() > 4, "{:?}", world.keys_of("u"));
    world.accept("u", Body::Operate(Command::Forget)).run();
    assert_eq!(world.keys_of("u"), Vec::<String>::new());
    assert_eq!(world.outcomes_of("u"), 1, "the answer of `forget` itself, until it is swept");
}

#[test]
fn a_broadcast_meets_the_instances_that_were_there_when_it_was_reached() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| Ok(count(run)))]);
    world.add("old", "q").run();
    world.add("new", "q").run();
    let share = |reached| Body::Spread { quest: "q".to_owned(), name: "e".to_owned(), payload: Value::Null, reached };
    // The partition reached it between the two adds.
    world.accept("old", share(2)).accept("new", share(2)).run();
    assert_eq!((world.n("old", "q"), world.n("new", "q")), (Some(2), Some(1)));
    world.accept("new", share(3)).run();
    assert_eq!(world.n("new", "q"), Some(2));
}

#[test]
fn events_wait_for_a_quest_that_is_not_served_and_come_in_order_when_it_is() {
    let mut world = World::new(vec![
        (quest("q", &[("x", "e"), ("y", "f")]), |run| Ok(count(run))),
        (quest("other", &[("x", "e")]), |run| Ok(count(run))),
    ]);
    world.add("u", "q").add("u", "other").run();
    let all = world.serve(&["other"]);
    world.emit("u", "e").sleep(10).emit("u", "nobody-is-on-it").sleep(10).emit("u", "f").run();
    let share = Body::Spread { quest: "q".to_owned(), name: "e".to_owned(), payload: Value::Null, reached: 9 };
    world.accept("u", share).run();
    assert_eq!((world.n("u", "q"), world.n("u", "other")), (Some(1), Some(2)), "others are not held up");
    let before = world.runs.len();
    world.catalog = all;
    world.sleep(60_000).run();
    assert_eq!(world.runs[before..], ["q.x@1000", "q.y@1020", "q.x@1020"]);
    assert_eq!((world.n("u", "q"), world.dead.len()), (Some(4), 0));
}
