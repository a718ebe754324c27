//! What the memory store and the embedded store share: the trait's meaning over ordered pairs of bytes, as plain synchronous steps.
//!
//! In the order that data flows: [`accept`] takes entries in, [`change`] commits and relays, [`counts`] knows how many of each context
//! wait, [`segments`] is an inbox, [`layout`] turns hashes, lists and sets into [`pairs`]. Leases and hosts live in memory only: both stores are used by one process.
//!
//! Must not know: files, threads, clocks (`now` is an argument).

pub mod accept;
pub mod change;
pub mod counts;
pub mod layout;
pub mod pairs;
pub mod segments;

use std::collections::{BTreeMap, HashMap};

use quest_engine::{
    model::Millis,
    planted::{self, Bug},
};

use self::{
    accept::{FORGET_MIN, Inbox, Rule, forget_ids, keys},
    counts::Counts,
    layout::name,
    pairs::{Pairs, PairsMut},
    segments::{Numbers, Reader, consume, entries},
};
use super::{
    Accept, AcceptBounds, Acceptance, Commit, Committed, Grant, Log, Member, PartitionId, Read, Relay, Relayed, Reply,
    Result, TAKE_BYTES_MAX, Taken, Token,
};

/// The broadcast log is laid out as one more partition's inbox; no store has so many partitions.
const LOG: PartitionId = PartitionId::MAX;

/// What is kept on shelves is laid out as one more partition's hashes.
const SHELVES: PartitionId = PartitionId::MAX - 1;

/// What is not kept across a restart, and the settings of the steps.
pub struct Machine {
    ids_window_ms: u64,
    leases: HashMap<PartitionId, (Token, Millis)>,
    hosts: BTreeMap<String, (Vec<u8>, Millis)>,
    counts: HashMap<PartitionId, Counts>,
}

impl Machine {
    /// Nobody holds anything.
    pub fn new(ids_window_ms: u64) -> Self {
        Self { ids_window_ms, leases: HashMap::new(), hosts: BTreeMap::new(), counts: HashMap::new() }
    }

    /// Whether a token is a partition's owner's.
    pub fn holds(&self, partition: PartitionId, token: Token, now: Millis) -> bool {
        self.leases.get(&partition).is_some_and(|(held, until)| *held == token && now < *until)
    }

    /// Ends all leases: what they were granted on may not be stored.
    pub fn revoke_all(&mut self) {
        self.leases.clear();
        self.recount();
    }

    /// What is stored was changed by another hand, or not changed as it should be: everything known of it is read anew.
    pub fn recount(&mut self) {
        self.counts.clear();
    }

    /// A step that changes what waits: all of it, as what a step that failed had counted is not stored. After that it is counted anew.
    fn counting<T>(
        &mut self,
        pairs: &mut dyn PairsMut,
        partition: PartitionId,
        step: impl FnOnce(&mut dyn PairsMut, &mut Counts) -> Result<T>,
    ) -> Result<T> {
        let mut counts = match self.counts.remove(&partition) {
            Some(counts) => counts,
            None => Counts::read(pairs, partition)?,
        };
        let done = step(pairs, &mut counts)?;
        self.counts.insert(partition, counts);
        Ok(done)
    }

    /// See `Store::accept`.
    pub fn accept(
        &mut self,
        pairs: &mut dyn PairsMut,
        now: Millis,
        partition: PartitionId,
        entries: &[Accept],
        bounds: &AcceptBounds,
    ) -> Result<Vec<Acceptance>> {
        let window = self.ids_window_ms;
        self.counting(pairs, partition, |pairs, counts| {
            let mut inbox = Inbox::open(pairs, counts, partition, now, window)?;
            let answers = entries.iter().map(|entry| inbox.put(entry, bounds, Rule::Accept)).collect::<Result<_>>()?;
            inbox.close();
            forget(pairs, now, partition, window, entries.len())?;
            Ok(answers)
        })
    }

    /// See `Store::keep`.
    pub fn keep(pairs: &mut dyn PairsMut, shelf: &str, kept: &str, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => name(SHELVES, shelf).set_field(pairs, kept.as_bytes(), bytes),
            None => name(SHELVES, shelf).remove_field(pairs, kept.as_bytes()),
        }
    }

    /// See `Store::kept`.
    pub fn kept(pairs: &dyn Pairs, shelf: &str, kept: &str) -> Result<Option<Vec<u8>>> {
        name(SHELVES, shelf).field(pairs, kept.as_bytes())
    }

    /// See `Store::shelf`.
    pub fn shelf(pairs: &dyn Pairs, shelf: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        let named = |(name, bytes): (Vec<u8>, Vec<u8>)| Some((String::from_utf8(name).ok()?, bytes));
        Ok(name(SHELVES, shelf).fields(pairs)?.into_iter().filter_map(named).collect())
    }

    /// See `Store::acquire`.
    pub fn acquire(
        &mut self,
        pairs: &mut dyn PairsMut,
        now: Millis,
        partition: PartitionId,
        nonce: u64,
        ttl_ms: u64,
    ) -> Result<Option<Grant>> {
        let held = self.leases.get(&partition).filter(|(_, until)| now < *until).map(|(token, _)| *token);
        if held.is_some_and(|token| token.nonce != nonce) {
            return Ok(None);
        }
        let consumed = Numbers::read(pairs, partition)?.first;
        let clock = name(partition, keys::CLOCK).number(pairs)?;
        let head = change::head(pairs, partition)?;
        // Last, as nothing takes a lease back that was granted by a step that failed.
        let token = match held {
            // The same call again: the same grant.
            Some(token) => token,
            None => {
                let epoch = name(partition, keys::EPOCH).number(pairs)? + 1;
                name(partition, keys::EPOCH).set_number(pairs, epoch);
                let token = Token { epoch, nonce };
                self.leases.insert(partition, (token, now + ttl_ms));
                token
            }
        };
        Ok(Some(Grant { token, head, consumed, clock }))
    }

    /// See `Store::renew`.
    pub fn renew(&mut self, now: Millis, leases: &[(PartitionId, Token)], ttl_ms: u64) -> Vec<bool> {
        leases
            .iter()
            .map(|(partition, token)| {
                let held = self.holds(*partition, *token, now);
                if held {
                    self.leases.insert(*partition, (*token, now + ttl_ms));
                }
                held
            })
            .collect()
    }

    /// See `Store::release`; whether it was held.
    pub fn release(&mut self, now: Millis, partition: PartitionId, token: Token) -> bool {
        let held = self.holds(partition, token, now);
        if held {
            self.leases.remove(&partition);
        }
        held
    }

    /// Raises a partition's clock to the store's, if that has reached the fence.
    pub fn raise(pairs: &mut dyn PairsMut, now: Millis, partition: PartitionId, fence: Millis) -> Result<()> {
        let clock = name(partition, keys::CLOCK);
        if now >= fence && clock.number(pairs)? < now {
            clock.set_number(pairs, now);
        }
        Ok(())
    }

    /// Whether `raise` would change anything.
    pub fn raises(pairs: &dyn Pairs, now: Millis, partition: PartitionId, fence: Millis) -> Result<bool> {
        Ok(now >= fence && name(partition, keys::CLOCK).number(pairs)? < now)
    }

    /// See `Store::take`, without lease and fence.
    pub fn taken(pairs: &dyn Pairs, now: Millis, partition: PartitionId, from: u64, count: u64) -> Result<Taken> {
        let numbers = Numbers::read(pairs, partition)?;
        let from = from.max(numbers.first);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut segments = Reader::new(pairs, partition, numbers, from);
        'full: while let Some((base, segment)) = segments.next()? {
            for entry in entries(base, &segment) {
                let entry = entry?;
                if taken.len() as u64 == count || bytes >= TAKE_BYTES_MAX {
                    break 'full;
                }
                if entry.number >= from {
                    bytes += entry.bytes.len();
                    taken.push((entry.stamp, entry.bytes.to_vec()));
                }
            }
        }
        let clock = name(partition, keys::CLOCK).number(pairs)?;
        let behind = numbers.next.saturating_sub(from.saturating_add(taken.len() as u64));
        Ok(Taken { now, clock, behind, entries: taken, head: change::head(pairs, partition)? })
    }

    /// See `Store::waiting`.
    pub fn waiting(pairs: &dyn Pairs, partitions: &[PartitionId]) -> Result<Vec<u64>> {
        partitions.iter().map(|partition| Numbers::read(pairs, *partition).map(Numbers::len)).collect()
    }

    /// See `Store::commit`.
    pub fn commit(
        &mut self,
        pairs: &mut dyn PairsMut,
        now: Millis,
        partition: PartitionId,
        token: Token,
        commit: &Commit,
    ) -> Result<Committed> {
        if !self.holds(partition, token, now) && !planted::is(Bug::SkipFence) {
            return Ok(Committed::Fenced);
        }
        let window = self.ids_window_ms;
        self.counting(pairs, partition, |pairs, counts| change::commit(pairs, counts, partition, commit, now, window))
    }

    /// See `Store::read`.
    pub fn read(pairs: &dyn Pairs, partition: PartitionId, reads: &[Read]) -> Result<Vec<Reply>> {
        let limit = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        reads
            .iter()
            .map(|read| {
                Ok(match read {
                    Read::Hash { key } => Reply::Fields(name(partition, key).fields(pairs)?),
                    Read::HashField { key, field } => Reply::Value(name(partition, key).field(pairs, field)?),
                    Read::Set { key } => Reply::Items(name(partition, key).members(pairs)?),
                    Read::List { key, from, count } => Reply::Items(name(partition, key).slice(pairs, *from, *count)?),
                    Read::Length { key } => Reply::Count(name(partition, key).length(pairs)?),
                    Read::SortedBelow { key, below, count } => {
                        Reply::Scored(name(partition, key).sorted_below(pairs, *below, limit(*count))?)
                    }
                    Read::SortedAfter { key, after, count } => {
                        Reply::Items(name(partition, key).sorted_after(pairs, after.as_deref(), limit(*count))?)
                    }
                })
            })
            .collect()
    }

    /// See `Store::relay`.
    pub fn relay(
        &mut self,
        pairs: &mut dyn PairsMut,
        now: Millis,
        partition: PartitionId,
        relay: &Relay,
        bounds: &AcceptBounds,
    ) -> Result<Relayed> {
        let window = self.ids_window_ms;
        self.counting(pairs, partition, |pairs, counts| {
            let answer = change::relay(pairs, counts, partition, relay, bounds, now, window)?;
            forget(pairs, now, partition, window, relay.entries.len())?;
            Ok(answer)
        })
    }

    /// See `Store::broadcast`.
    pub fn broadcast(
        &mut self,
        pairs: &mut dyn PairsMut,
        now: Millis,
        entry: Accept,
        bounds: &AcceptBounds,
    ) -> Result<Acceptance> {
        let entry = Accept { context: String::new(), ..entry };
        let answers = self.accept(pairs, now, LOG, &[entry], bounds)?;
        Ok(answers.first().copied().unwrap_or(Acceptance::Conflict))
    }

    /// See `Store::broadcasts`.
    pub fn broadcasts(pairs: &dyn Pairs, from: u64, count: u64) -> Result<Log> {
        let Numbers { first, next: end, .. } = Numbers::read(pairs, LOG)?;
        Ok(Log { first: from.max(first), entries: Self::taken(pairs, 0, LOG, from, count)?.entries, end })
    }

    /// See `Store::trim_broadcasts`.
    pub fn trim_broadcasts(pairs: &mut dyn PairsMut, upto: u64, ids_before: Millis) -> Result<()> {
        consume(pairs, LOG, upto, |_| {})?;
        forget_ids(pairs, LOG, ids_before, usize::MAX)
    }

    /// See `Store::heartbeat`; and whether hosts came or went.
    pub fn heartbeat(&mut self, now: Millis, host: &str, about: &[u8], ttl_ms: u64) -> (Vec<Member>, bool) {
        let before: Vec<String> = self.hosts.keys().cloned().collect();
        self.hosts.retain(|_, (_, until)| now < *until);
        if ttl_ms == 0 {
            self.hosts.remove(host);
        } else {
            self.hosts.insert(host.to_owned(), (about.to_vec(), now + ttl_ms));
        }
        let changed = !self.hosts.keys().eq(before.iter());
        let members = self.hosts.iter();
        let members = members.map(|(host, (about, _))| Member { host: host.clone(), about: about.clone() }).collect();
        (members, changed)
    }
}

/// Forgets ids whose window has passed, a few more than a call with so many entries can have brought.
fn forget(
    pairs: &mut dyn PairsMut,
    now: Millis,
    partition: PartitionId,
    ids_window_ms: u64,
    entries: usize,
) -> Result<()> {
    let stamp = now.max(name(partition, keys::CLOCK).number(pairs)?);
    // An id is remembered while stamp + window > now.
    let before = (stamp + 1).saturating_sub(ids_window_ms);
    forget_ids(pairs, partition, before, FORGET_MIN + 2 * entries)
}

#[cfg(test)]
mod tests {
    use super::{pairs::Overlay, *};

    const BOUNDS: AcceptBounds = AcceptBounds { inbox_max: 9, context_max: 1, ids_max: 9, reserve: 0 };

    fn entry() -> Accept {
        Accept { context: "a".to_owned(), id: None, digest: Vec::new(), from_outside: true, bytes: b"e".to_vec() }
    }

    /// A store in which one step fails.
    fn damaged(damage: impl FnOnce(&mut dyn PairsMut)) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let whole = BTreeMap::new();
        let mut pairs = Overlay::new(&whole);
        damage(&mut pairs);
        pairs.into_changes().into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    #[test]
    fn what_a_step_that_failed_brought_is_not_counted() {
        let bad_id = |pairs: &mut dyn PairsMut| name(1, keys::IDS_ORDER).append(pairs, b"bad".to_vec());
        let (bad, good) = (damaged(|pairs| bad_id(pairs).expect("appended")), BTreeMap::new());
        let mut machine = Machine::new(1_000);
        let relay = Relay {
            source: "p0".to_owned(),
            stream: "s".to_owned(),
            expected: Some(0),
            entries: vec![(0, entry()), (1, entry())],
        };
        for _ in 0..3 {
            assert!(machine.accept(&mut Overlay::new(&bad), 5, 1, &[entry()], &BOUNDS).is_err());
            assert!(machine.relay(&mut Overlay::new(&bad), 5, 1, &relay, &BOUNDS).is_err());
        }
        let answers = machine.accept(&mut Overlay::new(&good), 5, 1, &[entry(), entry()], &BOUNDS).expect("accepted");
        assert_eq!(answers, [Acceptance::Accepted { stamp: 5 }, Acceptance::Full(crate::store::Full::Context)]);
    }

    #[test]
    fn an_acquire_that_failed_grants_nothing() {
        let bad = damaged(|pairs| name(1, keys::CLOCK).set_value(pairs, b"bad".to_vec()));
        let good = BTreeMap::new();
        let mut machine = Machine::new(1_000);
        assert!(machine.acquire(&mut Overlay::new(&bad), 5, 1, 7, 10_000).is_err());
        let grant = machine.acquire(&mut Overlay::new(&good), 5, 1, 8, 10_000).expect("readable");
        assert_eq!(grant.map(|grant| grant.token), Some(Token { epoch: 1, nonce: 8 }));
    }
}
