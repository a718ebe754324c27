//! Every bound of the engine and of an action, in one place, each with its reason. The host makes all of them settings.

use serde::{Deserialize, Serialize};

/// Bounds of one action. Past one of them the host function refuses (an error value), except where said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionLimits {
    /// Bytes of one value. A value is copied across the border, stored and loaded whole.
    pub value_bytes_max: usize,
    /// Bytes of all variables of an instance. They are loaded for every action.
    pub variables_bytes_max: usize,
    /// Variables of an instance.
    pub variables_max: usize,
    /// Timers of an instance. They are loaded with it.
    pub timers_max: usize,
    /// Emits, sends, broadcasts, adds, removes and messages of one action. They are one commit.
    pub effects_max: usize,
    /// Bytes of all effects of one action.
    pub effects_bytes_max: usize,
    /// Log lines of one action; what is past it is counted, and said in the last line.
    pub log_lines_max: usize,
    /// Bytes of one log line; the rest is cut, with a mark.
    pub log_line_bytes_max: usize,
    /// Bytes that one call of `random.bytes` gives.
    pub random_bytes_max: usize,
    /// How far ahead a timer may lie, in milliseconds: 100 years, well inside every language's dates.
    pub timer_ahead_ms_max: u64,
}

impl Default for ActionLimits {
    fn default() -> Self {
        Self {
            value_bytes_max: 256 * 1024,
            variables_bytes_max: 1024 * 1024,
            variables_max: 1024,
            timers_max: 256,
            effects_max: 1024,
            effects_bytes_max: 1024 * 1024,
            log_lines_max: 256,
            log_line_bytes_max: 8 * 1024,
            random_bytes_max: 64 * 1024,
            timer_ahead_ms_max: 100 * 366 * 24 * 3_600_000,
        }
    }
}
