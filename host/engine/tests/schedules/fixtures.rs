//! What other implementations say (`generate.py` makes `fixtures.json`). Where we differ from one on purpose, the case says why, and what
//! that one gives.

use quest_engine::schedule::{Schedule, Zone, civil, upcoming};
use serde_json::Value;

#[test]
fn dateutil_croniter_and_zoneinfo_say_the_same() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("fixtures.json")).expect("JSON");
    let (mut wrong, mut differ) = (Vec::new(), 0);
    for case in &cases {
        let text = |key: &str| case[key].as_str().expect("a text");
        let zone = Zone::parse(text("zone")).expect("a zone");
        let schedule = Schedule::parse(text("schedule")).unwrap_or_else(|error| panic!("{error}"));
        let from = civil::read(text("from"), &zone).expect("a time");
        let expected: Vec<u64> = case["runs"].as_array().expect("runs").iter().filter_map(Value::as_u64).collect();
        let runs: Vec<u64> = upcoming(&schedule, from, &zone, expected.len()).into_iter().map(|run| run.at).collect();
        if case["differs"].is_string() {
            differ += 1;
            assert_ne!(case["peer"], case["runs"], "{schedule}");
        }
        if let Some(place) = runs.iter().zip(&expected).position(|(one, other)| one != other) {
            let (found, meant) = (civil::show(runs[place], &zone), civil::show(expected[place], &zone));
            wrong.push(format!(
                "{} from {} {zone}: run {place} is {found}, not {meant}",
                text("schedule"),
                text("from")
            ));
        } else if runs.len() != expected.len() {
            wrong.push(format!(
                "{} from {} {zone}: {} runs, not {}",
                text("schedule"),
                text("from"),
                runs.len(),
                expected.len()
            ));
        }
    }
    assert!(cases.len() > 1_000 && differ > 20, "{} cases, {differ} on purpose", cases.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
