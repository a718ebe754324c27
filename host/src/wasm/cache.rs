//! Compiled code on disk: by the module's digest and everything that the code depends on. A file that cannot be trusted is compiled anew.
//!
//! Loading compiled code means running it natively, so a file counts only if it is whole (its checksum stands in front) and
//! nobody but the host's user can write into the folder. A few files are kept: those of other engine versions go first,
//! then those that were not used for longest. Any number of hosts may share a folder: files appear whole, under one name.

use std::{
    fs::{self, File, FileTimes},
    hash::{Hash as _, Hasher},
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use wasmtime::{Engine, component::Component};

const CHECKSUM_BYTES: usize = 32;
/// Files kept: a folder of quests, and some builds back of those that are being worked on.
const FILES_MAX: usize = 128;
const EXTENSION: &str = "cwasm";

/// The cache; without a folder it holds nothing.
pub(super) struct Cache {
    folder: Option<PathBuf>,
    /// How the names end that this engine's code has.
    ending: String,
}

impl Cache {
    pub(super) fn new(folder: Option<PathBuf>, engine: &Engine) -> Self {
        let mut hasher = Stable(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = folder.filter(|folder| match make_private(folder) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "no cache of compiled code");
                false
            }
        });
        Self { folder, ending: format!("-{:016x}.{EXTENSION}", hasher.finish()) }
    }

    /// The compiled component of `digest`, if it is there and can be trusted.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest)?;
        let bytes = fs::read(&path).ok()?;
        let trusted = bytes.split_at_checked(CHECKSUM_BYTES);
        let trusted = trusted.filter(|(checksum, code)| *checksum == blake3::hash(code).as_bytes());
        let Some((_, code)) = trusted else {
            tracing::warn!(path = %path.display(), "cached code is damaged; it is compiled anew");
            return None;
        };
        // SAFETY: the bytes are what `put` wrote (the checksum holds) into a folder that only this user can write, made by
        // `Component::serialize` of an engine with the same compatibility hash; wasmtime checks its own header besides.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(engine, code) };
        let component =
            component.inspect_err(|error| tracing::warn!(%error, "cached code does not load; it is compiled anew"));
        // Used just now; if that cannot be noted, the file goes earlier than it should.
        let now = FileTimes::new().set_modified(SystemTime::now());
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_times(now));
        component.ok()
    }

    /// Keeps a compiled component. Failing to is not worth more than a line in the log.
    pub(super) fn put(&self, digest: &str, component: &Component) {
        let (Some(folder), Some(path)) = (&self.folder, self.path(digest)) else { return };
        let kept = component.serialize().map_err(std::io::Error::other).and_then(|code| write_whole(&path, &code));
        if let Err(error) = kept.and_then(|()| prune(folder, &self.ending)) {
            tracing::warn!(path = %path.display(), %error, "compiled code could not be kept");
        }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{digest}{}", self.ending)))
    }
}

/// The standard hasher's result may differ between releases of Rust, and then every file would be another's.
struct Stable(blake3::Hasher);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }
}

/// Makes the folder, for this user alone, or checks that nobody else can write into it.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // Also finds out whether the folder can be written to at all.
    let probe = tempfile::NamedTempFile::new_in(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (folder, own) = (fs::metadata(folder)?, probe.as_file().metadata()?);
        if folder.uid() != own.uid() || folder.mode() & 0o022 != 0 {
            return Err(std::io::Error::other("others can write into the folder (hint: chmod go-w, or name another)"));
        }
    }
    probe.close()
}

/// Under another name first, so that nobody reads half a file.
fn write_whole(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(blake3::hash(code).as_bytes())?;
    file.write_all(code)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Removes files past the bound. Another host may remove them at the same time.
fn prune(folder: &Path, ending: &str) -> std::io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let is_ours = path.to_string_lossy().ends_with(ending);
            let used = path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            files.push((is_ours, used, path));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(FILES_MAX);
    for (.., path) in &files[..surplus] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
