//! Says when files change, by folders: editors and builds put another file in a file's place.
//!
//! Must not know: what the files hold. A sign may be lost (network file systems give none): whoever must know also looks by itself.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::Instant,
};

/// A change is over when nothing more happens for so long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    /// Between two signs.
    pub(crate) between: Duration,
    /// Whatever happens, a change is told after so long.
    pub(crate) at_most: Duration,
}

/// What is watched.
#[derive(Default)]
struct Watched {
    /// Files that count, wherever they lie.
    files: BTreeSet<PathBuf>,
    /// Folders in which everything counts that no build makes.
    folders: BTreeSet<PathBuf>,
    /// What changed and was not told yet.
    changed: BTreeSet<PathBuf>,
}

/// Changed files that are remembered: enough for a save of many, and no more than that for a flood.
const CHANGED_MAX: usize = 4096;

/// Watches files and folders.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    watched: Arc<Mutex<Watched>>,
    /// Folders that the watcher was told of.
    told: BTreeSet<PathBuf>,
    changes: Receiver<()>,
    quiet: Quiet,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn start(quiet: Quiet) -> anyhow::Result<Self> {
        let watched: Arc<Mutex<Watched>> = Arc::default();
        // One waiting sign says it all.
        let (sender, changes) = channel(1);
        let counts = Arc::clone(&watched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if !matches!(event.kind, EventKind::Access(_)) && counts.lock().take_in(event.paths) {
                let _ = sender.try_send(());
            }
        });
        let watcher = watcher.context("files cannot be watched on this machine")?;
        Ok(Self { watcher, watched, told: BTreeSet::new(), changes, quiet })
    }

    /// Waits for a change, and until it is over; which files changed. Cancel-safe: a sign that was taken is only a part of a change that goes on, or was told
    /// late; whoever gives up waiting looks by itself.
    pub(crate) async fn changed(&mut self) -> anyhow::Result<BTreeSet<PathBuf>> {
        self.changes.recv().await.context("the watcher of files ended")?;
        let until = Instant::now() + self.quiet.at_most;
        while Instant::now() < until {
            match tokio::time::timeout(self.quiet.between, self.changes.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => break,
            }
        }
        Ok(std::mem::take(&mut self.watched.lock().changed))
    }

    /// Watches one file, whether it is there or not.
    pub(crate) fn file(&mut self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Where there is no folder yet, there is nothing to be seen in it.
        let (Ok(folder), Some(name)) = (folder.canonicalize(), file.file_name()) else { return Ok(()) };
        self.watched.lock().files.insert(folder.join(name));
        self.tell(&folder, RecursiveMode::NonRecursive)
    }

    /// Watches what lies in a folder, not what lies in its folders.
    pub(crate) fn flat(&mut self, folder: &Path) -> anyhow::Result<()> {
        self.watched.lock().folders.insert(folder.to_owned());
        self.tell(folder, RecursiveMode::NonRecursive)
    }

    /// Watches a folder with modules or sources, and the folders in it that no build makes.
    pub(crate) fn folder(&mut self, folder: &Path, is_source: fn(&Path) -> bool) -> anyhow::Result<()> {
        self.flat(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if !path.is_dir() || is_made(path.file_name().unwrap_or_default().as_ref()) {
                continue;
            }
            match is_source(&path) {
                true => self.folder(&path, is_source)?,
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
    /// Whether any of these counts.
    fn take_in(&mut self, paths: Vec<PathBuf>) -> bool {
        let counting: Vec<PathBuf> = paths.into_iter().filter(|path| self.counts(path)).collect();
        let any = !counting.is_empty();
        let room = CHANGED_MAX.saturating_sub(self.changed.len());
        self.changed.extend(counting.into_iter().take(room));
        any
    }

    fn counts(&self, path: &Path) -> bool {
        let in_folder = |folder: &PathBuf| {
            path.strip_prefix(folder).is_ok_and(|inner| !inner.components().any(|part| is_made(part.as_ref())))
        };
        self.files.contains(path) || self.folders.iter().any(in_folder)
    }
}

/// What builds and tools make, and nobody writes.
pub(crate) fn is_made(name: &Path) -> bool {
    ["target", "node_modules", "__pycache__"].iter().any(|made| name == Path::new(made))
        || name.to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_makes_is_no_change() {
        let files = BTreeSet::from([PathBuf::from("/q/target/x.wasm")]);
        let watched = Watched { files, changed: BTreeSet::new(), folders: BTreeSet::from([PathBuf::from("/q")]) };
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
