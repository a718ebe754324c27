//! What a number may be. A zero that would stop the host without a word, or a number that would overflow, is refused by name.

use std::ops::RangeInclusive;

use crate::store::PARTITIONS_MAX;

/// A hundred years, in milliseconds: further than any clock here reckons.
const MS_MAX: i64 = 100 * 366 * 24 * 3_600_000;
/// More than fits into any machine's memory.
const MANY: i64 = 1 << 40;

/// Settings that have bounds of their own; [`range`] says what holds for the others.
const OWN: &[(&str, RangeInclusive<i64>)] = &[
    ("partitions", 1..=PARTITIONS_MAX as i64),
    // Renewed at a third of it: less than this, and a short pause of the machine loses every partition.
    ("pace.lease_ms", 100..=3_600_000),
    // How long a host sleeps, at the least: less would be a busy loop.
    ("pace.idle_poll_ms", 10..=60_000),
    ("pace.tidy_ms", 100..=MS_MAX),
    ("pace.store_retry_ms", 1..=60_000),
    ("pace.turns_parallel", 1..=1024),
    ("pace.slow_share", 1..=100),
    ("pace.aside_after_ms", 5..=60_000),
    ("engine.hops_max", 1..=65_535),
    ("engine.attempts_max", 1..=1_000_000),
    ("engine.unserved_wait_ms", 10..=MS_MAX),
    // Without a reserve, or without anything held, there is only less room: both work.
    ("engine.held_max", 0..=MANY),
    ("accept.reserve", 0..=MANY),
    ("accept.ids_window_ms", 1_000..=MS_MAX),
    ("wasm.instances_max", 1..=10_000),
    // None kept is a choice.
    ("wasm.instances_kept_max", 0..=10_000),
    // From one page of wasm to all that it can address.
    ("wasm.memory_bytes_max", 65_536..=1 << 32),
    ("wasm.table_elements_max", 1..=10_000_000),
];

/// What the setting `path` may be.
pub(super) fn range(path: &str) -> RangeInclusive<i64> {
    if let Some((_, range)) = OWN.iter().find(|(own, _)| *own == path) {
        return range.clone();
    }
    let max = if path.contains("_ms") { MS_MAX } else { MANY };
    // An action that may have no timers, variables or log lines is a choice; a host that may take no entries is a mistake.
    let min = i64::from(!path.starts_with("wasm.action."));
    min..=max
}

/// Why `value` is nothing for the setting `path`, if so.
pub(crate) fn refused(path: &str, value: i64) -> Option<String> {
    let range = range(path);
    (!range.contains(&value)).then(|| format!("{path} is {} to {}, not {value}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::{OWN, range};
    use crate::settings::{Settings, resolve::flatten};

    #[test]
    fn every_default_is_in_its_range_and_every_range_is_of_a_setting() {
        let defaults = Table::try_from(Settings::default()).expect("a table");
        let mut known = Vec::new();
        flatten("", &defaults, &mut |path, value| {
            if let Value::Integer(number) = value {
                assert!(range(&path).contains(number), "{path} = {number}");
                known.push(path);
            }
        });
        for (path, _) in OWN {
            assert!(known.iter().any(|known| known == path), "{path} is no setting");
        }
    }
}
