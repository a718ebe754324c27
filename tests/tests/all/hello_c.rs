//! The quest in C: built, loaded, run. Without its toolchain, `run` leaves it out and says so.

use quest_host_tests::{
    eventually,
    guests::{hello_c, root},
    process::{Host, Setup, Speaking},
};
use serde_json::{Value, json};

const DAY_MS: u64 = 24 * 3_600_000;

fn messages(host: &Host) -> Vec<(String, Value)> {
    let output = host.cli(&["messages", "--format", "json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages.map(|message| (message["topic"].as_str().unwrap().to_owned(), message["payload"].clone())).collect()
}

#[test]
fn visits_are_counted_greeted_and_missed() {
    let folder = tempfile::tempdir().unwrap();
    let host = Setup::new(crate::EXE, folder.path(), &[hello_c()]).start();
    for _ in 0..3 {
        assert!(host.cli(&["send", "--context", "ada", "--event", "visited"]).status.success());
    }
    eventually("three visits", || {
        let output = host.cli(&["query", "ada", "visits", "total", "--format", "json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        (answer["answer"] == json!(3)).then_some(())
    });
    assert_eq!(messages(&host), [("hello".to_owned(), json!("hello, ada"))]);

    let timer = host.json(&["timers", "ada"]);
    assert_eq!((&timer["timer"], &timer["action"]), (&json!("absent"), &json!("miss")));
    let added_at = host.json(&["ps", "ada"])["added_at"].as_u64().unwrap();
    let after = timer["due"].as_u64().unwrap() - added_at;
    assert!((30 * DAY_MS..31 * DAY_MS).contains(&after), "thirty days after the last visit: {after}");
    assert!(host.cli(&["timers", "fire", "ada", "visits", "absent"]).status.success());
    eventually("ada is missed", || (messages(&host).last()? == &("missed".to_owned(), json!(3))).then_some(()));

    let refused = host.cli(&["call", "ada", "visits", "nope"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown-action"));
}

#[test]
fn without_its_toolchain_it_is_left_out_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let quests = folder.path().join("quests/hello-c");
    std::fs::create_dir_all(&quests).unwrap();
    let source = root().join("quests/hello-c");
    for name in ["build.sh", "visits.c"] {
        std::fs::copy(source.join(name), quests.join(name)).unwrap();
    }
    let setup = Setup::new(crate::EXE, folder.path(), &[]).env("PATH", "/usr/bin:/bin");
    let mut host = Speaking::start(setup.command().args(["run", "--listen", "127.0.0.1:0"]));
    let said = host.said_until("listening");
    assert!(said.contains("quests/hello-c is NOT served: build.sh failed"), "{said}");
    let hint = format!("`bash {}/build.sh --install`", quests.canonicalize().unwrap().display());
    assert!(said.contains(&hint), "what to do is said as it must be typed: {said}");
    let (status, said) = host.end(libc::SIGTERM);
    assert!(status.success(), "{said}");
}
