//! The way between hosts and Redis: cut, slow, silent, and answers that are lost after what was asked was done.

use std::time::Duration;

use quest_host::store::{Acceptance, Open, open};
use quest_host_tests::{
    eventually,
    load::Accounts,
    proxy::Proxy,
    redis_cluster::RedisCluster,
    redis_server::{RedisOptions, RedisServer},
    seed, times,
};

use super::{health, setup};
use crate::stores::{WIDE, entry};

#[test]
fn connections_that_are_cut_slow_or_silent_lose_and_double_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("links"));
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let proxy = Proxy::to(redis.port()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&proxy.url(), folder.path(), 1_000).start();
    let mut accounts = Accounts::open(&host);
    accounts.under_load(&host.url, |traffic| {
        for _ in 0..times(10, 500) {
            let before = proxy.lost();
            proxy.lose_answer_to(b"EVALSHA", rng.usize(0..6));
            eventually("an answer is lost", || (proxy.lost() > before).then_some(()));
            traffic.progress(rng.i64(1..4));
            proxy.cut();
            traffic.progress(rng.i64(1..4));
            proxy.slow(Duration::from_millis(rng.u64(1..20)));
            traffic.progress(1);
            proxy.slow(Duration::ZERO);
        }
        for _ in 0..times(1, 20) {
            proxy.silent(true);
            health(&host, 503);
            proxy.silent(false);
            health(&host, 200);
            traffic.progress(rng.i64(1..4));
        }
    });
    accounts.balance(&host);
    host.leave();
}

#[test]
fn hosts_on_a_cluster_whose_connections_are_cut_lose_and_double_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("cluster_links"));
    let cluster = RedisCluster::behind_proxies(3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&cluster.url(), folder.path(), 2_000);
    let hosts = [setup.start(), setup.start()];
    let mut accounts = Accounts::open(&hosts[0]);
    accounts.under_load(&hosts[0].url, |traffic| {
        for _ in 0..times(5, 300) {
            let proxy = &cluster.proxies()[rng.usize(0..3)];
            let before = proxy.lost();
            proxy.lose_answer_to(b"EVALSHA", rng.usize(0..6));
            eventually("an answer is lost", || (proxy.lost() > before).then_some(()));
            traffic.progress(rng.i64(1..4));
            proxy.cut();
            traffic.progress(rng.i64(1..4));
        }
    });
    accounts.balance(&hosts[1]);
    hosts.into_iter().for_each(|host| _ = host.leave());
}

/// A cluster's client sends a request again by itself when its connection ends before the answer. What was accepted must be in once.
#[tokio::test]
async fn an_accept_that_a_clusters_client_sends_again_counts_once() {
    let cluster = RedisCluster::behind_proxies(3).unwrap();
    let store = open(&Open { url: Some(cluster.url()), ..Open::default() }).await.unwrap();
    for partition in 0..times(8, 64) as u16 {
        for id in [None, Some("given")] {
            let context = format!("context-{partition}-{id:?}");
            cluster.proxies().iter().for_each(|proxy| proxy.lose_answer_to(context.as_bytes(), 0));
            let lost = |of: &RedisCluster| of.proxies().iter().map(Proxy::lost).sum::<u64>();
            let before = lost(&cluster);
            let answers = store.accept(partition, vec![entry(&context, id, "1")], WIDE).await.unwrap();
            assert!(lost(&cluster) > before, "an answer was lost");
            assert!(
                matches!(answers[..], [Acceptance::Accepted { .. }]),
                "the first outcome, given again: {answers:?}"
            );
        }
        assert_eq!(store.waiting(&[partition]).await.unwrap(), [2], "each is in once");
        // The same from a producer that gave up on the answer: only its id can tell.
        let again = store.accept(
            partition,
            vec![entry(&format!("context-{partition}-{:?}", Some("given")), Some("given"), "1")],
            WIDE,
        );
        assert!(matches!(again.await.unwrap()[..], [Acceptance::Duplicate { .. }]));
    }
    cluster.proxies().iter().for_each(|proxy| proxy.lose_answer_to(b"to-everybody", 0));
    let broadcast = store.broadcast(entry("", None, "to-everybody"), WIDE).await.unwrap();
    assert!(matches!(broadcast, Acceptance::Accepted { .. }), "{broadcast:?}");
    assert_eq!(store.broadcasts(0, 9).await.unwrap().entries.len(), 1, "the broadcast is in the log once");
}
