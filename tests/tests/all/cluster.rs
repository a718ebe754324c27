//! Several hosts on one Redis: each event once and in order, whoever comes, goes, hangs or dies.

use quest_host_tests::{
    eventually,
    guests::guest,
    load::{Accounts, CONTEXTS},
    process::{Host, Setup},
    redis_cluster::RedisCluster,
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

fn setup(redis: &RedisServer, folder: &std::path::Path, lease_ms: u64) -> Setup {
    let lease = format!("pace.lease_ms={lease_ms}");
    Setup::new(crate::EXE, folder, &[guest("guest-probe")]).flags(&["--store", &redis.url(), "--set", &lease])
}

fn add_all(host: &Host, contexts: usize) {
    for context in 0..contexts {
        host.json(&["add", &format!("u{context}"), "probe"]);
    }
}

#[test]
fn hosts_work_on_a_real_redis_cluster() {
    let cluster = RedisCluster::start(3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).flags(&["--store", &cluster.url()]);
    let hosts = [setup.start(), setup.start()];
    let mut accounts = Accounts::open(&hosts[0]);
    accounts.under_load(&hosts[1].url, |traffic| {
        traffic.progress(20);
        hosts[0].json(&["send", "--event", "counted"]);
    });
    accounts.balance(&hosts[1]);
    for context in 0..CONTEXTS {
        let counted = || hosts[1].json(&["vars", &format!("u{context}")])["probe"]["n"].as_i64().filter(|n| *n == 1);
        eventually("the broadcast reached it", counted);
    }
    hosts.into_iter().for_each(|host| _ = host.leave());
}

#[test]
fn a_drained_host_hands_over_at_once() {
    // A lease that nobody lives to see the end of: only a handover in order lets the other go on.
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis, folder.path(), 3_600_000);
    let first = setup.start();
    let mut accounts = Accounts::open(&first);
    let second = setup.start();
    accounts.under_load(&second.url, |_| first.leave());
    accounts.balance(&second);
}

#[test]
fn the_originals_producer_is_served_in_order_with_garbage_between() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis, folder.path(), 1_000).start();
    add_all(&host, 2);
    let instances = host.json(&["ps", "u1"]);
    let instance = instances["instance"].as_str().unwrap().to_owned();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let selector = r#"{\"quest_name\":\"probe\",\"action_name\":\"count\"}"#;
    let mut entries: Vec<String> =
        (1..=1200).map(|n| format!(r#"{{"event_name":"next","event_context":"u0","event_payload":{n}}}"#)).collect();
    entries.insert(100, "garbage".to_owned());
    entries.insert(200, r#"{"event_context":"u0"}"#.to_owned());
    // A selector as the original writes it (the JSON of an object, as a text), as an object, and with an instance.
    entries.push(format!(r#"{{"event_name":"x","event_context":"u1","event_selector":"{selector}"}}"#));
    entries.push(
        r#"{"event_name":"x","event_context":"u1","event_selector":{"quest_name":"probe","action_name":"count"}}"#
            .to_owned(),
    );
    entries.push(format!(
        r#"{{"event_name":"x","event_context":"u1","event_selector":"{selector}","quest_instance":"{instance}"}}"#
    ));
    entries.push(format!(
        r#"{{"event_name":"x","event_context":"u1","event_selector":"{selector}","quest_instance":"gone"}}"#
    ));
    // To every context.
    entries.push(r#"{"event_name":"counted"}"#.to_owned());
    // At once, and more than are moved in one go.
    let _: () = redis::cmd("LPUSH").arg("ruby_quest://queue").arg(&entries).query(&mut connection).unwrap();
    eventually("the list is worked off", || {
        let vars = |context: &str| -> Value { host.json(&["vars", context])["probe"].clone() };
        let (u0, u1) = (vars("u0"), vars("u1"));
        (u0["last"] == json!(1200) && u0["n"] == json!(1) && u1["n"] == json!(4)).then_some(())
    });
    let dead = host.cli(&["--format", "json", "dead"]);
    assert_eq!(String::from_utf8_lossy(&dead.stdout), "", "oldest first: each number followed the one before");
    let rejected: Vec<String> =
        redis::cmd("LRANGE").arg("{ruby_quest://queue}.rejected").arg(0).arg(-1).query(&mut connection).unwrap();
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    assert!(rejected[1].contains("garbage") && rejected[0].contains("needs event_name"), "{rejected:?}");
}

#[test]
fn another_list_begins_with_its_first_entry() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let push = |list: &str, count: usize| {
        let entry = r#"{"event_name":"counted","event_context":"u0"}"#;
        let words: Vec<&str> = ["LPUSH", list].into_iter().chain(std::iter::repeat_n(entry, count)).collect();
        redis.command(&words).unwrap();
    };
    let mut host = setup(&redis, folder.path(), 1_000).flags(&["--set", "ingress=one"]).start();
    add_all(&host, 1);
    let counted = |host: &Host, n: i64| {
        eventually("all of the list is counted", || {
            (host.json(&["vars", "u0"])["probe"]["n"].as_i64() == Some(n)).then_some(())
        });
    };
    push("one", 6);
    counted(&host, 6);
    assert!(host.terminate().success());
    host = setup(&redis, folder.path(), 1_000).flags(&["--set", "ingress=two"]).start();
    push("two", 4);
    counted(&host, 10);
}

#[test]
fn a_measurement_leaves_the_list_alone() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    redis.command(&["LPUSH", "ruby_quest://queue", r#"{"event_name":"counted","event_context":"u0"}"#]).unwrap();
    let module = guest("quest-counter");
    let args = ["bench", module.to_str().unwrap(), "--contexts", "2", "--events", "10", "--paced", "2", "--store"];
    let output = setup(&redis, folder.path(), 1_000).command().args(args).arg(redis.url()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(redis.command(&["LLEN", "ruby_quest://queue"]).unwrap().starts_with(":1"));
    assert!(redis.command(&["KEYS", "bench-*"]).unwrap().starts_with("*0"), "what it stored is gone");
}
