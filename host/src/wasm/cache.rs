//! Compiled code on disk: by the module's digest and everything that the code depends on. A file that cannot be trusted is compiled anew.
//!
//! Loading compiled code means running it natively, so a file counts only if it is whole (its checksum stands in front) and
//! the folder is the host's own (made for its user alone).

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
};

use wasmtime::{Engine, component::Component};

const CHECKSUM_BYTES: usize = 32;

/// The cache; without a folder it holds nothing.
pub(super) struct Cache {
    folder: Option<PathBuf>,
    compatibility: u64,
}

impl Cache {
    pub(super) fn new(folder: Option<PathBuf>, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = folder.filter(|folder| match make_private(folder) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "no cache of compiled code");
                false
            }
        });
        Self { folder, compatibility: hasher.finish() }
    }

    /// The compiled component of `digest`, if it is there and can be trusted.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest)?;
        let bytes = std::fs::read(&path).ok()?;
        let (checksum, code) = bytes.split_at_checked(CHECKSUM_BYTES)?;
        if checksum != blake3::hash(code).as_bytes() {
            tracing::warn!(path = %path.display(), "cached code is damaged; it is compiled anew");
            return None;
        }
        // SAFETY: the bytes are what `put` wrote (the checksum holds) into a folder that only this user can write, made by
        // `Component::serialize` of an engine with the same compatibility hash; wasmtime checks its own header besides.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(engine, code) };
        component.inspect_err(|error| tracing::warn!(%error, "cached code does not load; it is compiled anew")).ok()
    }

    /// Keeps a compiled component. Failing to is not worth more than a line in the log.
    pub(super) fn put(&self, digest: &str, component: &Component) {
        let Some(path) = self.path(digest) else { return };
        let kept = component.serialize().map_err(std::io::Error::other).and_then(|code| write_whole(&path, &code));
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), %error, "compiled code could not be kept");
        }
    }

    fn path(&self, digest: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{digest}-{:016x}.cwasm", self.compatibility)))
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
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
