//! `inspect` and `check`: what a module is, and what is wrong with it, before a host serves it.

use quest_host_tests::{guests::guest, process::Setup};
use serde_json::{Value, json};

use crate::scenarios::said;

#[test]
fn modules_are_shown_and_what_is_wrong_with_them_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("quest-guard")]);
    let quests = folder.path().join("quests");
    let good = std::fs::read(quests.join("quest_guard.wasm")).unwrap();
    std::fs::write(quests.join("quest_guard_copy.wasm"), &good).unwrap();
    std::fs::write(quests.join("short.wasm"), &good[..good.len() / 2]).unwrap();
    std::fs::write(quests.join("text.wasm"), "quest :a do end").unwrap();
    let command = |args: &[&str]| setup.command().args(args).output().unwrap();

    let output = command(&["check", "quests"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("quests/quest_guard.wasm: ok: guard\nquests/quest_guard_copy.wasm: 1 fault\n"), "{text}");
    assert!(text.contains("which quests/quest_guard.wasm defines already [duplicate-quest]"), "{text}");
    assert!(text.contains("quests/short.wasm: 1 fault") && text.contains("[not-wasm]"), "{text}");
    assert!(text.contains("3 of 4 modules cannot be served"), "{text}");
    let output = command(&["check", "quests/quest_guard.wasm", "--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, json!({"file": "quests/quest_guard.wasm", "ok": true, "faults": []}));

    let output = command(&["inspect", "quests/quest_guard.wasm"]);
    let text = said(&output);
    for part in [
        "  contract  current, definition, messages",
        "  wasi      cli/environment",
        "  exports   guest\n",
        "  quest     guard (version 1)  Locks, warns and tells.\n    added on  signed-up\n",
        "    action    unlock  on identity-proved\n",
        "    pattern   miss: {\"action\":\"miss\",\"kind\":\"absence\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = command(&["inspect", "quests", "--format", "json"]);
    let told: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 4);
    assert_eq!((&told[0]["quests"][0]["name"], &told[0]["size"]), (&json!("guard"), &json!(good.len())));
    assert_eq!(told[0]["imports"][0], json!({"name": "quest:host/current@0.1.0", "access": "contract"}));

    // The limits that a host would load it under count.
    let output = command(&["check", "quests/quest_guard.wasm", "--set", "wasm.module_bytes_max=1000"]);
    assert!(said(&output).contains("[too-large]"), "{}", said(&output));
    for (args, refusal) in [
        (&["check", "elsewhere.wasm"][..], "cannot read elsewhere.wasm"),
        (&["check", "."], "there is no module in ."),
        (&["inspect"], "required"),
        (&["check", "x.wasm", "--url", "http://x"], "check takes no --url"),
    ] {
        let output = command(args);
        assert!(!output.status.success() && said(&output).contains(refusal), "{args:?}: {}", said(&output));
    }
}
