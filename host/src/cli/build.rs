//! Builds the Rust sources in the folder with quests before `run` serves them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::print::Printer;

/// What quests are built for.
const TARGET: &str = "wasm32-wasip2";

/// A folder of sources and the module that it builds.
pub(crate) struct Built {
    /// The modules built.
    pub(crate) modules: Vec<PathBuf>,
    /// Folders that could not be built, and why.
    pub(crate) left_out: Vec<(PathBuf, String)>,
}

/// Builds every folder in `quests` that has a `Cargo.toml` (all in one go) or a `build.sh` (one by one).
pub(crate) fn build(quests: &Path, printer: &Printer) -> anyhow::Result<Built> {
    let mut built = Built { modules: Vec::new(), left_out: Vec::new() };
    let mut crates = Vec::new();
    for folder in folders(quests)? {
        if folder.join("Cargo.toml").is_file() {
            crates.push(folder);
        } else if folder.join("build.sh").is_file() {
            match script(&folder, printer) {
                Ok(module) => built.modules.push(module),
                Err(error) => built.left_out.push((folder, format!("{error:#}"))),
            }
        }
    }
    for folder in crates {
        match cargo(&folder, printer) {
            Ok(modules) => built.modules.extend(modules),
            Err(error) => built.left_out.push((folder, format!("{error:#}"))),
        }
    }
    built.modules.sort();
    Ok(built)
}

fn folders(quests: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !quests.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(quests).with_context(|| format!("cannot read {}", quests.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// Builds a crate and gives the modules that came of it. Cargo's progress goes to the terminal.
fn cargo(folder: &Path, printer: &Printer) -> anyhow::Result<Vec<PathBuf>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    printer.say_named("building", &name);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(folder)
        .args(["build", "--target", TARGET, "--message-format", "json-render-diagnostics", "--profile"])
        .arg(if has_profile(folder) { "quest" } else { "release" })
        .stdout(Stdio::piped());
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .context("cannot start cargo: is Rust installed?")?;
    if !output.status.success() {
        bail!("cargo could not build it; `rustup target add {TARGET}` if that target is missing");
    }
    let artefacts = String::from_utf8_lossy(&output.stdout);
    let messages = artefacts.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let manifest = folder.join("Cargo.toml").canonicalize()?;
    let own =
        messages.filter(|message| message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest));
    let files = own.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let modules: Vec<PathBuf> = files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .filter(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    if modules.is_empty() {
        bail!("cargo built no module; a quest's Cargo.toml has [lib] crate-type = [\"cdylib\"]");
    }
    Ok(modules)
}

/// The profile for quests is the workspace's; a crate of its own has `release`.
fn has_profile(folder: &Path) -> bool {
    folder.ancestors().any(|folder| {
        std::fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[profile.quest]"))
    })
}

/// Runs a folder's `build.sh`, which prints the module's path last.
fn script(folder: &Path, printer: &Printer) -> anyhow::Result<PathBuf> {
    printer.say_named("building", &folder.file_name().unwrap_or_default().to_string_lossy());
    let mut command = Command::new("bash");
    command.current_dir(folder).arg("build.sh").stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().context("cannot start bash")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("build.sh failed: {}", text.lines().last().unwrap_or("it said nothing"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().last().map(str::trim).filter(|line| line.ends_with(".wasm"));
    Ok(folder.join(path.context("build.sh did not print a module's path in its last line")?))
}
