//! Three hosts on one Redis: one hot context beside a thousand others; and broadcasts to all of them.

use std::collections::BTreeMap;

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

const CONTEXTS: usize = 1_000;
const HOT: i64 = 20_000;
const EACH: i64 = 77;
const TIMERS: i64 = 3;
const BATCH: usize = 2_000;

fn three_hosts(redis: &RedisServer, folder: &std::path::Path) -> [Host; 3] {
    let flags = ["--store", &redis.url(), "--set", "pace.tidy_ms=200"];
    let setup = Setup::new(crate::EXE, folder, &[guest("guest-probe")]).flags(&flags);
    let hosts = [setup.start(), setup.start(), setup.start()];
    let http = Http::default();
    eventually("each host has a share", || {
        let owns = |host: &Host| {
            http.get(&format!("{}/v1/health", host.url)).is_some_and(|(_, it)| it["partitions"].as_u64() > Some(5))
        };
        hosts.iter().all(owns).then_some(())
    });
    hosts
}

fn name(context: usize) -> String {
    format!("u{context}")
}

/// Adds the quest everywhere by its direct way in: events that the API takes by the thousand do not add quests.
fn add_all(hosts: &[Host; 3], names: &[String]) {
    std::thread::scope(|scope| {
        for (host, names) in hosts.iter().zip(names.chunks(names.len().div_ceil(3))) {
            scope.spawn(move || {
                let http = Http::default();
                for name in names {
                    let (status, body) =
                        http.post(&format!("{}/v1/contexts/{name}/quests/probe", host.url), &Value::Null).unwrap();
                    assert_eq!(status, 200, "{body}");
                }
            });
        }
    });
}

fn event(context: &str, name: &str, payload: Value, id: &str) -> Value {
    json!({"event_name": name, "event_context": context, "event_payload": payload, "event_id": id})
}

/// Sends in order; what is refused (a full context) is sent again, with all of its batch: ids make that harmless.
fn send(host: &Host, events: &[Value]) {
    let http = Http::default();
    for batch in events.chunks(BATCH) {
        let batch = Value::Array(batch.to_vec());
        eventually("a batch is accepted", || {
            let (status, _) = http.post(&format!("{}/v1/events", host.url), &batch)?;
            (status == 202).then_some(())
        });
    }
}

fn variables(http: &Http, host: &Host, context: &str) -> BTreeMap<String, i64> {
    let (status, body) = http.get(&format!("{}/v1/contexts/{context}/variables", host.url)).unwrap();
    assert_eq!(status, 200, "{body}");
    let variables = body["variables"]["probe"].as_object().unwrap();
    variables.iter().filter_map(|(name, value)| Some((name.clone(), value.as_i64()?))).collect()
}

fn no_dead(http: &Http, host: &Host) {
    let (_, dead) = http.get(&format!("{}/v1/dead", host.url)).unwrap();
    assert_eq!(dead["dead"].as_array().map(Vec::len), Some(0), "{dead}");
}

#[test]
fn a_hundred_thousand_events_are_counted_exactly_and_in_order() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hosts = three_hosts(&redis, folder.path());
    let names: Vec<String> = (0..CONTEXTS).map(name).chain(["hot".to_owned()]).collect();
    add_all(&hosts, &names);
    let hot: Vec<Value> = (1..=HOT).map(|n| event("hot", "next", n.into(), &format!("n{n}"))).collect();
    let others = |share: usize| -> Vec<Value> {
        let numbered = |n: i64| {
            let contexts = (0..CONTEXTS).filter(move |context| context % 2 == share).map(name);
            contexts.map(move |context| event(&context, "next", n.into(), &format!("n{n}")))
        };
        let planned = |n: i64| {
            let contexts = (0..CONTEXTS).filter(move |context| context % 2 == share).map(name);
            contexts.map(move |context| event(&context, "planned", format!("t{n}").into(), &format!("p{n}")))
        };
        (1..=EACH).flat_map(numbered).chain((1..=TIMERS).flat_map(planned)).collect()
    };
    let all = [hot, others(0), others(1)];
    assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 100_000);
    std::thread::scope(|scope| {
        for (host, events) in hosts.iter().zip(&all) {
            scope.spawn(move || send(host, events));
        }
    });
    // The probe fails for good at a number that does not follow the last: a lost, doubled or reordered event is a dead letter.
    let http = Http::default();
    let done = |context: &str, numbers: i64, ticks: i64| {
        let found = eventually("all of a context is done", || {
            let now = variables(&http, &hosts[1], context);
            let get = |name: &str| now.get(name).copied().unwrap_or(0);
            (get("last") >= numbers && get("ticks") >= ticks).then(|| (get("last"), get("ticks")))
        });
        assert_eq!(found, (numbers, ticks), "{context}");
    };
    done("hot", HOT, 0);
    names[..CONTEXTS].iter().for_each(|name| done(name, EACH, TIMERS));
    no_dead(&http, &hosts[0]);
}

#[test]
fn a_broadcast_reaches_each_context_once_and_the_log_is_trimmed() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hosts = three_hosts(&redis, folder.path());
    let names: Vec<String> = (0..300).map(name).collect();
    add_all(&hosts, &names);
    let http = Http::default();
    for n in 0..5 {
        let broadcast = json!({"event_name": "counted", "event_id": format!("b{n}")});
        for host in &hosts {
            let (status, body) = http.post(&format!("{}/v1/events", host.url), &broadcast).unwrap();
            assert_eq!(status, 202, "{body}");
        }
    }
    for name in &names {
        let counted =
            eventually("all broadcasts", || variables(&http, &hosts[2], name).get("n").copied().filter(|n| *n >= 5));
        assert_eq!(counted, 5, "{name}");
    }
    // Added after they were reached: none of them.
    add_all(&hosts, &["late".to_owned()]);
    eventually("the log is trimmed", || {
        redis.command(&["LLEN", "quest:{broadcast}:log"]).unwrap().starts_with(":0").then_some(())
    });
    assert_eq!(variables(&http, &hosts[0], "late")["n"], 0);
    let again = json!({"event_name": "counted", "event_id": "b9"});
    assert_eq!(http.post(&format!("{}/v1/events", hosts[0].url), &again).unwrap().0, 202);
    eventually("a broadcast after the trim", || {
        variables(&http, &hosts[1], "late").get("n").filter(|n| **n == 1).copied()
    });
    no_dead(&http, &hosts[0]);
}
