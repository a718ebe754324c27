//! The journal, looked at before the database opens it.
//!
//! The database replays a journal up to the first byte that it cannot read and cuts off the rest, whatever stands there; or it refuses
//! a group that is torn in its middle; and no checksum covers a group's sequence number. So a byte damaged in the middle would silently
//! cost all that follows, and a power cut could keep a folder shut. Here the two are told apart. Each group carries a [`Mark`]: its
//! number, and the last number that was known to be on the disk when it was written. What comes after the last whole group may be cut
//! off unless a mark found anywhere says that more had been on the disk: then the folder is damaged, and is left alone.
//!
//! The format is fjall's, version 3: `1, items (4 bytes), sequence number (8)`, the items, `3, checksum (8), "FJL", 3`; an item is
//! `2, type, compression, keyspace (8), key length (2), value length (4), stored length (4), key, value`; numbers are little-endian.
//!
//! Must not know: what the other pairs of a group mean.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::folder::failed;
use crate::store::{Error, Result, ordered::layout::global};

/// Key of the last group's mark.
pub const GROUP: &str = "group";

const TRAILER: &[u8] = b"FJL\x03";
const CHUNK: usize = 1 << 20;

/// A group's number, and the last one known to be on the disk when it was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    group: u64,
    synced: u64,
}

impl Mark {
    /// The mark of a new database's first group, which is on the disk before the database is used.
    pub const FIRST: Self = Self { group: 1, synced: 1 };

    /// As it is stored.
    pub fn bytes(self) -> Vec<u8> {
        [self.group.to_be_bytes(), self.synced.to_be_bytes()].concat()
    }

    /// The group's number.
    pub fn group(self) -> u64 {
        self.group
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (group, synced) = bytes.split_first_chunk::<8>()?;
        let synced = synced.try_into().ok()?;
        Some(Self { group: u64::from_be_bytes(*group), synced: u64::from_be_bytes(synced) })
    }
}

/// How far the groups are written, and how far they are known to be on the disk.
#[derive(Debug, Default)]
pub struct Groups {
    written: AtomicU64,
    synced: AtomicU64,
}

impl Groups {
    /// Goes on after the group with this stored mark. All that is read at the opening is on the disk by then.
    pub fn after(stored: Option<&[u8]>) -> Self {
        let last = stored.and_then(Mark::read).unwrap_or_default().group;
        Self { written: AtomicU64::new(last), synced: AtomicU64::new(last) }
    }

    /// The mark of the group that is written next.
    pub fn next(&self) -> Mark {
        Mark { group: self.written() + 1, synced: self.synced.load(Ordering::SeqCst) }
    }

    /// The last group that was written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The group is with the operating system.
    pub fn wrote(&self, mark: Mark) {
        self.written.store(mark.group, Ordering::SeqCst);
    }

    /// All groups up to this one are on the disk.
    pub fn synced(&self, group: u64) {
        self.synced.fetch_max(group, Ordering::SeqCst);
    }
}

/// Looks at the journals in a database's folder: cuts off what a crash left half written, refuses what was damaged later.
pub fn check(database: &Path) -> Result<()> {
    let mut last = Last::default();
    let mut torn: Option<Torn> = None;
    let mut unsynced = None;
    for path in journals(database).map_err(|error| failed("list", database, &error))? {
        let bytes = read(&path).map_err(|error| failed("read", &path, &error))?;
        let walk = Walk::over(&bytes, last);
        if let Some(torn) = torn.as_ref().filter(|_| walk.end > 0) {
            return Err(torn.damage());
        }
        if let Some(wrong) = walk.wrong {
            return Err(damage(&path, walk.end, wrong));
        }
        last = walk.last;
        if walk.end < bytes.len() {
            let found = Torn { path: path.clone(), end: walk.end, bytes: bytes.len() - walk.end };
            if marks_behind(&bytes[walk.end + 1..]).any(|mark| mark.synced > last.mark.group) {
                return Err(found.damage());
            }
            torn = torn.or(Some(found));
        }
        unsynced = Some((path, walk.unsynced, bytes[walk.unsynced..walk.end].to_vec()));
    }
    if let Some(torn) = torn {
        torn.cut()?;
    }
    match unsynced {
        Some((path, from, bytes)) if !bytes.is_empty() => {
            settle(&path, from, &bytes).map_err(|error| failed("write", &path, &error))
        }
        _ => Ok(()),
    }
}

/// The journals, oldest first.
fn journals(database: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "jnl")) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// A journal without the zeros at its end: its space is made in advance.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    let mut zeros = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok(bytes);
        }
        let filled = chunk[..count].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if filled > 0 {
            bytes.resize(bytes.len() + zeros, 0);
            bytes.extend_from_slice(&chunk[..filled]);
            zeros = 0;
        }
        zeros += count - filled;
    }
}

/// Writes again what may only be in the system's memory: after a sync that failed the system holds it for written, and a later sync
/// would not write it.
fn settle(path: &Path, from: usize, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(from as u64))?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// What follows the last whole group.
struct Torn {
    path: PathBuf,
    end: usize,
    bytes: usize,
}

impl Torn {
    fn cut(&self) -> Result<()> {
        let cut = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(self.end as u64)?;
            file.sync_all()
        };
        cut().map_err(|error| failed("cut", &self.path, &error))?;
        let Self { path, end, bytes } = self;
        tracing::warn!(path = %path.display(), at = end, bytes, "the journal ended in a write that was cut short; it was left out");
        Ok(())
    }

    fn damage(&self) -> Error {
        damage(&self.path, self.end, "what stood there had been on the disk, and whole groups follow")
    }
}

fn damage(path: &Path, at: usize, what: &str) -> Error {
    Error::Unusable(format!(
        "{} is damaged at byte {at}: {what}; nothing was changed; hint: keep a copy of the folder, see to the disk, put a backup back",
        path.display()
    ))
}

/// What the groups so far end with.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    mark: Mark,
    sequence: Option<u64>,
}

/// The whole groups at a journal's beginning.
struct Walk {
    /// The last one.
    last: Last,
    /// Where they end.
    end: usize,
    /// Where those begin of which no mark says that they are on the disk.
    unsynced: usize,
    /// Why the whole group that begins at `end` cannot stand there.
    wrong: Option<&'static str>,
}

impl Walk {
    fn over(bytes: &[u8], mut last: Last) -> Self {
        let mut starts = Vec::new();
        let (mut end, mut wrong) = (0, None);
        while let Some(group) = Group::at(bytes, end) {
            wrong = last.refuses(&group);
            if wrong.is_some() {
                break;
            }
            last.sequence = Some(group.sequence);
            if let Some(mark) = group.mark {
                starts.push((mark.group, end));
                last.mark = mark;
            }
            end = group.end;
        }
        let unsynced = starts.iter().find(|(group, _)| *group > last.mark.synced).map_or(end, |(_, start)| *start);
        Self { last, end, unsynced, wrong }
    }
}

impl Last {
    /// Why a group cannot follow.
    fn refuses(&self, next: &Group) -> Option<&'static str> {
        if self.sequence.is_some_and(|last| next.sequence <= last) {
            return Some("this group or the one before it has another one's sequence number");
        }
        let is_gap = self.mark.group > 0 && next.mark.is_some_and(|mark| mark.group != self.mark.group + 1);
        is_gap.then_some("groups are missing before this one")
    }
}

/// The marks of whole groups that begin anywhere in `bytes`.
fn marks_behind(bytes: &[u8]) -> impl Iterator<Item = Mark> {
    (0..bytes.len()).filter_map(|at| Group::at(bytes, at)?.mark)
}

/// A whole group.
struct Group {
    sequence: u64,
    end: usize,
    mark: Option<Mark>,
}

impl Group {
    /// The group that begins at `at`, if a whole one does.
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let mut rest = bytes.get(at..)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let mut take = |count: usize| -> Option<&[u8]> { rest.split_off(..count) };
        if take(1)? != [1] {
            return None;
        }
        let mark_key = global(GROUP);
        let items = number(take(4)?);
        let sequence = number(take(8)?);
        let (mut length, mut mark) = (0, None);
        for _ in 0..items {
            match take(1)? {
                [2] => {
                    let (key, stored) = {
                        let head = take(20)?;
                        (number(&head[10..12]) as usize, number(&head[16..20]) as usize)
                    };
                    let is_mark = take(key)? == mark_key;
                    let value = take(stored)?;
                    mark = if is_mark { Mark::read(value) } else { mark };
                    length += 21 + key + stored;
                }
                [4] => {
                    take(8)?;
                    length += 9;
                }
                _ => return None,
            }
        }
        let sum = xxhash_rust::xxh3::xxh3_64(bytes.get(at + 13..at + 13 + length)?);
        let is_whole = take(1)? == [3] && number(take(8)?) == sum && take(4)? == TRAILER;
        is_whole.then_some(Self { sequence, end: at + 13 + length + 13, mark })
    }
}
