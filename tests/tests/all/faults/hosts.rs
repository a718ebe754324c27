//! Hosts that are killed, that hang, that come and go: on each store, under load.

use std::collections::BTreeSet;

use quest_host_tests::{
    eventually,
    guests::guest,
    load::{Accounts, Traffic},
    process::{Host, Http, Setup},
    redis_cluster::RedisCluster,
    redis_server::{RedisOptions, RedisServer},
    seed, times,
};

use super::setup;

/// Partitions of a store, unless somebody says otherwise.
const PARTITIONS: usize = 64;

/// Kills and starts the host again and again while events come in.
fn killed_under_load(setup: &Setup, rng: &mut fastrand::Rng) {
    let mut host = setup.start();
    let mut accounts = Accounts::open(&host);
    let url = host.url.clone();
    accounts.under_load(&url, |traffic| {
        for kill in 0..times(20, 500) {
            // Some progress, then a random number of events more: the moment is random, progress is not left to chance.
            traffic.progress(rng.i64(1..8));
            host.kill();
            host = setup.start();
            traffic.to(&host);
            eprintln!("kill {kill} done");
        }
    });
    accounts.balance(&host);
    host.leave();
}

#[test]
fn kill_9_on_the_embedded_store_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("kill_9_embedded"));
    let folder = tempfile::tempdir().unwrap();
    killed_under_load(&Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]), &mut rng);
}

#[test]
fn kill_9_on_redis_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("kill_9_redis"));
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    killed_under_load(&setup(&redis.url(), folder.path(), 500), &mut rng);
}

#[test]
fn kill_9_on_a_redis_cluster_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("kill_9_redis_cluster"));
    let redis = RedisCluster::start(3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    killed_under_load(&setup(&redis.url(), folder.path(), 500), &mut rng);
}

#[test]
fn a_host_that_hung_past_its_lease_commits_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("hung_past_its_lease"));
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(&redis.url(), folder.path(), 1_000);
    let hosts = [setup.start(), setup.start(), setup.start()];
    let mut accounts = Accounts::open(&hosts[0]);
    accounts.under_load(&hosts[0].url, |traffic| {
        traffic.progress(1);
        for _ in 0..times(5, 100) {
            // It hangs until others have taken its partitions and gone on; then it wakes up with turns half done.
            let hung = &hosts[rng.usize(1..3)];
            hung.signal(libc::SIGSTOP);
            traffic.progress(rng.i64(2..10));
            hung.signal(libc::SIGCONT);
            traffic.progress(rng.i64(2..10));
        }
    });
    accounts.balance(&hosts[0]);
    hosts.into_iter().for_each(|host| _ = host.leave());
}

/// How many partitions each host owns, once all are owned and each host has some.
fn shares(hosts: &[Host]) -> Vec<usize> {
    let http = Http::default();
    let owned = |host: &Host| Some(host.health(&http)?.1["partitions"].as_u64()? as usize);
    eventually("the hosts share all partitions", || {
        let shares: Vec<usize> = hosts.iter().map(owned).collect::<Option<_>>()?;
        (shares.iter().sum::<usize>() == PARTITIONS && shares.iter().all(|share| *share > 0)).then_some(shares)
    })
}

/// The partitions that a line of the log names.
fn listed(line: &str) -> impl Iterator<Item = usize> {
    let list = line.split_once("partitions=[").expect(line).1.split_once(']').expect(line).0;
    list.split(", ").map(|partition| partition.parse().expect("a number"))
}

/// Where partitions went, by lines of the log: the host's id, and the partition.
fn moves(lines: &[String]) -> BTreeSet<(String, usize)> {
    let moved = lines.iter().flat_map(|line| {
        let to = line.split_once("to=\"").expect(line).1.split_once('"').expect(line).0;
        listed(line).map(move |partition| (to.to_owned(), partition))
    });
    moved.collect()
}

/// One more host comes: what it owns then is what the others' logs say that they gave to it.
fn one_comes(setup: &Setup, hosts: &mut Vec<Host>, traffic: &Traffic) {
    let reason = "gives partitions up: they are another host's share now";
    let said = |hosts: &[Host]| -> BTreeSet<(String, usize)> {
        hosts.iter().flat_map(|host| moves(&host.said(reason))).collect()
    };
    let before = said(hosts);
    let known: BTreeSet<String> = before.iter().map(|(to, _)| to.clone()).collect();
    hosts.push(setup.start());
    let owned = *shares(hosts).last().unwrap();
    let given = eventually("each move is in the log with its reason", || {
        let given: Vec<_> = said(hosts).difference(&before).cloned().collect();
        (given.len() >= owned).then_some(given)
    });
    assert_eq!(given.len(), owned, "no other moves: {given:?}");
    assert!(given.iter().all(|(to, _)| *to == given[0].0 && !known.contains(to)), "all to the new host: {given:?}");
    traffic.progress(3);
}

/// One host leaves: its log names what it hands over and to whom, and the others take exactly that.
fn one_leaves(hosts: &mut Vec<Host>, traffic: &Traffic) {
    let leaving = hosts.pop().unwrap();
    let owned = shares_of(&leaving);
    let taken = |hosts: &[Host]| -> Vec<usize> {
        let lines =
            hosts.iter().flat_map(|host| host.said("takes partitions over: they are this host's share and free"));
        lines.flat_map(|line| listed(&line).collect::<Vec<_>>()).collect()
    };
    let before = taken(hosts).len();
    let mut said = leaving.leave();
    said.retain(|line| line.contains("hands partitions over: this host leaves"));
    let handed = moves(&said);
    assert_eq!(handed.len(), owned, "each move is in the log with its reason: {handed:?}");
    shares(hosts);
    let taken = eventually("who takes them says so", || {
        let taken = taken(hosts).len() - before;
        (taken >= owned).then_some(taken)
    });
    assert_eq!(taken, owned, "each is taken once");
    traffic.progress(3);
}

fn shares_of(host: &Host) -> usize {
    let (_, health) = host.health(&Http::default()).expect("an answer");
    health["partitions"].as_u64().expect("a number") as usize
}

#[test]
fn hosts_come_and_go_and_each_move_is_in_the_log() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A lease that nobody lives to see the end of: only handovers in order let the others go on.
    let setup = setup(&redis.url(), folder.path(), 600_000);
    let mut hosts = vec![setup.start()];
    shares(&hosts);
    let mut accounts = Accounts::open(&hosts[0]);
    let url = hosts[0].url.clone();
    accounts.under_load(&url, |traffic| {
        for _ in 0..times(1, 20) {
            (0..4).for_each(|_| one_comes(&setup, &mut hosts, traffic));
            (0..4).for_each(|_| one_leaves(&mut hosts, traffic));
        }
    });
    accounts.balance(&hosts[0]);
    hosts.into_iter().for_each(|host| _ = host.leave());
}
