//! Bugs that the simulation plants to show that it finds them: each leaves out one guard.
//!
//! Only the feature `planted` compiles a switch in, and only the tests turn that feature on. Where Cargo builds the host beside them it has
//! the switch too, which is harmless: no setting reaches it, only `plant` does, and only for the thread that calls it. Without the feature
//! [`is`] is a constant `false`, and the guards stand as if this module were not there.

#[cfg(feature = "planted")]
use std::cell::Cell;

/// A guard that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A delivery reaches whichever instance lives, not only the one that it is meant for.
    SkipInstanceCheck,
    /// A commit is applied whoever holds the lease.
    SkipFence,
    /// A commit is applied whichever commit came before it.
    SkipPredecessorCheck,
    /// Entries leave the inbox before what came of them is committed.
    AckBeforeCommit,
    /// A due timer fires although an earlier entry waits.
    TimerBeforeEarlierEvent,
    /// An entry whose id was accepted before is accepted again.
    DedupeDropped,
    /// A new owner numbers what it carries to other partitions from 0 again, in the stream of the owner before it.
    RelayNumbersReused,
    /// Nobody looks at an inbox that no bell told of.
    BellTrusted,
    /// What an instance holds behind a failed delivery is not stored.
    HeldInMemory,
    /// An owner goes on from what it had in memory when it lost the lease.
    CacheKept,
    /// An owner does not ask where a destination stands before it carries to it.
    RelayNotCompared,
    /// A commit takes entries off that are not those that were read.
    LastEntryNotCompared,
    /// An owner without work never asks whether the store was put back.
    NeverLooksBack,
    /// What runs in every hour does not run in the hour that clocks show once more.
    MissedFold,
    /// A pattern reckons with when it is shown an event, not with when the event was accepted.
    ProcessingTime,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SkipInstanceCheck,
        Self::SkipFence,
        Self::SkipPredecessorCheck,
        Self::AckBeforeCommit,
        Self::TimerBeforeEarlierEvent,
        Self::DedupeDropped,
        Self::RelayNumbersReused,
        Self::BellTrusted,
        Self::HeldInMemory,
        Self::CacheKept,
        Self::RelayNotCompared,
        Self::LastEntryNotCompared,
        Self::NeverLooksBack,
        Self::MissedFold,
        Self::ProcessingTime,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether this thread is to have the bug.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Nothing is planted.
#[cfg(not(feature = "planted"))]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// From now on, whatever runs on this thread has the bug, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}
