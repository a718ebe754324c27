//! Whole commands: their help, what they print for people and for programs, and how they end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Output, Stdio},
};

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Guard, Host, Http, Setup, Speaking},
    redact::redact,
};
use serde_json::{Value, json};

fn setup(folder: &Path) -> Setup {
    Setup::new(crate::EXE, folder, &[guest("quest-counter"), guest("quest-onboarding"), guest("guest-probe")])
}

/// A command as it is typed, what it printed, and how it ended.
fn transcript(args: &[&str], output: &Output) -> String {
    let mut text = format!("$ quest-host {}\n{}", args.join(" "), String::from_utf8_lossy(&output.stdout));
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text.push_str(&format!("exit {code}\n")),
        None => text.push_str("killed\n"),
    }
    text + "\n"
}

#[test]
fn help() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let mut text = String::new();
    for command in [
        &[][..],
        &["new"],
        &["build"],
        &["doctor"],
        &["run"],
        &["list"],
        &["add"],
        &["remove"],
        &["send"],
        &["call"],
        &["query"],
        &["exec"],
        &["ps"],
        &["vars"],
        &["timers"],
        &["timers", "fire"],
        &["timers", "move"],
        &["timers", "cancel"],
        &["messages"],
        &["versions"],
        &["rollout"],
        &["rollback"],
        &["upgrade"],
        &["forget"],
        &["tail"],
        &["dead"],
        &["dead", "list"],
        &["patterns"],
        &["patterns", "cancel"],
        &["zone"],
        &["next"],
        &["dead", "show"],
        &["dead", "retry"],
        &["dead", "drop"],
        &["inspect"],
        &["check"],
        &["test"],
        &["simulate"],
        &["bench"],
        &["config"],
        &["completions"],
    ] {
        let args = [command, &["--help"]].concat();
        let output = setup.command().args(&args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        text.push_str(&transcript(&args, &output));
    }
    insta::assert_snapshot!("help", text);
}

#[test]
fn the_next_runs_of_a_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[]);
    let mut text = String::new();
    for args in [
        &["--help"][..],
        &["every day at 02:30", "--tz", "Europe/Berlin", "--from", "2026-03-27 12:00", "-n", "3"],
        &["*/30 2 * * *; fold both", "--tz", "Europe/Berlin", "--from", "2026-10-25", "-n", "4"],
        &["every month on the 31st at 9:00; zone Asia/Kathmandu", "--from", "2026-01-31T12:00:00Z", "-n", "2"],
        &["every 3 days; now; count 2; jitter 5 minutes", "--from", "2026-12-01 09:00"],
        &["every day; until 2026-01-01", "--from", "2026-12-01"],
        &["every day at 02:30", "--tz", "Europe/Berlin", "--from", "2026-03-28", "-n", "2", "--format", "json"],
        &["evry 3 days at 09:00"],
        &["every day at 25:00; zone Europe/Berlin"],
        &["0 9 * * MOO"],
        &["every day; zone Europe/Berln", "--format", "json"],
        &["every day", "--tz", "Berlin"],
        &["every day", "--from", "tomorrow"],
        &["every day", "-n", "0"],
    ] {
        let args = [&["next"][..], args].concat();
        text.push_str(&transcript(&args, &setup.command().args(&args).output().unwrap()));
    }
    insta::assert_snapshot!("next", text);
}

/// A step of a session: a command that is run once, or one that is run until it prints a text, since events are processed after they
/// were accepted.
enum Step {
    Once(&'static [&'static str]),
    Until(&'static [&'static str], &'static str),
}
use Step::{Once, Until};

const SESSION: &[Step] = &[
    Once(&["ps"]),
    Once(&["vars", "user-1"]),
    Once(&["add", "user-1", "my_example_quest"]),
    Once(&["add", "user-1", "my_example_quest"]),
    Once(&["send", "--context", "user-1", "--event", "test_event", "--id", "first"]),
    Once(&["send", "--context", "user-1", "--event", "test_event", "--id", "first"]),
    Once(&["send", "--context", "user-1", "--event", "other_event", "--id", "first"]),
    Until(&["vars", "user-1"], "1"),
    Once(&["call", "user-1", "my_example_quest", "my_action", "--id", "called"]),
    Once(&["query", "user-1", "my_example_quest", "total"]),
    Once(&["send", "--context", "ada", "--event", "signed-up", "--payload", "{\"name\": \"Ada\"}", "--id", "a"]),
    Until(&["timers"], "deadline"),
    Once(&["timers", "ada"]),
    Once(&["timers", "move", "ada", "onboarding", "deadline", "2100-01-01T00:00:00Z"]),
    Until(&["timers", "ada"], "deadline"),
    Once(&["timers", "move", "ada", "onboarding", "deadline", "tomorrow"]),
    Once(&["timers", "fire", "ada", "onboarding", "deadline"]),
    Until(&["messages"], "reminder"),
    Once(&["timers", "cancel", "ada", "onboarding", "deadline"]),
    Once(&["messages", "--new"]),
    Once(&["ps", "--quest", "onboarding"]),
    Once(&["send", "events.jsonl"]),
    Once(&["add", "bob", "probe"]),
    Once(&["send", "--context", "bob", "--quest", "probe", "--action", "permanent", "--id", "b"]),
    Until(&["dead"], "as asked"),
    Once(&["dead", "show", "9999-1"]),
    Once(&["dead", "drop", "nope"]),
    Once(&["remove", "user-1", "my_example_quest"]),
    Once(&["remove", "user-1", "my_example_quest"]),
    Once(&["query", "user-1", "my_example_quest", "total"]),
    Once(&["add", "user-1", "no_such_quest"]),
    Once(&["call", "bob", "probe", "permanent"]),
    Once(&["forget", "ada"]),
    Once(&["forget", "ada", "--yes"]),
    Once(&["messages", "--cursor", "nonsense"]),
    Once(&["send", "--context", "ada"]),
    Once(&["send", "--context", "ada", "--event", "e", "--payload", "{"]),
    Once(&["nonsense"]),
];

/// The ids of bob's dead letters, oldest first.
fn dead_of_bob(host: &Host) -> Vec<String> {
    let output = host.cli(&["dead", "list", "bob", "--format", "json"]);
    let letters = String::from_utf8(output.stdout).unwrap();
    let id = |line| Some(serde_json::from_str::<Value>(line).ok()?["id"].as_str()?.to_owned());
    letters.lines().filter_map(id).collect()
}

/// Runs a session, and what follows for the dead letter that it made.
fn session(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let events = "{\"event_name\": \"test_event\", \"event_context\": \"eve\"}\n\nnot json\n{\"event_name\": 7}\n";
    std::fs::write(folder.path().join("events.jsonl"), events).unwrap();
    // Of quests that are there for their own sake: the probe's actions are any test's.
    let listed = folder.path().join("listed");
    let listed = Setup::new(crate::EXE, &listed, &[guest("quest-counter"), guest("quest-onboarding")]).start();
    let mut text = transcript(&["list"], &listed.cli(&["list", "--format", format]));
    let host = setup.start();
    let mut run = |args: &[&str], until: &str| {
        let output = eventually(&format!("{args:?} prints {until:?}"), || {
            let output = host.cli(&[args, &["--format", format]].concat());
            String::from_utf8_lossy(&output.stdout).contains(until).then_some(output)
        });
        text.push_str(&transcript(args, &output));
    };
    for step in SESSION {
        match step {
            Once(args) => run(args, ""),
            Until(args, until) => run(args, until),
        }
    }
    let dead = dead_of_bob(&host);
    run(&["dead", "show", &dead[0]], "");
    run(&["dead", "retry", &dead[0]], "");
    let again = eventually("it dies again", || dead_of_bob(&host).into_iter().find(|id| !dead.contains(id)));
    for id in [&again, &dead[1]] {
        run(&["dead", "drop", id], "");
    }
    run(&["dead", "list", "bob"], "");
    redact(&text.replace(&folder.path().canonicalize().unwrap().display().to_string(), "FOLDER"))
}

#[test]
fn a_session_for_people() {
    insta::assert_snapshot!("session_text", session("text"));
}

#[test]
fn a_session_for_programs() {
    let text = session("json");
    for line in text.lines().map(|line| line.trim_start_matches("! ")).filter(|line| line.starts_with('{')) {
        let line = line.replace("[ms]", "0").replace("[n]", "0");
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "one JSON value a line: {line}");
    }
    insta::assert_snapshot!("session_json", text);
}

#[test]
fn a_host_says_what_it_loaded_where_it_keeps_it_and_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    // The log's own lines come when they come.
    let setup = setup(folder.path()).env("QUEST_HOST_LOG", "warn");
    std::fs::write(folder.path().join("quests/broken.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let mut host = Speaking::start(setup.command().args(["run", "--listen", "127.0.0.1:0"]));
    let said = host.said_until("listening").to_owned();
    let url = said.split_whitespace().last().unwrap().to_owned();
    let client = |args: &[&str]| setup.command().env("QUEST_HOST_URL", &url).args(args).output().unwrap();
    client(&["add", "user-1", "my_example_quest"]);
    host.said_until("added");
    client(&["call", "user-1", "my_example_quest", "my_action"]);
    host.said_until("| 1");
    let (status, said) = host.end(libc::SIGINT);
    assert!(status.success());
    insta::assert_snapshot!("run", redact(&said));
}

#[test]
fn a_token_comes_by_flag_environment_or_file_and_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let plain = setup(folder.path()).flags(&["--no-build"]);
    let refused = |host: &Host, args: &[&str]| {
        let output = host.command(args).env_remove("QUEST_HOST_TOKEN").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("[unauthorized]\nhint: give the host's token"), "{said}");
    };
    let check = |setup: Setup| {
        let host = setup.start();
        refused(&host, &["list"]);
        refused(&host, &["--token", "wrong", "list"]);
        assert!(host.cli(&["list", "--token", "s3cret"]).status.success());
        assert!(host.cli(&["--token", "s3cret", "list"]).status.success());
        assert!(host.command(&["list"]).env("QUEST_HOST_TOKEN", "s3cret").output().unwrap().status.success());
        assert!(host.terminate().success());
    };
    check(plain.clone().flags(&["--token", "s3cret"]));
    check(plain.clone().env("QUEST_HOST_TOKEN", "s3cret"));
    check(plain.clone().flags(&["--set", "token=s3cret"]).listen("0.0.0.0:0").env("QUEST_HOST_LOG", "warn"));
    std::fs::write(folder.path().join("quest-host.toml"), "token = \"s3cret\"\n").unwrap();
    check(plain);
}

#[test]
fn flags_that_mean_nothing_to_a_command_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    for (args, says) in [
        (&["run", "--url", "http://127.0.0.1:1"][..], "run takes no --url"),
        (&["--url", "http://127.0.0.1:1", "config"], "config takes no --url"),
        (&["bench", "x.wasm", "--url", "x"], "bench takes no --url"),
        (&["test", "x.toml", "--url", "x"], "test takes no --url"),
        (&["simulate", "x.wasm", "--url", "x"], "simulate takes no --url"),
        (&["completions", "bash", "--url", "x"], "completions takes no --url"),
        (&["list", "--listen", "127.0.0.1:1"], "unexpected argument '--listen'"),
        (&["messages", "--follow", "--limit", "1"], "cannot be used with"),
        (&["list", "--url", "nonsense"], "cannot be asked"),
    ] {
        let output = setup.command().args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = setup.command();
        command.env_remove("NO_COLOR").envs(variables.iter().copied()).args(["list", "--url", "http://127.0.0.1:1"]);
        command.output().unwrap().stderr.contains(&0x1b)
    };
    assert!(!coloured(&[]), "nobody reads this at a terminal");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    for args in [&["list"][..], &["list", "--format", "json"], &["ps"], &["completions", "bash"], &["config"]] {
        let mut command = host.command(args);
        let mut child = Guard(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        drop(child.0.stdout.take());
        assert!(child.ended().success(), "{args:?}");
        let said = std::io::read_to_string(child.0.stderr.take().unwrap()).unwrap();
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

/// The next line of a child's standard output, as JSON.
fn next_json(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Value {
    serde_json::from_str(&lines.next().expect("it prints on").unwrap()).unwrap()
}

#[test]
fn tail_shows_what_happens_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let mut tail = Speaking::start(&mut host.command(&["tail"]));
    tail.said_until("connected");
    host.json(&["add", "user-1", "my_example_quest"]);
    let mut lines = BufReader::new(tail.process.0.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("user-1") && line.contains("my_example_quest") && line.contains("added"), "{line}");
    let (status, said) = tail.end(libc::SIGINT);
    assert_eq!((status.code(), said.contains("error")), (Some(0), false), "{said}");

    let mut tail = Speaking::start(&mut host.command(&["tail"]));
    tail.said_until("connected");
    assert!(host.terminate().success());
    assert_eq!(tail.process.ended().code(), Some(3), "a host that stops is no end that was wished for");
    assert!(tail.said_until("hint").contains("stopped"));
}

#[test]
fn whoever_follows_messages_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let mut host = setup.start();
    let complete = |host: &Host, context: &str| {
        for event in ["signed-up", "profile-completed"] {
            assert!(host.cli(&["send", "--context", context, "--event", event]).status.success());
        }
    };
    complete(&host, "ada");
    let mut follow = Speaking::start(&mut host.command(&["messages", "--follow", "--format", "json"]));
    let mut lines = BufReader::new(follow.process.0.stdout.take().unwrap()).lines();
    assert_eq!(next_json(&mut lines)["context"], json!("ada"));
    host.kill();
    follow.said_until("trying again");
    let host = setup.listen(host.url.strip_prefix("http://").unwrap()).start();
    complete(&host, "bob");
    assert_eq!(next_json(&mut lines)["context"], json!("bob"), "and ada's is not shown twice");
    let (status, _) = follow.end(libc::SIGINT);
    assert_eq!(status.code(), Some(0));
    // Nobody is followed who was never there.
    let unreached = host.cli(&["messages", "--follow", "--url", "http://127.0.0.1:1"]);
    assert_eq!(unreached.status.code(), Some(3));
}

#[test]
fn events_are_sent_from_standard_input_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    host.json(&["add", "user-1", "my_example_quest"]);
    let mut send = Speaking::start(host.command(&["send", "-"]).stdin(Stdio::piped()));
    let mut input = send.process.0.stdin.take().unwrap();
    let event = json!({"event_name": "test_event", "event_context": "user-1"});
    let http = Http::default();
    let counter = |at_least: i64| {
        eventually("the events are processed", || {
            let (_, answer) = http.get(&format!("{}/v1/contexts/user-1/variables", host.url))?;
            answer["variables"]["my_example_quest"]["counter"].as_i64().filter(|counter| *counter >= at_least)
        })
    };
    writeln!(input, "{event}").unwrap();
    assert_eq!(counter(1), 1, "one line is sent although the next one may not come for hours");
    let many = 2_500;
    (0..many).for_each(|_| writeln!(input, "{event}").unwrap());
    input.write_all(b"\xff\n").unwrap();
    drop(input);
    send.said_until("line 2502: not JSON");
    assert_eq!(send.process.ended().code(), Some(4));
    let printed = std::io::read_to_string(send.process.0.stdout.take().unwrap()).unwrap();
    assert_eq!(printed, "2501 accepted, 0 duplicates, 1 refused\n");
    assert_eq!(counter(many + 1), many + 1);
}

#[test]
fn a_host_that_stops_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let url = host.url.clone();
    std::thread::scope(|scope| {
        let poll = scope.spawn(move || {
            let http = Http::default();
            // One long wait after the other, until the host is gone.
            let mut answers = Vec::new();
            while let Some((status, page)) = http.get(&format!("{url}/v1/messages?from=now&wait_ms=30000")) {
                answers.push((status, page["messages"].clone()));
            }
            answers
        });
        let mut tail = Speaking::start(&mut host.command(&["tail"]));
        tail.said_until("connected");
        assert!(host.terminate().success());
        // Had the host waited for its reader, the wait would have been answered in full, and asked again.
        let answers = poll.join().unwrap();
        assert!(answers.len() <= 1, "{answers:?}");
    });
}

#[test]
fn a_client_that_sends_half_a_request_holds_up_no_host_that_stops() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let mut client = std::net::TcpStream::connect(host.url.strip_prefix("http://").unwrap()).unwrap();
    client.write_all(b"GET /v1/health HTTP/1.1\r\nHos").unwrap();
    // The client stays until the host has ended.
    assert!(host.terminate().success());
    drop(client);
}

#[test]
fn a_second_host_on_one_port_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let address = host.url.strip_prefix("http://").unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let output = host.command(&["run", "--listen", address, "--data"]).arg(elsewhere).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let (error, hint) = said.split_once('\n').unwrap();
    assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{said}");
    assert!(hint.starts_with("hint: is another quest-host running?"), "{said}");
}

#[test]
fn completions_are_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = setup.command().args(["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for command in ["run", "messages", "dead", "bench"] {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
}
