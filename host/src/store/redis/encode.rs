//! What is sent to the scripts: commits grouped into few commands, entries, reads; and their replies read.
//!
//! Must not know: connections.

use std::collections::HashMap;

use quest_engine::write::Write;
use redis::{FromRedisValue as _, Value};

use super::connection::Call;
use crate::store::{Accept, Acceptance, Commit, Error, Full, Read, Reply, Result};

/// The keys of a script call, each once.
pub struct Keys<F: Fn(&str) -> String> {
    full: F,
    index: HashMap<String, usize>,
    /// In the order of the script's KEYS.
    pub list: Vec<String>,
}

impl<F: Fn(&str) -> String> Keys<F> {
    /// Begins with fixed keys.
    pub fn new(full: F, fixed: &[&str]) -> Self {
        let list = fixed.iter().map(|name| full(name)).collect();
        Self { full, index: HashMap::new(), list }
    }

    /// The index (from 1, as Lua counts) of a key.
    pub fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        self.list.push((self.full)(name));
        self.index.insert(name.to_owned(), self.list.len());
        self.list.len()
    }

    /// The index of the key of an entry's ids; 0 if it has no id.
    pub fn ids(&mut self, entry: &Accept) -> usize {
        match entry.id {
            Some(_) => self.index(&format!("{}.ids", entry.context)),
            None => 0,
        }
    }
}

/// Adds an entry's six arguments.
pub fn entry(call: &mut Call, ids: usize, entry: &Accept) {
    call.arg(ids).arg(&entry.context).arg(entry.id.as_deref().unwrap_or("")).arg(&entry.digest);
    call.arg(u8::from(entry.from_outside)).arg(&entry.bytes);
}

/// One Redis command of a commit.
#[derive(Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The command.
    pub command: &'static str,
    /// The key, relative.
    pub key: &'a str,
    /// Its arguments.
    pub args: Vec<Arg<'a>>,
}

/// An argument of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// Opaque.
    Bytes(&'a [u8]),
    /// A score or an index.
    Number(i64),
}

/// A commit's writes as few commands: writes to different keys do not see each other, so each key's are brought together, and
/// runs of one kind become one command.
pub fn group(writes: &[Write]) -> Vec<Group<'_>> {
    let mut of_key: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<Vec<Group<'_>>> = Vec::new();
    for write in writes {
        let (command, key, args) = command(write);
        let place = *of_key.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        let Some(runs) = groups.get_mut(place) else { continue };
        match runs.last_mut() {
            Some(last) if last.command == command && !matches!(command, "LTRIM" | "UNLINK") => last.args.extend(args),
            _ => runs.push(Group { command, key, args }),
        }
    }
    groups.into_iter().flatten().collect()
}

fn command(write: &Write) -> (&'static str, &str, Vec<Arg<'_>>) {
    use Arg::{Bytes, Number};
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    match write {
        Write::HashSet { key, field, value } => ("HSET", key, vec![Bytes(field), Bytes(value)]),
        Write::HashRemove { key, field } => ("HDEL", key, vec![Bytes(field)]),
        Write::SetAdd { key, member } => ("SADD", key, vec![Bytes(member)]),
        Write::SetRemove { key, member } => ("SREM", key, vec![Bytes(member)]),
        Write::SortedSet { key, member, score } => ("ZADD", key, vec![Number(signed(*score)), Bytes(member)]),
        Write::SortedRemove { key, member } => ("ZREM", key, vec![Bytes(member)]),
        Write::ListAppend { key, value } => ("RPUSH", key, vec![Bytes(value)]),
        Write::ListPrepend { key, value } => ("LPUSH", key, vec![Bytes(value)]),
        Write::ListTrimFront { key, count } => ("LTRIM", key, vec![Number(signed(*count)), Number(-1)]),
        Write::Delete { key } => ("UNLINK", key, Vec::new()),
    }
}

/// How many entries of each context are settled, each context once.
pub fn settled(commit: &Commit) -> HashMap<&str, u64> {
    let mut settled = HashMap::new();
    for (context, count) in commit.settled.iter().filter(|(_, count)| *count > 0) {
        *settled.entry(context.as_str()).or_insert(0) += count;
    }
    settled
}

/// A read's kind and two arguments.
pub fn read(call: &mut Call, read: &Read) {
    let last = |from: u64, count: u64| i64::try_from(from.saturating_add(count)).unwrap_or(i64::MAX) - 1;
    let limit = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match read {
        Read::Hash { .. } => call.arg("hash").arg("").arg(""),
        Read::HashField { field, .. } => call.arg("field").arg(field).arg(""),
        Read::Set { .. } => call.arg("set").arg("").arg(""),
        // An empty range, spelt so that Redis does not count from the end.
        Read::List { count: 0, .. } => call.arg("list").arg(1).arg(0),
        Read::List { from, count, .. } => call.arg("list").arg(*from).arg(last(*from, *count)),
        Read::Length { .. } => call.arg("length").arg("").arg(""),
        Read::SortedBelow { below, count, .. } => call.arg("below").arg(*below).arg(limit(*count)),
        Read::SortedAfter { after, count, .. } => {
            let from = after.as_ref().map_or_else(|| b"-".to_vec(), |after| [b"(", after.as_slice()].concat());
            call.arg("after").arg(from).arg(limit(*count))
        }
    };
}

/// The key of a read, relative.
pub fn read_key(read: &Read) -> &str {
    match read {
        Read::Hash { key }
        | Read::HashField { key, .. }
        | Read::Set { key }
        | Read::List { key, .. }
        | Read::Length { key }
        | Read::SortedBelow { key, .. }
        | Read::SortedAfter { key, .. } => key,
    }
}

/// What a read gave.
pub fn reply(read: &Read, value: Value) -> Result<Reply> {
    let odd = |_| Error::Unusable(format!("Redis answered a read of {} oddly", read_key(read)));
    Ok(match read {
        Read::Hash { .. } => Reply::Fields(Vec::from_redis_value(value).map_err(odd)?),
        Read::HashField { .. } => Reply::Value(Option::from_redis_value(value).map_err(odd)?),
        Read::Set { .. } => {
            let mut members: Vec<Vec<u8>> = Vec::from_redis_value(value).map_err(odd)?;
            members.sort_unstable();
            Reply::Items(members)
        }
        Read::List { .. } | Read::SortedAfter { .. } => Reply::Items(Vec::from_redis_value(value).map_err(odd)?),
        Read::Length { .. } => Reply::Count(u64::from_redis_value(value).map_err(odd)?),
        Read::SortedBelow { .. } => Reply::Scored(Vec::from_redis_value(value).map_err(odd)?),
    })
}

/// Reads one answer of `put` in the scripts.
pub fn acceptance(text: &str) -> Result<Acceptance> {
    let stamp = || number(text.get(1..).unwrap_or_default());
    Ok(match text.as_bytes().first() {
        Some(b'A') => Acceptance::Accepted { stamp: stamp()? },
        Some(b'D') => Acceptance::Duplicate { stamp: stamp()? },
        Some(b'C') => Acceptance::Conflict,
        Some(b'I') => Acceptance::Full(Full::Inbox),
        Some(b'X') => Acceptance::Full(Full::Context),
        Some(b'S') => Acceptance::Full(Full::Ids),
        _ => return Err(Error::Unusable(format!("Redis answered {text:?}"))),
    })
}

/// Reads a number.
pub fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Unusable(format!("Redis answered {text:?} where a number was due")))
}

/// Splits a stored entry into its stamp and its bytes.
pub fn stamped(entry: Vec<u8>) -> Result<(u64, Vec<u8>)> {
    let bad = || Error::Unusable("an entry in Redis has no stamp; was it written by another program?".to_owned());
    let colon = entry.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
    let (stamp, rest) = entry.split_at(colon);
    let stamp = std::str::from_utf8(stamp).ok().and_then(|text| text.parse().ok()).ok_or_else(bad)?;
    Ok((stamp, rest.get(1..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_grouped_by_key_and_kind() {
        let set = |key: &str, field: &str| Write::HashSet {
            key: key.to_owned(),
            field: field.as_bytes().to_vec(),
            value: Vec::new(),
        };
        let writes =
            [set("a", "1"), set("b", "1"), set("a", "2"), Write::Delete { key: "a".to_owned() }, set("a", "3")];
        let shape: Vec<_> = group(&writes).iter().map(|group| (group.command, group.key, group.args.len())).collect();
        assert_eq!(shape, [("HSET", "a", 4), ("UNLINK", "a", 0), ("HSET", "a", 2), ("HSET", "b", 2)]);
    }
}
