//! How long to wait before the next try.

use crate::{action::Seed, limits::EngineLimits, model::Millis};

/// When to try again after `attempts` failed ones, or none when it is time to give up. Exponential, with jitter over the
/// upper half so that what failed together does not come back together.
pub(super) fn next_try(limits: &EngineLimits, event_id: &str, attempts: u32, now: Millis) -> Option<Millis> {
    if attempts >= limits.attempts_max {
        return None;
    }
    let doubled = limits.retry_base_ms.saturating_mul(1 << (attempts - 1).min(32));
    let wait = doubled.min(limits.retry_max_ms);
    let jitter = Seed::of(&[event_id, &attempts.to_string()]).unit();
    Some(now + wait / 2 + (wait as f64 / 2.0 * jitter) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_end() {
        let limits =
            EngineLimits { retry_base_ms: 100, retry_max_ms: 1000, attempts_max: 8, ..EngineLimits::default() };
        let mut floor = 50;
        for attempts in 1..8 {
            let wait = next_try(&limits, "e", attempts, 0).expect("not yet");
            let full = (100u64 << (attempts - 1)).min(1000);
            assert!((floor..=full).contains(&wait), "{attempts}: {wait}");
            floor = (floor * 2).min(500);
        }
        assert_eq!(next_try(&limits, "e", 8, 0), None);
    }
}
