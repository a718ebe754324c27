//! Recurrences, patterns and time zones end to end: real hosts, on each store, killed and started.

use std::path::Path;

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

fn send(host: &Host, context: &str, event: &str, payload: &Value) {
    host.json(&["send", "--context", context, "--event", event, "--payload", &payload.to_string()]);
}

fn rows(host: &Host, args: &[&str]) -> Vec<Value> {
    let output = host.cli(&[&["--format", "json"], args].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn setup(folder: &Path, store: &[&str]) -> Setup {
    let guests = [guest("quest-reminders"), guest("quest-streak"), guest("quest-guard")];
    Setup::new(crate::EXE, folder, &guests).flags(store)
}

fn topics(host: &Host) -> Vec<String> {
    rows(host, &["messages"]).iter().map(|message| message["topic"].as_str().unwrap().to_owned()).collect()
}

/// What recurs goes on over kills, each run once or left out and counted; what patterns have seen is not forgotten.
fn survives_kills(setup: &Setup) {
    let mut host = setup.start();
    send(&host, "ada", "remind-me", &json!({"name": "tea", "every": "every 1 second; missed all 1000"}));
    send(&host, "ada", "signed-up", &Value::Null);
    let rung = |host: &Host| host.json(&["vars", "ada"])["reminders"]["rung"].as_u64().unwrap_or(0);
    for kill in 0..4 {
        send(&host, "ada", "failed-login", &json!({"try": kill}));
        let before = rung(&host);
        eventually("it rings", || (rung(&host) > before).then_some(()));
        host.kill();
        host = setup.start();
    }
    assert!(!topics(&host).contains(&"account-locked".to_owned()), "four are not five");
    send(&host, "ada", "failed-login", &json!({"try": 5}));
    eventually("the fifth within ten minutes, over four kills", || {
        topics(&host).contains(&"account-locked".to_owned()).then_some(())
    });
    host.json(&["timers", "cancel", "ada", "reminders", "tea"]);
    // Each run is one message and one count, and they are a second apart: none is missing, none is double.
    let messages = rows(&host, &["messages"]);
    let at = messages.iter().filter(|message| message["topic"] == "reminder");
    let at: Vec<u64> = at.map(|message| message["at"].as_u64().unwrap()).collect();
    assert_eq!(at.len() as u64, rung(&host));
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 1_000), "{at:?}");
    host.leave();
}

#[test]
fn what_recurs_and_what_patterns_saw_survive_kills_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    survives_kills(&setup(folder.path(), &[]));
}

#[test]
fn what_recurs_and_what_patterns_saw_survive_kills_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    survives_kills(&setup(folder.path(), &["--store", &redis.url()]));
}

#[test]
fn operators_see_and_change_recurrences_patterns_and_zones() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path(), &[]).start();
    send(&host, "ada", "remind-me", &json!({"name": "bins", "every": "tuesdays at 19:00"}));
    let timer = || rows(&host, &["timers", "ada"]).into_iter().next();
    let first = eventually("it is planned", timer);
    assert_eq!((&first["schedule"], &first["timer"]), (&json!("tuesdays at 19:00"), &json!("bins")));
    let due = |timer: &Value| timer["due"].as_u64().unwrap();

    assert_eq!(host.json(&["zone", "ada"]), json!({"zone": "UTC", "is_default": true}));
    assert_eq!(host.json(&["zone", "ada", "Asia/Kathmandu"]), json!({"zone": "Asia/Kathmandu", "is_default": false}));
    let moved = timer().unwrap();
    let week = 7 * 86_400_000;
    assert_eq!((due(&first) + week - due(&moved)) % week, 20_700_000, "clocks there are 5:45 ahead");
    let refused = host.cli(&["zone", "ada", "Asia/Katmandoo"]);
    assert_eq!(refused.status.code(), Some(4));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("did you mean Asia/Katmandu?"), "{said}");
    assert_eq!(host.json(&["zone", "ada", "--reset"])["is_default"], json!(true));
    assert_eq!(due(&timer().unwrap()), due(&first));

    // One run more, now; the plan stays.
    host.json(&["timers", "fire", "ada", "reminders", "bins"]);
    eventually("it rings", || topics(&host).contains(&"reminder".to_owned()).then_some(()));
    assert_eq!(due(&timer().unwrap()), due(&first));
    host.json(&["timers", "cancel", "ada", "reminders", "bins"]);
    assert_eq!(timer(), None);

    send(&host, "ada", "workout", &Value::Null);
    let streak = || rows(&host, &["patterns", "ada"]).into_iter().find(|row| row["state"]["current"] == 1);
    let streak = eventually("the streak is seen", streak);
    assert_eq!((&streak["pattern"], &streak["spec"]), (&json!("days"), &Value::Null));
    assert!(streak["due"].as_u64().is_some());
    host.json(&["patterns", "cancel", "ada", "streak", "days"]);
    assert_eq!(rows(&host, &["patterns", "ada"]), [Value::Null; 0]);
    assert_eq!(host.cli(&["patterns", "cancel", "ada", "streak", "days"]).status.code(), Some(4));
}

#[test]
fn a_wrong_schedule_or_pattern_is_shown_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path(), &[]).start();
    send(&host, "ada", "remind-me", &json!({"name": "bins", "every": "every tuesday at 25:00"}));
    let dead = eventually("a dead letter", || rows(&host, &["dead", "list", "ada"]).into_iter().next());
    assert_eq!(dead["code"], "invalid-schedule");
    assert!(dead["message"].as_str().unwrap().contains('^'), "{dead}");
    // Nothing of a default zone that is none: said at the start, and nothing else is done.
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--set", "engine.default_zone=Europe/Berln"];
    let refused = setup(folder.path(), &[]).command().args(args).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("Europe/Berlin"), "{said}");
}

#[test]
fn the_health_of_a_host_is_good_with_a_default_zone() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path(), &["--set", "engine.default_zone=Asia/Tokyo"]).start();
    assert_eq!(host.health(&Http::default()).map(|(status, _)| status), Some(200));
    assert_eq!(host.json(&["zone", "ada"]), json!({"zone": "Asia/Tokyo", "is_default": true}));
}
