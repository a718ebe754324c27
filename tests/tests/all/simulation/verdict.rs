//! Whether a store holds what must have come of all that it accepted: everything once, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use quest_engine::{
    keys,
    model::{Body, Command, Value, partition_of},
};
use quest_host::store::{Read, Reply, Store as _};

use super::{
    CONTEXTS, PARTITIONS, STEADY,
    quests::{BEAT, BEAT_MS, PAIR_MS, STUMBLED, text},
    state::State,
    truth::Life,
    world::World,
};

/// What must never be, if it is.
pub async fn violated(world: &World) -> Result<(), String> {
    let mut wrong = world.violations();
    for context in 0..CONTEXTS {
        for dead in State::of(world, &format!("c{context}")).await.dead {
            // What a removed quest held is given up.
            let is_meant = if context < STEADY { dead.code == STUMBLED } else { dead.code == "removed" };
            if !is_meant {
                wrong.push(format!("{} in c{context}: {} ({:?})", dead.code, dead.message, dead.entry));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What is not done yet, if anything.
pub async fn undone(world: &World) -> Result<(), String> {
    let partitions: Vec<u16> = (0..PARTITIONS).collect();
    let waiting = world.memory.waiting(&partitions).await.unwrap();
    if waiting.iter().any(|count| *count > 0) {
        return Err(format!("{waiting:?} entries wait in the inboxes"));
    }
    for partition in partitions {
        let reads = vec![Read::Set { key: keys::BACKLOGS.to_owned() }];
        let replies = world.memory.read(partition, reads).await.unwrap();
        if replies != [Reply::Items(Vec::new())] {
            return Err(format!("there are backlogs in {partition}"));
        }
    }
    for context in 0..CONTEXTS {
        let name = format!("c{context}");
        let state = State::of(world, &name).await;
        lives(world, &name, &state).map_err(|undone| format!("{name}: {undone}"))?;
        if context < STEADY {
            heard(world, &name, &state).map_err(|undone| format!("{name}: {undone}"))?;
        }
    }
    Ok(())
}

/// The quest is there or not, and has handled what came from outside, with its timers.
fn lives(world: &World, name: &str, state: &State) -> Result<(), String> {
    let truth = world.truth();
    let Some(life) = truth.life_now(name) else {
        return state.instance.as_ref().map_or(Ok(()), |instance| Err(format!("{instance:?} is there")));
    };
    let instance = state.instance.as_ref().ok_or("the quest is not there")?;
    if instance.held.is_some() {
        return Err(format!("{instance:?} holds something"));
    }
    let (born, last) = (variable(state, "born"), variable(state, "last"));
    if (born, last) != (&life.born, life.last()) {
        return Err(format!("{last:?} of {born} is done, not {:?} of {}", life.last(), life.born));
    }
    let carried_out = |wanted: &dyn Fn(&Command) -> bool| {
        let commands = truth.of(name).iter().filter(|accepted| state.carried_out.contains(&accepted.id));
        commands.filter(|accepted| matches!(&accepted.body, Body::Operate(command) if wanted(command))).count()
    };
    for planned in life.events.iter().filter(|event| event.name() == "planned") {
        let id = &planned.id;
        let is_cancelled =
            carried_out(&|command| matches!(command, Command::TimerCancel { timer, .. } if timer == id)) > 0;
        if is_cancelled == has(state, &format!("tick.{id}")) {
            return Err(format!("the timer {id} fired: {}, was cancelled: {is_cancelled}", !is_cancelled));
        }
    }
    let beat = match state.variables.get(BEAT) {
        Some(Value::Integer(at)) => *at as u64,
        _ => 0,
    };
    let (now, born) = (world.now(), truth.stamp(name, &life.born).unwrap_or(0));
    if world.shape.beats && beat.max(born) + 2 * BEAT_MS < now {
        return Err(format!("it is {now}, and the last beat was that of {beat}"));
    }
    if !world.may_stamp_early() {
        paired(state, &life, now)?;
    }
    stumbled(world, state, &life, carried_out(&|command| matches!(command, Command::DeadDrop { .. })))
}

/// Each pair was met or not by when its events were accepted, however late they were worked through.
fn paired(state: &State, life: &Life<'_>, now: u64) -> Result<(), String> {
    let (mut expected, mut open) = (BTreeMap::<String, i64>::new(), None::<u64>);
    let mut ends = |outcome: &str, first: u64| *expected.entry(format!("{outcome}.{first}")).or_default() += 1;
    for event in &life.events {
        if let Some(first) = open.take_if(|first| *first + PAIR_MS < event.stamp) {
            ends("unmet", first);
        }
        match (event.name(), open) {
            ("next", Some(first)) => {
                ends("met", first);
                open = None;
            }
            ("send", None) => open = Some(event.stamp),
            _ => {}
        }
    }
    if let Some(first) = open.take_if(|first| *first + PAIR_MS < now) {
        ends("unmet", first);
    }
    let is_one = |name: &str| name.starts_with("met.") || name.starts_with("unmet.");
    let found = state.variables.iter().filter(|(name, _)| is_one(name));
    let found: BTreeMap<String, i64> =
        found.map(|(name, value)| (name.clone(), if let Value::Integer(times) = value { *times } else { 0 })).collect();
    if found == expected { Ok(()) } else { Err(format!("pairs are {found:?}, and should be {expected:?}")) }
}

/// Each stumble is a dead letter, or was tried again, or was dropped.
fn stumbled(world: &World, state: &State, life: &Life<'_>, dropped: usize) -> Result<(), String> {
    let mut gone = 0;
    for event in life.events.iter().filter(|event| event.name() == "stumble") {
        let dead = state.dead.iter().filter(|dead| dead.entry.id == event.id).count();
        let stood = usize::from(has(state, &format!("stood.{}", event.id)));
        match dead + stood {
            0 => gone += 1,
            1 => {}
            _ => return Err(format!("{} is dead {dead} times, and stood {stood} times", event.id)),
        }
    }
    // What is dropped of a store that was put back may be another than was seen.
    let fits = if world.was_put_back() { gone <= dropped } else { gone == dropped };
    if fits { Ok(()) } else { Err(format!("{gone} stumbles are gone, {dropped} were dropped")) }
}

/// What others sent, and what all were to hear of, came once each.
fn heard(world: &World, name: &str, state: &State) -> Result<(), String> {
    let (truth, losses) = (world.truth(), world.losses());
    let sent = truth.sends().remove(name).unwrap_or_default();
    marks(state, "poked", &sent, &losses.lost, losses.times > 0)?;
    let said: BTreeSet<String> = truth.shouts().into_iter().chain(truth.log.iter().cloned()).collect();
    let is_alone = losses.partitions.contains(&partition_of(name, PARTITIONS));
    // A partition that was put back while the log went on finds only what was not trimmed since.
    let is_unsure = |number: &usize| is_alone || losses.numbers.contains(number);
    let unsure = truth.log.iter().enumerate().filter(|(number, _)| is_unsure(number)).map(|(_, said)| said.clone());
    let unsure = unsure.chain(losses.lost.iter().cloned()).collect();
    marks(state, "all", &said, &unsure, losses.times > 0)
}

/// The marks of a kind are those that are wanted. Some may be missing; after a store was put back there may be more.
fn marks(
    state: &State,
    kind: &str,
    wanted: &BTreeSet<String>,
    unsure: &BTreeSet<String>,
    more: bool,
) -> Result<(), String> {
    let found = state.variables.keys().filter_map(|mark| mark.strip_prefix(kind)?.strip_prefix('.'));
    let found: BTreeSet<String> = found.map(str::to_owned).collect();
    let missing: Vec<&String> = wanted.difference(&found).filter(|mark| !unsure.contains(*mark)).collect();
    let excess: Vec<&String> = found.difference(wanted).filter(|_| !more).collect();
    match (missing.is_empty(), excess.is_empty()) {
        (true, true) => Ok(()),
        _ => Err(format!("{kind}: {missing:?} are missing, {excess:?} are there and should not be")),
    }
}

fn has(state: &State, mark: &str) -> bool {
    state.variables.contains_key(mark)
}

fn variable<'a>(state: &'a State, name: &str) -> &'a str {
    state.variables.get(name).map_or("", |value: &Value| text(value))
}
