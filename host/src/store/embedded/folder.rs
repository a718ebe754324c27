//! The data folder: one process at a time, one format.
//!
//! Must not know: what the database in it holds.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::store::{Error, Result};

/// The format that this version reads and writes. Format 1 (an inbox entry a pair) was never released.
const FORMAT: u32 = 2;

/// A data folder that is ours until this is dropped.
pub struct Folder {
    path: PathBuf,
    /// Holds the lock; the operating system gives it up when the process ends, however it ends.
    lock: File,
}

impl Folder {
    /// Makes the folder if needed, locks it and checks its format.
    pub fn open(path: &Path) -> Result<Self> {
        create(path).map_err(|error| failed("create", path, &error))?;
        // Before the lock, whose file is written: in a folder of a newer version nothing is changed.
        let is_begun = has_format(path)?;
        let lock = lock(path)?;
        let folder = Self { path: path.to_owned(), lock };
        if !is_begun && !has_format(path)? {
            folder.begin(&path.join("format"))?;
        }
        Ok(folder)
    }

    /// Where the database lies.
    pub fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Makes the database, if it is not there, whole or not at all: it gets its name when `fill` has made it, so that one whose
    /// making was cut short is made anew.
    pub fn make_database(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let (new, path) = (self.path.join("db.new"), self.database());
        if path.exists() {
            return Ok(());
        }
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed("remove", &new, &error)),
            _ => fill(&new)?,
        }
        let name = || -> std::io::Result<()> {
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        name().map_err(|error| failed("create", &path, &error))
    }

    fn begin(&self, path: &Path) -> Result<()> {
        if self.database().exists() {
            return Err(Error::Unusable(format!(
                "{} holds a database, but no file `format`; hint: is it a quest-host data folder?",
                self.path.display()
            )));
        }
        let new = self.path.join("format.new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            writeln!(file, "{FORMAT}")?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| failed("write", path, &error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing is not enough: a child process that is just being started may still have a copy of the file open.
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, "the data folder's lock ends with the process");
        }
    }
}

/// Whether the folder has a format, which then is one that this version reads.
fn has_format(folder: &Path) -> Result<bool> {
    let path = folder.join("format");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(FORMAT) => Ok(true),
            Ok(format) if format < FORMAT => Err(Error::Unusable(format!(
                "{} has format {format}, which was never released, this version ({}) reads {FORMAT}; nothing was changed; hint: give it another folder",
                folder.display(),
                env!("CARGO_PKG_VERSION"),
            ))),
            Ok(format) => Err(Error::Unusable(format!(
                "{} has format {format}, this version ({}) reads up to {FORMAT}; nothing was changed; hint: use the newer quest-host that wrote it",
                folder.display(),
                env!("CARGO_PKG_VERSION"),
            ))),
            Err(_) => Err(Error::Unusable(format!("{} does not hold a format number", path.display()))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("read", &path, &error)),
    }
}

/// Makes the folder for this user alone: what users' variables hold is nobody else's business.
fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| failed("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {
            // The process id is for the other's error message only.
            let told =
                file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
            told.map_err(|error| failed("write", &path, &error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let by = match file.read_to_string(&mut pid) {
                Ok(_) if !pid.trim().is_empty() => format!(" by process {}", pid.trim()),
                _ => String::new(),
            };
            Err(Error::Unusable(format!(
                "the data folder {} is in use{by}; hint: stop that host, or give this one another folder",
                folder.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(failed("lock", &path, &error)),
    }
}

/// What was tried on which path, and why it failed.
pub fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let text = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        StorageFull | ReadOnlyFilesystem => Error::ReadOnly(text),
        PermissionDenied | AlreadyExists | NotADirectory => Error::Unusable(text),
        _ => Error::Unavailable(text),
    }
}
