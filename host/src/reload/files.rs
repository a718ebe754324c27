//! Module files: which there are, and their bytes once nobody writes them any more.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context as _;

use crate::wasm::Language;

/// What tells a file's content from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

impl Stamp {
    /// Of a file; an error where it cannot be had.
    pub(super) fn of(file: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(file)?;
        Ok(Self { modified: metadata.modified()?, length: metadata.len(), inode: metadata.ino() })
    }

    /// Whether it was written so lately that more may follow. A time in the future says nothing.
    pub(super) fn is_younger_than(&self, age: Duration) -> bool {
        self.modified.elapsed().is_ok_and(|elapsed| elapsed < age)
    }
}

/// A file's bytes with the stamp that it had before and after they were read; none while it changes.
pub(super) fn read_whole(file: &Path, bytes_max: usize) -> std::io::Result<Option<(Stamp, Vec<u8>)>> {
    let before = Stamp::of(file)?;
    let bytes = crate::wasm::read(file, bytes_max)?;
    let is_whole = Stamp::of(file)? == before && (bytes.len() as u64 == before.length || bytes.len() > bytes_max);
    Ok(is_whole.then_some((before, bytes)))
}

/// The modules in a folder, components and scripts, in order of name; of a folder that is not there, none.
pub fn modules_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let is_component = path.extension().is_some_and(|extension| extension == "wasm");
        if is_component || Language::of(&path).is_some() {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

/// A file's name without its folder: what it is known by to all hosts.
pub(super) fn name_of(file: &Path) -> Option<String> {
    Some(file.file_name()?.to_str()?.to_owned())
}
