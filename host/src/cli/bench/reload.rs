//! How long a saved module takes to be served, and what that costs events meanwhile. Each save is a version that was never seen: all of it
//! is compiled.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{
    PATIENCE,
    load::{Latency, Load, Spread},
};
use crate::{
    host::Host,
    reload::Change,
    wasm::{Language, POLICY_FILE},
};

/// Pause between two saves: nobody saves faster, and the clock of files tells them apart.
const PAUSE: Duration = Duration::from_millis(100);

/// What was measured.
pub(super) struct Reloads {
    pub saves: usize,
    /// From the save to the version being served.
    pub served: Spread,
    /// Events meanwhile, as [`Load::latency`] measures them.
    pub latency: Latency,
}

/// Copies of modules, each with the `quest.toml` beside it, so that theirs are not written to.
pub(super) fn copies(modules: &[PathBuf], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let copy = |(n, module): (usize, &PathBuf)| {
        let own = folder.join(n.to_string());
        std::fs::create_dir_all(&own)?;
        let to = own.join(module.file_name().unwrap_or_default());
        std::fs::copy(module, &to).with_context(|| format!("cannot read {}", module.display()))?;
        let policy = module.with_file_name(POLICY_FILE);
        if policy.exists() {
            std::fs::copy(&policy, own.join(POLICY_FILE))?;
        }
        Ok(to)
    };
    modules.iter().enumerate().map(copy).collect()
}

/// Saves a module so many times while `paced` events come at 100 a second.
pub(super) async fn measure(
    host: &Host,
    load: &Load,
    file: &Path,
    saves: usize,
    paced: usize,
) -> anyhow::Result<Reloads> {
    let original = std::fs::read(file)?;
    let language = Language::of(file);
    let saving = async {
        let mut times = Vec::with_capacity(saves);
        let mut changes = host.reloader.changes();
        for n in 0..saves {
            tokio::time::sleep(PAUSE).await;
            let beside = file.with_extension("new");
            std::fs::write(&beside, version(&original, language, n as u32))?;
            let began = Instant::now();
            std::fs::rename(&beside, file)?;
            match tokio::time::timeout(PATIENCE, changes.recv()).await.context("a saved module was not served")?? {
                Change::Served(_) => times.push(began.elapsed()),
                Change::Refused { problem, .. } => bail!("{}", problem.message),
                Change::Withdrawn { .. } => bail!("the module was withdrawn"),
            }
        }
        anyhow::Ok(times)
    };
    let (times, latency) = tokio::try_join!(saving, load.latency(host, paced.max(1)))?;
    Ok(Reloads { saves, served: Spread::of(times), latency })
}

/// The module with a custom section that means nothing; the script with a comment.
fn version(original: &[u8], language: Option<Language>, n: u32) -> Vec<u8> {
    const NAME: &[u8; 5] = b"saved";
    let mut bytes = original.to_vec();
    if let Some(language) = language {
        bytes.extend(format!("\n{} {n}\n", language.comment()).bytes());
        return bytes;
    }
    // Section 0, its length, the name's length, the name, the content.
    bytes.extend([0, 1 + NAME.len() as u8 + 4, NAME.len() as u8]);
    bytes.extend(NAME);
    bytes.extend(n.to_le_bytes());
    bytes
}
