//! Real `redis-server` processes on free loopback ports, each in a folder of its own, killed by their process id on drop.
//!
//! Must not know: what is stored in them.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::DEADLINE;

/// How long a server may take to answer after its start.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// The folder of append-only files, within a server's.
const APPENDED: &str = "appendonlydir";

/// How a server is configured.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Whether it keeps an append-only file.
    pub appendonly: bool,
    /// `always`, `everysec` or `no`.
    pub appendfsync: &'static str,
    /// `save` as in redis.conf; empty: no snapshots.
    pub save: &'static str,
    /// What it does when memory is full.
    pub maxmemory_policy: &'static str,
    /// Further lines of configuration.
    pub more: Vec<String>,
}

impl Default for RedisOptions {
    fn default() -> Self {
        let (appendfsync, save, maxmemory_policy) = ("everysec", "", "noeviction");
        Self { appendonly: true, appendfsync, save, maxmemory_policy, more: Vec::new() }
    }
}

/// A running server.
pub struct RedisServer {
    options: RedisOptions,
    folder: TempDir,
    port: u16,
    child: Child,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    pub fn start(options: RedisOptions) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Another process may take the port between our look and the server's start: then try another.
        for _ in 0..5 {
            let port = free_port()?;
            let mut child = spawn(&options, folder.path(), port)?;
            match wait(&mut child, port) {
                Ok(()) => return Ok(Self { options, folder, port, child }),
                Err(_) => stop(&mut child),
            }
        }
        bail!("redis-server does not start: {}", log(folder.path()))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it as a crash would.
    pub fn kill9(&mut self) {
        stop(&mut self.child);
    }

    /// Shuts it down in order, or finds it dead.
    pub fn shut_down(&mut self) {
        // It ends without an answer.
        let _ = self.command(&["SHUTDOWN"]);
        stop(&mut self.child);
    }

    /// Shuts it down in order, and starts it on the same port and folder.
    pub fn restart(&mut self) -> Result<()> {
        self.shut_down();
        self.child = spawn(&self.options, self.folder.path(), self.port)?;
        wait(&mut self.child, self.port).with_context(|| log(self.folder.path()))
    }

    /// A copy of what it has on disk at this moment, as a backup would take it.
    pub fn copy(&self) -> Result<TempDir> {
        let copy = tempfile::tempdir()?;
        copy_all(&self.folder.path().join(APPENDED), copy.path())?;
        Ok(copy)
    }

    /// Starts it, after a kill, from a copy: what came after that is lost.
    pub fn restart_from(&mut self, copy: &TempDir) -> Result<()> {
        let appended = self.folder.path().join(APPENDED);
        std::fs::remove_dir_all(&appended)?;
        copy_all(copy.path(), &appended)?;
        self.restart()
    }

    /// Changes its configuration until it is restarted.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.command(&["CONFIG", "SET", name, value]).map(|_| ())
    }

    /// A number of its INFO.
    pub fn info(&self, section: &str, name: &str) -> Result<u64> {
        let info = self.command(&["INFO", section])?;
        let found = info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')?.parse().ok());
        found.with_context(|| format!("INFO {section} has no number {name}"))
    }

    /// Sends one command and gives the raw answer's beginning.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        command(self.port, words)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Waits until something holds; an error after the deadline.
pub fn poll(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        if Instant::now() > deadline {
            bail!("waited {DEADLINE:?} for {what}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        std::fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

/// A port that nobody listens on, as far as we know.
pub(crate) fn free_port() -> Result<u16> {
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        // A cluster's bus listens 10,000 above.
        if port < 55_000 {
            return Ok(port);
        }
    }
}

fn spawn(options: &RedisOptions, folder: &Path, port: u16) -> Result<Child> {
    let append = if options.appendonly { "yes" } else { "no" };
    let mut config = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nlogfile redis.log\nappendonly {append}\nappendfsync {}\nsave \"{}\"\nmaxmemory-policy {}\n",
        folder.display(),
        options.appendfsync,
        options.save,
        options.maxmemory_policy,
    );
    for line in &options.more {
        config.push_str(line);
        config.push('\n');
    }
    let path = folder.join("redis.conf");
    std::fs::write(&path, config)?;
    let mut command = Command::new("redis-server");
    command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("redis-server is not installed; hint: apt-get install redis-server")
}

/// Waits until a server answers.
pub(crate) fn wait(child: &mut Child, port: u16) -> Result<()> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("redis-server ended: {status}");
        }
        if command(port, &["PING"]).is_ok_and(|answer| answer.starts_with("+PONG")) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("redis-server does not answer");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a server and takes its end.
pub(crate) fn stop(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("redis.log")).unwrap_or_default()
}

/// Sends one command to a server; the raw answer's beginning.
pub(crate) fn command(port: u16, words: &[&str]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; 16 * 1024];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.starts_with('-') {
        bail!("{words:?}: {answer}");
    }
    Ok(answer)
}
