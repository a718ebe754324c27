//! `bench`: what it measures, and that it does so on a store of its own.

use quest_host_tests::{guests::guest, process::Setup};
use serde_json::{Value, json};

#[test]
fn bench_measures_on_a_store_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("quest-counter")]);
    let module = folder.path().join("quests/quest_counter.wasm");
    let few = ["--contexts", "3", "--events", "200", "--paced", "3", "--timers", "20"];
    let waiting = ["--outstanding", "300", "--recurring", "30", "--patterned", "20"];
    let bench = || {
        let mut command = setup.command();
        command.args(["bench", "--format", "json"]).arg(&module);
        command
    };
    let modules = [guest("quest-reminders"), guest("quest-alerts")];
    let output = bench().args(&modules).args(few).args(waiting).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["contexts"], &result["events"], &result["timers"]), (&json!(3), &json!(200), &json!(20)));
    for measured in [
        "events_per_second",
        "events_per_commit",
        "ceiling_commits_per_second",
        "ceiling_calls_per_second",
        "share_of_lower_ceiling_percent",
        "latency_ms_p50",
        "latency_ms_p99",
        "memory_mb",
        "waiting_timers_events_per_second",
        "waiting_timers_started_s",
        "waiting_recurrences_events_per_second_before",
        "waiting_recurrences_started_s",
        "waiting_patterns_events_per_second",
        "waiting_patterns_started_s",
    ] {
        assert!(result[measured].as_f64().unwrap() > 0.0, "{measured}: {result}");
    }
    for (kind, waiting) in [("timers", 300), ("recurrences", 30), ("patterns", 60)] {
        assert_eq!((&result[kind], &result[format!("{kind}_early")]), (&json!(20), &json!(0)), "{kind}");
        assert_eq!(result[format!("waiting_{kind}")], json!(waiting), "{kind}");
    }
    for (flag, quest) in [("--outstanding", "reminders"), ("--recurring", "reminders"), ("--patterned", "alerts")] {
        let output = bench().args([flag, "1"]).output().unwrap();
        let refusal = format!("{flag} needs a module with the quest {quest}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&refusal), "{output:?}");
    }
    assert!(!folder.path().join(".quest-host/data").exists(), "what is served here is left alone");
}
