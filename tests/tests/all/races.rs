//! Old deliveries do nothing: a quest that was removed, and one removed and added again, between an event and its dispatch.

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

fn number(host: &Host, context: &str, name: &str) -> Option<i64> {
    host.json(&["vars", context])["probe"][name].as_i64()
}

fn act(host: &Host, context: &str, action: &str) {
    host.json(&["send", "--context", context, "--quest", "probe", "--action", action]);
}

fn emit(host: &Host, context: &str, event: &str) {
    host.json(&["send", "--context", context, "--event", event]);
}

fn dead(host: &Host, context: &str) -> Vec<Value> {
    let output = host.cli(&["--format", "json", "dead", "list", context]);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn codes(host: &Host, context: &str) -> Vec<String> {
    let mut codes: Vec<String> =
        dead(host, context).iter().map(|letter| letter["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes
}

fn instance(host: &Host, context: &str) -> String {
    host.json(&["ps", context])["instance"].as_str().unwrap().to_owned()
}

/// Deliveries of a multicast are made, and wait behind one that failed: the time between a multicast and its dispatch, held open.
fn multicast_waits(host: &Host, context: &str) {
    host.json(&["add", context, "probe"]);
    act(host, context, "transient");
    eventually("the instance is held", || {
        let shown = host.json(&["ps", context]);
        shown["held"].is_object().then_some(())
    });
    emit(host, context, "counted");
    emit(host, context, "counted");
}

fn old_deliveries_do_nothing(host: &Host) {
    multicast_waits(host, "removed");
    host.json(&["remove", "removed", "probe"]);
    assert_eq!(codes(host, "removed"), ["removed"; 3]);

    multicast_waits(host, "again");
    host.json(&["send", "--context", "again", "--event", "planned", "--payload", "\"old\""]);
    let old = instance(host, "again");
    host.json(&["remove", "again", "probe"]);
    host.json(&["add", "again", "probe"]);
    assert_ne!(instance(host, "again"), old);
    assert_eq!(codes(host, "again"), ["removed"; 4]);
    for letter in dead(host, "again") {
        let id = letter["id"].as_str().unwrap().to_owned();
        let retried = host.cli(&["dead", "retry", &id]);
        assert!(!retried.status.success());
        assert!(String::from_utf8_lossy(&retried.stderr).contains("removed"), "{retried:?}");
    }
    // Meant for the old instance by its id.
    let selector = json!({"quest_name": "probe", "action_name": "count"});
    let event = json!({"event_context": "again", "event_selector": selector, "quest_instance": old});
    let http = quest_host_tests::process::Http::default();
    assert_eq!(http.post(&format!("{}/v1/events", host.url), &event).unwrap().0, 202);
    emit(host, "again", "counted");
    assert_eq!(eventually("the new one counts", || number(host, "again", "n").filter(|n| *n > 0)), 1);

    // A timer goes with its instance; the new one's own fires, so the old one's would have.
    host.json(&["add", "timer", "probe"]);
    host.json(&["send", "--context", "timer", "--event", "planned", "--payload", "\"old\""]);
    host.json(&["remove", "timer", "probe"]);
    host.json(&["add", "timer", "probe"]);
    host.json(&["send", "--context", "timer", "--event", "planned", "--payload", "\"new\""]);
    assert_eq!(eventually("the new timer", || number(host, "timer", "ticks")), 1);
    emit(host, "timer", "counted");
    eventually("a later event", || number(host, "timer", "n").filter(|n| *n == 1));
    assert_eq!(number(host, "timer", "ticks"), Some(1));
}

#[test]
fn old_deliveries_do_nothing_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    old_deliveries_do_nothing(&Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).start());
}

#[test]
fn old_deliveries_do_nothing_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).flags(&["--store", &redis.url()]);
    old_deliveries_do_nothing(&setup.start());
}

#[test]
fn what_comes_while_a_quest_is_not_served_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    let host = setup.start();
    host.json(&["add", "u", "probe"]);
    host.json(&["send", "--context", "u", "--event", "next", "--payload", "1"]);
    assert!(host.terminate().success());

    // A module that was not built, or not yet copied to this host.
    let (module, aside) = (folder.path().join("quests/guest_probe.wasm"), folder.path().join("aside"));
    std::fs::rename(&module, &aside).unwrap();
    let host = setup.start();
    host.json(&["send", "--context", "u", "--event", "next", "--payload", "2"]);
    host.json(&["send", "--event", "counted"]);
    host.json(&["send", "--context", "u", "--event", "next", "--payload", "3"]);
    eventually("it is shown why they wait", || {
        let shown = host.json(&["ps"]);
        (shown["held"]["code"] == "quest-not-served").then_some(())
    });
    assert!(host.terminate().success());

    std::fs::rename(&aside, &module).unwrap();
    let host = setup.start();
    eventually("each came once, in order", || {
        (number(&host, "u", "last") == Some(3) && number(&host, "u", "n") == Some(1)).then_some(())
    });
    assert_eq!(codes(&host, "u"), Vec::<String>::new());
}
