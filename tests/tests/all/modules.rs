//! A folder with what is no module: each file is named with a reason, at the start and in `list`; the good ones are served.

use std::{collections::BTreeMap, path::Path};

use quest_host_tests::{
    guests::guest,
    process::{Setup, Speaking},
};
use serde_json::json;

/// Fills the folder; what is wrong with each file.
fn fill(quests: &Path) -> BTreeMap<&'static str, &'static str> {
    let good = std::fs::read(guest("quest-counter")).unwrap();
    std::fs::write(quests.join("counter.wasm"), &good).unwrap();
    std::fs::write(quests.join("cut.wasm"), &good[..good.len() / 2]).unwrap();
    std::fs::write(quests.join("empty.wasm"), b"").unwrap();
    std::fs::write(quests.join("text.wasm"), b"fn main() {}").unwrap();
    std::fs::write(quests.join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(quests.join("void.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    std::fs::write(quests.join("twice.wasm"), &good).unwrap();
    std::fs::create_dir(quests.join("folder.wasm")).unwrap();
    // Not even root reads what a link to nowhere names.
    std::os::unix::fs::symlink(quests.join("gone"), quests.join("link.wasm")).unwrap();
    std::fs::write(quests.join("notes.txt"), b"no module, and not taken for one").unwrap();
    BTreeMap::from([
        ("core.wasm", "core-module"),
        ("cut.wasm", "compile"),
        ("empty.wasm", "not-wasm"),
        ("folder.wasm", "unreadable"),
        ("link.wasm", "unreadable"),
        ("text.wasm", "not-wasm"),
        ("twice.wasm", "duplicate-quest"),
        ("void.wasm", "no-guest"),
    ])
}

#[test]
fn bad_files_are_named_and_good_ones_served() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[]);
    let wrong = fill(&folder.path().join("quests"));

    let mut speaking = Speaking::start(setup.command().args(["run", "--listen", "127.0.0.1:0"]));
    let said = speaking.said_until("listening").to_owned();
    for (file, code) in &wrong {
        let line = said.lines().find(|line| line.contains(&format!("quests/{file} is NOT served: ")));
        assert!(line.is_some_and(|line| line.ends_with(&format!("[{code}]"))), "{file}: {said}");
    }
    assert!(said.contains("loaded my_example_quest") && !said.contains("notes.txt"), "{said}");
    drop(speaking);

    let host = setup.start();
    let list = host.json(&["list"]);
    let problems = list["problems"].as_array().unwrap().iter().map(|problem| {
        let name = Path::new(problem["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        assert!(!problem["message"].as_str().unwrap().is_empty(), "{problem}");
        (name, problem["code"].as_str().unwrap())
    });
    assert_eq!(problems.collect::<BTreeMap<_, _>>(), wrong);
    assert_eq!(list["quests"][0]["name"], json!("my_example_quest"));
    assert_eq!(host.json(&["add", "u", "my_example_quest"])["added"], json!(true));
    assert_eq!(host.json(&["call", "u", "my_example_quest", "my_action"])["answer"], json!(null));
    assert_eq!(host.json(&["query", "u", "my_example_quest", "total"])["answer"], json!(1));
}

#[test]
fn sources_that_do_not_build_are_named_and_the_others_served() {
    let folder = tempfile::tempdir().unwrap();
    let quests = folder.path().join("quests");
    let setup = Setup::new(crate::EXE, folder.path(), &[]).env("CARGO_NET_OFFLINE", "true");
    for (name, manifest, source) in [
        (
            "broken",
            "[package]\nname = \"broken\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n",
            "fn f() -> u8 {}",
        ),
        ("library", "[package]\nname = \"library\"\nedition = \"2024\"\n", ""),
        ("nonsense", "[package\n", ""),
        ("plain", "[package]\nname = \"plain\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n", ""),
    ] {
        std::fs::create_dir_all(quests.join(name).join("src")).unwrap();
        std::fs::write(quests.join(name).join("Cargo.toml"), manifest).unwrap();
        std::fs::write(quests.join(name).join("src/lib.rs"), source).unwrap();
    }
    // `broken` and `plain` are built by one cargo.
    let workspace =
        "[workspace]\nresolver = \"3\"\nmembers = [\"quests/broken\", \"quests/plain\", \"quests/library\"]\n";
    std::fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
    std::fs::create_dir(quests.join("script")).unwrap();
    std::fs::write(quests.join("script/build.sh"), "echo no luck >&2\nexit 3\n").unwrap();
    std::fs::copy(guest("quest-counter"), quests.join("counter.wasm")).unwrap();

    let mut host = Speaking::start(setup.command().args(["run", "--listen", "127.0.0.1:0"]));
    let said = host.said_until("listening").to_owned();
    for (name, says) in [
        ("broken", "cargo could not build it, as said above"),
        ("library", "cargo built no module; a quest's Cargo.toml has [lib] crate-type"),
        ("nonsense", "its Cargo.toml is not TOML"),
        ("script", "build.sh failed: no luck"),
    ] {
        let line = said.lines().find(|line| line.contains(&format!("quests/{name} is NOT served: ")));
        assert!(line.is_some_and(|line| line.contains(says)), "{name}: {said}");
    }
    let url = said.lines().find_map(|line| line.split_once("listening ")).unwrap().1;
    let list = setup.command().args(["list", "--format", "json", "--url", url]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let codes = list["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap());
    assert_eq!(codes.collect::<Vec<_>>().iter().filter(|code| **code == "build-failed").count(), 4, "{list}");
    assert!(said.contains("error[E0308]"), "the compiler's error is shown: {said}");
    assert!(said.contains("plain.wasm is NOT served: "), "it is built beside the broken one: {said}");
    assert!(said.contains("loaded my_example_quest"), "{said}");
    let (status, _) = host.end(libc::SIGTERM);
    assert!(status.success());
}
