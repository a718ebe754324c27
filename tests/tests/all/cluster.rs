//! Several hosts on one Redis: each event once and in order, whoever comes, goes, hangs or dies.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    redis_server::{RedisCluster, RedisOptions, RedisServer},
    seed,
};
use serde_json::{Value, json};

use crate::crashes::{killed_under_load, produce, settled};

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
fn kill_9_on_redis_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("kill_9_redis"));
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    killed_under_load(&setup(&redis, folder.path(), 1_000), 5, &mut rng);
}

#[test]
fn three_hosts_share_the_work_and_one_that_hung_past_its_lease_commits_nothing() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis, folder.path(), 1_000);
    let hosts = [setup.start(), setup.start(), setup.start()];
    add_all(&hosts[0], 20);
    let url = Mutex::new(hosts[0].url.clone());
    let stop = AtomicBool::new(false);
    let mut sent = std::collections::BTreeMap::new();
    let http = Http::default();
    let last = |context: usize| {
        let (_, answer) = http.get(&format!("{}/v1/contexts/u{context}/variables", hosts[0].url))?;
        answer["variables"]["probe"]["last"].as_i64()
    };
    let progress = |by: i64| {
        for context in 0..20 {
            let before = eventually("an answer", || last(context));
            eventually("progress of each context", || last(context).filter(|now| *now >= before + by));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&url, &stop, &mut sent));
        progress(5);
        // Hangs until others have taken its partitions and gone on; then it wakes up with turns half done.
        hosts[1].signal(libc::SIGSTOP);
        progress(20);
        hosts[1].signal(libc::SIGCONT);
        progress(20);
        stop.store(true, Ordering::Relaxed);
    });
    settled(&http, &hosts[0], &sent);
    for host in hosts {
        assert!(host.terminate().success());
    }
}

#[test]
fn a_redis_that_is_killed_and_restarted_loses_and_doubles_nothing() {
    let options = RedisOptions { appendfsync: "always", ..RedisOptions::default() };
    let mut redis = RedisServer::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis, folder.path(), 2_000).start();
    add_all(&host, 20);
    let url = Mutex::new(host.url.clone());
    let stop = AtomicBool::new(false);
    let mut sent = std::collections::BTreeMap::new();
    let http = Http::default();
    let last = || {
        let (_, answer) = http.get(&format!("{}/v1/contexts/u0/variables", host.url))?;
        answer["variables"]["probe"]["last"].as_i64()
    };
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&url, &stop, &mut sent));
        for _ in 0..3 {
            let before = eventually("an answer", last);
            eventually("progress", || last().filter(|now| *now >= before + 10));
            redis.kill9();
            let health = || http.get(&format!("{}/v1/health", host.url)).map(|(status, _)| status);
            eventually("it is told that the store is away", || health().filter(|status| *status == 503));
            redis.restart().unwrap();
            eventually("it is told that it is back", || health().filter(|status| *status == 200));
        }
        stop.store(true, Ordering::Relaxed);
    });
    settled(&http, &host, &sent);
}

#[test]
fn hosts_work_on_a_real_redis_cluster() {
    let cluster = RedisCluster::start(3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).flags(&["--store", &cluster.url()]);
    let hosts = [setup.start(), setup.start()];
    add_all(&hosts[0], 20);
    let url = Mutex::new(hosts[1].url.clone());
    let stop = AtomicBool::new(false);
    let mut sent = std::collections::BTreeMap::new();
    let http = Http::default();
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&url, &stop, &mut sent));
        eventually("progress", || {
            let (_, answer) = http.get(&format!("{}/v1/contexts/u0/variables", hosts[0].url))?;
            answer["variables"]["probe"]["last"].as_i64().filter(|last| *last >= 20)
        });
        hosts[0].json(&["send", "--event", "counted"]);
        stop.store(true, Ordering::Relaxed);
    });
    settled(&http, &hosts[1], &sent);
    for context in 0..20 {
        let counted = || hosts[1].json(&["vars", &format!("u{context}")])["probe"]["n"].as_i64().filter(|n| *n == 1);
        eventually("the broadcast reached it", counted);
    }
    for host in hosts {
        assert!(host.terminate().success());
    }
}

#[test]
fn a_drained_host_hands_over_at_once() {
    // A lease that nobody lives to see the end of: only a handover in order lets the other go on.
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis, folder.path(), 3_600_000);
    let first = setup.start();
    add_all(&first, 20);
    let second = setup.start();
    let url = Mutex::new(second.url.clone());
    let stop = AtomicBool::new(false);
    let mut sent = std::collections::BTreeMap::new();
    let http = Http::default();
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&url, &stop, &mut sent));
        assert!(first.terminate().success());
        stop.store(true, Ordering::Relaxed);
    });
    settled(&http, &second, &sent);
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
