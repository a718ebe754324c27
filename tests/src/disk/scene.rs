//! A folder in which a process meets a fault, and in which everything must be well without it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use quest_host::store::{Durability, Open, open};
use tempfile::TempDir;

use super::{
    fault::{Fault, Plan},
    work::{Heard, Work},
};
use crate::process::Guard;

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for file in std::fs::read_dir(from).expect("a folder") {
        let path = file.expect("a file").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).expect("copied");
        }
    }
}

/// A data folder, and the work that is done in it.
pub struct Scene {
    folder: TempDir,
    exe: PathBuf,
    durability: Durability,
    /// The work.
    pub work: Work,
}

/// How a process met its fault.
#[derive(Debug)]
pub struct Met {
    /// Whether the fault struck.
    pub struck: bool,
    /// What was heard of the store.
    pub heard: Vec<Heard>,
    /// How many calls counted; none if the process was killed.
    pub calls: Option<u64>,
    /// How it ended.
    pub status: ExitStatus,
}

impl Scene {
    /// A new folder. `exe` meets faults.
    pub fn new(exe: &str, durability: Durability, work: Work) -> Self {
        // In memory where there is such a folder: the faults are the same, and thousands of syncs take no time.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.expect("a folder"), exe: exe.into(), durability, work }
    }

    /// The same in a folder of its own.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new(self.exe.to_str().expect("text"), self.durability, self.work);
        copy_tree(&self.data(), &copy.data());
        copy
    }

    /// All files of the data folder but the lock's, with what is in them.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.data()];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).expect("a folder") {
                let path = file.expect("a file").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path != self.data().join("lock") {
                    found.insert(path.clone(), std::fs::read(&path).expect("readable"));
                }
            }
        }
        found
    }

    /// How the store is opened.
    pub fn settings(&self) -> Open {
        let partitions = self.work.partitions;
        Open { data: self.data(), durability: self.durability, partitions, ..Open::default() }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The journal that is written now.
    pub fn journal(&self) -> PathBuf {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let files =
            std::fs::read_dir(self.data().join("db")).expect("a database").map(|file| file.expect("a file").path());
        let journals = files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
        journals.max_by_key(number).expect("a journal")
    }

    /// Has a process do the work, with the fault in its way.
    pub fn meet(&self, fault: Option<Fault>) -> Met {
        self.meet_as("itself", fault, &self.data())
    }

    /// The same; only calls on tables count.
    pub fn meet_in_tables(&self, fault: Fault) -> Met {
        self.meet_as("itself", Some(fault), &self.data().join("db/keyspaces"))
    }

    /// Has a process without rights do the work.
    pub fn meet_as_nobody(&self) -> Met {
        self.meet_as("nobody", None, &self.data())
    }

    fn meet_as(&self, whom: &str, fault: Option<Fault>, folder: &Path) -> Met {
        let struck = self.folder.path().join("struck");
        let _ = std::fs::remove_file(&struck);
        let mut command = Command::new(&self.exe);
        let Work { partitions, rounds, bytes_max } = self.work;
        let durability = if self.durability == Durability::Everysec { "everysec" } else { "always" };
        command.args(["disk-work", whom]).arg(self.data()).arg(durability);
        command.args([u64::from(partitions), rounds, bytes_max as u64].map(|number| number.to_string()));
        if let Some(fault) = fault {
            Plan { fault, folder: folder.to_owned(), struck: struck.clone() }.onto(&mut command);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = Guard(child.expect("the process starts"));
        let stdout = BufReader::new(process.0.stdout.take().expect("piped"));
        let lines = std::thread::spawn(move || stdout.lines().map_while(Result::ok).collect::<Vec<String>>());
        let status = process.ended();
        let lines = lines.join().expect("what it said");
        let mut said = String::new();
        let _ = process.0.stderr.take().expect("piped").read_to_string(&mut said);
        assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{fault:?}: {status}: {said}");
        let calls = lines.iter().find_map(|line| line.strip_prefix("calls ")?.parse().ok());
        let heard = lines.iter().filter_map(|line| Heard::read(line)).collect();
        Met { struck: struck.exists(), heard, calls, status }
    }

    /// Without the fault: the accounts balance with what was heard, and the work can be done to its end.
    ///
    /// # Panics
    /// When it is not so.
    pub fn settle(&self, heard: &[Heard]) -> Vec<u64> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = open(&self.settings()).await.expect("the folder opens");
            let found = self.work.audit(&*store, heard).await;
            let mut rest = Vec::new();
            self.work.on(&*store, |heard| rest.push(heard)).await;
            assert!(!rest.iter().any(|heard| matches!(heard, Heard::Refused(_))), "{rest:?}");
            let applied = self.work.audit(&*store, &rest).await;
            assert!(applied.iter().all(|applied| *applied == self.work.rounds), "{applied:?}");
            found
        })
    }
}
