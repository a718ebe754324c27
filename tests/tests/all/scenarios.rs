//! `quest-host test` whole: the examples' scenarios, what a failing one prints, what an unusable file is told, and the watch.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Output,
};

use quest_host::scenario::{File, keys};
use quest_host_tests::{
    guests::{guest, hello_c, root},
    process::{Setup, Speaking},
    redact::redact,
    schema::{faults, resolve},
};
use serde_json::{Value, json};

/// The examples: their folder in `quests/`, and their module.
fn examples() -> Vec<(&'static str, PathBuf)> {
    vec![
        ("cart", guest("quest-cart")),
        ("counter", guest("quest-counter")),
        ("guard", guest("quest-guard")),
        ("alerts", guest("quest-alerts")),
        ("hello-c", hello_c()),
        ("loyalty", root().join("quests/loyalty/loyalty.rb")),
        ("trial", root().join("quests/trial/trial.ts")),
        ("daily-gift", root().join("quests/daily-gift/gift.lua")),
        ("onboarding", guest("quest-onboarding")),
        ("ruby-quest/original", root().join("quests/ruby-quest/original/my_example_quest.rb")),
        ("reminders", guest("quest-reminders")),
        ("streak", guest("quest-streak")),
    ]
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Setup::new(crate::EXE, folder, &[]).command().arg("test").args(args).output().unwrap()
}

/// Standard output, and standard error behind `!`.
pub fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    text + &format!("exit {:?}\n", output.status.code())
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_examples_scenarios_pass() {
    let folder = tempfile::tempdir().unwrap();
    for (name, module) in examples() {
        let file = root().join("quests").join(name).join("scenarios.toml");
        let args = [file.to_str().unwrap(), "-m", module.to_str().unwrap(), "--format", "json"];
        let output = run(folder.path(), &args);
        assert!(output.status.success(), "{name}: {}", said(&output));
        let lines = json_lines(&output);
        assert!(lines.len() >= 2 && lines.last().unwrap()["failed"] == json!(0), "{name}: {}", said(&output));
        if name == "streak" {
            let year = lines.iter().find(|line| line["scenario"] == json!("a year without a day off")).unwrap();
            assert_eq!((&year["actions"], &year["passed_ms"]), (&json!(366), &json!(364 * 86_400_000_u64)), "{year}");
        }
    }
}

#[test]
fn a_folder_stands_for_its_scenarios_and_sources_are_built() {
    let folder = tempfile::tempdir().unwrap();
    let quests = root().join("quests");
    let command = |args: &[&str]| {
        let mut command = Setup::new(crate::EXE, folder.path(), &[]).command();
        command.env("CARGO_TARGET_DIR", quest_host_tests::guests::guests_target()).env("CARGO_NET_OFFLINE", "true");
        command.arg("test").args(args).output().unwrap()
    };
    let list = command(&[quests.to_str().unwrap(), "--list", "--filter", "very milli"]);
    let line = format!(
        "{}:24  the very millisecond of the deadline is in time\n",
        quests.join("onboarding/scenarios.toml").display()
    );
    assert_eq!(said(&list), format!("{line}exit Some(0)\n"));
    let counter = quests.join("counter");
    let output = command(&[counter.to_str().unwrap()]);
    assert!(output.status.success() && said(&output).contains("2 passed, 0 failed"), "{}", said(&output));
    let refused = command(&[counter.to_str().unwrap(), "--no-build"]);
    assert!(said(&refused).contains("has sources only"), "{}", said(&refused));
    assert_eq!(refused.status.code(), Some(2));
}

/// Each scenario fails in a way of its own, but for one.
const FAILING: &str = r#"
module = "quest_streak.wasm"
zone = "Europe/Berlin"
start = "2026-03-27 18:00"

[[scenario]]
name = "not as expected"
steps = [
  { send = "workout", payload = { minutes = 30 } },
  { repeat = 6, after = "1 day", send = "workout" },
  { send_to = "streak.lose" },
  { expect = {
    quests = ["streak", "other"],
    variables = { streak.current = 7, streak.longest = 7, streak.best = { "$any" = true } },
    timers = { "streak.deadline" = { in = "2 days", action = "lose" }, streak.other = true },
    zone = "Europe/Paris",
    patterns = { streak.days = { current = 8 }, streak.weeks = true },
    messages = [{ topic = "streak-milestone", payload = 8 }, "streak-broken"],
    events = ["celebrated"],
    log = [{ message = { "$contains" = "lost" }, level = "warn" }],
  } },
]

[[scenario]]
name = "something else beside it"
steps = [
  { send = "workout" },
  { exactly = { quests = [], variables = { streak.current = 1, streak.longest = 1 }, timers = {}, messages = [], dead = [] } },
]

[[scenario]]
name = "another answer"
steps = [
  { send = "workout" },
  { query = "streak.status", expect = { current = 1 } },
  { query = "streak.status", exactly = { current = 2 } },
]

[[scenario]]
name = "an answer in the place of a failure"
steps = [{ add = "streak" }, { query = "streak.status", fails = "not-active" }]

[[scenario]]
name = "another failure"
steps = [{ query = "streak.status", fails = { code = "unknown-query", message = { "$contains" = "no query" } } }]

[[scenario]]
name = "a failure in the place of an answer"
steps = [{ call = "streak.nothing" }, { add = "streak" }, { call = "streak.nothing", expect = 1 }]

[[scenario]]
name = "no such quest"
steps = [{ add = "streek" }]

[[scenario]]
name = "back in time"
steps = [{ at = "2026-03-27 17:59" }]

[[scenario]]
name = "nobody looks at what died"
steps = [{ add = "streak" }, { send_to = "streak.nothing" }]

[[scenario]]
name = "holds"
steps = [
  { add = "streak" },
  { call = "streak.nothing", fails = "unknown-action" },
  { context = "nobody", exactly = { quests = [], variables = {}, timers = {}, messages = [], events = [], dead = [], log = [] } },
]
"#;

fn failing() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("failing.toml"), FAILING.trim_start()).unwrap();
    let module = guest("quest-streak");
    std::fs::copy(&module, folder.path().join(module.file_name().unwrap())).unwrap();
    folder
}

#[test]
fn what_fails_is_shown_beside_what_was_expected() {
    let folder = failing();
    insta::assert_snapshot!("failing_text", redact(&said(&run(folder.path(), &["failing.toml"]))));
    let output = run(folder.path(), &["failing.toml", "--timeline", "3", "--filter", "not as expected"]);
    insta::assert_snapshot!("failing_short", redact(&said(&output)));
}

#[test]
fn results_for_programs() {
    let folder = failing();
    let output = run(folder.path(), &["failing.toml", "--format", "json", "--filter", "ano"]);
    json_lines(&output);
    insta::assert_snapshot!("failing_json", redact(&said(&output)));
    let output = run(folder.path(), &["failing.toml", "--junit", "results.xml", "--filter", "a"]);
    assert_eq!(output.status.code(), Some(1));
    let xml = std::fs::read_to_string(folder.path().join("results.xml")).unwrap();
    // How long each took is another at each run.
    let times = xml.split(" time=\"").map(|part| match part.split_once("\">") {
        Some((time, rest)) if time.parse::<f64>().is_ok() => format!("[s]\">{rest}"),
        _ => part.trim_end_matches("[s]").to_owned(),
    });
    insta::assert_snapshot!("failing_junit", times.collect::<Vec<_>>().join(" time=\""));
}

#[test]
fn colours_are_for_those_who_want_them() {
    let folder = failing();
    let coloured = |no_color: &str| {
        let mut command = Setup::new(crate::EXE, folder.path(), &[]).command();
        command.args(["test", "failing.toml"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", no_color);
        String::from_utf8(command.output().unwrap().stdout).unwrap().contains("\u{1b}[31m")
    };
    assert!(coloured("") && !coloured("1"));
}

const BROKEN: &str = r#"
modul = "x.wasm"
zone = "Europe/Berlim"
[[scenario]]
name = "a"
start = "soon"
steps = [
  { sned = "x", repeat = 0 },
  { send = "x", add = "y", repeat = "often" },
  { call = "x", payload = { a = nan } },
  { expect = { message = [], messages = [{ topik = "x" }, 7], variables = { current = 1 } } },
  { expect = { timers = { "a.b" = { at = "2026-01-01", in = "1 h" }, c.d = "never", c.e = 1.5 } } },
  { query = "q.w", expect = { "$contain" = "x" }, after = "1 fortnight" },
  { send = "x", expect = { log = [{ message = { "$contains" = 1 } }], variables = { a.b = { "$any" = true, x = 1 } } } },
  { add = "no spaces", fails = "x", payload = 1 },
  {},
  { after = "1 day", at = "2026-01-01 00:00", expect = [] },
  { query = "q.w", expect = 1, fails = "x", context = "" },
]
"#;

#[test]
fn an_unusable_file_is_told_what_is_wrong_with_it() {
    let folder = failing();
    let path = folder.path();
    let mut text = String::new();
    for (name, content) in [
        ("broken", BROKEN.trim_start()),
        ("not_toml", "[[scenario]]\nname = \"a\"\nsteps = [{ send = \"x\"\n"),
        ("empty", ""),
        ("nameless", "[[scenario]]\nmodule = 1\n"),
        ("types", "module = 1\nscenario = 1\nconfig = { q = { a = 1 } }\ncontext = 7\n"),
        ("no_module", "module = \"nope.wasm\"\n[[scenario]]\nname = \"a\"\nsteps = []\n"),
        ("of_nothing", "[[scenario]]\nname = \"a\"\nsteps = []\n"),
        ("no_quest", "module = \"failing.toml\"\n[[scenario]]\nname = \"a\"\nsteps = []\n"),
    ] {
        std::fs::write(path.join(format!("{name}.toml")), content).unwrap();
        text.push_str(&said(&run(path, &[&format!("{name}.toml")])));
    }
    for args in [
        &["nowhere.toml"][..],
        &["failing.toml", "--filter", "zz"],
        &["quests"],
        &["failing.toml", "-m", "quests"],
        &[],
    ] {
        text.push_str(&said(&run(path, args)));
    }
    insta::assert_snapshot!("unusable", text);
}

/// The next line of results that holds `marker`.
fn until(lines: &mut impl Iterator<Item = std::io::Result<String>>, marker: &str) -> String {
    lines.map(|line| line.expect("text")).find(|line| line.contains(marker)).expect("it goes on")
}

#[test]
fn a_change_of_a_scenario_or_a_module_runs_it_again() {
    let folder = failing();
    let path = folder.path();
    let write = |current: u32| {
        let steps =
            format!("steps = [{{ send = \"workout\", expect = {{ variables = {{ streak.current = {current} }} }} }}]");
        let text = format!("module = \"quest_streak.wasm\"\n[[scenario]]\nname = \"a\"\n{steps}\n");
        std::fs::write(path.join("watched.toml"), text).unwrap();
    };
    write(1);
    let setup = Setup::new(crate::EXE, path, &[]);
    let mut watching = Speaking::start(setup.command().args(["test", "watched.toml", "--watch"]));
    let mut lines = BufReader::new(watching.process.0.stdout.take().unwrap()).lines();
    assert!(until(&mut lines, "passed").starts_with("1 passed, 0 failed"));
    watching.said_until("watching");
    write(2);
    until(&mut lines, "+   streak.current = 1");
    assert!(until(&mut lines, "passed").starts_with("0 passed, 1 failed"));
    watching.said_until("1 of 1 scenarios failed");
    write(1);
    assert!(until(&mut lines, "passed").starts_with("1 passed, 0 failed"));
    // A build puts another file in the module's place.
    std::fs::copy(guest("quest-counter"), path.join("next")).unwrap();
    std::fs::rename(path.join("next"), path.join("quest_streak.wasm")).unwrap();
    until(&mut lines, "+   none");
    assert!(until(&mut lines, "passed").starts_with("0 passed, 1 failed"));
    std::fs::write(path.join("watched.toml"), "scenario = 1\n").unwrap();
    watching.said_until("watched.toml:1:12: scenario is a list");
    let (status, said) = watching.end(libc::SIGINT);
    assert_eq!(status.code(), Some(0), "{said}");
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join("docs/scenario.schema.json")).unwrap()).unwrap()
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let schema = schema();
    for (place, keys) in [
        ("", keys::FILE),
        ("/$defs/scenario", keys::SCENARIO),
        ("/$defs/step", keys::STEP),
        ("/$defs/expectation", keys::EXPECT),
        ("/$defs/timer", keys::TIMER),
        ("/$defs/message", keys::MESSAGE),
        ("/$defs/event", keys::EVENT),
        ("/$defs/dead", keys::DEAD),
        ("/$defs/log", keys::LOG),
        ("/$defs/fails", keys::FAILS),
        ("/$defs/matcher", keys::MATCHERS),
    ] {
        let described = schema.pointer(place).unwrap_or_else(|| panic!("no {place}"));
        let names: BTreeSet<&str> = described["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, keys.iter().copied().collect(), "{place}");
        assert_eq!(described["additionalProperties"], json!(false), "{place}: another key is refused");
        described["properties"].as_object().unwrap().values().for_each(|value| _ = resolve(&schema, value));
    }
    for verb in keys::VERBS {
        assert!(keys::STEP.contains(verb), "{verb}");
    }
}

#[test]
fn schema_and_parser_take_and_refuse_the_same() {
    let schema = schema();
    let check = |text: &str| {
        let value: Value = toml::from_str(text).unwrap();
        (faults(&schema, &schema, &value), File::read(text))
    };
    let mut files: Vec<String> = examples()
        .iter()
        .map(|(name, _)| std::fs::read_to_string(root().join("quests").join(name).join("scenarios.toml")).unwrap())
        .collect();
    files.push(FAILING.to_owned());
    for text in &files {
        let (faults, read) = check(text);
        assert!(faults.is_empty() && read.is_ok(), "{faults:?} {read:?}\n{text}");
    }
    for wrong in [
        "other = 1",
        "module = 1",
        "zone = 1",
        "config = { q = { a = 1 } }",
        "[[scenario]]\nname = \"a\"",
        "[[scenario]]\nsteps = []",
        "[[scenario]]\nname = \"a\"\nsteps = [{ sent = \"x\" }]",
        "[[scenario]]\nname = \"a\"\nsteps = [{ send = 1 }]",
        "[[scenario]]\nname = \"a\"\nsteps = [{ send = \"x\", repeat = \"y\" }]",
        "[[scenario]]\nname = \"a\"\nsteps = [{ query = \"q.q\", fails = { kode = \"x\" } }]",
    ] {
        let text = if wrong.contains("[[scenario]]") {
            wrong.to_owned()
        } else {
            format!("{wrong}\n[[scenario]]\nname = \"a\"\nsteps = []")
        };
        let (faults, read) = check(&text);
        assert!(!faults.is_empty() && read.is_err(), "{faults:?} {read:?}\n{text}");
    }
}

#[test]
fn the_examples_in_the_documentation_are_read() {
    let page = std::fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| &rest[..rest.find("```").unwrap()]).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let text = if block.contains("[[scenario]]") {
            block.to_owned()
        } else {
            format!("[[scenario]]\nname = \"a\"\nsteps = [\n{block}]\n")
        };
        assert!(File::read(&text).is_ok(), "{:?}\n{text}", File::read(&text).err());
    }
    for key in [
        keys::FILE,
        keys::SCENARIO,
        keys::STEP,
        keys::EXPECT,
        keys::TIMER,
        keys::MESSAGE,
        keys::EVENT,
        keys::DEAD,
        keys::LOG,
    ]
    .concat()
    {
        assert!(page.contains(&format!("`{key}`")), "docs/testing.md does not describe {key}");
    }
    for matcher in keys::MATCHERS {
        assert!(page.contains(matcher), "docs/testing.md does not describe {matcher}");
    }
}
