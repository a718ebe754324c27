//! `test --watch`: runs again when a scenario file, a module or a source changes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, channel};

use super::{Args, Loader, Outcome, Printer, Settings, Suite, files, once, read};

/// A build writes many files: it is over when nothing changed for so long.
const QUIET: Duration = Duration::from_millis(100);

/// What is watched.
#[derive(Default)]
struct Watched {
    /// Files that count, wherever they lie.
    files: BTreeSet<PathBuf>,
    /// Folders in which everything counts that no build makes.
    folders: BTreeSet<PathBuf>,
}

struct Watch {
    watcher: RecommendedWatcher,
    watched: Arc<Mutex<Watched>>,
    /// Folders that the watcher was told of.
    told: BTreeSet<PathBuf>,
    changes: Receiver<()>,
}

/// Runs and watches until it is stopped.
pub(super) async fn run(args: &Args, settings: &Settings, loader: &Loader<'_>, printer: &Printer) -> Outcome {
    let mut watch = Watch::start()?;
    loop {
        for file in files(&args.files)? {
            watch.file(&file)?;
        }
        let result = match read(args) {
            Ok(suites) => {
                watch.modules(&suites)?;
                tokio::task::block_in_place(|| once(args, settings, loader, &suites, printer))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            super::super::report(printer, &error);
        }
        printer.say_named("watching", "scenarios and modules; Ctrl-C ends it");
        watch.changed().await?;
    }
}

impl Watch {
    fn start() -> anyhow::Result<Self> {
        let watched: Arc<Mutex<Watched>> = Arc::default();
        // One waiting sign says it all.
        let (sender, changes) = channel(1);
        let counts = Arc::clone(&watched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_change = event.is_ok_and(|event| {
                !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| counts.lock().counts(path))
            });
            if is_change {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher.context("files cannot be watched on this machine")?;
        Ok(Self { watcher, watched, told: BTreeSet::new(), changes })
    }

    /// Waits for a change, and until it is over.
    async fn changed(&mut self) -> anyhow::Result<()> {
        self.changes.recv().await.context("the watcher of files ended")?;
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        Ok(())
    }

    /// By its folder: editors and builds put another file in its place.
    fn file(&mut self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Where there is no folder yet, there is nothing to be seen in it.
        let (Ok(folder), Some(name)) = (folder.canonicalize(), file.file_name()) else { return Ok(()) };
        self.watched.lock().files.insert(folder.join(name));
        self.tell(&folder, RecursiveMode::NonRecursive)
    }

    fn modules(&mut self, suites: &[Suite]) -> anyhow::Result<()> {
        for module in suites.iter().flat_map(|suite| &suite.modules) {
            if !module.is_dir() {
                self.file(module)?;
                continue;
            }
            self.folder(&module.canonicalize()?)?;
        }
        Ok(())
    }

    /// A folder with modules or sources, and the folders in it that no build makes.
    fn folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.watched.lock().folders.insert(folder.to_owned());
        self.tell(folder, RecursiveMode::NonRecursive)?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if !path.is_dir() || is_made(path.file_name().unwrap_or_default().as_ref()) {
                continue;
            }
            match super::super::build::is_source(&path) {
                true => self.folder(&path)?,
                false => self.tell(&path, RecursiveMode::Recursive)?,
            }
        }
        Ok(())
    }

    fn tell(&mut self, folder: &Path, mode: RecursiveMode) -> anyhow::Result<()> {
        if self.told.insert(folder.to_owned()) {
            self.watcher.watch(folder, mode).with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(())
    }
}

impl Watched {
    fn counts(&self, path: &Path) -> bool {
        let in_folder = |folder: &PathBuf| {
            path.strip_prefix(folder).is_ok_and(|inner| !inner.components().any(|part| is_made(part.as_ref())))
        };
        self.files.contains(path) || self.folders.iter().any(in_folder)
    }
}

/// What builds and tools make, and nobody writes.
fn is_made(name: &Path) -> bool {
    name == Path::new("target") || name.to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_makes_is_no_change() {
        let files = BTreeSet::from([PathBuf::from("/q/target/x.wasm")]);
        let watched = Watched { files, folders: BTreeSet::from([PathBuf::from("/q")]) };
        for (path, counts) in [
            ("/q/src/lib.rs", true),
            ("/q/target/x.wasm", true),
            ("/q/target/y.wasm", false),
            ("/q/.git/index", false),
            ("/q/src/.lib.rs.swp", false),
            ("/r/src/lib.rs", false),
        ] {
            assert_eq!(watched.counts(Path::new(path)), counts, "{path}");
        }
    }
}
