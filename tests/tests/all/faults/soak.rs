//! A host at work for long, a day in the long form: neither its memory nor what it stores grows. Nothing goes wrong here but time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use quest_host_tests::{
    eventually,
    guests::guest,
    load::{Accounts, CONTEXTS, round},
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
    times,
};
use serde_json::{Value, json};

use super::setup;

/// Rounds between two looks.
const ROUNDS: i64 = 25;
/// Looks in the short form.
const LOOKS: usize = 16;
/// Ids and outcomes are kept this long here: a day of them would be growth that is asked for.
const KEPT_MS: [&str; 4] = ["--set", "accept.ids_window_ms=60000", "--set", "pace.outcome_kept_ms=60000"];
/// What may come on top of a quarter more: tables in memory are filled and written.
const SLACK: u64 = 64 << 20;

/// The host's memory and what its store holds, in bytes.
type Sizes = (u64, u64);

fn soak(setup: &Setup, stored: impl Fn() -> u64) {
    let host = setup.clone().flags(&["--quiet"]).flags(&KEPT_MS).start();
    Accounts::open(&host);
    let until = Instant::now() + Duration::from_secs(times(0, 86_400));
    let (http, mut sent, mut seen) = (Http::default(), 0, Vec::<Sizes>::new());
    while seen.len() < LOOKS || Instant::now() < until {
        for _ in 0..ROUNDS {
            sent += 1;
            let (status, answer) =
                http.post(&format!("{}/v1/events", host.url), &Value::Array(round(sent))).expect("an answer");
            assert_eq!(status, 202, "{answer}");
        }
        for context in 0..CONTEXTS {
            done(&http, &host, context, sent);
        }
        seen.push((host.memory(), stored()));
    }
    let quarter = |n: usize| &seen[seen.len() * n / 4..seen.len() * (n + 1) / 4];
    let most = |sizes: &[Sizes], of: fn(&Sizes) -> u64| sizes.iter().map(of).max().unwrap_or(0);
    for (what, of) in [("memory", (|sizes| sizes.0) as fn(&Sizes) -> u64), ("the store", |sizes| sizes.1)] {
        let (early, late) = (most(quarter(1), of), most(quarter(3), of));
        eprintln!("{what}: {} MiB in the second quarter, {} MiB in the last; {sent} rounds", early >> 20, late >> 20);
        assert!(late <= early + early / 4 + SLACK, "{what} grows from {early} to {late} bytes: {seen:?}");
    }
    host.leave();
}

/// Waits until a context has all numbers and timers.
fn done(http: &Http, host: &Host, context: usize, sent: i64) {
    eventually("the rounds are done", || {
        let (_, answer) = http.get(&format!("{}/v1/contexts/u{context}/variables", host.url))?;
        let probe = &answer["variables"]["probe"];
        (probe["last"] == json!(sent) && probe["ticks"] == json!(sent)).then_some(())
    });
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => size(&entry.path()),
        Ok(about) => about.len(),
        // Tables are replaced while we look.
        Err(_) => 0,
    };
    files.map(of).sum()
}

#[test]
fn nothing_grows_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    soak(&setup.flags(&["--data", data.to_str().unwrap()]), || size(&data));
}

#[test]
fn nothing_grows_on_redis() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    soak(&setup(&redis.url(), folder.path(), 1_000), || redis.info("memory", "used_memory").unwrap());
}
