//! What time calls for: the kinds that are measured, and which of the example quests makes them.

use anyhow::bail;

use crate::host::Host;

/// What time calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Timers,
    Recurrences,
    Patterns,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Timers, Self::Recurrences, Self::Patterns];

    /// The word for several.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Recurrences => "recurrences",
            Self::Patterns => "patterns",
        }
    }

    /// The quest that makes them.
    pub(super) fn quest(self) -> &'static str {
        match self {
            Self::Timers | Self::Recurrences => "reminders",
            Self::Patterns => "alerts",
        }
    }

    /// The event that has it make some.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Timers | Self::Recurrences => "remind-me",
            Self::Patterns => "alert-me",
        }
    }

    /// Whether the host serves that quest.
    pub(super) fn is_served(self, host: &Host) -> bool {
        host.loaded.iter().any(|module| module.quests.iter().any(|quest| quest == self.quest()))
    }

    /// The quest is asked for by a flag.
    pub(super) fn require(self, flag: &str, host: &Host) -> anyhow::Result<()> {
        if !self.is_served(host) {
            bail!("{flag} needs a module with the quest {}", self.quest());
        }
        Ok(())
    }
}
