//! The quests that `test` and `simulate` run without a host: from module files, folders of them, or sources that are built first.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{build, client::Refused, print::Printer};
use crate::{
    reload::modules_in,
    settings::Settings,
    wasm::{Problem, Registry, Runtime},
};

/// Loads quests, and keeps the engine for the next ones.
pub(crate) struct Loader<'a> {
    runtime: Arc<Runtime>,
    builds: bool,
    printer: &'a Printer,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(settings: &Settings, no_build: bool, printer: &'a Printer) -> anyhow::Result<Self> {
        let runtime = Arc::new(Runtime::new(settings.runtime())?);
        Ok(Self { runtime, builds: settings.build && !no_build, printer })
    }

    /// What serves all quests of `paths`: each a module, a folder with the sources of one, or a folder with either.
    pub(crate) fn load(&self, paths: &[PathBuf]) -> anyhow::Result<Arc<Registry>> {
        let registry = Registry::new(Arc::clone(&self.runtime));
        for path in paths {
            for file in self.files(path, &registry)? {
                registry.load_file(&file).map_err(|problem| refused(&problem))?;
            }
        }
        if registry.modules().is_empty() {
            let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let hint = "name a module or a folder with quests: .wasm files, Rust crates, or folders with a build.sh";
            return Err(Refused::usage(&format!("there is no quest in {}", shown.join(", ")), hint));
        }
        Ok(Arc::new(registry))
    }

    fn files(&self, path: &Path, registry: &Registry) -> anyhow::Result<Vec<PathBuf>> {
        if !path.exists() {
            let hint = "build it first, or name where it is";
            return Err(Refused::usage(&format!("there is no module {}", path.display()), hint));
        }
        if path.is_file() {
            return Ok(vec![path.to_owned()]);
        }
        if build::is_source(path) {
            if !self.builds {
                let hint = "name its module, or leave out --no-build";
                return Err(Refused::usage(&format!("{} has sources only", path.display()), hint));
            }
            let built = build::build_folders(vec![path.to_owned()], self.printer);
            built.modules.iter().for_each(|(module, folder)| registry.set_source(module, folder));
            return match built.left_out.first() {
                Some(problem) => Err(refused(problem)),
                None => Ok(built.modules.into_keys().collect()),
            };
        }
        let mut files = modules_in(path)?;
        if self.builds {
            let built = build::build(path, self.printer)?;
            // As `run` does: what cannot be built is named, and the rest is served.
            for problem in built.left_out {
                self.printer.warn(&format!("{} is left out: {}", problem.file.display(), problem.message));
            }
            built.modules.iter().for_each(|(module, folder)| registry.set_source(module, folder));
            files.extend(built.modules.into_keys());
        }
        Ok(files)
    }
}

fn refused(problem: &Problem) -> anyhow::Error {
    let message = format!("{}: {} [{}]", problem.file.display(), problem.message, problem.code);
    Refused::usage(&message, &problem.hint)
}
