//! A master, a replica and three sentinels that watch them: real processes on free loopback ports.
//!
//! Must not know: what is stored in them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::{
    process::Guard,
    redis_server::{RedisOptions, RedisServer, command, free_port, poll, stop, wait},
};

/// The name that the sentinels give to the master.
const NAME: &str = "quests";

/// Servers under sentinels.
pub struct RedisSentinel {
    /// Master and replica, as the next failover will find them.
    master: RedisServer,
    replica: RedisServer,
    sentinels: Vec<(u16, Guard)>,
    _folders: Vec<TempDir>,
}

impl RedisSentinel {
    /// Starts all and waits until the sentinels know of each other and of the replica.
    pub fn start() -> Result<Self> {
        let master = RedisServer::start(RedisOptions::default())?;
        let more = vec![format!("replicaof 127.0.0.1 {}", master.port())];
        let replica = RedisServer::start(RedisOptions { more, ..RedisOptions::default() })?;
        let mut group = Self { master, replica, sentinels: Vec::new(), _folders: Vec::new() };
        group.follows()?;
        for _ in 0..3 {
            let folder = tempfile::tempdir()?;
            group.sentinels.push(sentinel(&folder, group.master.port())?);
            group._folders.push(folder);
        }
        group.watched()?;
        Ok(group)
    }

    /// Its URL: all sentinels and the master's name.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/{NAME}", hosts.join(","))
    }

    /// The master of now.
    pub fn master(&self) -> &RedisServer {
        &self.master
    }

    /// Orders a failover while the master lives.
    pub fn order_failover(&self) -> Result<()> {
        let (port, _) = self.sentinels.first().context("a sentinel")?;
        command(*port, &["SENTINEL", "FAILOVER", NAME]).map(|_| ())
    }

    /// The port of the master that the first sentinel names.
    pub fn named(&self) -> Option<u16> {
        named(self.sentinels.first()?.0)
    }

    /// Kills the master. The sentinels notice a second later.
    pub fn kill_master(&mut self) {
        self.master.kill9();
    }

    /// Waits until the replica of the killed master is master, and starts the other as its replica.
    pub fn fail_over(&mut self) -> Result<()> {
        let promoted = self.replica.port();
        poll("the sentinels to promote the replica", || {
            self.sentinels.iter().all(|(port, _)| named(*port).is_some_and(|port| port == promoted))
        })?;
        self.master.restart()?;
        std::mem::swap(&mut self.master, &mut self.replica);
        self.replica.command(&["REPLICAOF", "127.0.0.1", &promoted.to_string()])?;
        self.follows()?;
        self.watched()
    }

    fn follows(&self) -> Result<()> {
        poll("the replica to follow", || {
            let info = self.replica.command(&["INFO", "replication"]).unwrap_or_default();
            info.contains("role:slave") && info.contains("master_link_status:up")
        })
    }

    /// Waits until each sentinel could lead a failover.
    fn watched(&self) -> Result<()> {
        let replica = self.replica.port().to_string();
        poll("the sentinels to watch", || {
            self.sentinels.iter().all(|(port, _)| {
                let quorum = command(*port, &["SENTINEL", "CKQUORUM", NAME]).unwrap_or_default();
                let replicas = command(*port, &["SENTINEL", "REPLICAS", NAME]).unwrap_or_default();
                let fit = !["s_down", "o_down", "disconnected"].iter().any(|flag| replicas.contains(flag));
                quorum.contains("3 usable") && replicas.contains(&replica) && fit
            })
        })
    }
}

/// The port of the master that a sentinel names.
fn named(sentinel: u16) -> Option<u16> {
    let named = command(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).ok()?;
    named.lines().nth(4)?.parse().ok()
}

fn sentinel(folder: &TempDir, master: u16) -> Result<(u16, Guard)> {
    for _ in 0..5 {
        let port = free_port()?;
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nlogfile sentinel.log\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 3000\n",
            folder.path().display()
        );
        let path = folder.path().join("sentinel.conf");
        std::fs::write(&path, config)?;
        let mut child = Command::new("redis-server")
            .arg(&path)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("redis-server is not installed; hint: apt-get install redis-server")?;
        match wait(&mut child, port) {
            Ok(()) => return Ok((port, Guard(child))),
            Err(_) => stop(&mut child),
        }
    }
    bail!(
        "a sentinel does not start: {}",
        std::fs::read_to_string(folder.path().join("sentinel.log")).unwrap_or_default()
    )
}
