//! One fault: the Nth call of a kind, below a folder, and what becomes of it. The test makes it, the process under test meets it.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

/// What a process that meets a fault finds in its environment.
const FAULT: &str = "QUEST_FAULT";
const FOLDER: &str = "QUEST_FAULT_FOLDER";
const STRUCK: &str = "QUEST_FAULT_STRUCK";

/// The calls that change a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// write, pwrite, writev, pwritev
    Write,
    /// fsync, fdatasync
    Sync,
    /// rename
    Rename,
    /// open with O_CREAT, mkdir
    Create,
    /// ftruncate
    Resize,
    /// unlink, rmdir
    Remove,
    /// Any of these.
    Any,
}

const KINDS: [(&str, Kind); 7] = [
    ("write", Kind::Write),
    ("sync", Kind::Sync),
    ("rename", Kind::Rename),
    ("create", Kind::Create),
    ("resize", Kind::Resize),
    ("remove", Kind::Remove),
    ("any", Kind::Any),
];

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It fails with this number, once.
    Fails(i32),
    /// It and all later ones fail with this number.
    FailsOn(i32),
    /// It waits until the process has written nothing for a while, so for whatever waits for it; then it and all later ones fail with
    /// this number.
    FailsLate(i32),
    /// Half of a write is done, the next finds the disk full; other calls find it full at once.
    Half,
    /// The process dies in it; half of a write is done.
    Kill,
    /// The power is cut: what was written and not synced is lost, and the process dies.
    PowerCut,
    /// The disk has room for N bytes (not calls) more: writes are cut short there, and then fail, all of them.
    Room,
}

/// The Nth call of a kind, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which calls count.
    pub kind: Kind,
    /// Which of them, from 1.
    pub at: u64,
    /// What becomes of it.
    pub effect: Effect,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("any", |(name, _)| name);
        write!(f, "{kind} {} ", self.at)?;
        match self.effect {
            Effect::Fails(number) => write!(f, "fails {number}"),
            Effect::FailsOn(number) => write!(f, "fails-on {number}"),
            Effect::FailsLate(number) => write!(f, "fails-late {number}"),
            Effect::Half => f.write_str("half 0"),
            Effect::Kill => f.write_str("kill 0"),
            Effect::PowerCut => f.write_str("power-cut 0"),
            Effect::Room => f.write_str("room 0"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{FAULT}={text:?} is no fault");
        let [kind, at, effect, number] = *text.split(' ').collect::<Vec<_>>() else { return Err(wrong()) };
        let (_, kind) = KINDS.into_iter().find(|(name, _)| *name == kind).ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let effect = match effect {
            "fails" => Effect::Fails(number),
            "fails-on" => Effect::FailsOn(number),
            "fails-late" => Effect::FailsLate(number),
            "half" => Effect::Half,
            "kill" => Effect::Kill,
            "power-cut" => Effect::PowerCut,
            "room" => Effect::Room,
            _ => return Err(wrong()),
        };
        Ok(Self { kind, at: at.parse().map_err(|_| wrong())?, effect })
    }
}

/// A fault in one folder, and the file that is made when it strikes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The fault.
    pub fault: Fault,
    /// Calls outside of this folder do not count.
    pub folder: PathBuf,
    /// Made when the fault strikes; outside of the folder.
    pub struck: PathBuf,
}

impl Plan {
    /// The environment of a process that is to meet the fault.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
        vec![
            (FAULT.to_owned(), self.fault.to_string()),
            (FOLDER.to_owned(), text(&self.folder)),
            (STRUCK.to_owned(), text(&self.struck)),
        ]
    }

    /// The process meets the fault.
    pub fn onto<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.environment())
    }

    /// What this process is to meet, if its environment says so.
    ///
    /// # Panics
    /// When the environment is not what a test wrote.
    pub fn from_environment() -> Option<Self> {
        let fault = std::env::var(FAULT).ok()?.parse().unwrap_or_else(|wrong| panic!("{wrong}"));
        let path = |name| PathBuf::from(std::env::var_os(name).expect("a path for the fault"));
        Some(Self { fault, folder: path(FOLDER), struck: path(STRUCK) })
    }
}
