//! `quest-host simulate` whole: recorded and generated events, and what comes of them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Setup, Speaking},
    redact::redact,
};
use serde_json::{Value, json};

fn setup(folder: &Path) -> Setup {
    Setup::new(crate::EXE, folder, &[guest("quest-onboarding"), guest("quest-streak"), guest("quest-counter")])
}

/// What a command prints, errors behind `!`.
fn run(setup: &Setup, args: &[&str]) -> String {
    let output = setup.command().arg("simulate").args(args).output().unwrap();
    let mut text = format!("$ quest-host simulate {}\n{}", args.join(" "), String::from_utf8_lossy(&output.stdout));
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    if output.status.code() != Some(0) {
        text.push_str(&format!("exit {:?}\n", output.status.code()));
    }
    text + "\n"
}

const RECORDED: &str = r#"{"at": "2026-03-01 10:00", "context": "ada", "event": "signed-up", "payload": {"name": "Ada"}}
{"offset": "10 minutes", "context": "ada", "event": "profile-completed"}
{"event_at": "2026-03-01T10:20:00+01:00", "event_name": "signed-up", "event_context": "bob", "event_id": "b", "name": "Bob"}

{"offset": 1200000, "context": "bob", "quest": "onboarding", "action": "nothing"}
{"event": "test_event"}
"#;

#[test]
fn recorded_events() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    std::fs::write(folder.path().join("recorded.jsonl"), RECORDED).unwrap();
    let base = ["quests", "--events", "recorded.jsonl", "--no-build", "--speed", "max"];
    let with = |more: &[&str]| run(&setup, &[&base[..], more].concat());
    let text = with(&["--tz", "Europe/Berlin", "--until", "1 hour"]) + &with(&["--from", "2026-03-01 10:10"]);
    insta::assert_snapshot!(
        "simulate_recorded",
        text.replace(" ms\n", " [n] ms\n").lines().map(took).collect::<Vec<_>>().join("\n")
    );
    insta::assert_snapshot!("simulate_json", redact(&with(&["--format", "json", "--until", "1 hour"])));
}

/// Without how long it took.
fn took(line: &str) -> String {
    match line.split_once(") in ") {
        Some((before, _)) if line.starts_with("time ") => format!("{before}) in [n] ms"),
        _ => line.to_owned(),
    }
}

fn summary(text: &str) -> Value {
    let line = text.lines().rfind(|line| line.starts_with("{\"summary\"")).unwrap();
    serde_json::from_str::<Value>(line).unwrap()["summary"].clone()
}

#[test]
fn generated_events_are_the_same_for_a_seed() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let with = |seed: &str| {
        let args = ["quests/quest_streak.wasm", "--event", "workout=3", "--event", "rest", "--rate", "4/hour"];
        let more = ["--contexts", "5", "--until", "30 days", "--speed", "max", "--quiet", "--format", "json"];
        summary(&run(&setup, &[&args[..], &more, &["--seed", seed, "--payload", "{\"minutes\": 30}"]].concat()))["happened"].clone()
    };
    let first = with("7");
    assert!(first == with("7") && first != with("8"));
    let count = |name: &str| first[name].as_u64().unwrap();
    let (events, rested) = (count("events"), first["ignored"]["nobody-is-on-it"].as_u64().unwrap());
    assert!((2_600..3_200).contains(&events), "{first}");
    assert!((events / 5..events / 3).contains(&rested), "{first}");
    assert_eq!(count("actions"), events - rested + count("added") + count("timers"), "{first}");
    assert_eq!((count("added"), &first["dead"]), (5, &json!({})), "{first}");
    assert!(first["messages"]["streak-milestone"].as_u64().unwrap() >= 10, "{first}");
}

#[test]
fn what_a_host_told_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path()).flags(&["--no-build"]);
    let host = setup.start();
    let mut tail = Speaking::start(&mut host.command(&["tail", "--format", "json"]));
    let lines = BufReader::new(tail.process.0.stdout.take().unwrap()).lines();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&heard);
    let listener = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            hears.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    let told = || heard.lock().unwrap().clone();
    // The stream is there when an event that is sent comes out of it.
    eventually("tail tells", || {
        assert!(host.cli(&["send", "--context", "first", "--event", "nobody-knows-it"]).status.success());
        told().contains("nobody-knows-it").then_some(())
    });
    for (context, event) in [("ada", "signed-up"), ("ada", "profile-completed"), ("bob", "signed-up")] {
        assert!(host.cli(&["send", "--context", context, "--event", event]).status.success());
    }
    host.json(&["add", "carl", "my_example_quest"]);
    host.json(&["call", "carl", "my_example_quest", "my_action"]);
    eventually("all is told", || (told().contains("onboarding-done") && told().contains("my_action")).then_some(()));
    let (status, _) = tail.end(libc::SIGINT);
    assert!(status.success());
    listener.join().unwrap();
    std::fs::write(folder.path().join("told.jsonl"), told()).unwrap();
    let args =
        ["quests", "--no-build", "--events", "told.jsonl", "--speed", "max", "--until", "1 hour", "--format", "json"];
    let text = run(&setup, &args);
    assert!(text.contains("come from `tail`, which tells no payloads"), "{text}");
    let happened = &summary(&text)["happened"];
    assert_eq!(happened["messages"], json!({"reminder": 1, "reward": 1}), "{text}");
    assert_eq!((&happened["added"], &happened["dead"]), (&json!(3), &json!({})), "{text}");
    assert!(text.contains("\"log\":[\"1\"]"), "the call is done again: {text}");
}

#[test]
fn its_pace_is_the_clocks_and_it_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let args = ["simulate", "quests/quest_counter.wasm", "--events", "-", "--speed", "0.001x", "--until", "1 day"];
    let mut child = Speaking::start(setup.command().args(args).stdin(Stdio::piped()));
    let mut input = child.process.0.stdin.take().unwrap();
    writeln!(input, "{}", json!({"at": 1_772_359_200_000_u64, "context": "a", "event": "test_event"})).unwrap();
    writeln!(input, "{}", json!({"offset": "1 hour", "context": "a", "event": "test_event"})).unwrap();
    drop(input);
    let mut lines = BufReader::new(child.process.0.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("nobody-is-on-it"), "{first}");
    // The next one would come in forty days.
    let (status, _) = child.end(libc::SIGINT);
    let rest = std::io::read_to_string(lines).unwrap();
    assert!(status.success() && rest.contains("events    1 to 1 contexts"), "{rest}");
}

#[test]
fn what_it_cannot_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    std::fs::write(folder.path().join("bad.jsonl"), "{\"event\": \"e\"}\n{\"event\": \"e\", \"contex\": \"a\"}\n")
        .unwrap();
    let mut text = String::new();
    for args in [
        &["quests/quest_streak.wasm"][..],
        &["quests/quest_streak.wasm", "--event", "workout"],
        &["quests/quest_streak.wasm", "--event", "workout=0", "--until", "1 day"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "1 day", "--rate", "often"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "1 day", "--contexts", "0"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "1 day", "--speed", "fast"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "1 day", "--tz", "Europe/Berlim"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "2025-01-01 00:00"],
        &["quests/quest_streak.wasm", "--event", "workout", "--until", "1 day", "--payload", "{"],
        &["quests/quest_streak.wasm", "--events", "bad.jsonl"],
        &["quests/quest_streak.wasm", "--events", "nowhere.jsonl"],
        &["quests/nowhere.wasm", "--event", "workout", "--until", "1 day"],
    ] {
        text.push_str(&run(&setup, args));
    }
    insta::assert_snapshot!("simulate_refused", text);
}
