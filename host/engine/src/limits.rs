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
    /// Patterns of an instance. They are loaded with it.
    pub patterns_max: usize,
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
            patterns_max: 64,
            effects_max: 1024,
            effects_bytes_max: 1024 * 1024,
            log_lines_max: 256,
            log_line_bytes_max: 8 * 1024,
            random_bytes_max: 64 * 1024,
            timer_ahead_ms_max: 100 * 366 * 24 * 3_600_000,
        }
    }
}

/// Whether an action may do something that reaches beyond its own context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// It may.
    Granted,
    /// It may not, since its quest does not ask for it.
    Unasked,
    /// It may not, whatever its quest asks for.
    Refused,
}

/// What an action may do beyond its own context. Within it, it may do all that the contract has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Emit and send events to other contexts, add quests to them and remove quests from them.
    pub other_contexts: Grant,
    /// Broadcast events to all contexts.
    pub broadcast: Grant,
}

impl Permissions {
    /// All of them.
    pub const ALL: Self = Self { other_contexts: Grant::Granted, broadcast: Grant::Granted };
}

/// Bounds of a partition's engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Deliveries of one context in one turn; the rest moves to its backlog, so that a flood lets others pass.
    pub context_turn_max: usize,
    /// Bytes of what the actions of one turn change, past which the turn ends: a commit stays small, however much each action may change.
    pub turn_bytes_max: usize,
    /// Contexts with a backlog that one turn takes up, in rotation.
    pub backlogs_turn_max: usize,
    /// Entries of its own context that a turn may leave behind; past it the emitting action fails.
    pub pending_max: usize,
    /// Emits that may lead from one to the next: ends loops between quests.
    pub hops_max: u16,
    /// Events that may follow from one that was accepted, over all hops: what each leads to is a share of it. Ends storms, in which every
    /// event leads to several. As many as one context may have waiting.
    pub following_max: u32,
    /// Tries of one delivery.
    pub attempts_max: u32,
    /// Wait before the second try; doubles with each further one, with jitter.
    pub retry_base_ms: u64,
    /// Longest wait between tries.
    pub retry_max_ms: u64,
    /// Wait before looking again for code that is not served here.
    pub unserved_wait_ms: u64,
    /// How long a timer that is due waits for an action that its quest's code does not have any more; then it is a dead letter.
    pub dangling_kept_ms: u64,
    /// How long an instance's variables from before its last upgrade are kept, for a rollback: they take as much room again.
    pub before_kept_ms: u64,
    /// Deliveries of one instance that wait behind a failed one; past it they go to the dead letters.
    pub held_max: usize,
    /// Entries on their way to one other partition; past it the emitting action fails.
    pub outbox_max: usize,
    /// Messages kept in a partition; older ones are dropped, and readers are told.
    pub messages_max: u64,
    /// Contexts kept in memory for each partition. More are loaded again when they are needed.
    pub contexts_cached_max: usize,
    /// Due times kept in memory for each partition. Later ones are read when these are used up.
    pub wakes_cached_max: usize,
    /// The time zone of contexts that none was set for, by its name in the IANA database.
    pub default_zone: String,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            context_turn_max: 64,
            turn_bytes_max: 8 * 1024 * 1024,
            backlogs_turn_max: 16,
            pending_max: 4096,
            hops_max: 64,
            following_max: 4_096,
            attempts_max: 6,
            retry_base_ms: 1_000,
            retry_max_ms: 300_000,
            unserved_wait_ms: 2_000,
            dangling_kept_ms: 86_400_000,
            before_kept_ms: 7 * 86_400_000,
            held_max: 256,
            outbox_max: 10_000,
            messages_max: 16_384,
            contexts_cached_max: 4_096,
            wakes_cached_max: 1_024,
            default_zone: "UTC".to_owned(),
        }
    }
}
