//! Real hosts as processes: started, asked by HTTP, killed.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::eventually;

/// How to start hosts that belong together.
#[derive(Clone)]
pub struct Setup {
    /// The command under test.
    pub exe: PathBuf,
    /// The folder that they run in; it holds `quests/` and the embedded store.
    pub folder: PathBuf,
    /// Flags of `run`.
    pub flags: Vec<String>,
}

impl Setup {
    /// Hosts in `folder` that serve `modules`.
    pub fn new(exe: &str, folder: &Path, modules: &[PathBuf]) -> Self {
        let quests = folder.join("quests");
        std::fs::create_dir_all(&quests).expect("a folder");
        for module in modules {
            std::fs::copy(module, quests.join(module.file_name().expect("a file"))).expect("copied");
        }
        Self { exe: exe.into(), folder: folder.to_owned(), flags: Vec::new() }
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
        command.current_dir(&self.folder).env("NO_COLOR", "1").env_remove("QUEST_HOST_URL").stdin(Stdio::null());
        command
    }

    /// Starts a host and waits until it listens.
    pub fn start(&self) -> Host {
        let mut child = self
            .command()
            .args(["run", "--format", "json", "--listen", "127.0.0.1:0"])
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
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("host: {line}");
            }
        });
        let url = hello["listening"].as_str().expect("an address").to_owned();
        Host { child, url, setup: self.clone() }
    }
}

/// A running host. Killed when it is dropped.
pub struct Host {
    child: Child,
    /// Where it listens.
    pub url: String,
    setup: Setup,
}

impl Host {
    /// Runs a command against this host.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.setup.command().env("QUEST_HOST_URL", &self.url).args(args).output().expect("the command runs")
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
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill(2) on a child that was not waited for yet, so the process id is still its own.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::kill(self.child.id() as i32, signal) };
        assert_eq!(sent, 0, "the host is there");
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

    /// POSTs JSON.
    pub fn post(&self, url: &str, body: &Value) -> Option<(u16, Value)> {
        self.request(|client| client.post(url).json(body))
    }

    /// GETs JSON.
    pub fn get(&self, url: &str) -> Option<(u16, Value)> {
        self.request(|client| client.get(url))
    }
}
