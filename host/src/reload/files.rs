//! Module files: their bytes once nobody writes them any more.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

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
