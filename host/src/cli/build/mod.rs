//! Builds the sources in the folder with quests before `run` serves them, and `run --watch` when they change. What cannot be built is named; the rest is served.
//!
//! Must not know: what a module holds.

mod cargo;
mod command;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

pub(crate) use command::{Args, run};

use super::{print::Printer, tools};
use crate::{folders, wasm::Problem};

/// Lines of a failed `build.sh` that are shown.
const LINES_SHOWN: usize = 16;

/// What came of the sources in a folder with quests.
#[derive(Default)]
pub(crate) struct Built {
    /// The modules built, each with the folder of its sources.
    pub(crate) modules: BTreeMap<PathBuf, PathBuf>,
    /// Folders that could not be built, and why.
    pub(crate) left_out: Vec<Problem>,
    /// How long each folder took; those of a workspace take their time together.
    pub(crate) took: BTreeMap<PathBuf, Duration>,
}

impl Built {
    fn leave_out(&mut self, folder: PathBuf, error: &anyhow::Error) {
        let (code, message) = ("build-failed".to_owned(), format!("{error:#}"));
        // What its tools lack is the first thing to mend; if they are all there, the message says what is wrong.
        let hint = tools::missing_for(&folder).unwrap_or_default();
        self.left_out.push(Problem { file: folder, code, message, hint });
    }
}

/// Builds the sources in a folder with quests: crates (those of one workspace by one cargo), and folders with a `build.sh`.
pub(crate) fn build(quests: &Path, printer: &Printer) -> anyhow::Result<Built> {
    Ok(build_folders(folders::sources_in(quests)?, printer))
}

/// Builds these folders, as [`build`] does.
pub(crate) fn build_folders(folders: Vec<PathBuf>, printer: &Printer) -> Built {
    let mut built = Built::default();
    let (crates, others): (Vec<_>, Vec<_>) =
        folders.into_iter().partition(|folder| folder.join("Cargo.toml").is_file());
    for folder in others.into_iter().filter(|folder| folders::is_source(folder)) {
        let began = Instant::now();
        match script(&folder, printer) {
            Ok(module) => {
                built.took.insert(folder.clone(), began.elapsed());
                built.modules.insert(module, folder);
            }
            Err(error) => built.leave_out(folder, &error),
        }
    }
    cargo::build(crates, printer, &mut built);
    built
}

/// Runs a folder's `build.sh`, which prints the module's path last.
fn script(folder: &Path, printer: &Printer) -> anyhow::Result<PathBuf> {
    printer.say_named("building", &folders::name_of(folder).unwrap_or_default());
    let mut command = Command::new("bash");
    command.current_dir(folder).arg("build.sh").env("PATH", tools::path()).stdin(Stdio::null());
    let output = command.output().context("cannot start bash")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let shown = ends(&text);
        bail!("build.sh failed: {}", if shown.is_empty() { "it said nothing" } else { &shown });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().last().map(str::trim).filter(|line| line.ends_with(".wasm"));
    Ok(folder.join(path.context("build.sh did not print a module's path in its last line")?))
}

/// The beginning and the end of what was said: compilers begin with what is wrong, tracebacks end with it.
fn ends(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(LINES_SHOWN);
    let note = format!("… {left_out} lines more …");
    if left_out > 0 {
        lines.splice(LINES_SHOWN / 2..LINES_SHOWN / 2 + left_out, [note.as_str()]);
    }
    lines.join("\n")
}
