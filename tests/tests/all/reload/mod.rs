//! Reload: what is saved is served, what is broken is not, and no event is lost, doubled, or run by something in between.

mod broken;
mod changed;
mod kept;
mod sources;
mod swaps;
mod upgrades;

use std::path::{Path, PathBuf};

use quest_host::settings::Settings;
use quest_host_tests::{
    eventually,
    process::{Host, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::Value;

/// Both stores.
pub const STORES: [&str; 2] = ["embedded", "redis"];
/// The file that a test saves.
pub const FILE: &str = "variant.wasm";

/// A folder for a host and its store.
pub struct Place {
    pub folder: tempfile::TempDir,
    redis: Option<RedisServer>,
}

impl Place {
    pub fn new(store: &str) -> Self {
        let redis = (store == "redis").then(|| RedisServer::start(RedisOptions::default()).unwrap());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("quests")).unwrap();
        Self { folder, redis }
    }

    /// How hosts are started here.
    pub fn setup(&self) -> Setup {
        let setup = Setup::new(crate::EXE, self.folder.path(), &[]);
        match &self.redis {
            Some(redis) => setup.flags(&["--store", &redis.url()]),
            None => setup,
        }
    }

    /// Settings of a host in this process.
    pub fn settings(&self) -> Settings {
        let root = self.folder.path();
        Settings {
            store: self.redis.as_ref().map(RedisServer::url).unwrap_or_default(),
            data: root.join("data"),
            quests: root.join("quests"),
            cache: root.join("cache"),
            listen: "127.0.0.1:0".to_owned(),
            partitions: 4,
            ..Settings::default()
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("quests").join(name)
    }

    /// Saves a file as careful programs do: it is whole whenever it is there.
    pub fn save(&self, name: &str, bytes: &[u8]) {
        save(&self.file(name), bytes);
    }
}

fn save(file: &Path, bytes: &[u8]) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

/// The digest that is served under a file's name, if any is.
pub fn served(host: &Host, name: &str) -> Option<String> {
    let list = host.json(&["list"]);
    let module = list["modules"].as_array()?.iter().find(|module| is(&module["file"], name))?;
    Some(module["digest"].as_str()?.to_owned())
}

/// Waits until these bytes are served.
pub fn until_served(host: &Host, name: &str, bytes: &[u8]) {
    let digest = blake3::hash(bytes).to_hex().to_string();
    eventually("the file is served", || (served(host, name)? == digest).then_some(()));
}

/// The problem of a file, if it has one.
pub fn problem(host: &Host, name: &str) -> Option<Value> {
    let list = host.json(&["list"]);
    list["problems"].as_array()?.iter().find(|problem| is(&problem["file"], name)).cloned()
}

fn is(file: &Value, name: &str) -> bool {
    file.as_str().is_some_and(|file| Path::new(file).file_name().is_some_and(|it| it == name))
}
