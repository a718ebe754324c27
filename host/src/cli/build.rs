//! Builds the sources in the folder with quests before `run` serves them, and `run --watch` when they change. What cannot be built is named; the rest is served.
//!
//! Must not know: what a module holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use super::print::Printer;
use crate::wasm::Problem;

/// What quests are built for.
const TARGET: &str = "wasm32-wasip2";
/// The profile `quest`, for workspaces that do not have one: an action's cost is mostly the guest's memory pages, so small wins.
const PROFILE: [&str; 7] = [
    "profile.quest.inherits = 'release'",
    "profile.quest.opt-level = 's'",
    "profile.quest.lto = true",
    "profile.quest.codegen-units = 1",
    "profile.quest.panic = 'abort'",
    // Names stay, for those who read a trap: they are never in an instance's memory.
    "profile.quest.strip = 'debuginfo'",
    // The default stack of 1 MiB makes an action three times as dear: its pages are touched and reset for each instance.
    "target.wasm32-wasip2.rustflags = ['-C', 'link-arg=-zstack-size=65536']",
];
/// Lines of a failed `build.sh` that are shown.
const LINES_SHOWN: usize = 12;

/// What came of the sources in a folder with quests.
#[derive(Default)]
pub(crate) struct Built {
    /// The modules built, each with the folder of its sources.
    pub(crate) modules: BTreeMap<PathBuf, PathBuf>,
    /// Folders that could not be built, and why.
    pub(crate) left_out: Vec<Problem>,
}

impl Built {
    fn leave_out(&mut self, folder: PathBuf, error: &anyhow::Error) {
        let (code, message) = ("build-failed".to_owned(), format!("{error:#}"));
        self.left_out.push(Problem { file: folder, code, message, hint: String::new() });
    }
}

/// A crate with quests.
struct Crate {
    folder: PathBuf,
    /// As cargo names it.
    manifest: PathBuf,
    name: String,
}

/// Whether a folder has the sources of a quest.
pub(crate) fn is_source(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file() || folder.join("build.sh").is_file()
}

/// Builds every folder in `quests` that has a `Cargo.toml` (those of one workspace by one cargo) or a `build.sh`.
pub(crate) fn build(quests: &Path, printer: &Printer) -> anyhow::Result<Built> {
    Ok(build_folders(folders(quests)?, printer))
}

/// Builds these folders, as [`build`] does.
pub(crate) fn build_folders(folders: Vec<PathBuf>, printer: &Printer) -> Built {
    let mut built = Built::default();
    let mut workspaces: BTreeMap<PathBuf, Vec<Crate>> = BTreeMap::new();
    for folder in folders {
        if folder.join("Cargo.toml").is_file() {
            match read_crate(&folder) {
                Ok((root, found)) => workspaces.entry(root).or_default().push(found),
                Err(error) => built.leave_out(folder, &error),
            }
        } else if folder.join("build.sh").is_file() {
            match script(&folder, printer) {
                Ok(module) => _ = built.modules.insert(module, folder),
                Err(error) => built.leave_out(folder, &error),
            }
        }
    }
    for (root, crates) in workspaces {
        workspace(&root, crates, printer, &mut built);
    }
    built
}

/// The folders in a folder with quests.
pub(crate) fn folders(quests: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !quests.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(quests).with_context(|| format!("cannot read {}", quests.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// A crate and the folder of the workspace that it belongs to; its own, if it belongs to none.
fn read_crate(folder: &Path) -> anyhow::Result<(PathBuf, Crate)> {
    let absolute = folder.canonicalize()?;
    let manifest = manifest(&absolute)?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let name = name.context("its Cargo.toml has no [package] with a name")?.to_owned();
    let is_root = |folder: &&Path| {
        folder.join("Cargo.toml").is_file() && manifest_of(folder).is_some_and(|it| it.contains_key("workspace"))
    };
    let root = absolute.ancestors().find(is_root).unwrap_or(&absolute).to_owned();
    Ok((root, Crate { folder: folder.to_owned(), manifest: absolute.join("Cargo.toml"), name }))
}

fn manifest(folder: &Path) -> anyhow::Result<toml::Table> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| anyhow!("its Cargo.toml is not TOML: {}", error.message()))
}

fn manifest_of(folder: &Path) -> Option<toml::Table> {
    manifest(folder).ok()
}

/// Builds the crates of one workspace in one go: a cargo that has nothing to do still takes its time. If that gives nothing at all, one
/// of them may be what cargo cannot read, so each is built by itself.
fn workspace(root: &Path, crates: Vec<Crate>, printer: &Printer, built: &mut Built) {
    let names: Vec<&str> = crates.iter().map(|found| found.name.as_str()).collect();
    printer.say_named("building", &names.join(", "));
    let together = match cargo(root, &names) {
        Ok(output) => output,
        Err(error) => {
            return crates.into_iter().for_each(|found| built.leave_out(found.folder, &error));
        }
    };
    let apart = crates.len() > 1 && !together.status.success() && artefacts(&together).is_empty();
    for Crate { folder, manifest, name } in crates {
        let alone = if apart { cargo(&folder, &[&name]) } else { Ok(together.clone()) };
        match alone.and_then(|output| modules(&manifest, &output)) {
            Ok(modules) => built.modules.extend(modules.into_iter().map(|module| (module, folder.clone()))),
            Err(error) => built.leave_out(folder, &error),
        }
    }
}

/// Runs cargo. Its progress and its errors go to the terminal.
fn cargo(folder: &Path, packages: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(folder)
        .args(["build", "--keep-going", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .args(["--profile", "quest"]);
    if !has_profile(folder) {
        PROFILE.iter().for_each(|line| _ = command.args(["--config", *line]));
    }
    for package in packages {
        command.args(["--package", package]);
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.and_then(std::process::Child::wait_with_output).context("cannot start cargo: is Rust installed?")
}

/// The files that cargo built, by the manifest that they came from.
fn artefacts(output: &Output) -> BTreeSet<(PathBuf, PathBuf)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found = BTreeSet::new();
    for message in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(manifest) = message["manifest_path"].as_str() else { continue };
        for file in message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            found.insert((manifest.into(), file.into()));
        }
    }
    found
}

/// The modules of one crate among all that cargo built.
fn modules(manifest: &Path, output: &Output) -> anyhow::Result<Vec<PathBuf>> {
    let own = artefacts(output).into_iter().filter(|(from, _)| from == manifest);
    let own: Vec<PathBuf> = own.map(|(_, file)| file).collect();
    let is_built = output.status.success() || !own.is_empty();
    let modules: Vec<PathBuf> =
        own.into_iter().filter(|file| file.extension().is_some_and(|it| it == "wasm")).collect();
    if !is_built {
        bail!("cargo could not build it, as said above; `rustup target add {TARGET}` if that target is missing");
    }
    if modules.is_empty() {
        bail!("cargo built no module; a quest's Cargo.toml has [lib] crate-type = [\"cdylib\"]");
    }
    Ok(modules)
}

/// Whether the crate's workspace has a profile for quests.
fn has_profile(folder: &Path) -> bool {
    let has = |manifest: toml::Table| manifest.get("profile").is_some_and(|profiles| profiles.get("quest").is_some());
    folder.ancestors().filter_map(manifest_of).any(has)
}

/// Runs a folder's `build.sh`, which prints the module's path last.
fn script(folder: &Path, printer: &Printer) -> anyhow::Result<PathBuf> {
    printer.say_named("building", &folder.file_name().unwrap_or_default().to_string_lossy());
    let mut command = Command::new("bash");
    command.current_dir(folder).arg("build.sh").stdin(Stdio::null());
    let output = command.output().context("cannot start bash")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
        bail!("build.sh failed: {}", if shown.is_empty() { "it said nothing" } else { &shown });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().last().map(str::trim).filter(|line| line.ends_with(".wasm"));
    Ok(folder.join(path.context("build.sh did not print a module's path in its last line")?))
}
