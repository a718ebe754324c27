//! The languages whose files are quests as they are.

use std::path::Path;

use serde::Serialize;

/// A language that this host has an interpreter for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// JavaScript, by QuickJS-ng.
    JavaScript,
    /// Lua 5.4.
    Lua,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::JavaScript, Self::Lua];

    /// The language of a file, by what its name ends with; none if it is no script.
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        Self::ALL.into_iter().find(|language| language.extensions().contains(&extension))
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::Lua => "Lua",
        }
    }

    /// What names of its files end with.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["js"],
            Self::Lua => &["lua"],
        }
    }

    /// Its interpreter, a component.
    pub(super) fn interpreter(self) -> &'static [u8] {
        match self {
            Self::JavaScript => include_bytes!("../../../engines/built/js.wasm"),
            Self::Lua => include_bytes!("../../../engines/built/lua.wasm"),
        }
    }
}
