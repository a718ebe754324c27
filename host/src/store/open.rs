//! Which store is opened: the settings' answer. The only place that knows all of them.

use std::{path::PathBuf, sync::Arc};

use super::{Error, PartitionId, Result, Store, embedded::Embedded, redis::Redis};

/// Partitions of a new store: enough for dozens of hosts to share evenly, few enough that one host owns them all with ease.
pub const DEFAULT_PARTITIONS: PartitionId = 64;
/// Partitions of a store at most.
pub const PARTITIONS_MAX: PartitionId = 1024;
/// How long producers' ids are remembered: a day covers any client's retries.
pub const DEFAULT_IDS_WINDOW_MS: u64 = 24 * 3_600_000;
/// Bells that a slow listener may fall behind by before it misses some; it looks by itself once a second anyway.
pub const BELLS_MAX: usize = 4096;

/// When a write counts as done in the embedded store; the words are Redis's.
#[derive(serde::Serialize, serde::Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is on the disk before it is answered.
    #[default]
    Always,
    /// It is with the operating system before it is answered, and on the disk a second later.
    Everysec,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Open {
    /// `redis://…`, `redis+unix://…`, `redis-cluster://host:port,host:port` or `redis-sentinel://host:port,host:port/master`; none: the embedded store.
    pub url: Option<String>,
    /// The embedded store's folder.
    pub data: PathBuf,
    /// The embedded store's durability.
    pub durability: Durability,
    /// What Redis keys begin with; no braces.
    pub prefix: String,
    /// How many partitions a new store gets. An existing store with another count is refused.
    pub partitions: PartitionId,
    /// How long producers' ids are remembered.
    pub ids_window_ms: u64,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            url: None,
            data: PathBuf::from("quest-data"),
            durability: Durability::default(),
            prefix: "quest:".to_owned(),
            partitions: DEFAULT_PARTITIONS,
            ids_window_ms: DEFAULT_IDS_WINDOW_MS,
        }
    }
}

/// Opens a store, and creates it if it is not there.
pub async fn open(settings: &Open) -> Result<Arc<dyn Store>> {
    if !(1..=PARTITIONS_MAX).contains(&settings.partitions) {
        let wanted = settings.partitions;
        return Err(Error::Unusable(format!("{wanted} partitions asked for; hint: choose 1 to {PARTITIONS_MAX}")));
    }
    Ok(match &settings.url {
        Some(_) => Arc::new(Redis::open(settings).await?),
        None => {
            let settings = settings.clone();
            // Recovery reads the journal: off the async threads.
            let opened = tokio::task::spawn_blocking(move || Embedded::open(&settings)).await;
            Arc::new(opened.map_err(|error| Error::Unavailable(error.to_string()))??)
        }
    })
}

/// The error for a store that was created with another number of partitions.
pub(super) fn other_partitions(stored: PartitionId, wanted: PartitionId) -> Error {
    Error::Unusable(format!(
        "it was created with {stored} partitions, and {wanted} are asked for; hint: set partitions = {stored}, or create a new store"
    ))
}
