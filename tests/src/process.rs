//! Real hosts as processes: started, asked by HTTP, killed.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc::Receiver},
    thread::JoinHandle,
};

use serde_json::Value;

use crate::eventually;

/// A `quest.toml` that asks for everything.
pub const PERMISSIONS: &str = "[permissions]\nother_contexts = true\nbroadcast = true\n";

/// How to start hosts that belong together.
#[derive(Clone)]
pub struct Setup {
    /// The command under test.
    pub exe: PathBuf,
    /// The folder that they run in; it holds `quests/` and the embedded store.
    pub folder: PathBuf,
    /// Flags of `run`.
    pub flags: Vec<String>,
    /// Where to listen.
    pub listen: String,
    /// What the environment of every command sets.
    pub env: Vec<(String, String)>,
}

impl Setup {
    /// Hosts in `folder` that serve `modules`, which may do all that a `quest.toml` can ask for.
    pub fn new(exe: &str, folder: &Path, modules: &[PathBuf]) -> Self {
        let quests = folder.join("quests");
        std::fs::create_dir_all(&quests).expect("a folder");
        for module in modules {
            std::fs::copy(module, quests.join(module.file_name().expect("a file"))).expect("copied");
        }
        if !modules.is_empty() {
            std::fs::write(quests.join("quest.toml"), PERMISSIONS).expect("written");
        }
        let listen = "127.0.0.1:0".to_owned();
        Self { exe: exe.into(), folder: folder.to_owned(), flags: Vec::new(), listen, env: Vec::new() }
    }

    /// The same, listening elsewhere.
    #[must_use]
    pub fn listen(mut self, listen: &str) -> Self {
        listen.clone_into(&mut self.listen);
        self
    }

    /// The same with one more variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with more flags of `run`.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// A command of ours in the folder, without the environment's settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.exe);
        command.current_dir(&self.folder).env("NO_COLOR", "1").env("COLUMNS", "100").stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUEST_HOST_") {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().cloned());
        command
    }

    /// Starts a host and waits until it listens.
    pub fn start(&self) -> Host {
        let mut child = self
            .command()
            .args(["run", "--format", "json", "--listen", &self.listen])
            .args(&self.flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the host speaks");
        let mut stderr = child.stderr.take().expect("piped");
        let Ok(hello) = serde_json::from_str::<Value>(&line) else {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            panic!("the host did not start: {line}{said}");
        };
        // Read on, so that a talkative host never waits for us; shown when a test fails.
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("host: {line}");
                heard.lock().expect("no panic").push(line);
            }
        });
        let url = hello["listening"].as_str().expect("an address").to_owned();
        Host { child, url, setup: self.clone(), said, listener: Some(listener) }
    }
}

/// A command that runs and talks to people. Killed when it is dropped.
pub struct Speaking {
    /// The process. Its standard output and input are the caller's.
    pub process: Guard,
    lines: Receiver<String>,
    said: String,
}

impl Speaking {
    /// Starts a command and listens to its standard error.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let stderr = child.stderr.take().expect("piped");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("says: {line}");
                let _ = sender.send(line);
            }
        });
        Self { process: Guard(child), lines, said: String::new() }
    }

    /// All that it said, once `marker` is in it.
    ///
    /// # Panics
    /// When it ends, or the deadline passes, before that.
    pub fn said_until(&mut self, marker: &str) -> &str {
        while !self.said.contains(marker) {
            let line = self.lines.recv_timeout(crate::DEADLINE);
            let line = line.unwrap_or_else(|error| panic!("it did not say {marker:?} ({error}), but:\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
        }
        &self.said
    }

    /// Sends a signal; the status that it ends with, and all that it said.
    pub fn end(mut self, number: i32) -> (std::process::ExitStatus, String) {
        signal(&self.process.0, number);
        let status = self.process.ended();
        for line in self.lines.iter() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        (status, self.said)
    }
}

/// A running host. Killed when it is dropped.
pub struct Host {
    child: Child,
    /// Where it listens.
    pub url: String,
    setup: Setup,
    said: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Host {
    /// The lines of its log so far that hold `marker`.
    pub fn said(&self, marker: &str) -> Vec<String> {
        let said = self.said.lock().expect("no panic");
        said.iter().filter(|line| line.contains(marker)).cloned().collect()
    }

    /// Waits until its log holds `marker`.
    pub fn says(&self, marker: &str) {
        eventually(&format!("the host says {marker:?}"), || (!self.said(marker).is_empty()).then_some(()));
    }

    /// What its health check answers; none while it does not.
    pub fn health(&self, http: &Http) -> Option<(u16, Value)> {
        http.get(&format!("{}/v1/health", self.url))
    }

    /// The most memory that it ever used, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory_line("VmHWM:")
    }

    /// The memory that it uses now, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory_line("VmRSS:")
    }

    fn memory_line(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Asks it to end, waits until it has, in order; and gives all that it said.
    pub fn leave(mut self) -> Vec<String> {
        self.signal(libc::SIGTERM);
        let status = eventually("the host drains", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "a drained host ends well: {status}");
        self.listener.take().expect("it listens once").join().expect("no panic");
        self.said("")
    }

    /// A command against this host.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.setup.command();
        command.env("QUEST_HOST_URL", &self.url).args(args);
        command
    }

    /// Runs a command against this host.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the command runs")
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[&["--format", "json"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Ends it with no warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        self.signal(libc::SIGTERM);
        eventually("the host drains", || self.child.try_wait().expect("a child"))
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        signal(&self.child, number);
    }
}

/// Sends a signal to a child that was not waited for yet.
pub fn signal(child: &Child, number: i32) {
    // SAFETY: kill(2) on a child that was not waited for yet, so the process id is still its own.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(child.id() as i32, number) };
    assert_eq!(sent, 0, "the process is there");
}

/// A child that is killed when it is dropped.
pub struct Guard(pub Child);

impl Guard {
    /// Waits until it ends.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        eventually("the process ends", || self.0.try_wait().expect("a child"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A blocking client, in the tests' own thread.
pub struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Default for Http {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = reqwest::Client::builder().no_proxy().timeout(crate::DEADLINE).build().expect("a client");
        Self { runtime, client }
    }
}

impl Http {
    /// Sends a request; the status and the JSON of the answer, or none if the host did not answer.
    pub fn request(&self, build: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Option<(u16, Value)> {
        self.runtime.block_on(async {
            let response = build(&self.client).send().await.ok()?;
            let status = response.status().as_u16();
            let text = response.text().await.ok()?;
            Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
        })
    }

    /// Opens a stream of server-sent events; it is open when this returns.
    pub fn stream(&self, build: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Events<'_> {
        let request = build(&self.client).header("Accept", "text/event-stream");
        let response = self.runtime.block_on(async { request.send().await }).expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { http: self, response, buffer: String::new() }
    }

    /// The status of an answer, whose body is left alone.
    pub fn status(&self, build: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> u16 {
        self.runtime.block_on(async { build(&self.client).send().await }).expect("an answer").status().as_u16()
    }

    /// POSTs JSON.
    pub fn post(&self, url: &str, body: &Value) -> Option<(u16, Value)> {
        self.request(|client| client.post(url).json(body))
    }

    /// GETs JSON.
    pub fn get(&self, url: &str) -> Option<(u16, Value)> {
        self.request(|client| client.get(url))
    }
}

/// A stream of server-sent events.
pub struct Events<'a> {
    http: &'a Http,
    response: reqwest::Response,
    buffer: String,
}

/// One of them.
#[derive(Debug, Default)]
pub struct Event {
    /// Its kind.
    pub event: String,
    /// Its id.
    pub id: String,
    /// Its data.
    pub data: Value,
}

impl Iterator for Events<'_> {
    type Item = Event;

    /// Waits for the next event; none at the stream's end.
    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.buffer.split_once("\n\n") {
                let mut event = Event::default();
                for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
                    match name {
                        "event" => value.clone_into(&mut event.event),
                        "id" => value.clone_into(&mut event.id),
                        "data" => event.data = serde_json::from_str(value).expect("JSON"),
                        _ => {}
                    }
                }
                self.buffer = rest.to_owned();
                if !event.event.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.http.runtime.block_on(self.response.chunk()).ok()??;
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
