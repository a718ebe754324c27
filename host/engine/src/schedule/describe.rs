//! What comes next, said to people.

use super::{Millis, Plan, Schedule, Why, Zone, civil};

/// One of the next runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// The instant by the calendar, without jitter.
    pub at: Millis,
    /// What is special about it.
    pub why: Option<Why>,
}

/// The most runs that are listed.
const LISTED_MAX: usize = 10_000;

/// The next `n` runs (at most 10,000) of a schedule that is started at `from`, without jitter.
pub fn upcoming(schedule: &Schedule, from: Millis, zone: &Zone, n: usize) -> Vec<Upcoming> {
    let mut plan = Plan::begin(schedule, from, zone, "");
    let mut runs = Vec::new();
    while let Some(next) = plan.take_if(|_| runs.len() < n.min(LISTED_MAX)) {
        runs.push(Upcoming { at: next.nominal(), why: next.why(schedule, zone) });
        plan = next.advance(schedule, zone, "");
    }
    runs
}

/// The next `n` runs (at most 10,000) of a schedule that is started at `from`, one a line: civil time, offset, zone, and what is special.
pub fn describe(schedule: &Schedule, from: Millis, zone: &Zone, n: usize) -> Vec<String> {
    let shown = schedule.zone().unwrap_or(zone);
    let line = |run: Upcoming| {
        let why = run.why.map(|why| format!("  ({why})")).unwrap_or_default();
        format!("{} {shown}{why}", civil::show(run.at, shown))
    };
    upcoming(schedule, from, zone, n).into_iter().map(line).collect()
}
