//! The data folder: whose it is, which version wrote it, how many partitions it has.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use crate::store::{Error, PartitionId, Result};

/// The version of the layout that this code reads and writes.
const VERSION: u32 = 1;

/// An open data folder. Its lock ends with it.
pub(super) struct Folder {
    pub(super) store_id: String,
    _lock: File,
}

impl Folder {
    pub(super) fn open(path: &Path, partitions: PartitionId) -> Result<Self> {
        let unusable =
            |what: &str, error: std::io::Error| Error::Unusable(format!("{}: {what}: {error}", path.display()));
        std::fs::create_dir_all(path).map_err(|error| unusable("cannot make the folder", error))?;
        let lock = lock(path)?;
        let about = path.join("store.toml");
        let text = match std::fs::read_to_string(&about) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let id = format!("{:016x}", fastrand::u64(..));
                let text = format!(
                    "# Written once. Do not edit.\nversion = {VERSION}\nid = \"{id}\"\npartitions = {partitions}\n"
                );
                write_whole(path, &about, &text).map_err(|error| unusable("cannot write store.toml", error))?;
                text
            }
            Err(error) => return Err(unusable("cannot read store.toml", error)),
        };
        let about: About = toml::from_str(&text)
            .map_err(|error| Error::Unusable(format!("{}: store.toml is damaged: {error}", path.display())))?;
        if about.version > VERSION {
            return Err(Error::Unusable(format!(
                "{}: it was written by a newer version (layout {}, this one reads {VERSION}); use that version, or another folder",
                path.display(),
                about.version
            )));
        }
        if about.partitions != partitions {
            return Err(Error::Unusable(format!(
                "{}: it was made with {} partitions and {partitions} are asked for; the number is fixed when a store is made",
                path.display(),
                about.partitions
            )));
        }
        Ok(Self { store_id: about.id, _lock: lock })
    }
}

#[derive(serde::Deserialize)]
struct About {
    version: u32,
    id: String,
    partitions: PartitionId,
}

/// One host a folder: two would each overwrite what the other wrote.
fn lock(path: &Path) -> Result<File> {
    let file = path.join("lock");
    let failed = |error: std::io::Error| Error::Unusable(format!("{}: {error}", file.display()));
    let mut lock =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            return Err(Error::Unusable(format!(
                "{} is in use by another quest-host (process {}); one host a folder: stop that one, give this one another folder, or use Redis for several hosts",
                path.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| write!(lock, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(lock)
}

fn write_whole(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
