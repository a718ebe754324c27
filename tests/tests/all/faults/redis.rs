//! One Redis server: killed and restarted, restored from an older copy, full, or set up so that it would lose state.

use quest_host_tests::{
    eventually,
    load::Accounts,
    process::{Host, Http},
    redis_server::{RedisOptions, RedisServer},
    seed, times,
};
use serde_json::json;

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

#[test]
fn a_redis_from_an_older_copy_is_told_of_and_what_it_holds_is_done_once() {
    let mut rng = fastrand::Rng::with_seed(seed("older_copy"));
    let mut redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The copy's leases are another's, or have run out, or still stand: all three are met.
    for lease_ms in [1_000, 600_000] {
        let host =
            setup(&redis.url(), folder.path(), lease_ms).flags(&["--set", &format!("prefix=lease{lease_ms}:")]).start();
        let mut accounts = Accounts::open(&host);
        for round in 0..times(1, 20) {
            let copy = accounts.under_load(&host.url, |traffic| {
                traffic.progress(rng.i64(1..8));
                let copy = redis.copy().unwrap();
                traffic.progress(rng.i64(3..12));
                redis.kill9();
                traffic.leave();
                copy
            });
            let told = host.said("store_regressed").len();
            redis.restart_from(&copy).unwrap();
            health(&host, 200);
            eventually("it is told that the store lost something", || {
                (host.said("store_regressed").len() > told).then_some(())
            });
            let (least, most) = accounts.done(&host);
            eprintln!(
                "round {round}, lease {lease_ms} ms: of {} rounds the copy leads to {least} to {most}",
                accounts.sent()
            );
            accounts.send_again(&host);
            accounts.balance(&host);
        }
        host.leave();
    }
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
