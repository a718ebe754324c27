//! `build`: builds each quest of a folder, or checks it where there is nothing to build, and says what came of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime},
};

use serde_json::json;

use super::{Built, build_folders};
use crate::{
    cli::{Local, Outcome, client::Refused, language::Language, pairs, print::Printer},
    folders,
    wasm::{self, Problem, Registry, Runtime},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    _local: Local,
    /// A quest's folder, or a folder with quests: `quests`, or this folder if it is a quest's own, unless it is named.
    folder: Option<PathBuf>,
    /// The settings file (quest-host.toml in this folder, if there is one).
    #[arg(long)]
    config: Option<PathBuf>,
    /// A setting, as `quest-host config` names it, e.g. --set wasm.memory_bytes_max=1048576.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
}

/// A quest that is ready to be served.
struct Ready<'a> {
    folder: &'a Path,
    language: &'a str,
    module: &'a Path,
    took_ms: u64,
    /// Whether it is as it was before.
    unchanged: bool,
    quests: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let resolved = crate::settings::resolve(&pairs(&args.sets)?, args.config.as_deref())?;
    resolved.warnings.iter().for_each(|warning| printer.warn(warning));
    let folder = args.folder.clone().unwrap_or_else(|| crate::cli::quests_folder(&resolved));
    if !folder.is_dir() {
        let hint = "`quest-host new NAME --lang LANGUAGE` makes a quest";
        return Err(Refused::usage(&format!("there is no folder {}", folder.display()), hint));
    }
    let (sources, scripts) = (folders::sources_in(&folder)?, folders::modules_in(&folder)?);
    let scripts: Vec<PathBuf> = scripts.into_iter().filter(|file| wasm::Language::of(file).is_some()).collect();
    if sources.is_empty() && scripts.is_empty() {
        let hint = "a quest has a Cargo.toml, a build.sh or a script; `quest-host new NAME --lang LANGUAGE` makes one";
        return Err(Refused::usage(&format!("there is nothing to build in {}", folder.display()), hint));
    }
    let count = sources.len() + scripts.len();
    let began = SystemTime::now();
    let Built { modules, left_out, took } = build_folders(sources, printer);
    for (module, folder) in &modules {
        let language = Language::of_sources(folder).map_or("", Language::id);
        let took_ms = took.get(folder).map_or(0, |took| took.as_millis() as u64);
        let written = std::fs::metadata(module).and_then(|it| it.modified());
        let unchanged = written.is_ok_and(|written| written < began);
        tell(&Ready { folder, language, module, took_ms, unchanged, quests: Vec::new() }, printer);
    }
    left_out.iter().for_each(|problem| tell_failed(problem, printer));
    let mut failed = left_out.len();
    let registry = Registry::new(Arc::new(Runtime::new(resolved.settings.runtime())?));
    for script in &scripts {
        failed += usize::from(!check(&registry, script, printer));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Refused::failed(&format!("{failed} of {count} quests cannot be built"), "")),
    }
}

/// Loads a script, as a host would; whether it can be served.
fn check(registry: &Registry, script: &Path, printer: &Printer) -> bool {
    let began = Instant::now();
    match registry.load_file(script) {
        Ok(loaded) => {
            let folder = script.parent().unwrap_or(Path::new(""));
            let language = wasm::Language::of(script).map_or("", |it| Language::from(it).id());
            let took_ms = began.elapsed().as_millis() as u64;
            let quests = loaded.quests;
            tell(&Ready { folder, language, module: script, took_ms, unchanged: false, quests }, printer);
            true
        }
        Err(problem) => {
            tell_failed(&problem, printer);
            false
        }
    }
}

fn tell(ready: &Ready<'_>, printer: &Printer) {
    let Ready { folder, language, module, took_ms, unchanged, quests } = ready;
    let size = std::fs::metadata(module).map_or(0, |it| it.len());
    if printer.is_json() {
        let told = json!({
            "ok": true, "folder": folder, "language": language, "module": module, "size": size, "took_ms": took_ms,
            "unchanged": unchanged, "quests": quests,
        });
        return printer.json(&told);
    }
    let how = match (unchanged, quests.is_empty()) {
        (true, _) => format!("unchanged, looked at in {took_ms} ms"),
        (false, true) => format!("built in {took_ms} ms"),
        (false, false) => format!("{} checked in {took_ms} ms", quests.join(", ")),
    };
    let size = if size < 10_240 { format!("{size} bytes") } else { format!("{} KiB", size / 1024) };
    printer.line(&format!("{}  {size}, {how}", module.display()));
}

fn tell_failed(problem: &Problem, printer: &Printer) {
    let Problem { file, code, message, hint } = problem;
    if printer.is_json() {
        let error = json!({ "code": code, "message": message, "hint": hint });
        return printer.json(&json!({ "ok": false, "folder": file, "error": error }));
    }
    let name = folders::name_of(file).filter(|_| file.is_dir()).unwrap_or_else(|| file.display().to_string());
    printer.error(code, &format!("{name}: {message}"), hint);
}
