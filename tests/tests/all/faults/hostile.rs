//! Quests that loop, hoard, recurse, flood and trap, on a running host: a clear outcome each, and others are served all the while.

use quest_host_tests::{
    eventually,
    guests::guest,
    load::Accounts,
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::Value;

use crate::wasm::odd::Odd;

/// What the probe is asked to do, the code of the dead letter that comes of it, and what that says.
const HOSTILE: [(&str, &str, &str); 7] = [
    ("loop", "timeout", "action_ms_max"),
    ("memory", "limit", "memory_bytes_max"),
    ("recursion", "trap", "endless recursion"),
    ("effect-flood", "too-many", "1024 effects"),
    ("panic", "trap", "unreachable"),
    ("exit", "trap", "exited with failure"),
    ("define-late", "not-in-define", "`define` only"),
];

fn hostile(setup: Setup) {
    // One partition, so that others stand in the same line; and little patience, so that the endless loop ends soon.
    let setup =
        setup.flags(&["--set", "partitions=1", "--set", "engine.attempts_max=2", "--set", "engine.retry_base_ms=1"]);
    let setup = setup.flags(&["--set", "wasm.action_ms_max=2000", "--set", "wasm.define_ms_max=2000"]);
    for (name, define) in [("traps", "unreachable"), ("loops", "(loop (br 0)) unreachable")] {
        std::fs::write(setup.folder.join(format!("quests/{name}.wasm")), Odd { define, ..Odd::default() }.build())
            .unwrap();
    }
    let host = setup.start();
    the_modules_that_fail_are_named(&host);
    let mut accounts = Accounts::open(&host);
    let http = Http::default();
    accounts.under_load(&host.url, |traffic| {
        for (action, code, says) in HOSTILE {
            ask(&host, action, action);
            traffic.progress(2);
            let letter = eventually("it is a dead letter", || {
                let (_, dead) = http.get(&format!("{}/v1/dead?context={action}", host.url))?;
                dead["dead"].as_array()?.first().cloned()
            });
            // An action that has just ended at a limit is tried again only when its share of the time has paid for it.
            assert!([code, "over-its-share"].iter().any(|code| letter["code"] == *code), "{letter}");
            assert!(letter["message"].as_str().is_some_and(|said| said.contains(says)), "{letter}");
            host.json(&["dead", "drop", letter["id"].as_str().unwrap()]);
        }
        // A flood of words harms nobody, so it is no failure: what is too much is dropped, with a line that says so.
        ask(&host, "talks", "log-gibibyte");
        traffic.progress(2);
        eventually("its action is done", || {
            (host.json(&["vars", "talks"])["probe"]["logged"].as_i64() == Some(1024)).then_some(())
        });
    });
    accounts.balance(&host);
    let peak = host.peak_memory() >> 20;
    eprintln!("the host's memory peaked at {peak} MiB");
    assert!(peak < 1024, "a memory bomb and a gibibyte of log stay with their quest: {peak} MiB");
    host.leave();
}

fn ask(host: &Host, context: &str, action: &str) {
    host.json(&["add", context, "probe"]);
    host.json(&["send", "--context", context, "--quest", "probe", "--action", action]);
}

fn the_modules_that_fail_are_named(host: &Host) {
    let (_, quests) = Http::default().get(&format!("{}/v1/quests", host.url)).unwrap();
    let mut codes: Vec<&str> =
        quests["problems"].as_array().unwrap().iter().filter_map(|problem: &Value| problem["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["define-timeout", "define-trapped"], "{quests}");
}

#[test]
fn hostile_quests_end_clearly_and_others_are_served_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    hostile(Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]));
}

#[test]
fn hostile_quests_end_clearly_and_others_are_served_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    hostile(super::setup(&redis.url(), folder.path(), 1_000));
}
