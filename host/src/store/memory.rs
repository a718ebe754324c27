//! A store that forgets everything when it is dropped: for tests and simulation.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use quest_engine::model::Millis;

use super::{
    PartitionId, Report, Result,
    local::{Backend, Changes, Durable, Local, system_clock},
};

/// Pairs in memory.
type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// The store.
pub type Memory = Local<Pairs>;

/// Nothing is ever durable, and nobody waits for it.
pub struct Never;

#[async_trait]
impl Durable for Never {
    fn point(&self) -> u64 {
        0
    }

    async fn reached(&self, _: u64) -> Result<()> {
        Ok(())
    }
}

impl Backend for Pairs {
    type Durable = Never;

    fn apply(&mut self, changes: Changes) -> Result<()> {
        for (key, change) in changes {
            match change {
                Some(value) => self.insert(key, value),
                None => self.remove(&key),
            };
        }
        Ok(())
    }
}

/// A new, empty store.
pub fn open(partitions: PartitionId, ids_window_ms: u64) -> Memory {
    with_clock(partitions, ids_window_ms, Arc::new(system_clock))
}

/// A new, empty store whose clock is the caller's.
pub fn with_clock(partitions: PartitionId, ids_window_ms: u64, clock: Arc<dyn Fn() -> Millis + Send + Sync>) -> Memory {
    let report = Report {
        name: "memory".to_owned(),
        promise: "everything is lost when the process ends".to_owned(),
        warnings: Vec::new(),
        store_id: "memory".to_owned(),
        partitions,
    };
    Local::new(BTreeMap::new(), Never, report, ids_window_ms, clock)
}
