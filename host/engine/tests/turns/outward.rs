//! What leaves an action: answers, messages, other contexts, loops.

use quest_engine::{
    action::{Changes, Effect},
    keys,
    limits::EngineLimits,
    model::{Body, Value},
    partition::BROADCAST_LOG,
};

use crate::world::{World, count, effects, quest};

#[test]
fn calls_are_answered() {
    let mut world = World::new(vec![(quest("q", &[("ask", "")]), |run| {
        Ok(Changes { reply: (run.action == "ask").then_some(Value::Integer(7)), ..Changes::default() })
    })]);
    let ask = |quest: &str| Body::Send {
        quest: quest.to_owned(),
        action: "ask".to_owned(),
        instance: None,
        name: None,
        payload: Value::Null,
    };
    world
        .add("u", "q")
        .accept("u", ask("q"))
        .accept("u", ask("r"))
        .add("u", "q")
        .add("u", "nope")
        .remove("u", "r")
        .run();
    assert_eq!(world.answers[..2], ["Answered(Boolean(true))", "Answered(Integer(7))"]);
    assert!(world.answers[2].contains("not-active"), "{}", world.answers[2]);
    assert_eq!(world.answers[3], "Answered(Boolean(false))", "it had it already");
    assert!(world.answers[4].contains("unknown-quest"), "{}", world.answers[4]);
    assert_eq!(world.answers[5], "Answered(Boolean(false))");
}

#[test]
fn messages_are_numbered_and_bounded() {
    let limits = EngineLimits { messages_max: 3, ..EngineLimits::default() };
    let mut world = World::with_limits(
        vec![(quest("q", &[("x", "e")]), |_| {
            Ok(effects(vec![Effect::Publish { topic: "t".to_owned(), payload: Value::Null }]))
        })],
        limits,
    );
    world.add("u", "q").run();
    for _ in 0..5 {
        world.emit("u", "e").run();
    }
    let messages: Vec<_> = world.batches.iter().flat_map(|batch| &batch.messages).collect();
    assert_eq!(messages.iter().map(|message| message.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let mut keys: Vec<_> = messages.iter().map(|message| &message.key).collect();
    keys.dedup();
    assert_eq!(keys.len(), 6, "each has a key of its own");
}

#[test]
fn a_loop_ends_at_the_hop_limit() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| {
        let emit = Effect::Emit { context: run.context.clone(), name: "e".to_owned(), payload: Value::Null };
        Ok(if run.action == "x" { effects(vec![emit]) } else { count(run) })
    })]);
    world.add("u", "q").emit("u", "e").run();
    assert_eq!(world.dead_codes(), ["too-many-hops"]);
    assert_eq!(world.runs.len(), 1 + 65);
}

#[test]
fn a_storm_ends_where_its_share_of_what_may_follow_is_used_up() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| {
        let emit = || Effect::Emit { context: run.context.clone(), name: "e".to_owned(), payload: Value::Null };
        Ok(if run.action == "x" { effects((0..8).map(|_| emit()).collect()) } else { count(run) })
    })]);
    world.add("u", "q").emit("u", "e").run();
    // (4096 - 8) / 8 = 511, (511 - 8) / 8 = 62, (62 - 8) / 8 = 6, and 6 are no 8.
    assert_eq!(world.runs.len(), 1 + (1 + 8 + 64 + 512));
    assert_eq!(world.dead_codes(), ["too-many-following"; 512]);
}

#[test]
fn what_may_follow_is_shared_among_the_actions_on_an_event() {
    let mut world = World::new(vec![
        (quest("p", &[("x", "e")]), |_| Ok(Changes::default())),
        (quest("q", &[("x", "e"), ("y", "e")]), |run| {
            let other = Effect::Emit { context: "v".to_owned(), name: "f".to_owned(), payload: Value::Null };
            Ok(if run.action == "x" { effects(vec![other.clone(), other]) } else { Changes::default() })
        }),
    ]);
    world.add("u", "p").add("u", "q").emit("u", "e").run();
    let accepted: Vec<_> = world.batches.iter().flat_map(|batch| &batch.accept).collect();
    let share = 4096 / 3;
    assert_eq!(accepted.iter().map(|entry| entry.left).collect::<Vec<_>>(), [Some((share - 2) / 2); 2]);
}

#[test]
fn other_contexts_and_broadcasts_leave_as_entries_from_within() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| {
        let other = Effect::Emit { context: "v".to_owned(), name: "f".to_owned(), payload: Value::Null };
        let all = Effect::Broadcast { name: "all".to_owned(), payload: Value::Null };
        Ok(if run.action == "x" { effects(vec![other, all]) } else { count(run) })
    })]);
    world.add("u", "q").emit("u", "e").run();
    let accepted: Vec<_> = world.batches.iter().flat_map(|batch| &batch.accept).collect();
    assert_eq!((accepted.len(), accepted[0].context.as_str(), accepted[0].hops), (1, "v", 1));
    assert_eq!(world.outgoing.len(), 1);
    assert_eq!(world.outgoing[0].0, BROADCAST_LOG);
}

#[test]
fn each_context_has_its_own_call_ids() {
    let mut world = World::new(vec![(quest("q", &[("ask", "")]), |run| {
        Ok(Changes { reply: Some(Value::Text(run.context.clone())), ..Changes::default() })
    })]);
    world.add("u", "q").add("v", "q").run();
    let ask = || Body::Send {
        quest: "q".to_owned(),
        action: "ask".to_owned(),
        instance: None,
        name: None,
        payload: Value::Null,
    };
    world.accept_as("u", "same", ask()).accept_as("v", "same", ask()).run();
    assert_eq!(world.answers[2..], ["Answered(Text(\"u\"))", "Answered(Text(\"v\"))"]);
    assert_eq!((world.outcomes_of("u"), world.outcomes_of("v")), (2, 2));
    let places = world.sorted(keys::OUTCOMES_ORDER);
    assert_eq!(places.len(), 4);
    world.sweep(|partition| partition.expire_outcomes(places));
    assert_eq!((world.outcomes_of("u"), world.outcomes_of("v")), (0, 0));
    assert_eq!(world.sorted(keys::OUTCOMES_ORDER), Vec::<Vec<u8>>::new());
}

#[test]
fn a_full_inbox_stops_only_what_would_add_to_it() {
    let mut world =
        World::new(vec![(quest("q", &[("near", "near"), ("own", "own")]), |run| match run.action.as_str() {
            "near" => Ok(effects(vec![emit("v", "x")])),
            "own" => Ok(effects(vec![emit("u", "x")])),
            _ => Ok(count(run)),
        })]);
    world.add("u", "q").run();
    world.inbox_full = true;
    world.emit("u", "own").emit("u", "near").run();
    assert_eq!(world.runs[1..], ["q.own@1000", "q.near@1000"]);
    assert!(world.batches.iter().all(|batch| batch.accept.is_empty()));
    world.inbox_full = false;
    world.sleep(600_000).run();
    assert_eq!(world.batches.iter().flat_map(|batch| &batch.accept).count(), 1, "tried again when there was room");
    assert!(world.dead.is_empty());
}

#[test]
fn dead_letters_past_a_bound_go_whole() {
    let mut world = World::new(vec![(quest("q", &[("x", "e")]), |run| match run.action.as_str() {
        "x" => Err(crate::world::permanent()),
        _ => Ok(count(run)),
    })]);
    world.add("u", "q").emit("u", "e").emit("u", "e").run();
    let oldest = world.dead[..1].to_vec();
    world.sweep(|partition| partition.drop_oldest_dead(&oldest));
    let left = vec![world.dead[1].id.as_bytes().to_vec()];
    assert_eq!(world.sorted(keys::DEAD_ORDER), left);
    assert_eq!(world.sorted(&keys::dead_of("u")), left);
}

fn emit(context: &str, name: &str) -> Effect {
    Effect::Emit { context: context.to_owned(), name: name.to_owned(), payload: Value::Null }
}
