//! What the cluster serves, in its store: the bytes of each version with where they came from, and for each file which one is rolled out.
//!
//! A file is known by its name without its folder: hosts of a cluster have theirs in different places. Last writer wins: every host follows
//! what the store says in the end.
//!
//! Must not know: how a module is loaded, files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use quest_engine::model::QuestDefinition;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::store::{Error, Result, Store};

/// Digest to the module's bytes.
const MODULES: &str = "modules";
/// `FILE DIGEST` to [`Version`].
const VERSIONS: &str = "versions";
/// File to [`Rollout`].
const ROLLOUTS: &str = "rollouts";
/// Host to [`HostServes`].
const SERVES: &str = "serves";

/// A version of a file that the store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The file's name.
    pub file: String,
    /// The digest of its bytes.
    pub digest: String,
    /// Their number.
    pub size: usize,
    /// The quests that it defines, each with the version of its variables.
    pub quests: BTreeMap<String, u32>,
    /// When a host served it first, in Unix milliseconds.
    pub first_at: u64,
    /// When it was rolled out last.
    pub last_at: u64,
    /// The host that brought it.
    pub host: String,
}

/// Why a version is rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A host has the file.
    File,
    /// An operator went back to it.
    Rollback,
    /// The file was deleted.
    Deleted,
}

/// What all hosts are to serve under a file's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The digest; none: nothing.
    pub digest: Option<String>,
    /// Why.
    pub why: Why,
    /// For a rollback: the digest that it went back from, which a file may still have.
    pub from: Option<String>,
    /// The name of the folder whose sources it was built from, if it was.
    #[serde(default)]
    pub source: Option<String>,
    /// When, in Unix milliseconds.
    pub at: u64,
    /// The host that said so.
    pub host: String,
}

/// What one host serves, and what it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostServes {
    /// Digests by file.
    pub modules: BTreeMap<String, String>,
    /// Codes by file.
    pub problems: BTreeMap<String, String>,
}

/// The store's side of what is served. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn Store>,
    host: String,
    kept_max: usize,
}

impl Vault {
    /// Of a host; `kept_max` versions of each file are kept.
    pub fn new(store: Arc<dyn Store>, host: String, kept_max: usize) -> Self {
        Self { store, host, kept_max }
    }

    /// Whether no other host lives.
    pub async fn is_alone(&self) -> Result<bool> {
        let members = self.store.heartbeat(&format!("{}-looks", self.host), &[], 0).await?;
        Ok(members.iter().all(|member| member.host == self.host))
    }

    /// What is rolled out, by file.
    pub async fn rollouts(&self) -> Result<BTreeMap<String, Rollout>> {
        records(self.store.shelf(ROLLOUTS).await?)
    }

    /// All versions, of each file the latest first.
    pub async fn versions(&self) -> Result<Vec<Version>> {
        let mut versions: Vec<Version> = records(self.store.shelf(VERSIONS).await?)?.into_values().collect();
        versions.sort_by(|one, other| (&one.file, other.last_at).cmp(&(&other.file, one.last_at)));
        Ok(versions)
    }

    /// The bytes of a version; none if the store does not have them, or not as they were.
    pub async fn bytes(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let bytes = self.store.kept(MODULES, digest).await?;
        Ok(bytes.filter(|bytes| blake3::hash(bytes).to_hex().as_str() == digest))
    }

    /// A host has this version of a file, and serves it: kept, and rolled out to all.
    pub async fn bring(
        &self,
        file: &str,
        digest: &str,
        bytes: &[u8],
        quests: &[QuestDefinition],
        source: Option<String>,
    ) -> Result<()> {
        let key = format!("{file} {digest}");
        let known: Option<Version> = record(self.store.kept(VERSIONS, &key).await?)?;
        // Before the version that names them, so that one that is known has its bytes.
        if known.is_none() {
            self.store.keep(MODULES, digest, Some(bytes)).await?;
        }
        let now = now();
        let version = Version {
            file: file.to_owned(),
            digest: digest.to_owned(),
            size: bytes.len(),
            quests: quests.iter().map(|quest| (quest.name.clone(), quest.version)).collect(),
            first_at: known.as_ref().map_or(now, |known| known.first_at),
            last_at: now,
            host: known.map_or_else(|| self.host.clone(), |known| known.host),
        };
        self.store.keep(VERSIONS, &key, Some(&json(&version)?)).await?;
        self.roll_out(file, Some(digest), Why::File, (None, source)).await?;
        self.forget_oldest(file).await
    }

    /// All hosts are to serve this under the file's name from now on.
    pub async fn roll_out(
        &self,
        file: &str,
        digest: Option<&str>,
        why: Why,
        (from, source): (Option<String>, Option<String>),
    ) -> Result<()> {
        let (digest, host) = (digest.map(str::to_owned), self.host.clone());
        let before: Option<Rollout> = record(self.store.kept(ROLLOUTS, file).await?)?;
        if before.is_some_and(|before| before.digest == digest && before.why == why) {
            return Ok(());
        }
        let rollout = Rollout { digest, why, from, source, at: now(), host };
        self.store.keep(ROLLOUTS, file, Some(&json(&rollout)?)).await
    }

    /// Says what this host serves.
    pub async fn say(&self, serves: &HostServes) -> Result<()> {
        self.store.keep(SERVES, &self.host, Some(&json(serves)?)).await
    }

    /// What each living host serves. Those that live no more are forgotten.
    pub async fn hosts(&self) -> Result<BTreeMap<String, HostServes>> {
        let members = self.store.heartbeat(&format!("{}-looks", self.host), &[], 0).await?;
        let living: BTreeSet<&str> = members.iter().map(|member| member.host.as_str()).collect();
        let mut all: BTreeMap<String, HostServes> = records(self.store.shelf(SERVES).await?)?;
        let gone: Vec<String> = all.keys().filter(|host| !living.contains(host.as_str())).cloned().collect();
        for host in gone {
            all.remove(&host);
            self.store.keep(SERVES, &host, None).await?;
        }
        Ok(all)
    }

    /// Keeps what is rolled out and the latest others of a file.
    async fn forget_oldest(&self, file: &str) -> Result<()> {
        let rollouts = self.rollouts().await?;
        let in_use: BTreeSet<&String> = rollouts.values().filter_map(|rollout| rollout.digest.as_ref()).collect();
        let versions = self.versions().await?;
        let own = versions.iter().filter(|version| version.file == file);
        let surplus: Vec<&Version> =
            own.skip(self.kept_max).filter(|version| !in_use.contains(&version.digest)).collect();
        for version in &surplus {
            self.store.keep(VERSIONS, &format!("{file} {}", version.digest), None).await?;
            let others = versions.iter().filter(|other| other.digest == version.digest).count();
            if others == 1 {
                self.store.keep(MODULES, &version.digest, None).await?;
            }
        }
        Ok(())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::Unusable(error.to_string()))
}

fn record<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> Result<Option<T>> {
    bytes.map(|bytes| read(&bytes)).transpose()
}

fn records<T: DeserializeOwned>(shelf: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, T>> {
    shelf.into_iter().map(|(name, bytes)| Ok((name, read(&bytes)?))).collect()
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Unusable(format!("a record of what is served: {error}")))
}
