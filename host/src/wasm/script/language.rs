//! The languages whose files are quests as they are.

use std::path::Path;

use serde::Serialize;

/// A language that this host has an interpreter for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// JavaScript, by QuickJS-ng.
    JavaScript,
    /// TypeScript, as JavaScript without its types.
    TypeScript,
    /// Lua 5.4.
    Lua,
    /// Ruby, by mruby.
    Ruby,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::JavaScript, Self::TypeScript, Self::Lua, Self::Ruby];

    /// The language of a file, by what its name ends with; none if it is no script.
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        Self::ALL.into_iter().find(|language| language.extensions().contains(&extension))
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Lua => "Lua",
            Self::Ruby => "Ruby",
        }
    }

    /// What names of its files end with.
    pub fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["js"],
            Self::TypeScript => &["ts"],
            Self::Lua => &["lua"],
            Self::Ruby => &["rb"],
        }
    }

    /// What a comment begins with.
    pub fn comment(self) -> &'static str {
        match self {
            Self::JavaScript | Self::TypeScript => "//",
            Self::Lua => "--",
            Self::Ruby => "#",
        }
    }

    /// The language that its interpreter runs.
    pub(super) fn run_as(self) -> Self {
        match self {
            Self::TypeScript => Self::JavaScript,
            other => other,
        }
    }

    /// Its interpreter, a component.
    pub(super) fn interpreter(self) -> &'static [u8] {
        match self {
            Self::JavaScript | Self::TypeScript => include_bytes!("../../../engines/built/js.wasm"),
            Self::Lua => include_bytes!("../../../engines/built/lua.wasm"),
            Self::Ruby => include_bytes!("../../../engines/built/ruby.wasm"),
        }
    }
}
