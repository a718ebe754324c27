//! An action that takes long runs beside the others: its context waits for it in order, and nobody else does.

use quest_host_tests::{
    eventually,
    guests::{guest, probe_and_hostile},
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

/// Notes what it is told, after more steps than a turn has time for.
const SLOW: &str = r#"
quest "slow" {
  on = { told = "note" },
  init = function(self) self.notes = {} end,
  note = function(self)
    local sum = 0
    for step = 1, 3000000 do sum = sum + step % 7 end
    local notes = self.notes
    notes[#notes + 1] = event.payload
    self.notes, self.sum = notes, sum
  end,
}
"#;

/// What one partition does while an endless loop runs aside, and what becomes of it.
fn endless(setup: &Setup) {
    let setup = setup.clone().flags(&["--set", "partitions=1", "--set", "pace.aside_after_ms=20"]);
    // Longer than this test may take: whatever is done meanwhile did not wait for it.
    let host = setup.clone().flags(&["--set", "wasm.action_ms_max=3600000"]).start();
    host.json(&["add", "held", "probe"]);
    host.json(&["add", "free", "probe"]);
    host.json(&["send", "--context", "held", "--event", "hostile-loop"]);
    host.json(&["send", "--context", "held", "--event", "counted"]);
    for n in 1..=3 {
        host.json(&["send", "--context", "free", "--event", "counted"]);
        eventually("another context of the partition goes on", || (count(&host, "free") == json!(n)).then_some(()));
    }
    assert_eq!(count(&host, "held"), json!(0), "what comes behind it in its own context waits");
    assert!(host.terminate().success(), "a host leaves without waiting for it");
    // Its next owner begins it anew, and ends it.
    let ends = ["--set", "wasm.action_ms_max=100", "--set", "engine.attempts_max=1"];
    let host = setup.flags(&ends).start();
    eventually("what waited behind it is done", || (count(&host, "held") == json!(1)).then_some(()));
    let (_, answer) = Http::default().get(&format!("{}/v1/dead", host.url)).expect("an answer");
    let codes: Vec<&Value> = answer["dead"].as_array().expect("a list").iter().map(|letter| &letter["code"]).collect();
    assert_eq!(codes, ["timeout"]);
    assert_eq!(count(&host, "free"), json!(3));
    host.leave();
}

/// Slow actions that succeed: once each, in order, whatever else their contexts do.
fn slow(setup: &Setup, script: &std::path::Path) {
    std::fs::write(script, SLOW).unwrap();
    let setup = setup.clone().flags(&["--set", "partitions=1", "--set", "pace.aside_after_ms=5"]);
    // Slow is what this is about: nothing of it may be given up for that.
    let patient =
        ["pace.slow_share=99", "engine.attempts_max=100000", "engine.retry_base_ms=1", "wasm.action_ms_max=60000"];
    let host = patient.iter().fold(setup, |setup, set| setup.flags(&["--set", set])).start();
    let contexts = ["a", "b", "c"];
    for context in contexts {
        host.json(&["add", context, "slow"]);
        host.json(&["add", context, "probe"]);
    }
    for n in 1..=6 {
        for context in contexts {
            host.json(&["send", "--context", context, "--event", "told", "--payload", &n.to_string()]);
            host.json(&["send", "--context", context, "--event", "counted"]);
        }
    }
    for context in contexts {
        let told = eventually("all of it is done", || {
            let told = host.json(&["vars", context])["slow"]["notes"].clone();
            (told.as_array().is_some_and(|told| told.len() >= 6) && count(&host, context) == json!(6)).then_some(told)
        });
        assert_eq!(told, json!([1, 2, 3, 4, 5, 6]), "once, and in order");
    }
    let (_, health) = Http::default().get(&format!("{}/v1/health", host.url)).expect("an answer");
    assert!(health["counters"]["aside"].as_u64().is_some_and(|aside| aside >= 3), "{health}");
    host.leave();
}

fn count(host: &Host, context: &str) -> Value {
    host.json(&["vars", context])["probe"]["n"].clone()
}

#[test]
fn an_endless_loop_holds_up_its_context_only_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    endless(&Setup::new(crate::EXE, folder.path(), &probe_and_hostile()));
}

#[test]
fn an_endless_loop_holds_up_its_context_only_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    endless(&Setup::new(crate::EXE, folder.path(), &probe_and_hostile()).flags(&["--store", &redis.url()]));
}

#[test]
fn slow_actions_are_done_once_and_in_order_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    slow(&setup, &folder.path().join("quests/slow.lua"));
}

#[test]
fn slow_actions_are_done_once_and_in_order_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).flags(&["--store", &redis.url()]);
    slow(&setup, &folder.path().join("quests/slow.lua"));
}
