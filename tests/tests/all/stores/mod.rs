//! The stores: one conformance suite over all, one seeded history over all, and what is particular to each.

mod conformance;
pub mod differential;
mod embedded;
mod redis;

use std::sync::Arc;

use quest_engine::write::Write;
use quest_host::store::{Accept, AcceptBounds, Open, Store, memory::Memory, open};
use quest_host_tests::redis_server::{RedisOptions, RedisServer};

/// Bounds that a test does not reach.
pub const WIDE: AcceptBounds = AcceptBounds { inbox_max: 10_000, context_max: 10_000, ids_max: 10_000, reserve: 100 };

/// A store, and what must live as long as it.
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    _keeps: Box<dyn Send>,
}

/// Settings for a test on a server.
pub fn on_redis(url: String) -> Open {
    Open { url: Some(url), partitions: 8, ..Open::default() }
}

/// One of the stores, empty.
pub async fn fixture(kind: &str, ids_window_ms: u64) -> Fixture {
    match kind {
        "memory" => {
            let clock = quest_host::store::memory::Clock::System;
            Fixture { store: Arc::new(Memory::with_clock(8, ids_window_ms, clock)), _keeps: Box::new(()) }
        }
        "embedded" => {
            let folder = tempfile::tempdir().unwrap();
            let settings = Open { data: folder.path().into(), partitions: 8, ids_window_ms, ..Open::default() };
            Fixture { store: open(&settings).await.unwrap(), _keeps: Box::new(folder) }
        }
        "redis" => {
            let server = RedisServer::start(RedisOptions::default()).unwrap();
            let settings = Open { ids_window_ms, ..on_redis(server.url()) };
            Fixture { store: open(&settings).await.unwrap(), _keeps: Box::new(server) }
        }
        other => panic!("no store {other}"),
    }
}

/// An entry from outside.
pub fn entry(context: &str, id: Option<&str>, bytes: &str) -> Accept {
    Accept {
        context: context.to_owned(),
        id: id.map(str::to_owned),
        digest: bytes.as_bytes().to_vec(),
        from_outside: true,
        bytes: bytes.as_bytes().to_vec(),
    }
}

/// A field to set.
pub fn set(key: &str, field: &str, value: &str) -> Write {
    Write::HashSet { key: key.to_owned(), field: field.as_bytes().to_vec(), value: value.as_bytes().to_vec() }
}
