//! `bench`: what it measures, and that it does so on a store of its own.

use quest_host_tests::{
    guests::{guest, hostile},
    process::Setup,
};
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

#[test]
fn bench_measures_what_hostile_quests_cost_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("quest-counter")]);
    let few = ["--contexts", "3", "--events", "20", "--no-ceilings", "--paced", "20", "--timers", "0"];
    let permitted = ["--set", "wasm.permit.other_contexts=always", "--set", "wasm.action_ms_max=100"];
    // Whose tries are over soon, so that a look at each of the ten does not take long.
    let soon = ["--set", "engine.attempts_max=2", "--set", "engine.retry_base_ms=10"];
    let mut command = setup.command();
    command.args(["bench", "--format", "json"]).arg(folder.path().join("quests/quest_counter.wasm")).args(few);
    for module in hostile() {
        command.arg("--hostile").arg(module);
    }
    let output = command.args(permitted).args(soon).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = result["hostile"].as_array().unwrap();
    let who: Vec<&str> = parts.iter().map(|part| part["beside"].as_str().unwrap()).collect();
    let ten = ["chain", "effects", "loop", "logs", "memory", "recursion", "storm", "strings", "table", "timers"];
    let mut expected = vec!["none"];
    expected.extend(ten);
    expected.extend(["all", "none again"]);
    assert_eq!(who.len(), expected.len(), "{who:?}");
    assert!(expected.iter().all(|one| who.contains(one)), "{who:?}");
    assert_eq!((who[0], result["hostile_share_percent"].as_i64()), ("none", Some(10)));
    for measured in ["latency_ms_p50", "latency_ms_p99", "times_without", "memory_mb"] {
        assert!(parts.iter().all(|part| part[measured].as_f64().unwrap() > 0.0), "{measured}: {result}");
    }
    let refused = setup
        .command()
        .args(["bench"])
        .arg(guest("quest-counter"))
        .arg("--hostile")
        .arg(guest("guest-probe"))
        .args(few)
        .output();
    let said = String::from_utf8_lossy(&refused.unwrap().stderr).into_owned();
    assert!(said.contains("no event adds the quest probe (add-on)"), "{said}");
}
