//! What README.md tells a newcomer to type, typed, and what it says that comes of it.

use std::{path::Path, process::Command};

use quest_host_tests::{
    eventually,
    guests::{guests_target, hello_c, root},
    process::{Setup, Speaking},
};
use serde_json::Value;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The text under a heading.
fn section(heading: &str) -> String {
    let text = readme();
    let begin = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("README has no {heading:?}"));
    let section = &text[begin + 1..];
    section[..section.find("\n## ").unwrap_or(section.len())].to_owned()
}

/// The fenced blocks of a language.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).map(|rest| rest[..rest.find("```").expect("a closed fence")].to_owned()).collect()
}

/// A command, and what README says that it prints.
fn lines(block: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    block.lines().filter(|line| !line.trim().is_empty()).map(|line| match line.split_once("  # ") {
        Some((command, prints)) => (command.trim(), Some(prints.trim())),
        None => (line.trim(), None),
    })
}

/// A shell in which `quest-host` is the command under test, talking to `url`.
fn shell(setup: &Setup, bin: &Path, url: &str) -> Command {
    let mut command = Command::new("bash");
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", bin.display())).env("QUEST_HOST_URL", url).env("NO_COLOR", "1");
    command.current_dir(&setup.folder).args(["-euo", "pipefail", "-c"]);
    command
}

fn bin(folder: &Path) -> std::path::PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(crate::EXE, bin.join("quest-host")).unwrap();
    bin
}

/// Types a line. What it prints may come a moment later, since an event is accepted before it is processed: then it is typed again, unless
/// it changes something.
fn type_line(setup: &Setup, bin: &Path, url: &str, line: &str, prints: Option<&str>) {
    let looks = ["list", "vars", "query", "timers", "messages"].map(|name| format!("quest-host {name}"));
    let is_look = looks.iter().any(|look| line.starts_with(look));
    eventually(&format!("`{line}` prints {prints:?}"), || {
        let output = shell(setup, bin, url).arg(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        let fits = prints.is_none_or(|prints| printed.contains(prints));
        assert!(is_look || (output.status.success() && fits), "`{line}`: {printed}{said}");
        (output.status.success() && fits).then_some(())
    });
}

fn address(said: &str) -> String {
    let line = said.lines().find(|line| line.contains("listening")).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn a_first_look() {
    // The quests are built before, so that the deadline of the start is one of a start.
    hello_c();
    let commands = blocks(&section("Two commands"), "sh");
    assert!(commands[0].contains("cargo run -- run\n"), "what follows stands for this: {}", commands[0]);
    let (script, _) = lines(&commands[1]).next().unwrap();
    assert!(root().join(script.strip_prefix("bash ").unwrap()).is_file(), "{script}");

    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path();
    let setup = Setup::new(crate::EXE, &root(), &[])
        .env("QUEST_HOST_DATA", scratch.join("data").to_str().unwrap())
        .env("QUEST_HOST_CACHE", scratch.join("cache").to_str().unwrap())
        .env("CARGO_TARGET_DIR", guests_target().to_str().unwrap());
    let mut host = Speaking::start(setup.command().args(["run", "--listen", "127.0.0.1:0"]));
    let said = host.said_until("listening").to_owned();
    assert!(!said.contains("NOT served"), "every example quest is built and served: {said}");
    let url = address(&said);

    let look = section("A first look");
    let bin = bin(scratch);
    for (line, prints) in lines(&blocks(&look, "sh")[0]) {
        type_line(&setup, &bin, &url, line, prints);
    }
    let curl = look.split('`').find(|code| code.starts_with("curl ")).expect("a line with curl");
    let curl = format!("{} --fail --silent --show-error", curl.replace("http://127.0.0.1:7766", &url));
    let output = shell(&setup, &bin, &url).arg(&curl).output().unwrap();
    assert!(output.status.success(), "{curl}: {}", String::from_utf8_lossy(&output.stderr));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["duplicate"], Value::Bool(false), "{receipt}");
    type_line(&setup, &bin, &url, "quest-host query user-1 my_example_quest total", Some("2"));
    let (status, _) = host.end(libc::SIGTERM);
    assert!(status.success());
}

#[test]
fn a_quest_of_your_own() {
    let own = blocks(&section("A quest of your own"), "sh");
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path();
    let setup = Setup::new(crate::EXE, scratch, &[]);
    let bin = bin(scratch);
    let (first, run) = own[0].trim().rsplit_once('\n').unwrap();
    let output = shell(&setup, &bin, "").arg(first).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let (_, prints) = lines(first).last().unwrap();
    assert!(output.status.success() && printed.contains(prints.unwrap()), "{printed}");

    let there = Setup { folder: scratch.join("hello"), ..setup.clone() };
    let run = run.strip_prefix("quest-host ").expect("it runs the host").split_whitespace();
    let mut host = Speaking::start(there.command().args(run).args(["--listen", "127.0.0.1:0"]));
    let url = address(host.said_until("listening"));
    for (line, prints) in lines(&own[1]) {
        type_line(&setup, &bin, &url, line, prints);
    }
    assert!(host.end(libc::SIGTERM).0.success());
}

#[test]
fn a_quest_in_rust_by_hand() {
    let own = section("In Rust, by hand");
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path();
    let quest = scratch.join("my-quests/hello");
    std::fs::create_dir_all(quest.join("src")).unwrap();
    let sdk = format!("path = \"{}\"", root().join("quest-sdk").display());
    let manifest = blocks(&own, "toml")[0].replace("path = \"PATH/OF/THE/CLONE/quest-sdk\"", &sdk);
    assert!(manifest.contains(&sdk), "{manifest}");
    std::fs::write(quest.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(quest.join("src/lib.rs"), &blocks(&own, "rust")[0]).unwrap();
    // With the versions that this repository has, nothing is fetched.
    std::fs::copy(root().join("Cargo.lock"), quest.join("Cargo.lock")).unwrap();
    let tested = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&quest)
        .args(["test", "--offline", "--target-dir"])
        .arg(guests_target().join("own"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(tested.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&tested.stderr));

    let setup = Setup::new(crate::EXE, scratch, &[])
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", guests_target().join("own").to_str().unwrap());
    let commands = blocks(&own, "sh");
    let mut commands = lines(&commands[0]);
    let (run, _) = commands.next().unwrap();
    let run: Vec<&str> = run.strip_prefix("quest-host ").expect("it runs the host").split_whitespace().collect();
    let mut host = Speaking::start(setup.command().args(run).args(["--listen", "127.0.0.1:0"]));
    // A first build for wasm.
    host.said_until("Finished");
    let url = address(host.said_until("listening"));
    let bin = bin(scratch);
    for (line, prints) in commands {
        type_line(&setup, &bin, &url, line, prints);
    }
    let (status, _) = host.end(libc::SIGTERM);
    assert!(status.success());
}
