//! Redis's own: what check finds, what a restart and forgotten scripts do, the ingress list.

use std::time::Duration;

use quest_host::store::{
    AcceptBounds, Acceptance, Error, Full, Open, Relayed, Store as _, open,
    redis::{Redis, ingress::Rejected},
};
use quest_host_tests::redis_server::{RedisOptions, RedisServer};

use super::{WIDE, entry, on_redis};

#[tokio::test]
async fn check_names_what_a_crash_loses() {
    let table = [
        (true, "always", "", "nothing", 0),
        (true, "everysec", "", "every second", 0),
        (false, "everysec", "60 1", "snapshots", 1),
        (false, "everysec", "", "no persistence", 1),
    ];
    for (appendonly, appendfsync, save, expected, warnings) in table {
        let server =
            RedisServer::start(RedisOptions { appendonly, appendfsync, save, ..RedisOptions::default() }).unwrap();
        let report = open(&on_redis(server.url())).await.unwrap().check().await.unwrap();
        assert!(report.promise.contains(expected), "{report:?}");
        assert_eq!(report.warnings.len(), warnings, "{report:?}");
    }
}

#[tokio::test]
async fn eviction_and_other_partitions_are_refused() {
    let server = RedisServer::start(RedisOptions::default()).unwrap();
    drop(open(&on_redis(server.url())).await.unwrap());
    let Err(Error::Unusable(text)) = open(&Open { partitions: 9, ..on_redis(server.url()) }).await else {
        panic!("not refused")
    };
    assert!(text.contains("partitions = 8"), "{text}");
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let Err(Error::Unusable(text)) = open(&on_redis(server.url())).await else { panic!("not refused") };
    assert!(text.contains("noeviction"), "{text}");
}

#[tokio::test]
async fn full_memory_refuses_producers_and_nobody_else() {
    let server = RedisServer::start(RedisOptions::default()).unwrap();
    let store = open(&on_redis(server.url())).await.unwrap();
    store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let refused = store.accept(1, vec![entry("a", None, "1")], WIDE).await;
    assert!(matches!(refused, Err(Error::ReadOnly(_))), "{refused:?}");
    let grant = store.acquire(1, 1, 60_000).await.unwrap().unwrap();
    let taken = store.take(1, grant.token, 0, 9, Some(1)).await.unwrap().unwrap();
    assert_eq!(taken.entries.len(), 1);
    let commit = quest_host::store::Commit { id: "c".to_owned(), consumed: 1, ..Default::default() };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), quest_host::store::Committed::Applied);
}

#[tokio::test]
async fn nearly_full_memory_refuses_producers_in_time() {
    let server = RedisServer::start(RedisOptions::default()).unwrap();
    let store = open(&on_redis(server.url())).await.unwrap();
    let relay = |number: u64, from_outside: bool| {
        let entry = quest_host::store::Accept { from_outside, ..entry("a", None, "1") };
        let (source, stream) = ("p1".to_owned(), from_outside.to_string());
        quest_host::store::Relay { source, stream, expected: None, entries: vec![(number, entry)] }
    };
    // Half of what is used counts as full at once; twice of it does not.
    let used = server.command(&["INFO", "memory"]).unwrap();
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok()).unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", &(used / 2).to_string()]).unwrap();
    store.heartbeat("host", b"", 60_000).await.unwrap();
    let refused = store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    assert_eq!(refused, [Acceptance::Full(Full::Memory)]);
    assert_eq!(store.relay(1, relay(7, true), WIDE).await.unwrap(), Relayed::Upto { next: 7, full: true });
    assert_eq!(store.relay(1, relay(7, false), WIDE).await.unwrap(), Relayed::Upto { next: 8, full: false });
    server.command(&["CONFIG", "SET", "maxmemory", &(used * 4).to_string()]).unwrap();
    store.heartbeat("host", b"", 60_000).await.unwrap();
    let accepted = store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    assert!(matches!(accepted[..], [Acceptance::Accepted { .. }]), "{accepted:?}");
}

#[tokio::test]
async fn forgotten_scripts_and_restarts_are_survived() {
    let mut server = RedisServer::start(RedisOptions { appendfsync: "always", ..RedisOptions::default() }).unwrap();
    let store = open(&on_redis(server.url())).await.unwrap();
    store.accept(1, vec![entry("a", Some("1"), "1")], WIDE).await.unwrap();
    server.command(&["SCRIPT", "FLUSH"]).unwrap();
    store.accept(1, vec![entry("a", Some("2"), "1")], WIDE).await.unwrap();
    server.kill9();
    assert!(matches!(store.accept(1, vec![entry("a", Some("3"), "1")], WIDE).await, Err(Error::Unavailable(_))));
    server.restart().unwrap();
    let again = async {
        loop {
            if let Ok(answers) = store.accept(1, vec![entry("a", Some("2"), "1")], WIDE).await {
                return answers;
            }
            tokio::task::yield_now().await;
        }
    };
    let answers = tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
    assert!(matches!(answers[..], [Acceptance::Duplicate { .. }]), "{answers:?}");
}

#[tokio::test]
async fn expired_ids_make_room() {
    let server = RedisServer::start(RedisOptions::default()).unwrap();
    let store = open(&Open { ids_window_ms: 1, ..on_redis(server.url()) }).await.unwrap();
    let bounds = AcceptBounds { ids_max: 2, ..WIDE };
    let accepting = async {
        let mut accepted = 0;
        for number in 0u64.. {
            let id = number.to_string();
            let answers = store.accept(1, vec![entry("a", Some(&id), "1")], bounds).await.unwrap();
            accepted += u64::from(matches!(answers[..], [Acceptance::Accepted { .. }]));
            if accepted == 10 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), accepting).await.unwrap();
}

#[tokio::test]
async fn the_ingress_list_is_taken_from_its_right_end() {
    let server = RedisServer::start(RedisOptions::default()).unwrap();
    let store = Redis::open(&on_redis(server.url())).await.unwrap();
    let list = store.ingress_list("ruby_quest://queue");
    server.command(&["LPUSH", "ruby_quest://queue", "0", "1", "2"]).unwrap();
    let token = list.claim(5, 60_000).await.unwrap().unwrap();
    assert_eq!(list.claim(6, 60_000).await.unwrap(), None);
    assert_eq!(list.peek(2).await.unwrap(), (0, vec![b"0".to_vec(), b"1".to_vec()]));
    let rejected = [Rejected { index: 1, reason: "odd".to_owned(), bytes: b"1".to_vec() }];
    assert!(list.advance(token, 0, 2, &rejected).await.unwrap());
    assert!(!list.advance(token, 0, 2, &rejected).await.unwrap());
    assert_eq!(list.peek(9).await.unwrap(), (2, vec![b"2".to_vec()]));
    let kept = server.command(&["LRANGE", "{ruby_quest://queue}.rejected", "0", "-1"]).unwrap();
    assert!(kept.contains(r#"{"number":1,"reason":"odd","entry":"1"}"#), "{kept}");
    list.release(token).await.unwrap();
    assert!(!list.renew(token, 1).await.unwrap());
    assert!(store.check().await.unwrap().warnings.is_empty());
}
