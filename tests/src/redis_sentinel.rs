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
    folders: Vec<TempDir>,
}

impl RedisSentinel {
    /// Starts all and waits until the sentinels know of each other and of the replica.
    pub fn start() -> Result<Self> {
        let master = RedisServer::start(RedisOptions::default())?;
        let more = vec![format!("replicaof 127.0.0.1 {}", master.port())];
        let replica = RedisServer::start(RedisOptions { more, ..RedisOptions::default() })?;
        let mut group = Self { master, replica, sentinels: Vec::new(), folders: Vec::new() };
        poll("the replica to follow", || group.is_linked() == Some(true))?;
        for _ in 0..3 {
            let folder = tempfile::tempdir()?;
            group.sentinels.push(sentinel(&folder, group.master.port())?);
            group.folders.push(folder);
        }
        group.settle()?;
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

    /// Waits until the sentinels have replaced the killed master, and starts it again, as the replica of whoever is master then.
    pub fn fail_over(&mut self) -> Result<()> {
        let killed = self.master.port();
        poll("the sentinels to replace the master", || self.named_by_all().is_some_and(|port| port != killed))
            .with_context(|| self.logs())?;
        self.master.restart()?;
        self.settle()
    }

    /// Waits until one is the other's replica, and each sentinel could lead a failover. Sentinels that found a new master slow to answer may
    /// replace it too, by the one that was just started: theirs is the word.
    fn settle(&mut self) -> Result<()> {
        let mut told = None;
        let mut is_settled = || {
            let named = self.named_by_all()?;
            if named == self.replica.port() {
                std::mem::swap(&mut self.master, &mut self.replica);
            }
            if told != Some(named) {
                // They do it too, some ten seconds later.
                self.replica.command(&["REPLICAOF", "127.0.0.1", &named.to_string()]).ok()?;
                told = Some(named);
            }
            Some(self.is_linked()? && self.sentinels.iter().all(|(port, _)| self.is_watched_by(*port)))
        };
        poll("servers and sentinels to settle", || is_settled() == Some(true)).with_context(|| self.logs())
    }

    /// Whether the one is master and the other its replica.
    fn is_linked(&self) -> Option<bool> {
        let (master, replica) = (replication(&self.master)?, replication(&self.replica)?);
        Some(
            master.contains("role:master")
                && replica.contains("role:slave")
                && replica.contains("master_link_status:up"),
        )
    }

    /// Whether a sentinel could lead a failover to the replica.
    fn is_watched_by(&self, sentinel: u16) -> bool {
        let quorum = command(sentinel, &["SENTINEL", "CKQUORUM", NAME]).unwrap_or_default();
        let replicas = command(sentinel, &["SENTINEL", "REPLICAS", NAME]).unwrap_or_default();
        let fit = !["s_down", "o_down", "disconnected"].iter().any(|flag| replicas.contains(flag));
        quorum.contains("3 usable") && replicas.contains(&self.replica.port().to_string()) && fit
    }

    /// The port of the master, once all sentinels name the same.
    fn named_by_all(&self) -> Option<u16> {
        let first = self.named()?;
        self.sentinels.iter().all(|(port, _)| named(*port) == Some(first)).then_some(first)
    }

    /// What the sentinels wrote to their logs last.
    fn logs(&self) -> String {
        let logs = self.folders.iter().map(|folder| {
            let log = std::fs::read_to_string(folder.path().join("sentinel.log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            lines[lines.len().saturating_sub(30)..].join("\n")
        });
        format!(
            "master {}, replica {}\n{}",
            self.master.port(),
            self.replica.port(),
            logs.collect::<Vec<_>>().join("\n")
        )
    }
}

fn replication(server: &RedisServer) -> Option<String> {
    server.command(&["INFO", "replication"]).ok()
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
