//! Redis under sentinels: the master is killed under load, its replica is promoted, the hosts go on with it.

use quest_host_tests::{eventually, load::Accounts, redis_sentinel::RedisSentinel, seed, times};

use super::{health, setup};

#[test]
fn a_promoted_replica_is_gone_on_with_and_what_it_holds_is_done_once() {
    let mut rng = fastrand::Rng::with_seed(seed("sentinel"));
    let mut redis = RedisSentinel::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis.url(), folder.path(), 2_000);
    let hosts = [setup.start(), setup.start()];
    let mut accounts = Accounts::open(&hosts[0]);
    for _ in 0..times(2, 20) {
        // Replication is asynchronous: what the replica had not received is lost, and only the producer can bring it again.
        accounts.under_load(&hosts[0].url, |traffic| {
            traffic.progress(rng.i64(2..10));
            redis.kill_master();
            traffic.leave();
        });
        redis.fail_over().unwrap();
        hosts.iter().for_each(|host| health(host, 200));
        let (least, most) = accounts.done(&hosts[1]);
        accounts.send_again(&hosts[1]);
        accounts.balance(&hosts[0]);
        eprintln!("failover: of {} rounds {least} to {most} were done before they came again", accounts.sent());
    }
    accounts.under_load(&hosts[1].url, |traffic| traffic.progress(3));
    accounts.balance(&hosts[0]);
    hosts.into_iter().for_each(|host| _ = host.leave());
}

#[test]
fn a_master_that_is_replaced_while_it_lives_is_left() {
    let redis = RedisSentinel::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let host = setup(&redis.url(), folder.path(), 2_000).start();
    let mut accounts = Accounts::open(&host);
    let before = redis.master().port();
    accounts.under_load(&host.url, |traffic| {
        traffic.progress(3);
        // An operator's order: the old master becomes a replica, and refuses writes.
        traffic.leave();
    });
    redis.order_failover().unwrap();
    eventually("the sentinels name the other", || redis.named().filter(|port| *port != before));
    health(&host, 200);
    accounts.send_again(&host);
    accounts.balance(&host);
    host.leave();
}

#[test]
fn sentinels_without_such_a_master_are_told_of() {
    let redis = RedisSentinel::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (url, says) in [
        (redis.url().replace("/quests", "/others"), "others"),
        (redis.url().replace("/quests", ""), "the name of their master"),
    ] {
        let output = setup(&url, folder.path(), 2_000).command().args(["run", "--store", &url]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
