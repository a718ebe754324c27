//! One Redis server: killed and restarted, restored from an older copy, full, or set up so that it would lose state.

use quest_host_tests::{
    eventually,
    load::Accounts,
    process::{Host, Http},
    redis_server::{RedisOptions, RedisServer},
    seed, times,
};
use serde_json::json;
use tempfile::TempDir;

use super::{health, setup};

/// Kills and starts the server again and again; nobody else is told.
fn restarted_under_load(redis: &mut RedisServer, host: &Host, accounts: &mut Accounts, rng: &mut fastrand::Rng) {
    accounts.under_load(&host.url, |traffic| {
        for _ in 0..times(3, 100) {
            traffic.progress(rng.i64(1..8));
            redis.kill9();
            health(host, 503);
            redis.restart().unwrap();
            health(host, 200);
        }
    });
}

#[test]
fn a_redis_that_is_killed_and_fsyncs_always_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("redis_always"));
    let options = RedisOptions { appendfsync: "always", ..RedisOptions::default() };
    let mut redis = RedisServer::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 2_000).start();
    let mut accounts = Accounts::open(&host);
    restarted_under_load(&mut redis, &host, &mut accounts, &mut rng);
    accounts.balance(&host);
    assert!(host.said("store_regressed").is_empty(), "it lost nothing");
}

#[test]
fn what_a_killed_redis_that_fsyncs_every_second_holds_is_done_once_and_its_producer_closes_the_gap() {
    let mut rng = fastrand::Rng::with_seed(seed("redis_everysec"));
    let mut redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 2_000).start();
    let mut accounts = Accounts::open(&host);
    for _ in 0..times(3, 100) {
        accounts.under_load(&host.url, |traffic| {
            traffic.progress(rng.i64(1..8));
            redis.kill9();
            traffic.leave();
        });
        redis.restart().unwrap();
        health(&host, 200);
        accounts.send_again(&host);
    }
    accounts.balance(&host);
    let lost = host.said("store_regressed").len();
    eprintln!("everysec: partitions whose commits the kills lost: {lost}");
}

/// The same copy, as if its leases had run out since it was taken.
fn without_leases(copy: &TempDir) -> TempDir {
    let mut server = RedisServer::start(RedisOptions::default()).unwrap();
    server.kill9();
    server.restart_from(copy).unwrap();
    let forget = "for _, key in ipairs(redis.call('KEYS', '*:lease')) do redis.call('DEL', key) end";
    server.command(&["EVAL", forget, "0"]).unwrap();
    server.shut_down();
    server.copy().unwrap()
}

/// The server is restarted from a copy of a while ago, under a host that has seen more.
fn restored_from_an_older_copy(name: &str, of: fn(TempDir) -> TempDir, says: &str) {
    let mut rng = fastrand::Rng::with_seed(seed(name));
    let mut redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 600_000).start();
    let mut accounts = Accounts::open(&host);
    for _ in 0..times(1, 20) {
        let copy = accounts.under_load(&host.url, |traffic| {
            traffic.progress(rng.i64(1..8));
            let copy = redis.copy().unwrap();
            traffic.progress(rng.i64(3..12));
            redis.kill9();
            traffic.leave();
            copy
        });
        let told = host.said(says).len();
        redis.restart_from(&of(copy)).unwrap();
        // Nobody sends anything: the hosts find out by themselves.
        eventually("it is told that the store lost something", || (host.said(says).len() > told).then_some(()));
        let (least, most) = accounts.done(&host);
        eprintln!("of {} rounds the copy leads to {least} to {most}", accounts.sent());
        accounts.send_again(&host);
        accounts.balance(&host);
    }
    host.leave();
}

#[test]
fn a_redis_from_an_older_copy_is_told_of_and_what_it_holds_is_done_once() {
    let says = "store_regressed: the store is behind what this host had committed";
    restored_from_an_older_copy("older_copy", |copy| copy, says);
}

#[test]
fn a_redis_from_a_copy_whose_leases_have_run_out_is_told_of_and_what_it_holds_is_done_once() {
    let says = "store_regressed: the store lost what this host had processed";
    restored_from_an_older_copy("copy_without_leases", |copy| without_leases(&copy), says);
}

#[test]
fn a_quiet_host_finds_an_older_copy_with_the_first_event() {
    let mut redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 600_000).start();
    let http = Http::default();
    host.json(&["add", "u", "probe"]);
    let send = |n: i64| {
        let event =
            json!({"event_name": "next", "event_context": "u", "event_payload": n, "event_id": format!("n{n}")});
        let (status, body) = http.post(&format!("{}/v1/events", host.url), &event).unwrap();
        assert_eq!(status, 202, "{body}");
    };
    let done = |n: i64| {
        let last = || host.json(&["vars", "u"])["probe"]["last"].as_i64();
        eventually("it is done", || last().filter(|last| *last == n));
    };
    (1..=5).for_each(send);
    done(5);
    let copy = redis.copy().unwrap();
    (6..=10).for_each(send);
    done(10);
    redis.kill9();
    redis.restart_from(&copy).unwrap();
    health(&host, 200);
    // Fewer than were lost: the owner reads on behind where they lie, unless it sees that this is not the store that it left.
    send(6);
    done(6);
    host.says("store_regressed");
    (6..=10).for_each(send);
    done(10);
}

#[test]
fn full_memory_refuses_producers_and_what_was_accepted_is_done() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 2_000).start();
    let mut accounts = Accounts::open(&host);
    let http = Http::default();
    accounts.under_load(&host.url, |traffic| {
        for share in (0..times(2, 20)).map(|turn| 80 + 25 * (turn % 2)) {
            traffic.progress(3);
            // At less than what is used every write that brings something in is refused by Redis; at a little more, by the host.
            let used = redis.info("memory", "used_memory").unwrap();
            redis.set("maxmemory", &(used * share / 100).to_string()).unwrap();
            let event = json!({"event_name": "nobody-listens", "event_context": "u0"});
            let refused = eventually("producers are refused", || {
                let (status, body) = http.post(&format!("{}/v1/events", host.url), &event)?;
                (status != 202).then_some((status, body))
            });
            let code = refused.1["error"]["code"].as_str();
            assert!(matches!(code, Some("full" | "store-read-only")), "{refused:?}");
            redis.set("maxmemory", "0").unwrap();
        }
        traffic.progress(3);
    });
    accounts.balance(&host);
}

#[test]
fn what_was_accepted_is_done_while_memory_is_full() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 2_000).start();
    let mut accounts = Accounts::open(&host);
    accounts.under_load(&host.url, |traffic| traffic.progress(5));
    redis.set("maxmemory", "1").unwrap();
    accounts.balance(&host);
}

#[test]
fn a_redis_that_may_evict_is_refused_with_what_to_do() {
    let options = RedisOptions { maxmemory_policy: "allkeys-lru", ..RedisOptions::default() };
    let redis = RedisServer::start(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output =
        setup(&redis.url(), folder.path(), 2_000).command().args(["run", "--store", &redis.url()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CONFIG SET maxmemory-policy noeviction"), "{said}");
    assert!(redis.command(&["DBSIZE"]).unwrap().starts_with(":0"), "nothing was written");
}
