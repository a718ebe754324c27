//! A real Redis Cluster of three masters: one is killed, its replica takes over, the hosts go on.

use quest_host_tests::{load::Accounts, redis_cluster::RedisCluster, seed, times};

use super::{health, setup};

#[test]
fn a_master_that_fails_over_is_replaced_and_what_its_replica_holds_is_done_once() {
    let mut rng = fastrand::Rng::with_seed(seed("cluster_failover"));
    let mut redis = RedisCluster::with_replicas(3, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis.url(), folder.path(), 2_000);
    let hosts = [setup.start(), setup.start()];
    let mut accounts = Accounts::open(&hosts[0]);
    for _ in 0..times(1, 20) {
        accounts.under_load(&hosts[0].url, |traffic| {
            traffic.progress(rng.i64(2..10));
            // The producer stops first: its last round is accepted, and the hosts are still at work on what was.
            traffic.leave();
        });
        redis.fail_over().unwrap();
        hosts.iter().for_each(|host| health(host, 200));
        accounts.send_again(&hosts[1]);
        accounts.balance(&hosts[0]);
        redis.bring_back().unwrap();
    }
    accounts.under_load(&hosts[1].url, |traffic| traffic.progress(3));
    accounts.balance(&hosts[0]);
    hosts.into_iter().for_each(|host| _ = host.leave());
}
