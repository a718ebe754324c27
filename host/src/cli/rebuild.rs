//! `run --watch`: builds sources again when they change, and hands on what came of it.
//!
//! Must not know: what a module holds, how it is served.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Outcome,
    build::{self, Built},
    print::Printer,
};
use crate::{
    folders::{is_source, sources_in},
    reload::Reloader,
    watch::{Quiet, Watch},
};

/// An editor saves several files at once.
const QUIET: Quiet = Quiet { between: Duration::from_millis(40), at_most: Duration::from_secs(2) };
/// Files larger than this are told apart by their length and time: sources are small, and are read each time.
const READ_MAX: u64 = 1 << 20;
/// Folders within a folder of sources that are followed.
const DEPTH_MAX: usize = 32;

/// Follows the sources in `quests` until it cannot any more.
pub(super) async fn follow(quests: &Path, reloader: Reloader, printer: Printer) -> Outcome {
    let mut watch = Watch::start(QUIET)?;
    let folder = quests.canonicalize()?;
    // What the sources were when they were last built: a build may write beside them, and must not call itself.
    let mut built: BTreeMap<PathBuf, blake3::Hash> = BTreeMap::new();
    for source in sources_in(quests)? {
        built.insert(source.clone(), fingerprint(&source));
    }
    printer.say_named("watching", &format!("sources in {}", quests.display()));
    loop {
        watch.folder(&folder, is_source)?;
        let paths = watch.changed().await?;
        let touched: BTreeSet<PathBuf> = match is_source(quests) {
            true => BTreeSet::from([quests.to_owned()]),
            false => paths
                .iter()
                .filter_map(|path| Some(quests.join(path.strip_prefix(&folder).ok()?.iter().next()?)))
                .collect(),
        };
        let known: Vec<PathBuf> = built.keys().filter(|source| !is_source(source)).cloned().collect();
        for gone in known {
            built.remove(&gone);
            reloader.set_gone(&gone);
        }
        let mut changed = Vec::new();
        for source in touched.into_iter().filter(|source| is_source(source)) {
            let now = fingerprint(&source);
            if built.insert(source.clone(), now) != Some(now) {
                changed.push(source);
            }
        }
        if !changed.is_empty() {
            let sources = changed.clone();
            let came_to = tokio::task::spawn_blocking(move || build::build_folders(sources, &printer)).await?;
            hand_on(&reloader, &changed, came_to);
        }
        reloader.now().await?;
    }
}

fn hand_on(reloader: &Reloader, sources: &[PathBuf], built: Built) {
    for source in sources {
        let own = built.modules.iter().filter(|(_, folder)| *folder == source);
        let modules: BTreeSet<PathBuf> = own.map(|(module, _)| module.clone()).collect();
        if !modules.is_empty() {
            reloader.set_built(source, modules);
        }
    }
    built.left_out.into_iter().for_each(|problem| reloader.set_failed(problem));
}

/// A digest of all that lies in a folder and that no build makes.
fn fingerprint(folder: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    take_in(folder, &mut hasher, DEPTH_MAX);
    hasher.finalize()
}

fn take_in(folder: &Path, hasher: &mut blake3::Hasher, depth: usize) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| !crate::watch::is_made(path.file_name().unwrap_or_default().as_ref()));
    paths.sort();
    for path in paths {
        hasher.update(path.as_os_str().as_encoded_bytes());
        // Links are not followed: they may lead around in a circle.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            take_in(&path, hasher, depth - 1);
        } else if metadata.len() <= READ_MAX {
            hasher.update(&std::fs::read(&path).unwrap_or_default());
        } else {
            hasher.update(format!("{} {:?}", metadata.len(), metadata.modified().ok()).as_bytes());
        }
    }
}
