//! The languages that authors write quests in, as the command line names them.

use std::path::Path;

use clap::ValueEnum;

use crate::{folders, wasm};

/// A language with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Language {
    #[value(alias = "rs")]
    Rust,
    #[value(alias = "rb")]
    Ruby,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    Lua,
    #[value(alias = "py")]
    Python,
    #[value(alias = "golang")]
    Go,
    C,
    #[value(aliases = ["c++", "cxx"])]
    Cpp,
    Zig,
}

impl Language {
    /// As a flag names it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Ruby => "ruby",
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Lua => "lua",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Zig => "zig",
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Ruby => "Ruby",
            Self::JavaScript => "JavaScript",
            Self::TypeScript => "TypeScript",
            Self::Lua => "Lua",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Zig => "Zig",
        }
    }

    /// Of a quest's sources, by the files in their folder; none where a `build.sh` builds what is not known here.
    pub(crate) fn of_sources(folder: &Path) -> Option<Self> {
        if folder.join("Cargo.toml").is_file() {
            return Some(Self::Rust);
        }
        if folder.join("go.mod").is_file() {
            return Some(Self::Go);
        }
        let entries = std::fs::read_dir(folder).ok()?;
        let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        let any =
            |endings: &[&str]| names.iter().any(|it| endings.iter().any(|end| it.extension() == Some(end.as_ref())));
        [(Self::Zig, &["zig"][..]), (Self::Cpp, &["cpp", "cc", "cxx"]), (Self::C, &["c"]), (Self::Python, &["py"])]
            .into_iter()
            .find_map(|(language, endings)| (any(endings) && folders::is_source(folder)).then_some(language))
    }
}

impl From<wasm::Language> for Language {
    fn from(script: wasm::Language) -> Self {
        match script {
            wasm::Language::JavaScript => Self::JavaScript,
            wasm::Language::TypeScript => Self::TypeScript,
            wasm::Language::Lua => Self::Lua,
            wasm::Language::Ruby => Self::Ruby,
        }
    }
}
