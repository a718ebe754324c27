//! A host among others: what it serves it brings to the store, and what is rolled out there it serves, whoever brought it.
//!
//! At the start a host that is alone believes its folder, for that is where its operator works. One that joins others believes them, unless
//! it brings code that the store has never seen. A rollback holds against the file that it went back from.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Change, Inner,
    files::read_whole,
    vault::{HostServes, Rollout, Vault, Version, Why},
};
use crate::{
    folders,
    store::{Error, Result},
    wasm::{LoadError, Loaded, POLICY_CODE, Prepared, Problem},
};

/// Why a rollback is not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// No version that fits is kept.
    #[error("{0}")]
    NotKept(String),
    /// The version does not load here.
    #[error("{}", .0.message)]
    NotServed(LoadError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Inner {
    /// Before the files are looked at for the first time: where a file is not what is rolled out, the version that the store has serves,
    /// and goes on if the file turns out to be broken.
    pub(super) async fn begin_shared(&self) -> Result<()> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let (rollouts, alone) = (vault.rollouts().await?, vault.is_alone().await?);
        let versions = vault.versions().await?;
        let mut waiting = Vec::new();
        for (name, rollout) in &rollouts {
            let path = self.path_of(name);
            self.know_source(&path, rollout);
            let local = read_whole(&path, self.bytes_max).ok().flatten();
            let found = local.as_ref().map(|(_, bytes)| blake3::hash(bytes));
            let found_text = found.map(|found| found.to_hex().to_string());
            if found_text.is_some() && found_text == rollout.digest {
                continue;
            }
            let is_known = versions.iter().any(|it| it.file == *name && Some(&it.digest) == found_text.as_ref());
            let is_rolled_back = rollout.why == Why::Rollback && found_text.is_some() && rollout.from == found_text;
            let holds = is_rolled_back || (is_known && !alone);
            if let Some(digest) = &rollout.digest {
                let is_there = std::fs::symlink_metadata(&path).is_ok() || self.is_unbuilt(rollout);
                if !is_there && alone {
                    vault.roll_out(name, None, Why::Deleted, (None, None)).await?;
                    continue;
                }
                if let Err(error) = self.serve_kept(vault, &path, digest).await? {
                    let is_for_now = error.code == POLICY_CODE;
                    self.registry.refuse(&path, error);
                    if !is_for_now {
                        continue;
                    }
                    waiting.push(name.clone());
                }
            }
            if holds {
                let why = if is_rolled_back { "it was rolled back" } else { "the other hosts do not serve it" };
                tracing::warn!(file = %path.display(), served = rollout.digest, why, "the file's version is not served");
                // Until it is another.
                self.remember(&path, (local.map(|(stamp, _)| stamp), self.policy_stamp(&path)), found, None);
            }
        }
        let mut followed = vault.rollouts().await?;
        followed.retain(|name, _| !waiting.contains(name));
        *self.followed.lock() = followed;
        Ok(())
    }

    /// A module that was not built here goes by the `quest.toml` of the sources that it was built from elsewhere, if they are here.
    fn know_source(&self, file: &Path, rollout: &Rollout) {
        if let (Some(source), Some(folder), None) = (&rollout.source, &self.folder, self.source_of(file)) {
            self.registry.set_source(file, &folder.join(source));
        }
    }

    /// Whether it was built from sources that could not be built now.
    fn is_unbuilt(&self, rollout: &Rollout) -> bool {
        rollout.source.as_ref().is_some_and(|source| self.unbuilt.contains(source))
    }

    /// The name of the folder whose sources a file was built from.
    pub(super) fn source_of(&self, file: &Path) -> Option<String> {
        let built = self.built.lock();
        let (source, _) = built.iter().find(|(_, modules)| modules.contains(file))?;
        folders::name_of(source)
    }

    /// Keeps what a file has brought, for restarts and for the other hosts.
    pub(super) fn bring(&self, file: &Path, prepared: &Prepared, bytes: &[u8]) {
        let (Some(vault), Some(name)) = (&self.vault, self.name_of(file)) else { return };
        let kept = vault.bring(&name, prepared.digest(), bytes, prepared.quests(), self.source_of(file));
        // On a blocking thread: see `Reloader::look`.
        let kept = tokio::runtime::Handle::current().block_on(kept);
        if let Err(error) = kept {
            tracing::warn!(file = %file.display(), %error, "the store could not keep this version: it is served from its file only");
        }
    }

    /// A file was deleted here: nobody serves it any more.
    pub(super) fn take_back(&self, file: &Path) {
        let (Some(vault), Some(name)) = (&self.vault, self.name_of(file)) else { return };
        let told = tokio::runtime::Handle::current().block_on(vault.roll_out(&name, None, Why::Deleted, (None, None)));
        if let Err(error) = told {
            tracing::warn!(file = %file.display(), %error, "the other hosts could not be told that it is gone");
        }
    }

    /// Serves what was rolled out since the last look, and says what this host serves.
    pub(super) async fn follow(&self) -> Result<()> {
        let Some(vault) = &self.vault else { return Ok(()) };
        for (name, rollout) in vault.rollouts().await? {
            if self.followed.lock().get(&name) == Some(&rollout) {
                continue;
            }
            if self.follow_one(vault, &name, &rollout).await? {
                self.followed.lock().insert(name, rollout);
            }
        }
        let serves = self.serves();
        if *self.said.lock() != serves {
            vault.say(&serves).await?;
            *self.said.lock() = serves;
        }
        Ok(())
    }

    /// Does what a rollout says; false: its `quest.toml` cannot be read, so what was served goes on until it can.
    async fn follow_one(&self, vault: &Vault, name: &str, rollout: &Rollout) -> Result<bool> {
        let path = self.path_of(name);
        self.know_source(&path, rollout);
        let served = self.registry.digest(&path);
        match &rollout.digest {
            Some(digest) if served.as_ref() == Some(digest) => {}
            Some(digest) => match self.serve_kept(vault, &path, digest).await? {
                Ok(loaded) => self.tell(Change::Served(loaded)),
                Err(error) if error.code == POLICY_CODE => {
                    let told = self.registry.problems();
                    let problem = self.registry.refuse(&path, error);
                    if !told.contains(&problem) {
                        self.tell(Change::Refused { problem, still: served });
                    }
                    return Ok(false);
                }
                Err(error) => {
                    // What the others serve not even this host's older version may run beside: who cannot load it stands aside.
                    self.registry.withdraw(&path);
                    let problem = self.registry.refuse(&path, error);
                    self.tell(Change::Refused { problem, still: None });
                }
            },
            None if served.is_some() => {
                let quests = self.registry.withdraw(&path);
                self.offer_kept_out();
                self.tell(Change::Withdrawn { file: path, quests });
            }
            None => {}
        }
        Ok(true)
    }

    /// Serves a version that the store has. The outer error is the store's.
    async fn serve_kept(
        &self,
        vault: &Vault,
        path: &Path,
        digest: &str,
    ) -> Result<std::result::Result<Loaded, LoadError>> {
        let Some(bytes) = vault.bytes(digest).await? else {
            return Ok(Err(LoadError::not_kept(digest)));
        };
        let (registry, path) = (self.registry.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || registry.load(&path, &bytes))
            .await
            .map_err(|error| Error::Unusable(format!("loading panicked: {error}")))
    }

    /// Goes back to an earlier version of the file that defines `quest`: to the one named, or to the one before.
    pub(super) async fn roll_back(&self, quest: &str, to: Option<&str>) -> std::result::Result<Version, Refusal> {
        let Some(vault) = &self.vault else { return Err(Refusal::NotKept("this host keeps no versions".to_owned())) };
        let target = self.version_before(vault, quest, to).await?;
        let path = self.path_of(&target.file);
        let from = self.registry.digest(&path);
        self.serve_kept(vault, &path, &target.digest).await?.map_err(Refusal::NotServed)?;
        vault.roll_out(&target.file, Some(&target.digest), Why::Rollback, (from, None)).await?;
        self.follow().await?;
        Ok(target)
    }

    /// The version that a rollback of `quest` would go to.
    pub(super) async fn version_before(
        &self,
        vault: &Vault,
        quest: &str,
        to: Option<&str>,
    ) -> std::result::Result<Version, Refusal> {
        let versions = vault.versions().await?;
        let file = self.registry.file_of(quest);
        let name = file.as_deref().and_then(|file| self.name_of(file));
        let served = file.as_deref().and_then(|file| self.registry.digest(file));
        let mut own = versions
            .into_iter()
            .filter(|it| it.quests.contains_key(quest) && name.as_ref().is_none_or(|name| *name == it.file));
        let found = match to {
            Some(to) if to.len() >= 4 => own.find(|it| it.digest.starts_with(to)),
            Some(_) => None,
            None => own.find(|it| Some(&it.digest) != served.as_ref()),
        };
        found.ok_or_else(|| {
            Refusal::NotKept(match to {
                Some(to) => format!("no version {to:?} of the quest {quest:?} is kept"),
                None => format!("no other version of the quest {quest:?} is kept"),
            })
        })
    }

    fn serves(&self) -> HostServes {
        let named = |(file, text): (PathBuf, String)| Some((self.name_of(&file)?, text));
        let modules = self.registry.modules().into_iter().map(|module| (module.file, module.digest));
        let problems = self.registry.problems().into_iter().map(|Problem { file, code, .. }| (file, code));
        HostServes { modules: modules.filter_map(named).collect(), problems: problems.filter_map(named).collect() }
    }

    /// Where a file of that name lies on this host, or would.
    fn path_of(&self, name: &str) -> PathBuf {
        let built: BTreeMap<PathBuf, _> = self.built.lock().clone();
        let mut elsewhere = built.into_values().flatten();
        elsewhere
            .find(|file| self.name_of(file).as_deref() == Some(name))
            .unwrap_or_else(|| folders::place_in(self.folder.as_deref().unwrap_or(Path::new("")), name))
    }

    /// What a file is known by to all hosts.
    pub(super) fn name_of(&self, file: &Path) -> Option<String> {
        folders::name_in(self.folder.as_deref().unwrap_or(Path::new("")), file)
    }
}
