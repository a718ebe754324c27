//! What the end-to-end tests share: guests, servers, hosts and how to wait for them.
#![allow(clippy::print_stderr)] // Seeds, and what a host said: shown when a test fails.

pub mod disk;
pub mod guests;
pub mod load;
pub mod process;
pub mod proxy;
pub mod redact;
pub mod redis_cluster;
pub mod redis_sentinel;
pub mod redis_server;
pub mod schema;

use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Generous: machines are shared.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Looks until `found` gives something.
///
/// # Panics
/// When the deadline has passed.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The seed of a random test: given by QUEST_SEED, or drawn; printed, so that a failure can be run again.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var("QUEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{test}: QUEST_SEED={seed}");
    seed
}

/// How often a test does something: `short` in a normal run, `long` in the long form that `tests/long.sh` starts (QUEST_LONG=1).
pub fn times(short: u64, long: u64) -> u64 {
    if std::env::var_os("QUEST_LONG").is_some_and(|value| value == "1") { long } else { short }
}
