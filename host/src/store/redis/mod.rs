//! The store on Redis 7 or newer: one server, whom sentinels name (`redis-sentinel://…`), or a Redis Cluster (`redis-cluster://…`).
//!
//! Each method is one Lua script over the keys of one partition, so it is atomic, on a cluster too. In the order that data flows:
//! [`connection`] sends, [`encode`] says things in arguments, `lua/` does them, [`bells`] tell other hosts, [`ingress`] is the
//! list of existing producers, [`check`] looks at the server.
//!
//! Must not know: what an entry means, what a write is for.

mod address;
mod bells;
mod check;
mod connection;
mod encode;
pub mod ingress;
mod keys;
mod link;
mod sentinel;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use quest_engine::model::Millis;
use redis::Value;
use tokio::sync::broadcast;

use self::{
    address::Address,
    bells::Bells,
    connection::{Call, Connection},
    encode::{Keys, number, stamped},
    keys::{BROADCAST, HOSTS, KEPT, META, Prefix},
};
use super::{
    Accept, AcceptBounds, Acceptance, Bell, Commit, Committed, Error, Full, Grant, Log, Member, Open, PartitionId,
    Read, Relay, Relayed, Reply, Report, Result, Store, TAKE_BYTES_MAX, Taken, Token, draw_id, open::other_partitions,
};

/// The format of what is stored.
const FORMAT: u32 = 1;
/// Expired ids that one call forgets at most, beside two for each entry that it brought.
const FORGET_MIN: usize = 8;
/// How long the answer of an accepting call is kept on a cluster, whose client sends a call again by itself: longer than its tries take.
const RESENT_MS: u64 = 60_000;
/// The share of `maxmemory` past which producers are refused: the rest is for work on what was accepted.
const MEMORY_USED_MAX: f64 = 0.9;
/// The keys of an inbox, in the scripts' order.
const INBOX: [&str; 4] = ["inbox", "clock", "waiting", "ids_order"];
/// The same of the broadcast log.
const LOG: [&str; 4] = ["log", "clock", "waiting", "ids_order"];

/// A store on Redis.
pub struct Redis {
    connection: Connection,
    address: Address,
    prefix: Prefix,
    bells: Bells,
    ids_window_ms: u64,
    /// Whether memory is nearly full, as of the last heartbeat: producers are refused then.
    memory_full: AtomicBool,
    store_id: String,
    partitions: PartitionId,
}

/// Whose inbox.
#[derive(Debug, Clone, Copy)]
enum Place {
    Partition(PartitionId),
    Log,
}

impl Redis {
    /// Connects, and creates the store if it is not there.
    pub async fn open(settings: &Open) -> Result<Self> {
        let address = Address::parse(settings.url.as_deref().unwrap_or_default());
        let prefix = Prefix::new(&settings.prefix)?;
        let connection = Connection::open(&address).await?;
        // Before anything is written: a server that is too old would refuse the scripts less clearly.
        check::look(&connection, &address).await?;
        let mut call = Call::new(&connection::IDENTITY, &[prefix.global(META, "store")]);
        call.arg(draw_id()).arg(settings.partitions).arg(FORMAT);
        let (store_id, partitions, format): (String, PartitionId, u32) = connection.run(&call).await?;
        if format > FORMAT {
            return Err(Error::Unusable(format!(
                "it has format {format}, this version reads up to {FORMAT}; hint: use the newer quest-host that wrote it"
            )));
        }
        if partitions != settings.partitions {
            return Err(other_partitions(partitions, settings.partitions));
        }
        let bells = Bells::start(address.clone(), prefix.channel());
        let ids_window_ms = settings.ids_window_ms;
        let memory_full = AtomicBool::new(false);
        Ok(Self { connection, address, prefix, bells, ids_window_ms, memory_full, store_id, partitions })
    }

    /// The bytes of memory that all servers use, whatever for: a measurement compares two moments.
    pub async fn memory_bytes(&self) -> Result<f64> {
        check::memory_bytes(&self.connection).await
    }

    /// Removes all that is stored under this store's prefix: for a measurement, which has one of its own. On a cluster, where no one scan
    /// sees all nodes, it does nothing and says false.
    pub async fn erase(&self) -> Result<bool> {
        if self.address.is_cluster() {
            return Ok(false);
        }
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(self.prefix.all()).arg("COUNT").arg(1_000);
            let (next, keys): (String, Vec<Vec<u8>>) = self.connection.send(&scan).await?;
            if !keys.is_empty() {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(keys);
                self.connection.send::<()>(&unlink).await?;
            }
            if next == "0" {
                return Ok(true);
            }
            cursor = next;
        }
    }

    fn key(&self, place: Place, name: &str) -> String {
        match place {
            Place::Partition(partition) => self.prefix.key(partition, name),
            Place::Log => self.prefix.global(BROADCAST, name),
        }
    }

    /// The arguments that accepting scripts begin with; rings the bell in the script.
    fn bounds(&self, call: &mut Call, bounds: &AcceptBounds, bell: &Bell) {
        call.arg(self.ids_window_ms).arg(bounds.inbox_max).arg(bounds.context_max).arg(bounds.ids_max);
        call.arg(bounds.reserve).arg(self.prefix.channel()).arg(self.bells.message(bell));
    }

    /// Whether these entries must wait because memory is nearly full: those from outside.
    fn must_wait<'a>(&self, mut entries: impl Iterator<Item = &'a Accept>) -> bool {
        self.memory_full.load(Ordering::Relaxed) && entries.any(|entry| entry.from_outside)
    }

    async fn put(
        &self,
        place: Place,
        fixed: &[&str],
        entries: &[Accept],
        bounds: &AcceptBounds,
        bell: Bell,
    ) -> Result<Vec<Acceptance>> {
        if self.must_wait(entries.iter()) {
            return Ok(vec![Acceptance::Full(Full::Memory); entries.len()]);
        }
        let answer = format!("answer.{}", draw_id());
        let mut keys = Keys::new(|name: &str| self.key(place, name), &[fixed, &[answer.as_str()]].concat());
        let ids: Vec<usize> = entries.iter().map(|entry| keys.ids(entry)).collect();
        let mut call = Call::new(&connection::ACCEPT, &keys.list);
        self.bounds(&mut call, bounds, &bell);
        call.arg(if self.address.is_cluster() { RESENT_MS } else { 0 });
        for (entry, ids) in entries.iter().zip(ids) {
            encode::entry(&mut call, ids, entry);
        }
        let answers: Vec<String> = self.connection.run(&call).await?;
        self.bells.tell(bell);
        let (expired, answers) = answers.split_first().ok_or_else(|| Error::Unusable("an empty answer".to_owned()))?;
        let answers = answers.iter().map(|text| encode::acceptance(text)).collect();
        self.forget_after(place, expired, entries.len()).await;
        answers
    }

    /// Forgets expired ids if a script said (`1:clock`) that there are some.
    async fn forget_after(&self, place: Place, expired: &str, entries: usize) {
        let Some(clock) = expired.strip_prefix("1:").and_then(|clock| clock.parse::<u64>().ok()) else { return };
        let before = (clock + 1).saturating_sub(self.ids_window_ms);
        if let Err(error) = self.forget(place, before, FORGET_MIN + 2 * entries).await {
            // The next call tries again; what was asked for is done.
            tracing::debug!(%error, "cannot forget expired ids yet");
        }
    }

    /// Forgets ids with a stamp below `before`, at most `limit`; whether there may be more. The keys are those of other contexts, so
    /// they are read first and then declared; the script checks that they are still the oldest.
    async fn forget(&self, place: Place, before: Millis, limit: usize) -> Result<bool> {
        let order = self.key(place, "ids_order");
        let mut range = redis::cmd("LRANGE");
        range.arg(&order).arg(0).arg(limit.saturating_sub(1));
        let oldest: Vec<Vec<u8>> = self.connection.send(&range).await?;
        let mut keys = Keys::new(|name: &str| self.key(place, name), &["ids_order"]);
        let mut args = Vec::new();
        for element in &oldest {
            let (stamp, rest) = stamped(element.clone())?;
            if stamp >= before {
                break;
            }
            let (length, rest) = stamped(rest)?;
            let (context, id) = rest
                .split_at_checked(usize::try_from(length).unwrap_or(usize::MAX))
                .ok_or_else(|| Error::Unusable("a remembered id in Redis is damaged".to_owned()))?;
            let key = keys.index(&format!("{}.ids", String::from_utf8_lossy(context)));
            args.push((element, key, id.to_vec(), stamp));
        }
        if args.is_empty() {
            return Ok(false);
        }
        let mut call = Call::new(&connection::FORGET, &keys.list);
        let full = args.len() == limit;
        for (element, key, id, stamp) in args {
            call.arg(element).arg(key).arg(id).arg(stamp);
        }
        let done: u64 = self.connection.run(&call).await?;
        Ok(full && done > 0)
    }

    /// Notes whether memory is nearly full. Between two looks a flood may fill it: then the scripts that bring more in are refused.
    async fn look_at_memory(&self) -> Result<()> {
        let is_full = check::memory_used(&self.connection).await? >= MEMORY_USED_MAX;
        if self.memory_full.swap(is_full, Ordering::Relaxed) != is_full {
            match is_full {
                true => tracing::warn!("Redis's memory is nearly full: producers are refused until there is room"),
                false => tracing::info!("there is room in Redis's memory again: producers are served"),
            }
        }
        Ok(())
    }

    fn commit_call(&self, partition: PartitionId, token: Token, commit: &Commit) -> Call {
        let fixed = [&INBOX[..], &["lease", "head", "consumed"]].concat();
        let mut keys = Keys::new(|name: &str| self.prefix.key(partition, name), &fixed);
        let groups = encode::group(&commit.writes);
        let indices: Vec<usize> = groups.iter().map(|group| keys.index(group.key)).collect();
        let ids: Vec<usize> = commit.accept.iter().map(|entry| keys.ids(entry)).collect();
        let settled = encode::settled(commit);
        let mut call = Call::new(&connection::COMMIT, &keys.list);
        call.arg(token.to_string()).arg(&commit.id).arg(&commit.previous).arg(commit.consumed);
        let last = commit.last.as_ref().map(|(stamp, begins)| [format!("{stamp}:").as_bytes(), begins].concat());
        call.arg(self.ids_window_ms).arg(settled.len()).arg(groups.len()).arg(last.unwrap_or_default());
        for (context, count) in settled {
            call.arg(context).arg(count);
        }
        for (group, index) in groups.iter().zip(indices) {
            call.arg(group.command).arg(index).arg(group.args.len());
            for arg in &group.args {
                match arg {
                    encode::Arg::Bytes(bytes) => call.arg(*bytes),
                    encode::Arg::Number(number) => call.arg(*number),
                };
            }
        }
        for (entry, ids) in commit.accept.iter().zip(ids) {
            encode::entry(&mut call, ids, entry);
        }
        call
    }
}

/// The answers of many calls, with `unknown` for those that failed; an error only if all did. One node of a cluster may be down.
fn answered<T: Clone>(answers: Vec<Result<T>>, unknown: T) -> Result<Vec<T>> {
    if !answers.is_empty() && answers.iter().all(Result::is_err) {
        return answers.into_iter().collect();
    }
    Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|_| unknown.clone())).collect())
}

#[async_trait]
impl Store for Redis {
    async fn check(&self) -> Result<Report> {
        let found = check::look(&self.connection, &self.address).await?;
        let kind = if self.address.is_cluster() { "Redis Cluster" } else { "Redis" };
        Ok(Report {
            name: format!("{kind} {} at {}", found.version, self.address.shown()),
            promise: found.promise + self.address.failover(),
            warnings: found.warnings,
            store_id: self.store_id.clone(),
            partitions: self.partitions,
        })
    }

    async fn accept(
        &self,
        partition: PartitionId,
        entries: Vec<Accept>,
        bounds: AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        self.put(Place::Partition(partition), &INBOX, &entries, &bounds, Bell::Inbox(partition)).await
    }

    async fn acquire(&self, partition: PartitionId, nonce: u64, ttl_ms: u64) -> Result<Option<Grant>> {
        let keys = ["lease", "epoch", "head", "consumed", "clock"].map(|name| self.prefix.key(partition, name));
        let mut call = Call::new(&connection::ACQUIRE, &keys);
        call.arg(format!("{nonce:016x}")).arg(ttl_ms);
        let granted: Option<(String, String, String, String)> = self.connection.run(&call).await?;
        let Some((epoch, head, consumed, clock)) = granted else { return Ok(None) };
        let token = Token { epoch: number(&epoch)?, nonce };
        Ok(Some(Grant { token, head, consumed: number(&consumed)?, clock: number(&clock)? }))
    }

    async fn renew(&self, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Result<Vec<bool>> {
        // Sent together over the one connection; on a cluster they go to different nodes anyway.
        let calls = leases.iter().map(|(partition, token)| {
            let mut call = Call::new(&connection::RENEW, &[self.prefix.key(*partition, "lease")]);
            call.arg(token.to_string()).arg(ttl_ms);
            async move { self.connection.run(&call).await }
        });
        // One that nobody answered may still be held: its next commit says.
        answered(join_all(calls).await, true)
    }

    async fn release(&self, partition: PartitionId, token: Token) -> Result<()> {
        let bell = Bell::Released(partition);
        let mut call = Call::new(&connection::RELEASE, &[self.prefix.key(partition, "lease")]);
        call.arg(token.to_string()).arg(self.prefix.channel()).arg(self.bells.message(&bell));
        if self.connection.run(&call).await? {
            self.bells.tell(bell);
        }
        Ok(())
    }

    async fn take(
        &self,
        partition: PartitionId,
        token: Token,
        from: u64,
        count: u64,
        fence: Option<Millis>,
    ) -> Result<Option<Taken>> {
        let keys = ["lease", "consumed", "inbox", "clock", "head"].map(|name| self.prefix.key(partition, name));
        let mut call = Call::new(&connection::TAKE, &keys);
        call.arg(token.to_string()).arg(from).arg(count.min(1 << 40));
        call.arg(fence.map_or_else(String::new, |fence| fence.to_string())).arg(TAKE_BYTES_MAX);
        let taken: Option<(String, String, u64, Vec<Vec<u8>>, String)> = self.connection.run(&call).await?;
        let Some((now, clock, behind, entries, head)) = taken else { return Ok(None) };
        let entries = entries.into_iter().map(stamped).collect::<Result<_>>()?;
        Ok(Some(Taken { now: number(&now)?, clock: number(&clock)?, entries, behind, head }))
    }

    async fn waiting(&self, partitions: &[PartitionId]) -> Result<Vec<u64>> {
        // Sent together over the one connection.
        let calls = partitions.iter().map(|partition| {
            let mut length = redis::cmd("LLEN");
            length.arg(self.prefix.key(*partition, "inbox"));
            async move { self.connection.send(&length).await }
        });
        // Where nobody answered there may be something.
        answered(join_all(calls).await, 1)
    }

    async fn commit(&self, partition: PartitionId, token: Token, commit: Commit) -> Result<Committed> {
        let answer: Vec<String> = self.connection.run(&self.commit_call(partition, token, &commit)).await?;
        match answer.first().map(String::as_str) {
            Some("ok") => Ok(Committed::Applied),
            Some("already") => Ok(Committed::AlreadyApplied),
            Some("fenced") => Ok(Committed::Fenced),
            Some("diverged") => Ok(Committed::Diverged { head: answer.get(1).cloned().unwrap_or_default() }),
            _ => Err(Error::Unusable(format!("Redis answered a commit with {answer:?}"))),
        }
    }

    async fn read(&self, partition: PartitionId, reads: Vec<Read>) -> Result<Vec<Reply>> {
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = reads.iter().map(|read| self.prefix.key(partition, encode::read_key(read))).collect();
        let mut call = Call::new(&connection::READ, &keys);
        for read in &reads {
            encode::read(&mut call, read);
        }
        let values: Vec<Value> = self.connection.run(&call).await?;
        reads.iter().zip(values).map(|(read, value)| encode::reply(read, value)).collect()
    }

    async fn relay(&self, partition: PartitionId, relay: Relay, bounds: AcceptBounds) -> Result<Relayed> {
        if self.must_wait(relay.entries.iter().map(|(_, entry)| entry)) {
            return Ok(Relayed::Upto { next: relay.entries.first().map_or(0, |(number, _)| *number), full: true });
        }
        let place = Place::Partition(partition);
        let fixed = [&INBOX[..], &["relay_in"]].concat();
        let mut keys = Keys::new(|name: &str| self.key(place, name), &fixed);
        let ids: Vec<usize> = relay.entries.iter().map(|(_, entry)| keys.ids(entry)).collect();
        let mut call = Call::new(&connection::RELAY, &keys.list);
        let bell = Bell::Inbox(partition);
        self.bounds(&mut call, &bounds, &bell);
        call.arg(&relay.source).arg(&relay.stream);
        call.arg(relay.expected.map_or_else(String::new, |expected| expected.to_string()));
        for ((number, entry), ids) in relay.entries.iter().zip(ids) {
            call.arg(*number);
            encode::entry(&mut call, ids, entry);
        }
        let answer: Vec<String> = self.connection.run(&call).await?;
        let get = |at: usize| answer.get(at).map_or("", String::as_str);
        match get(0) {
            "upto" => {
                self.bells.tell(bell);
                self.forget_after(place, get(3), relay.entries.len()).await;
                Ok(Relayed::Upto { next: number(get(1))?, full: get(2) == "1" })
            }
            _ => Ok(Relayed::At { stream: get(1).to_owned(), next: number(get(2))? }),
        }
    }

    async fn broadcast(&self, entry: Accept, bounds: AcceptBounds) -> Result<Acceptance> {
        let entry = Accept { context: String::new(), ..entry };
        let answers = self.put(Place::Log, &LOG, &[entry], &bounds, Bell::Broadcast).await?;
        answers.first().copied().ok_or_else(|| Error::Unusable("Redis answered a broadcast with nothing".to_owned()))
    }

    async fn broadcasts(&self, from: u64, count: u64) -> Result<Log> {
        let keys = ["log", "consumed"].map(|name| self.prefix.global(BROADCAST, name));
        let mut call = Call::new(&connection::LOG, &keys);
        call.arg(from).arg(count.min(1 << 40));
        let (first, entries, end): (String, Vec<Vec<u8>>, String) = self.connection.run(&call).await?;
        let entries = entries.into_iter().map(stamped).collect::<Result<_>>()?;
        Ok(Log { first: number(&first)?, entries, end: number(&end)? })
    }

    async fn trim_broadcasts(&self, upto: u64, ids_before: Millis) -> Result<()> {
        let keys = ["log", "consumed"].map(|name| self.prefix.global(BROADCAST, name));
        let mut call = Call::new(&connection::TRIM, &keys);
        call.arg(upto);
        self.connection.run::<()>(&call).await?;
        while self.forget(Place::Log, ids_before, 512).await? {}
        Ok(())
    }

    async fn heartbeat(&self, host: &str, about: &[u8], ttl_ms: u64) -> Result<Vec<Member>> {
        let keys = ["alive", "about"].map(|name| self.prefix.global(HOSTS, name));
        let mut call = Call::new(&connection::HEARTBEAT, &keys);
        call.arg(host).arg(about).arg(ttl_ms).arg(self.prefix.channel()).arg(self.bells.message(&Bell::Members));
        let members: BTreeMap<String, Vec<u8>> = self.connection.run(&call).await?;
        if let Err(error) = self.look_at_memory().await {
            // Of a cluster with a node down: who lives is known all the same.
            tracing::debug!(%error, "cannot look at Redis's memory");
        }
        Ok(members.into_iter().map(|(host, about)| Member { host, about }).collect())
    }

    async fn keep(&self, shelf: &str, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        let key = self.prefix.global(KEPT, shelf);
        let mut command = redis::cmd(if bytes.is_some() { "HSET" } else { "HDEL" });
        command.arg(key).arg(name);
        if let Some(bytes) = bytes {
            command.arg(bytes);
        }
        self.connection.send::<u64>(&command).await.map(|_| ())
    }

    async fn kept(&self, shelf: &str, name: &str) -> Result<Option<Vec<u8>>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.prefix.global(KEPT, shelf)).arg(name);
        self.connection.send(&command).await
    }

    async fn shelf(&self, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.prefix.global(KEPT, shelf));
        self.connection.send(&command).await
    }

    async fn ring(&self, bell: Bell) -> Result<()> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.prefix.channel()).arg(self.bells.message(&bell));
        self.bells.tell(bell);
        self.connection.send(&publish).await
    }

    fn bells(&self) -> broadcast::Receiver<Bell> {
        self.bells.subscribe()
    }
}
