//! The reference's examples are read.

use quest_engine::schedule::Schedule;

#[test]
fn every_example_of_the_reference_is_a_schedule() {
    let text = include_str!("../../../../docs/schedules.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let examples: Vec<&str> = rows.map(|(example, _)| example).collect();
    assert!(examples.len() > 20, "{examples:?}");
    for example in examples {
        Schedule::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}
