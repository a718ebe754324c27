//! What the `Store` trait promises, over every store. A new behaviour starts here.

use std::{future::Future, sync::Arc, time::Duration};

use quest_engine::write::Write;
use quest_host::store::{
    AcceptBounds, Acceptance, Bell, Commit, Committed, DEFAULT_IDS_WINDOW_MS, Full, Grant, Read, Relay, Relayed, Reply,
    Store, TAKE_BYTES_MAX, open,
};
use quest_host_tests::redis_cluster::RedisCluster;

use super::{WIDE, entry, fixture, on_redis, set};

type S = Arc<dyn Store>;

macro_rules! conformance {
    ($($name:ident)*) => {
        mod memory { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::on("memory", super::$name).await })* }
        mod embedded { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::on("embedded", super::$name).await })* }
        mod redis { $(#[tokio::test(flavor = "multi_thread")] async fn $name() { super::on("redis", super::$name).await })* }

        /// All of it on a real cluster, each on partitions of its own prefix.
        #[tokio::test(flavor = "multi_thread")]
        async fn cluster() {
            let cluster = RedisCluster::start(3).unwrap();
            $(
                let settings = quest_host::store::Open { prefix: concat!(stringify!($name), ":").to_owned(), ..on_redis(cluster.url()) };
                $name(open(&settings).await.unwrap()).await;
            )*
        }
    };
}

conformance! {
    stamps_never_step_back
    ids_are_answered_with_the_first_outcome
    bounds_refuse_producers_only
    a_commit_takes_off_and_writes
    a_commit_is_checked_before_anything_is_written
    every_write_and_read
    leases_exclude_and_end
    a_fence_raises_the_clock_once_it_is_reached
    relays_are_compare_and_set
    broadcasts_are_numbered
    hosts_come_and_go
    bells_ring
    large_values_and_batches
    large_entries_are_taken_in_parts
    the_same_acquire_again_is_the_same_grant
    what_is_kept_on_a_shelf_is_there_until_it_is_replaced_or_removed
}

async fn on<F: Future<Output = ()>>(kind: &str, test: impl FnOnce(S) -> F) {
    let fixture = fixture(kind, DEFAULT_IDS_WINDOW_MS).await;
    test(fixture.store.clone()).await;
}

async fn own(store: &S, partition: u16) -> Grant {
    store.acquire(partition, 7, 600_000).await.unwrap().unwrap()
}

fn stamp(acceptance: Acceptance) -> u64 {
    match acceptance {
        Acceptance::Accepted { stamp } => stamp,
        other => panic!("not accepted: {other:?}"),
    }
}

async fn read(store: &S, read: Read) -> Reply {
    store.read(1, vec![read]).await.unwrap().remove(0)
}

async fn stamps_never_step_back(store: S) {
    let first = store.accept(1, vec![entry("a", None, "1"), entry("b", None, "2")], WIDE).await.unwrap();
    let second = store.accept(1, vec![entry("a", None, "3")], WIDE).await.unwrap();
    let stamps: Vec<_> = first.into_iter().chain(second).map(stamp).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let grant = own(&store, 1).await;
    let taken = store.take(1, grant.token, 0, 2, None).await.unwrap().unwrap();
    assert_eq!(taken.behind, 1);
    assert_eq!(store.waiting(&[0, 1]).await.unwrap(), [0, 3]);
    assert_eq!(taken.entries, [(stamps[0], b"1".to_vec()), (stamps[1], b"2".to_vec())]);
    assert_eq!(taken.clock, stamps[2]);
    let rest = store.take(1, grant.token, 2, 9, None).await.unwrap().unwrap();
    assert_eq!((rest.entries, rest.behind), (vec![(stamps[2], b"3".to_vec())], 0));
}

async fn ids_are_answered_with_the_first_outcome(store: S) {
    let twice = vec![entry("a", Some("x"), "1"), entry("a", Some("x"), "1"), entry("b", Some("x"), "1")];
    let answers = store.accept(1, twice, WIDE).await.unwrap();
    let first = stamp(answers[0]);
    assert_eq!(answers[1], Acceptance::Duplicate { stamp: first });
    stamp(answers[2]);
    let later = store.accept(1, vec![entry("a", Some("x"), "1"), entry("a", Some("x"), "2")], WIDE).await.unwrap();
    assert_eq!(later, [Acceptance::Duplicate { stamp: first }, Acceptance::Conflict]);
    // A forgotten context's ids go with it.
    let grant = own(&store, 1).await;
    let writes = vec![Write::Delete { key: "a.ids".to_owned() }];
    let commit = Commit { id: "c1".to_owned(), writes, ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
    stamp(store.accept(1, vec![entry("a", Some("x"), "2")], WIDE).await.unwrap()[0]);
}

async fn bounds_refuse_producers_only(store: S) {
    let bounds = AcceptBounds { inbox_max: 3, context_max: 2, ids_max: 1, reserve: 1 };
    let mut within = entry("a", None, "w");
    within.from_outside = false;
    let answers = store
        .accept(1, vec![entry("a", Some("1"), "1"), entry("a", None, "2"), entry("a", None, "3")], bounds)
        .await
        .unwrap();
    assert_eq!(answers[2], Acceptance::Full(Full::Context));
    let answers = store.accept(1, vec![entry("b", Some("2"), "4")], bounds).await.unwrap();
    assert_eq!(answers, [Acceptance::Full(Full::Ids)]);
    let answers = store.accept(1, vec![within.clone(), entry("b", None, "5"), within.clone(), within], bounds).await;
    let answers = answers.unwrap();
    stamp(answers[0]);
    assert_eq!(answers[1], Acceptance::Full(Full::Inbox));
    stamp(answers[2]);
    assert_eq!(answers[3], Acceptance::Full(Full::Inbox));
    // What is settled makes room, in the inbox and for the context; a commit's own entries are never refused.
    let grant = own(&store, 1).await;
    let mut accept = entry("c", None, "6");
    accept.from_outside = false;
    let settled = vec![("a".to_owned(), 3)];
    let commit = Commit { id: "c1".to_owned(), consumed: 4, settled, accept: vec![accept; 5], ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
    let bounds = AcceptBounds { inbox_max: 9, ..bounds };
    stamp(store.accept(1, vec![entry("a", None, "7")], bounds).await.unwrap()[0]);
    assert_eq!(store.take(1, grant.token, 4, 99, None).await.unwrap().unwrap().entries.len(), 6);
}

async fn a_commit_takes_off_and_writes(store: S) {
    store.accept(1, vec![entry("a", None, "1"), entry("a", None, "2")], WIDE).await.unwrap();
    let grant = own(&store, 1).await;
    assert_eq!((grant.head.as_str(), grant.consumed), ("", 0));
    let commit = Commit { id: "c1".to_owned(), consumed: 1, writes: vec![set("h", "f", "v")], ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, commit.clone()).await.unwrap(), Committed::Applied);
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::AlreadyApplied);
    let taken = store.take(1, grant.token, 1, 9, None).await.unwrap().unwrap();
    assert_eq!((taken.entries.len(), taken.head.as_str()), (1, "c1"));
    store.release(1, grant.token).await.unwrap();
    let again = store.acquire(1, 8, 600_000).await.unwrap().unwrap();
    assert_eq!((again.head.as_str(), again.consumed), ("c1", 1));
    assert!(again.token.epoch > grant.token.epoch);
}

async fn a_commit_is_checked_before_anything_is_written(store: S) {
    store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    let grant = own(&store, 1).await;
    let good = Commit { id: "c1".to_owned(), consumed: 1, ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, good).await.unwrap(), Committed::Applied);
    let next = |previous: &str, consumed| Commit {
        id: "c2".to_owned(),
        previous: previous.to_owned(),
        consumed,
        writes: vec![set("h", "f", "v")],
        accept: vec![entry("a", None, "2")],
        ..Commit::default()
    };
    let diverged = Committed::Diverged { head: "c1".to_owned() };
    // Of what it consumes it has read something else: the store was put back, and other entries came in.
    store.accept(1, vec![entry("a", None, "22")], WIDE).await.unwrap();
    let stamp = store.take(1, grant.token, 1, 9, None).await.unwrap().unwrap().entries[0].0;
    let read_last = |stamp, begins: &str| Commit { last: Some((stamp, begins.into())), ..next("c1", 2) };
    let mut other = grant.token;
    other.nonce += 1;
    for (token, commit, expected) in [
        (other, next("c1", 1), Committed::Fenced),
        (grant.token, next("c0", 1), diverged.clone()),
        (grant.token, next("c1", 0), diverged.clone()),
        (grant.token, next("c1", 3), diverged.clone()),
        (grant.token, read_last(stamp, "23"), diverged.clone()),
        (grant.token, read_last(stamp, "222"), diverged.clone()),
        (grant.token, read_last(stamp - 1, "22"), diverged.clone()),
        (grant.token, Commit { consumed: 1, ..read_last(stamp, "22") }, diverged.clone()),
        (grant.token, Commit { consumed: 3, ..read_last(stamp, "22") }, diverged),
    ] {
        assert_eq!(store.commit(1, token, commit).await.unwrap(), expected);
    }
    assert_eq!(read(&store, Read::Hash { key: "h".to_owned() }).await, Reply::Fields(vec![]));
    assert_eq!(store.take(1, grant.token, 1, 9, None).await.unwrap().unwrap().entries.len(), 1);
    assert_eq!(store.commit(1, grant.token, read_last(stamp, "2")).await.unwrap(), Committed::Applied);
}

async fn every_write_and_read(store: S) {
    let grant = own(&store, 1).await;
    let (h, s, z, l) = ("h".to_owned(), "s".to_owned(), "z".to_owned(), "l".to_owned());
    let bytes = |text: &str| text.as_bytes().to_vec();
    let sorted = |member: &str, score| Write::SortedSet { key: z.clone(), member: bytes(member), score };
    let push = |value: &str| Write::ListAppend { key: l.clone(), value: bytes(value) };
    let writes = vec![
        set("h", "a", "1"),
        set("h", "b", "\u{0}x"),
        set("h", "a", "2"),
        set("h", "c", "3"),
        Write::HashRemove { key: h.clone(), field: bytes("c") },
        Write::SetAdd { key: s.clone(), member: bytes("n") },
        Write::SetAdd { key: s.clone(), member: bytes("m") },
        Write::SetAdd { key: s.clone(), member: bytes("o") },
        Write::SetRemove { key: s.clone(), member: bytes("o") },
        sorted("y", 5),
        sorted("x", 5),
        sorted("w", 9_007_199_254_740_991),
        sorted("v", 1),
        sorted("v", 7),
        sorted("u", 2),
        Write::SortedRemove { key: z.clone(), member: bytes("u") },
        push("2"),
        push("3"),
        push("4"),
        Write::ListPrepend { key: l.clone(), value: bytes("1") },
        Write::ListPrepend { key: l.clone(), value: bytes("0") },
        Write::ListTrimFront { key: l.clone(), count: 1 },
        set("gone", "a", "1"),
        Write::Delete { key: "gone".to_owned() },
        Write::SortedSet { key: "flat".to_owned(), member: bytes("a"), score: 0 },
        Write::SortedSet { key: "flat".to_owned(), member: bytes("b"), score: 0 },
        Write::SortedSet { key: "flat".to_owned(), member: bytes("c"), score: 0 },
    ];
    let commit = Commit { id: "c1".to_owned(), writes, ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
    let items = |texts: &[&str]| Reply::Items(texts.iter().map(|text| bytes(text)).collect());
    let scored = |pairs: &[(&str, u64)]| Reply::Scored(pairs.iter().map(|(m, s)| (bytes(m), *s)).collect());
    let after =
        |after: Option<&str>, count| Read::SortedAfter { key: "flat".to_owned(), after: after.map(bytes), count };
    let table = vec![
        (Read::HashField { key: h.clone(), field: bytes("a") }, Reply::Value(Some(bytes("2")))),
        (Read::HashField { key: h.clone(), field: bytes("c") }, Reply::Value(None)),
        (Read::Set { key: s }, items(&["m", "n"])),
        (Read::SortedBelow { key: z.clone(), below: 7, count: 9 }, scored(&[("x", 5), ("y", 5)])),
        (Read::SortedBelow { key: z.clone(), below: 8, count: 1 }, scored(&[("x", 5)])),
        (
            Read::SortedBelow { key: z.clone(), below: 9_007_199_254_740_992, count: 9 },
            scored(&[("x", 5), ("y", 5), ("v", 7), ("w", 9_007_199_254_740_991)]),
        ),
        (Read::Length { key: z }, Reply::Count(4)),
        (Read::Length { key: l.clone() }, Reply::Count(4)),
        (Read::Length { key: "none".to_owned() }, Reply::Count(0)),
        (Read::List { key: l.clone(), from: 0, count: 99 }, items(&["1", "2", "3", "4"])),
        (Read::List { key: l.clone(), from: 1, count: 2 }, items(&["2", "3"])),
        (Read::List { key: l, from: 0, count: 0 }, items(&[])),
        (Read::Hash { key: "gone".to_owned() }, Reply::Fields(vec![])),
        (after(None, 2), items(&["a", "b"])),
        (after(Some("a"), 9), items(&["b", "c"])),
    ];
    let (reads, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    assert_eq!(store.read(1, reads).await.unwrap(), expected);
    let Reply::Fields(mut fields) = read(&store, Read::Hash { key: h }).await else { panic!("not fields") };
    fields.sort();
    assert_eq!(fields, [(bytes("a"), bytes("2")), (bytes("b"), bytes("\u{0}x"))]);
}

async fn leases_exclude_and_end(store: S) {
    let grant = own(&store, 1).await;
    assert_eq!(store.acquire(1, 9, 600_000).await.unwrap(), None);
    let other = own(&store, 2).await;
    let mut stranger = grant.token;
    stranger.nonce += 1;
    let renewed = store.renew(&[(1, grant.token), (2, other.token), (1, stranger)], 600_000).await.unwrap();
    assert_eq!(renewed, [true, true, false]);
    store.release(1, stranger).await.unwrap();
    assert_eq!(store.acquire(1, 9, 600_000).await.unwrap(), None);
    assert_eq!(store.take(1, stranger, 0, 1, None).await.unwrap(), None);
    // A lease ends by itself, and its token is worth nothing then.
    store.renew(&[(1, grant.token)], 1).await.unwrap();
    let next = until(|| async { store.acquire(1, 10, 600_000).await.unwrap() }).await;
    assert!(next.token.epoch > grant.token.epoch);
    assert_eq!(store.renew(&[(1, grant.token)], 600_000).await.unwrap(), [false]);
    let commit = Commit { id: "c1".to_owned(), ..Commit::default() };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Fenced);
}

async fn a_fence_raises_the_clock_once_it_is_reached(store: S) {
    let grant = own(&store, 1).await;
    let before = store.take(1, grant.token, 0, 1, None).await.unwrap().unwrap();
    let far = before.now + 3_600_000;
    let taken = store.take(1, grant.token, 0, 1, Some(far)).await.unwrap().unwrap();
    assert_eq!(taken.clock, before.clock);
    let taken = store.take(1, grant.token, 0, 1, Some(before.now)).await.unwrap().unwrap();
    assert_eq!(taken.clock, taken.now, "raised to the store's clock");
    assert!(taken.clock >= before.now);
    let accepted = stamp(store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap()[0]);
    assert!((before.now..far).contains(&accepted));
}

async fn relays_are_compare_and_set(store: S) {
    let relay = |stream: &str, expected, numbers: &[u64]| Relay {
        source: "p3".to_owned(),
        stream: stream.to_owned(),
        expected,
        entries: numbers.iter().map(|number| (*number, entry("a", None, &number.to_string()))).collect(),
    };
    let upto = |next| Relayed::Upto { next, full: false };
    let at = |stream: &str, next| Relayed::At { stream: stream.to_owned(), next };
    let small = AcceptBounds { inbox_max: 5, ..WIDE };
    for (relay, expected) in [
        (relay("s", Some(2), &[2]), at("", 0)),
        (relay("s", Some(0), &[0, 1]), upto(2)),
        (relay("s", Some(0), &[0, 1]), at("s", 2)),
        (relay("s", Some(2), &[]), upto(2)),
        (relay("t", Some(2), &[2]), at("s", 2)),
        (relay("t", Some(0), &[0]), upto(1)),
        (relay("t", None, &[0, 4]), upto(5)),
        (relay("t", None, &[5, 6, 7]), Relayed::Upto { next: 6, full: true }),
    ] {
        let told = format!("{relay:?}");
        assert_eq!(store.relay(1, relay, small).await.unwrap(), expected, "{told}");
    }
    let grant = own(&store, 1).await;
    let entries = store.take(1, grant.token, 0, 9, None).await.unwrap().unwrap().entries;
    let texts: Vec<_> = entries.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(texts, ["0", "1", "0", "4", "5"]);
}

async fn broadcasts_are_numbered(store: S) {
    let bounds = AcceptBounds { inbox_max: 3, ..WIDE };
    for text in ["0", "1", "2"] {
        stamp(store.broadcast(entry("", Some(text), text), bounds).await.unwrap());
    }
    assert_eq!(store.broadcast(entry("", None, "3"), bounds).await.unwrap(), Acceptance::Full(Full::Inbox));
    assert!(matches!(store.broadcast(entry("", Some("1"), "1"), bounds).await.unwrap(), Acceptance::Duplicate { .. }));
    assert_eq!(store.broadcast(entry("", Some("1"), "x"), bounds).await.unwrap(), Acceptance::Conflict);
    store.trim_broadcasts(2, u64::MAX / 4).await.unwrap();
    let log = store.broadcasts(0, 9).await.unwrap();
    assert_eq!((log.first, log.entries.len(), log.end), (2, 1, 3));
    stamp(store.broadcast(entry("", Some("1"), "x"), bounds).await.unwrap());
    let log = store.broadcasts(3, 9).await.unwrap();
    assert_eq!((log.first, log.entries.len(), log.end), (3, 1, 4));
    let log = store.broadcasts(7, 9).await.unwrap();
    assert_eq!((log.first, log.entries.len(), log.end), (7, 0, 4));
    assert_eq!(store.broadcasts(0, 0).await.unwrap().end, 4);
}

async fn hosts_come_and_go(store: S) {
    let names = |members: Vec<quest_host::store::Member>| members.into_iter().map(|m| m.host).collect::<Vec<_>>();
    assert_eq!(names(store.heartbeat("b", b"1", 600_000).await.unwrap()), ["b"]);
    assert_eq!(names(store.heartbeat("a", b"2", 1).await.unwrap()), ["a", "b"]);
    until(|| async { (names(store.heartbeat("b", b"3", 600_000).await.unwrap()) == ["b"]).then_some(()) }).await;
    assert_eq!(store.heartbeat("b", b"4", 600_000).await.unwrap()[0].about, b"4");
    assert_eq!(names(store.heartbeat("b", b"", 0).await.unwrap()), [""; 0]);
}

async fn bells_ring(store: S) {
    let mut bells = store.bells();
    let outcome = Bell::Outcome { host: "h".to_owned(), partition: 3, id: "an id".to_owned() };
    store.ring(outcome.clone()).await.unwrap();
    store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    let grant = own(&store, 2).await;
    store.release(2, grant.token).await.unwrap();
    store.broadcast(entry("", None, "1"), WIDE).await.unwrap();
    for expected in [outcome, Bell::Inbox(1), Bell::Released(2), Bell::Broadcast] {
        let heard = async { while bells.recv().await.unwrap() != expected {} };
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
    }
}

async fn large_values_and_batches(store: S) {
    let grant = own(&store, 1).await;
    let big = "x".repeat(1 << 20);
    let many: Vec<_> = (0..9001).map(|number| entry("a", None, &number.to_string())).collect();
    assert_eq!(store.accept(1, many, WIDE).await.unwrap().len(), 9001);
    let mut writes: Vec<_> = (0..9001).map(|number| set("h", &number.to_string(), "v")).collect();
    writes.push(set("big", "f", &big));
    let commit = Commit {
        id: "c1".to_owned(),
        consumed: 9001,
        settled: vec![("a".to_owned(), 9001)],
        writes,
        ..Commit::default()
    };
    assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
    let Reply::Fields(fields) = read(&store, Read::Hash { key: "h".to_owned() }).await else { panic!("not fields") };
    assert_eq!(fields.len(), 9001);
    let value = read(&store, Read::HashField { key: "big".to_owned(), field: b"f".to_vec() }).await;
    assert_eq!(value, Reply::Value(Some(big.into_bytes())));
}

/// Asks until there is an answer; for what ends by the store's own clock.
async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap()
}

async fn large_entries_are_taken_in_parts(store: S) {
    let large = "x".repeat(256 * 1024);
    // What stands first says nothing of what follows.
    store.accept(1, vec![entry("a", None, "small"); 40], WIDE).await.unwrap();
    for _ in 0..8 {
        let entries = (0..5).map(|_| entry("a", None, &large)).collect();
        store.accept(1, entries, WIDE).await.unwrap();
    }
    store.accept(1, vec![entry("a", None, "last")], WIDE).await.unwrap();
    let grant = own(&store, 1).await;
    let (mut from, mut sizes) = (0, Vec::new());
    loop {
        let taken = store.take(1, grant.token, from, 512, None).await.unwrap().unwrap();
        let bytes: usize = taken.entries.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes <= TAKE_BYTES_MAX + large.len(), "{bytes}");
        from += taken.entries.len() as u64;
        assert_eq!(taken.behind, 81 - from);
        sizes.push(taken.entries.len());
        if taken.behind == 0 {
            assert_eq!(taken.entries.last().unwrap().1, b"last");
            break;
        }
    }
    assert!(sizes.len() > 1 && !sizes.contains(&0), "{sizes:?}");
    assert_eq!(store.take(1, grant.token, 3, 2, None).await.unwrap().unwrap().entries.len(), 2);
}

async fn the_same_acquire_again_is_the_same_grant(store: S) {
    // A client that got no answer asks again.
    let first = store.acquire(1, 7, 600_000).await.unwrap().unwrap();
    assert_eq!(store.acquire(1, 7, 600_000).await.unwrap(), Some(first.clone()));
    assert_eq!(store.acquire(1, 8, 600_000).await.unwrap(), None);
    // An owner that asks again is told where the partition stands now.
    store.accept(1, vec![entry("a", None, "1")], WIDE).await.unwrap();
    let commit = Commit { id: "c1".to_owned(), consumed: 1, ..Commit::default() };
    assert_eq!(store.commit(1, first.token, commit).await.unwrap(), Committed::Applied);
    let now = store.acquire(1, 7, 600_000).await.unwrap().unwrap();
    assert_eq!((now.token, now.head.as_str(), now.consumed), (first.token, "c1", 1));
    store.release(1, first.token).await.unwrap();
    assert_ne!(store.acquire(1, 7, 600_000).await.unwrap().unwrap().token, first.token);
}

async fn what_is_kept_on_a_shelf_is_there_until_it_is_replaced_or_removed(store: S) {
    assert_eq!(store.kept("versions", "a").await.unwrap(), None);
    assert!(store.shelf("versions").await.unwrap().is_empty());
    let large = vec![0xff; 3 << 20];
    store.keep("versions", "a", Some(b"first")).await.unwrap();
    store.keep("versions", "b", Some(b"")).await.unwrap();
    store.keep("modules", "a", Some(&large)).await.unwrap();
    assert_eq!(store.kept("versions", "a").await.unwrap().unwrap(), b"first");
    assert_eq!(store.kept("modules", "a").await.unwrap().unwrap(), large);
    store.keep("versions", "a", Some(b"second")).await.unwrap();
    let shelf = store.shelf("versions").await.unwrap();
    assert_eq!(
        shelf.into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), b"second".to_vec()), ("b".to_owned(), Vec::new())]
    );
    store.keep("versions", "a", None).await.unwrap();
    store.keep("versions", "a", None).await.unwrap();
    assert_eq!(store.kept("versions", "a").await.unwrap(), None);
    assert_eq!(store.kept("modules", "a").await.unwrap().unwrap().len(), large.len());
}
