//! Settings: by flag, environment, one TOML file, and default, in that order; each with where it came from.
//!
//! Every setting is a leaf of [`Settings`], named by its path (`pace.lease_ms`). In the environment it is `QUEST_HOST_` and the path in
//! capitals with `__` between its parts (`QUEST_HOST_PACE__LEASE_MS`); as a flag it has a name of its own or is given by `--set`. The operator's settings for quests
//! (`config.QUEST.NAME`) are texts, by flag or file.

mod lines;
mod ranges;
mod resolve;

use std::{collections::BTreeMap, path::PathBuf};

use quest_engine::limits::EngineLimits;
use serde::{Deserialize, Serialize};

pub(crate) use ranges::refused as out_of_range;
pub(crate) use resolve::suggestion;
pub use resolve::{Resolved, resolve};

use crate::{
    dispatcher::Pace,
    store::{AcceptBounds, Durability, PartitionId},
    wasm::RuntimeSettings,
};

/// The file that is read when none is named.
pub const FILE: &str = "quest-host.toml";

/// All settings of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `redis://host:port/db`, or empty for the embedded store.
    pub store: String,
    /// The embedded store's folder.
    pub data: PathBuf,
    /// The embedded store's durability: `always` or `everysec`.
    pub durability: Durability,
    /// What Redis keys begin with.
    pub prefix: String,
    /// Partitions of a new store; fixed from then on.
    pub partitions: PartitionId,
    /// Where the HTTP API listens. Anything but loopback needs a token.
    pub listen: String,
    /// The token that requests must carry; empty for none.
    pub token: String,
    /// The folder with quests: `.wasm` files, scripts, and folders of either or of sources that `run` builds.
    pub quests: PathBuf,
    /// Whether `run` builds the sources in the folder with quests first.
    pub build: bool,
    /// Whether a running host follows its module files: what is new, changed or gone takes effect without a restart.
    pub reload: bool,
    /// Versions of each module file that the store keeps, the one served among them: what a rollback may go back to.
    pub versions_kept: usize,
    /// Where compiled code is kept.
    pub cache: PathBuf,
    /// The list of existing producers, in Redis; empty to leave it alone.
    pub ingress: String,
    /// Which lines the log shows, e.g. `info` or `quest_host=debug`.
    pub log: String,
    /// The operator's settings for quests: `[config.QUEST]` with texts.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// Bounds of accepting.
    pub accept: Accepting,
    /// Bounds of a partition's engine.
    pub engine: EngineLimits,
    /// Bounds and times of the dispatcher.
    pub pace: Pace,
    /// How quests are run.
    pub wasm: RuntimeSettings,
}

/// Bounds of accepting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accepting {
    /// Entries in one partition's inbox (or the broadcast log) past which producers are refused (429): bounds the store's memory.
    pub inbox_max: u64,
    /// Entries of one context that wait, past which its producers are refused: one flood does not shut others out.
    pub context_max: u64,
    /// Remembered ids of one partition past which events with ids are refused: never let through twice in silence.
    pub ids_max: u64,
    /// Entries past `inbox_max` that only events from within may fill.
    pub reserve: u64,
    /// How long a producer's id is remembered, in milliseconds.
    pub ids_window_ms: u64,
    /// Bytes of one event's payload: it is stored, loaded and copied into each instance that it reaches.
    pub payload_bytes_max: usize,
}

impl Default for Accepting {
    fn default() -> Self {
        Self {
            inbox_max: 100_000,
            context_max: 10_000,
            ids_max: 1_000_000,
            reserve: 100_000,
            ids_window_ms: 86_400_000,
            payload_bytes_max: 256 * 1024,
        }
    }
}

impl Settings {
    /// How quests are run, with where their compiled code is kept.
    pub fn runtime(&self) -> RuntimeSettings {
        RuntimeSettings { cache: Some(self.cache.clone()), ..self.wasm.clone() }
    }
}

impl Accepting {
    /// As the stores take them.
    pub fn bounds(&self) -> AcceptBounds {
        let Self { inbox_max, context_max, ids_max, reserve, .. } = *self;
        AcceptBounds { inbox_max, context_max, ids_max, reserve }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: String::new(),
            data: ".quest-host/data".into(),
            durability: Durability::Always,
            prefix: "quest:".to_owned(),
            partitions: 64,
            listen: "127.0.0.1:7766".to_owned(),
            token: String::new(),
            quests: "quests".into(),
            build: true,
            reload: true,
            versions_kept: 10,
            cache: ".quest-host/cache".into(),
            ingress: "ruby_quest://queue".to_owned(),
            log: "info,fjall=warn,lsm_tree=warn".to_owned(),
            config: BTreeMap::new(),
            accept: Accepting::default(),
            engine: EngineLimits::default(),
            pace: Pace::default(),
            wasm: RuntimeSettings::default(),
        }
    }
}
