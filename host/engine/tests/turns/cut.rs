//! Turns that end early (a slow action, a bound), and owners that find the store elsewhere: the partition driven by hand.

use std::{collections::BTreeMap, sync::Arc};

use quest_engine::{
    action::{Changes, Effect, Ran},
    keys,
    limits::EngineLimits,
    model::{Body, Catalog, Command, Entry, QuestDefinition, Value, partition_of},
    partition::{Batch, LoadedContext, Partition, Start, Turn},
    record::{Held, Instance, Record as _, RelayCursor, Timer},
    write::Write,
};

use crate::world::quest;

fn instance(version: u32) -> LoadedContext {
    let (id, added, added_at, starting, held) = ("i".to_owned(), 1, 1, false, None);
    let instance = Instance {
        id,
        version,
        added,
        added_at,
        starting,
        held,
        has_timers: false,
        has_patterns: false,
        declared: BTreeMap::new(),
        kept: None,
    };
    LoadedContext { instances: BTreeMap::from([("q".to_owned(), instance)]), ..LoadedContext::default() }
}

fn partition(start: Start, partitions: u16) -> Partition {
    let mut partition = Partition::new(0, partitions, "nonce".to_owned(), Arc::new(EngineLimits::default()), start);
    partition.refill_wakes(Vec::new());
    partition
}

fn entry(context: &str, body: Body) -> Entry {
    Entry { context: context.to_owned(), id: "e".to_owned(), hops: 0, reply: None, body, left: None }
}

fn emit(context: &str) -> Entry {
    entry(context, Body::Emit { name: "e".to_owned(), payload: Value::Null })
}

fn catalog(version: u32, actions: &[(&str, &str)]) -> Arc<Catalog> {
    Arc::new(Catalog::new([QuestDefinition { version, ..quest("q", actions) }]))
}

/// Turns that are cut after one run, as the dispatcher does when a turn has used up its time: which context and action ran in each.
fn cut_turns(partition: &mut Partition, catalog: &Arc<Catalog>, entries: Vec<Entry>, turns: usize) -> Vec<String> {
    let mut entries: Vec<_> = entries.into_iter().map(|entry| (10, entry)).collect();
    let mut runs = Vec::new();
    for turn in 0..turns {
        let agenda = partition.agenda(100, 512);
        let (now, entries, catalog) = (100 + turn as u64, std::mem::take(&mut entries), Arc::clone(catalog));
        partition.begin(Turn { now, horizon: 100, entries, agenda, catalog, ..Turn::default() });
        while let Some(run) = partition.next() {
            runs.push(format!("{}.{}", run.context, run.action));
            partition.complete(Ran { result: Ok(Changes::default()), logs: Vec::new() });
            if partition.is_between_runs() {
                break;
            }
        }
        partition.finish();
    }
    runs
}

#[test]
fn a_flood_of_slow_actions_takes_turns_with_the_others() {
    let mut partition = partition(Start::default(), 1);
    for context in ["a", "b", "c"] {
        partition.load(context.to_owned(), instance(1));
    }
    let mut entries: Vec<Entry> = (0..50).map(|_| emit("a")).collect();
    entries.extend([emit("b"), emit("c")]);
    let runs = cut_turns(&mut partition, &catalog(1, &[("x", "e")]), entries, 6);
    assert_eq!(runs, ["a.x", "b.x", "c.x", "a.x", "a.x", "a.x"]);
}

#[test]
fn an_upgrade_that_takes_a_whole_turn_is_followed_by_its_action() {
    let mut partition = partition(Start::default(), 1);
    partition.load("a".to_owned(), instance(1));
    let runs = cut_turns(&mut partition, &catalog(2, &[("x", "e"), ("upgrade", "")]), vec![emit("a")], 3);
    assert_eq!(runs, ["a.upgrade", "a.x"]);
}

/// The positions of relays that a batch stores.
fn relays(batch: &Batch) -> BTreeMap<u16, RelayCursor> {
    let stored = batch.writes.iter().find_map(|write| match write {
        Write::HashSet { field, value, .. } if field == keys::RELAYS.as_bytes() => Some(value),
        _ => None,
    });
    BTreeMap::from_bytes(stored.unwrap()).unwrap()
}

#[test]
fn what_a_destination_has_of_lost_commits_is_not_taken_for_what_is_sent_now() {
    let there = (0..).map(|n| format!("c{n}")).find(|context| partition_of(context, 2) == 1).unwrap();
    let here = (0..).map(|n| format!("c{n}")).find(|context| partition_of(context, 2) == 0).unwrap();
    // The store was rolled back to number 8; before that, the destination had been sent more.
    let cursor = RelayCursor { stream: "old".to_owned(), first: 8, next: 8, unsent: None };
    let outboxes = BTreeMap::from([(1, (cursor, Vec::new()))]);
    let mut partition = partition(Start { outboxes, ..Start::default() }, 2);
    partition.load(here.clone(), instance(1));
    let catalog = catalog(1, &[("x", "e")]);
    partition.begin(Turn { now: 100, horizon: 100, entries: vec![(10, emit(&here))], catalog, ..Turn::default() });
    while partition.next().is_some() {
        let effects = vec![Effect::Emit { context: there.clone(), name: "z".to_owned(), payload: Value::Null }];
        partition.complete(Ran { result: Ok(Changes { effects, ..Changes::default() }), logs: Vec::new() });
    }
    let stored = relays(&partition.finish());
    assert_eq!(partition.relay_found(1), 8, "the new entry, number 8, is none that an earlier owner can have sent");
    // Nor can this owner, which ends before it has compared. The next one compares, and stores that before it sends.
    let entries = partition.outgoing(10).remove(0).entries;
    let outboxes = stored.into_iter().map(|(destination, cursor)| (destination, (cursor, entries.clone()))).collect();
    let mut next = crate::cut::partition(Start { outboxes, ..Start::default() }, 2);
    assert_eq!(next.relay_found(1), 8);
    assert!(next.relay_compared(1) && next.has_unsaved());
    next.begin(Turn { now: 101, horizon: 101, ..Turn::default() });
    assert_eq!(relays(&next.finish())[&1].unsent, None);
    assert!(!next.relay_compared(1), "stored already");
    partition.restart_relay(1);
    let outgoing = partition.outgoing(10);
    assert_eq!((outgoing[0].first, outgoing[0].entries.len()), (0, 1));
    assert_ne!(outgoing[0].stream, "old");
}

#[test]
fn a_timer_is_moved_to_times_that_stores_can_sort_only() {
    let mut partition = partition(Start::default(), 1);
    let mut loaded = instance(1);
    let (id, action, set_by) = ("i".to_owned(), "x".to_owned(), "s".to_owned());
    let timer =
        Timer { instance: id, action, due: 500, payload: Arc::default(), set_by, sequence: 1, recurrence: None };
    loaded.timers.insert(("q".to_owned(), "t".to_owned()), timer);
    partition.load("a".to_owned(), loaded);
    let command = Command::TimerMove { quest: "q".to_owned(), timer: "t".to_owned(), due: u64::MAX };
    let entries = vec![(10, entry("a", Body::Operate(command)))];
    partition.begin(Turn { now: 100, horizon: 100, entries, ..Turn::default() });
    assert!(partition.next().is_none());
    partition.finish();
    assert_eq!(partition.timers("a")[&("q".to_owned(), "t".to_owned())].due, 500);
}

#[test]
fn a_retry_that_the_stores_clock_has_not_reached_leaves_nothing_to_commit() {
    let mut partition = partition(Start::default(), 1);
    let mut loaded = instance(1);
    let (code, message) = ("transient".to_owned(), String::new());
    loaded.instances.get_mut("q").unwrap().held = Some(Held { retry_at: Some(5_000), attempts: 1, code, message });
    partition.refill_wakes(vec![("a".to_owned(), 5_000)]);
    partition.load("a".to_owned(), loaded);
    // The partition's clock is ahead: the store failed over to a slower one.
    let agenda = partition.agenda(10_000, 512);
    assert_eq!(agenda, ["a"]);
    let catalog = catalog(1, &[("x", "e")]);
    partition.begin(Turn { now: 1_000, horizon: 10_000, agenda, catalog, ..Turn::default() });
    assert!(partition.next().is_none());
    assert!(partition.finish().changes_nothing());
}

#[test]
fn what_cannot_be_read_is_kept_aside_and_waits_no_more() {
    let mut partition = partition(Start::default(), 1);
    let mut unknown = emit("a").to_bytes();
    let at = unknown.windows(4).position(|part| part == b"Emit").unwrap();
    unknown[at..at + 4].copy_from_slice(b"Blow");
    assert!(Entry::from_bytes(&unknown).is_err());
    let longer = [&[0x96], &emit("b").to_bytes()[1..], &[0xc0]].concat();
    let garbage = [&b""[..], b"\x90", b"\x95\xd9\xff", b"\xc1"].map(<[u8]>::to_vec);
    let unreadable: Vec<Vec<u8>> = [unknown.clone(), longer, unknown].into_iter().chain(garbage).collect();
    partition.begin(Turn { now: 100, horizon: 100, unreadable: unreadable.clone(), ..Turn::default() });
    let batch = partition.finish();
    let aside = |value| Write::ListAppend { key: keys::UNREADABLE.to_owned(), value };
    assert_eq!(batch.writes, unreadable.into_iter().map(aside).collect::<Vec<_>>());
    assert_eq!(batch.settled, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
}

#[test]
fn an_instance_that_says_nothing_of_timers_may_have_some() {
    // As it was before there was such a field.
    let before = ("i".to_owned(), 1u32, 1u64, 1u64, false, None::<Held>).to_bytes();
    assert!(Instance::from_bytes(&before).unwrap().has_timers);
}
