//! One script for quests in every language: tests/conformance.

use std::path::Path;

use quest_host_tests::{
    guests::{conformance_c, guest, root},
    process::Setup,
};
use serde_json::Value;

use crate::scenarios::said;

const TABLE: &str = "docs/languages/README.md";

/// The table of results in the documentation: its head, and its rows.
fn table() -> (Vec<String>, Vec<Vec<String>>) {
    let page = std::fs::read_to_string(root().join(TABLE)).unwrap();
    let (_, rest) = page.split_once("<!-- conformance: tests/conformance/table.py -->\n").expect("where it begins");
    let (table, _) = rest.split_once("<!-- end -->").expect("where it ends");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut rows = table.lines().map(cells);
    let head = rows.next().unwrap();
    (head, rows.skip(1).collect())
}

/// Runs the script over a module: all of it passes, and the table says so. Then with instances that are kept between actions: they are faster, and
/// change nothing but what the program finds in its own memory.
fn passes(language: &str, module: &Path) {
    let ran = runs("conformance.toml", module, "");
    let (head, rows) = table();
    let column = head.iter().position(|name| name == language).expect("a column");
    let says: Vec<(String, &str)> = rows.iter().map(|row| (row[0].clone(), row[column].as_str())).collect();
    assert_eq!(ran, says, "{TABLE} is not what {language} does; tests/conformance/README.md says how it is made");
    runs("fresh.toml", module, "");
    runs("conformance.toml", module, "keep_instances = 'quest'");
    runs("kept.toml", module, "keep_instances = 'context'");
}

/// What became of each scenario.
fn runs(script: &str, module: &Path, policy: &str) -> Vec<(String, &'static str)> {
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("tests/conformance").join(script);
    let copied = folder.path().join(module.file_name().unwrap());
    std::fs::copy(module, &copied).unwrap();
    std::fs::write(folder.path().join("quest.toml"), policy).unwrap();
    let mut command = Setup::new(crate::EXE, folder.path(), &[]).command();
    // A busy machine is no reason to fail; what never ends is tried twice.
    let patient = ["--set", "wasm.action_ms_max=5000", "--set", "engine.attempts_max=2"];
    // What quests may do by themselves is tested elsewhere: permissions.rs.
    let permitted = ["--set", "wasm.permit.other_contexts=always", "--set", "wasm.permit.broadcast=always"];
    command
        .arg("test")
        .arg(script)
        .arg("--module")
        .arg(&copied)
        .args(patient)
        .args(permitted)
        .args(["--format", "json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{} {policy}: {}", module.display(), said(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    let told = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    told.filter_map(|line| {
        Some((line["scenario"].as_str()?.to_owned(), if line["outcome"] == "passed" { "✓" } else { "✗" }))
    })
    .collect()
}

/// Whatever this run runs: every language with a template is in the table, and nothing in it is left open.
#[test]
fn the_table_is_whole() {
    let (head, rows) = table();
    let languages = ["Rust", "Ruby", "JavaScript", "TypeScript", "Lua", "Python", "Go", "C", "C++", "Zig"];
    assert_eq!(head[1..], languages);
    let script = std::fs::read_to_string(root().join("tests/conformance/conformance.toml")).unwrap();
    let scenarios = quest_host::scenario::File::read(&script).unwrap().scenarios;
    let names: Vec<&String> = scenarios.iter().map(|scenario| &scenario.name).collect();
    assert_eq!(rows.iter().map(|row| &row[0]).collect::<Vec<_>>(), names);
    assert!(rows.iter().all(|row| row[1..].iter().all(|cell| cell == "✓" || cell == "✗")), "{rows:?}");
}

#[test]
fn rust() {
    passes("Rust", &guest("conformance-rust"));
}

// C++, Zig, Go and Python: tests/languages.sh, as their compilers are large.
#[test]
fn c() {
    passes("C", &conformance_c());
}

#[test]
fn lua() {
    passes("Lua", &root().join("tests/conformance/quest.lua"));
}

#[test]
fn typescript() {
    passes("TypeScript", &root().join("tests/conformance/quest.ts"));
}

#[test]
fn javascript() {
    passes("JavaScript", &root().join("tests/conformance/quest.js"));
}

#[test]
fn ruby() {
    passes("Ruby", &root().join("tests/conformance/quest.rb"));
}
