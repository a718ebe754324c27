//! The documentation against what runs.

use std::collections::{BTreeMap, BTreeSet};

use quest_host_tests::{guests::root, process::Setup};
use serde_json::Value;

/// The rows of a Markdown page's tables: the first cell in backticks, and the second.
fn rows(page: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    cells.map(|(name, rest)| (name.to_owned(), rest.split(" | ").next().unwrap_or_default().to_owned())).collect()
}

#[test]
fn every_setting_stands_in_its_table_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let output = Setup::new(crate::EXE, folder.path(), &[]).command().args(["config", "--format", "json"]).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let settings: BTreeMap<String, String> = output
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let value = match &row["value"] {
                Value::String(text) if text.is_empty() => "empty".to_owned(),
                Value::String(text) => format!("`{text}`"),
                other => other.to_string(),
            };
            (row["setting"].as_str().unwrap().to_owned(), value)
        })
        .collect();
    assert!(settings.len() > 50, "{output}");
    let table = rows("docs/settings.md");
    let names: BTreeSet<&String> = table.keys().chain(settings.keys()).collect();
    for name in names {
        assert_eq!(table.get(name), settings.get(name), "{name}: the table, and what `quest-host config` says");
    }
}
