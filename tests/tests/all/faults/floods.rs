//! Floods: a context with more events than all others, partitions that fill each other, a million events waiting at start.

use std::{collections::BTreeMap, path::Path, time::Instant};

use quest_engine::model::partition_of;
use quest_host::{
    service::{Produced, produce},
    store::{AcceptBounds, Acceptance, Open, open},
};
use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
    times,
};
use serde_json::{Value, json};

/// Events of one call: as a producer's request.
const BATCH: usize = 2_000;
/// Bounds that keep nothing out.
const OPEN: AcceptBounds =
    AcceptBounds { inbox_max: u64::MAX >> 12, context_max: u64::MAX >> 12, ids_max: 1 << 40, reserve: 0 };

/// Has a host add the quest to these contexts, and leave. What is accepted then waits for the next one.
fn prepare(setup: &Setup, contexts: impl Iterator<Item = String>) {
    let host = setup.start();
    let http = Http::default();
    for context in contexts {
        let (status, body) =
            http.post(&format!("{}/v1/contexts/{context}/quests/probe", host.url), &Value::Null).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    host.leave();
}

/// Puts events into the store while no host is there, in order.
fn fill(settings: &Open, events: impl Iterator<Item = Value>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(settings).await.unwrap();
        let mut by_partition: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for event in events {
            let Produced { accept, .. } = produce(&event, 1 << 20).unwrap();
            let partition = partition_of(&accept.context, settings.partitions);
            let entries = by_partition.entry(partition).or_default();
            entries.push(accept);
            if entries.len() == BATCH {
                let answers = store.accept(partition, std::mem::take(entries), OPEN).await.unwrap();
                assert!(answers.iter().all(|answer| matches!(answer, Acceptance::Accepted { .. })));
            }
        }
        for (partition, entries) in by_partition {
            store.accept(partition, entries, OPEN).await.unwrap();
        }
    });
}

fn next(context: &str, n: u64) -> Value {
    json!({"event_name": "next", "event_context": context, "event_payload": n, "event_id": format!("n{n}")})
}

fn number(host: &Host, http: &Http, context: &str, name: &str) -> Option<u64> {
    let (_, answer) = http.get(&format!("{}/v1/contexts/{context}/variables", host.url))?;
    answer["variables"]["probe"][name].as_u64()
}

fn dead(host: &Host, http: &Http, context: &str) -> Option<u64> {
    let (_, dead) = http.get(&format!("{}/v1/dead?context={context}&limit=100000", host.url))?;
    Some(dead["dead"].as_array()?.len() as u64)
}

fn embedded(folder: &Path, partitions: u16) -> (Setup, Open) {
    let setup = Setup::new(crate::EXE, folder, &[guest("guest-probe")]);
    let open = Open { data: folder.join(".quest-host/data"), partitions, ..Open::default() };
    (setup.flags(&["--set", &format!("partitions={partitions}")]), open)
}

fn on_redis(redis: &RedisServer, folder: &Path, partitions: u16) -> (Setup, Open) {
    let setup = super::setup(&redis.url(), folder, 1_000).flags(&["--set", &format!("partitions={partitions}")]);
    (setup, Open { url: Some(redis.url()), partitions, ..Open::default() })
}

/// All that waits is done once and in order, however much it is; memory does not grow with it.
fn many_wait_at_start((setup, open): &(Setup, Open)) {
    const CONTEXTS: u64 = 1_000;
    let each = times(50, 1_000);
    let name = |context: u64| format!("u{context}");
    prepare(setup, (0..CONTEXTS).map(name));
    fill(open, (1..=each).flat_map(|n| (0..CONTEXTS).map(move |context| next(&name(context), n))));
    let began = Instant::now();
    let host = setup.start();
    let http = Http::default();
    let processed = || host.health(&http)?.1["counters"]["entries"].as_u64();
    let mut seen = 0;
    while seen < CONTEXTS * each {
        // Each step within the deadline, however many there are.
        seen = eventually("it goes on", || processed().filter(|now| *now > seen));
    }
    let took = began.elapsed();
    for context in 0..CONTEXTS {
        let last =
            eventually("a context is done", || number(&host, &http, &name(context), "last").filter(|n| *n >= each));
        assert_eq!(last, each);
    }
    let (_, all_dead) = http.get(&format!("{}/v1/dead", host.url)).unwrap();
    assert_eq!(all_dead["dead"].as_array().map(Vec::len), Some(0), "{all_dead}");
    let peak = host.peak_memory() >> 20;
    eprintln!("{} events that waited: {took:.1?}, the host's memory peaked at {peak} MiB", CONTEXTS * each);
    assert!(peak < 1024, "{peak} MiB");
    host.leave();
}

#[test]
fn many_events_that_wait_at_start_are_done_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    many_wait_at_start(&embedded(folder.path(), 64));
}

#[test]
fn many_events_that_wait_at_start_are_done_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    many_wait_at_start(&on_redis(&redis, folder.path(), 64));
}

/// Others that stand behind a flood, in the same partition, are done while most of the flood still waits.
fn others_pass_a_flood((setup, open): &(Setup, Open)) {
    let flood = times(8_000, 200_000);
    let others: Vec<String> = (0..50).map(|context| format!("u{context}")).collect();
    prepare(setup, others.iter().cloned().chain(["flood".to_owned()]));
    fill(open, (1..=flood).map(|n| next("flood", n)).chain(others.iter().map(|context| next(context, 1))));
    let began = Instant::now();
    let host = setup.start();
    let http = Http::default();
    for context in &others {
        eventually("the others are done", || number(&host, &http, context, "last").filter(|last| *last == 1));
    }
    let (took, done) = (began.elapsed(), number(&host, &http, "flood", "last").unwrap());
    eprintln!(
        "{} events behind a flood of {flood}: done after {took:.1?}, when {done} of the flood were",
        others.len()
    );
    assert!(done < flood / 2, "they waited for {done} of {flood}");
    let mut seen = done;
    while seen < flood {
        seen = eventually("the flood goes on", || number(&host, &http, "flood", "last").filter(|last| *last > seen));
    }
    assert_eq!((seen, dead(&host, &http, "flood")), (flood, Some(0)));
    host.leave();
}

#[test]
fn others_pass_a_flood_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    others_pass_a_flood(&embedded(folder.path(), 1));
}

#[test]
fn others_pass_a_flood_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    others_pass_a_flood(&on_redis(&redis, folder.path(), 1));
}

/// Sends `count` events that one context passes on to the other, as fast as they are taken; whether some were refused on the way.
fn pass_on(host: &Host, from: &str, to: &str, count: u64) -> bool {
    let http = Http::default();
    let events: Vec<Value> = (0..count)
        .map(
            |n| json!({"event_name": "passed", "event_context": from, "event_payload": to, "event_id": format!("{n}")}),
        )
        .collect();
    let mut refused = false;
    for batch in events.chunks(100) {
        eventually("a batch is accepted", || {
            let (status, _) = http.post(&format!("{}/v1/events", host.url), &json!(batch))?;
            refused |= status != 202;
            (status == 202).then_some(())
        });
    }
    refused
}

/// Two partitions, each full of events that go to the other: those that find no room are tried again until there is some.
fn full_in_both_directions((setup, _): (Setup, Open)) {
    let small = ["accept.inbox_max=100", "accept.reserve=20", "engine.outbox_max=32"];
    // An event that finds no room is given up after some tries; here it has many, so that all must arrive.
    let patient =
        ["engine.attempts_max=1000", "engine.retry_base_ms=1", "engine.retry_max_ms=20", "engine.held_max=10000"];
    let setup = small.iter().chain(&patient).fold(setup, |setup, bound| setup.flags(&["--set", bound]));
    let count = times(2_000, 10_000);
    let of = |partition: u16| (0..).map(|n| format!("u{n}")).find(|name| partition_of(name, 2) == partition).unwrap();
    let (one, other) = (of(0), of(1));
    let host = setup.start();
    let http = Http::default();
    for context in [&one, &other] {
        host.json(&["add", context, "probe"]);
    }
    std::thread::scope(|scope| {
        let sent = [(&one, &other), (&other, &one)].map(|(from, to)| scope.spawn(|| pass_on(&host, from, to, count)));
        assert!(sent.map(|sent| sent.join().unwrap()) == [true, true], "both were full");
    });
    for context in [&one, &other] {
        let mut seen = 0;
        while seen < count {
            seen = eventually("no deadlock", || number(&host, &http, context, "n").filter(|now| *now > seen));
        }
        assert_eq!((seen, dead(&host, &http, context)), (count, Some(0)), "all were passed on, each once");
    }
    host.leave();
}

#[test]
fn partitions_that_fill_each_other_go_on_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    full_in_both_directions(embedded(folder.path(), 2));
}

#[test]
fn partitions_that_fill_each_other_go_on_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    full_in_both_directions(on_redis(&redis, folder.path(), 2));
}
