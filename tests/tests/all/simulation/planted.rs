//! Bugs are planted, each by leaving out one guard, and the simulation must find each: a test of the simulation.

use std::time::Instant;

use quest_engine::planted::{Bug, plant};

use super::{carry_out, first_failing, plan::Plan, smallest};

/// Seeds within which a bug must be found.
const SEEDS_MAX: u64 = 1_000;

#[test]
fn planted_bugs_are_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let began = Instant::now();
        match first_failing(0, SEEDS_MAX, || plant(Some(bug))) {
            Some(seed) => eprintln!("{bug:?}: found within {} seeds, in {:.1?}", seed + 1, began.elapsed()),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS_MAX} seeds: {missed:?}");
}

#[test]
fn a_failing_run_is_made_small_and_told() {
    let bug = Bug::HeldInMemory;
    let seed = first_failing(0, SEEDS_MAX, || plant(Some(bug))).expect("a seed that finds it");
    plant(Some(bug));
    let whole = Plan::of(seed);
    let steps = whole.steps.len();
    let (small, ran) = smallest(whole);
    eprintln!("{}\n{:?}", ran.timeline.join("\n"), ran.result);
    assert!(ran.result.is_err(), "it fails still");
    assert!(small.steps.len() * 4 <= steps, "{} of {steps} steps are left", small.steps.len());
    assert!(ran.timeline.iter().any(|line| line.contains("commits")), "it tells of commits");
    plant(None);
    assert_eq!(carry_out(&small, false).result.err(), None, "without the bug nothing is wrong");
}
