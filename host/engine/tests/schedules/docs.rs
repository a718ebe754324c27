//! The reference's examples are read.

use quest_engine::schedule::Schedule;

/// The text between backticks.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_example_of_the_reference_is_a_schedule() {
    let text = include_str!("../../../../docs/schedules.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut examples: Vec<&str> = rows.filter_map(|row| code(row).next()).collect();
    assert!(examples.len() > 25, "{examples:?}");
    // Beside a recurrence stand others; what is one word only is spoken of.
    let recurrences = text.split("## ").find(|section| section.starts_with("Recurrences")).expect("a section");
    let beside = recurrences.lines().filter(|line| line.starts_with("| `")).flat_map(|row| code(row).skip(1));
    examples.extend(beside.filter(|example| example.contains(' ')));
    for example in examples {
        Schedule::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}
