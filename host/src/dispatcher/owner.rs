//! The owner of one partition: take, load, run, commit, then act; and rest when there is nothing to do.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use quest_engine::{
    keys,
    model::Millis,
    partition::{Answered, Batch, Partition},
    planted::{self, Bug},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{News, Shared, load, relay::Relays, tidy::Broom, turns};
use crate::{
    replies::read,
    store::{Accept, Bell, Commit, Committed, Error, Grant, PartitionId, Read, Result, Stamped, Taken, Token},
};

/// Why an owner stopped.
enum End {
    /// It was told to; its lease is given up.
    Stopped,
    /// The lease is another's, or ran out.
    Lost,
    /// The store is not where this owner left it.
    Diverged,
}

/// Where an owner left a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// Of its token.
    pub(super) epoch: u64,
    /// Inbox entries that were consumed by then, of all owners.
    pub(super) consumed: u64,
    /// Whether the owner found, and said, that the store was rolled back.
    pub(super) regressed: bool,
}

/// Works a partition until told to stop or until it is another's. Says where it left it.
pub(super) async fn run(shared: Arc<Shared>, partition: PartitionId, grant: Grant, stop: CancellationToken) -> Left {
    let token = grant.token;
    let begun = Left { epoch: token.epoch, consumed: grant.consumed, regressed: false };
    let mut owner = match Owner::new(&shared, partition, grant).await {
        Ok(owner) => owner,
        Err(error) => {
            tracing::error!(partition, %error, "could not load a partition");
            let _ = shared.store.release(partition, token).await;
            // So that a partition that cannot be loaded is not tried in a tight loop.
            tokio::time::sleep(shared.pause(5)).await;
            return begun;
        }
    };
    let end = owner.work(&stop).await;
    if planted::is(Bug::CacheKept)
        && let Some(kept) = owner.partition.take()
    {
        shared.kept.lock().insert(partition, kept);
    }
    let regressed = matches!(end, Ok(End::Diverged));
    match end {
        Ok(End::Stopped) => tracing::debug!(partition, "gave a partition up in order"),
        Ok(End::Lost) => {
            Shared::count(&shared.counters.losses, 1);
            tracing::warn!(
                partition,
                "another host owns the partition now; nothing of this one's unfinished work was applied"
            );
        }
        Ok(End::Diverged) => {
            Shared::count(&shared.counters.regressions, 1);
            tracing::error!(
                partition,
                "store_regressed: the store is behind what this host had committed; what it holds is processed anew"
            );
        }
        Err(error) => {
            tracing::error!(partition, %error, "stopped working a partition; it is taken anew");
            tokio::time::sleep(shared.pause(3)).await;
        }
    }
    shared.aside.leave(partition);
    shared.has_backlogs(partition, 0);
    if let Err(error) = shared.store.release(partition, token).await {
        tracing::warn!(partition, %error, "could not give a lease up; it runs out by itself");
    }
    Left { consumed: owner.consumed, regressed, ..begun }
}

struct Owner<'a> {
    shared: &'a Arc<Shared>,
    number: PartitionId,
    token: Token,
    head: String,
    consumed: u64,
    /// None only while a turn runs on its thread.
    partition: Option<Partition>,
    relays: Relays,
    /// The store's clock when it was last seen, and when that was here.
    clock: (Millis, Instant),
    commits: u64,
    broom: Broom,
}

impl<'a> Owner<'a> {
    async fn new(shared: &'a Arc<Shared>, number: PartitionId, grant: Grant) -> Result<Self> {
        let start = load::start(&*shared.store, number).await?;
        let nonce = format!("{:016x}", grant.token.nonce);
        let limits = Arc::clone(&shared.options.limits);
        let kept = shared.kept.lock().remove(&number);
        let partition = kept.unwrap_or_else(|| Partition::new(number, shared.options.partitions, nonce, limits, start));
        shared.has_backlogs(number, partition.backlogs());
        Ok(Self {
            shared,
            number,
            token: grant.token,
            head: grant.head,
            consumed: grant.consumed,
            partition: Some(partition),
            relays: Relays::default(),
            clock: (0, Instant::now()),
            commits: 0,
            broom: Broom::new(),
        })
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<End> {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.turn(stop).await {
                Ok(Turned::End(end)) => return Ok(end),
                Ok(turned) => {
                    if failures > 0 {
                        tracing::info!(partition = self.number, "the store answers again");
                        failures = 0;
                    }
                    if matches!(turned, Turned::Idle) {
                        self.rest(stop).await;
                    }
                }
                // What is in memory is what was committed last, so the next turn may go on from it: should the store have lost
                // something, or the lease run out, it says so then.
                Err(error @ (Error::Unavailable(_) | Error::ReadOnly(_))) if self.partition.is_some() => {
                    failures += 1;
                    self.shared
                        .retry_later(self.number, failures, &error, "a turn failed; it is tried again", stop)
                        .await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(End::Stopped)
    }

    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turned> {
        let shared = self.shared;
        let store = &*shared.store;
        self.refill_wakes().await?;
        let pace = &shared.options.pace;
        let due = self.state().next_wake().filter(|at| *at < self.store_now());
        let fence = due.map(|at| at.saturating_add(1));
        let Some(taken) = store.take(self.number, self.token, self.consumed, pace.turn_entries_max, fence).await?
        else {
            return Ok(Turned::End(End::Lost));
        };
        if taken.head != self.head && !planted::is(Bug::NeverLooksBack) {
            // Rolled back, perhaps with nothing new in it: what it holds may lie before where this owner reads on.
            return Ok(Turned::End(End::Diverged));
        }
        self.clock = (taken.now, Instant::now());
        let last = taken.entries.last().map(|(stamp, _)| *stamp);
        let horizon = last.filter(|_| taken.behind > 0).unwrap_or(taken.clock);
        let mut consumed = Consumed::of(&taken);
        let count = consumed.count;
        // Once, for the whole turn: what it decides by and what it runs are of one version.
        let serving = shared.quests.serving();
        let catalog = Arc::clone(serving.catalog());
        let broadcast = load::broadcast_chunk(shared, self.number, self.state(), &catalog).await?;
        let survey = load::survey_chunk(shared, self.number, self.state(), &catalog).await?;
        for context in shared.aside.ended(self.number) {
            self.state().resume(&context);
        }
        let agenda = self.state().agenda(horizon, pace.turn_due_max);
        let chores = self.broom.look(shared, self.number, taken.now).await?;
        let parts = (broadcast, survey);
        let is_idle = count == 0 && agenda.is_empty() && parts == (None, None) && chores.is_empty();
        if is_idle && !self.state().has_unsaved() {
            let moved = self.relay().await;
            return Ok(if moved { Turned::Worked } else { Turned::Idle });
        }
        let turn = load::turn(shared, self.number, self.state(), taken, horizon, agenda, parts, catalog).await?;
        if planted::is(Bug::AckBeforeCommit)
            && let Some(end) = self.commit(std::mem::take(&mut consumed), Batch::default(), stop).await?
        {
            return Ok(Turned::End(end));
        }
        let Some(partition) = self.partition.take() else { return Ok(Turned::End(End::Lost)) };
        let (partition, batch) = turns::run(shared, self.number, partition, turn, chores, serving).await?;
        self.partition = Some(partition);
        if count == 0 && batch.changes_nothing() {
            // Due by the partition's clock, not yet by the store's.
            return Ok(Turned::Idle);
        }
        if let Some(end) = self.commit(consumed, batch, stop).await? {
            return Ok(Turned::End(end));
        }
        self.state().evict();
        self.relay().await;
        Ok(Turned::Worked)
    }

    /// Commits a batch, and only then tells of it.
    async fn commit(&mut self, consumed: Consumed, batch: Batch, stop: &CancellationToken) -> Result<Option<End>> {
        self.commits += 1;
        let Consumed { count, last } = consumed;
        let accept = batch.accept.iter().map(load::accept_from_within).collect();
        let commit = Commit {
            id: format!("{}-{}", self.token, self.commits),
            previous: self.head.clone(),
            consumed: self.consumed + count,
            last,
            settled: batch.settled,
            writes: batch.writes,
            accept,
        };
        let id = commit.id.clone();
        let committed = self.commit_until_answered(commit, stop).await?;
        match committed {
            Committed::Applied | Committed::AlreadyApplied => {}
            Committed::Fenced => return Ok(Some(End::Lost)),
            Committed::Diverged { .. } => return Ok(Some(End::Diverged)),
        }
        self.head = id;
        self.consumed += count;
        // Before the entries: who sees that they are consumed sees also which of them wait.
        let waiting = self.state().backlogs();
        self.shared.has_backlogs(self.number, waiting);
        Shared::count(&self.shared.counters.commits, 1);
        Shared::count(&self.shared.counters.entries, count);
        self.broom.died(batch.dead.len());
        let (answered, elsewhere): (Vec<_>, Vec<_>) =
            batch.answered.into_iter().partition(|answered| answered.host == self.shared.options.host);
        let news = News { happenings: batch.happenings, answered };
        (self.shared.on_committed)(self.number, news);
        let outcome = |Answered { host, id, .. }| Bell::Outcome { host, partition: self.number, id };
        let published = (!batch.messages.is_empty()).then_some(Bell::Messages);
        self.ring(elsewhere.into_iter().map(outcome).chain(published)).await;
        Ok(None)
    }

    /// Tells other hosts. Hints only: whoever waits also looks by itself.
    async fn ring(&self, bells: impl Iterator<Item = Bell>) {
        for rung in join_all(bells.map(|bell| self.shared.store.ring(bell))).await {
            if let Err(error) = rung {
                tracing::debug!(%error, "could not ring");
            }
        }
    }

    /// An answer may be lost: the same commit is sent again until there is one. The store recognises it by its id.
    async fn commit_until_answered(&self, commit: Commit, stop: &CancellationToken) -> Result<Committed> {
        let mut tries = 0;
        loop {
            match self.shared.store.commit(self.number, self.token, commit.clone()).await {
                Ok(committed) => return Ok(committed),
                Err(error @ Error::Unusable(_)) => return Err(error),
                Err(error) => {
                    tries += 1;
                    if stop.is_cancelled() && tries > 5 {
                        return Err(error);
                    }
                    let what = "a commit was not answered; it is sent again";
                    self.shared.retry_later(self.number, tries, &error, what, &CancellationToken::new()).await;
                }
            }
        }
    }

    async fn relay(&mut self) -> bool {
        let Some(partition) = self.partition.as_mut() else { return false };
        self.relays.carry(self.shared, self.number, partition).await
    }

    async fn refill_wakes(&mut self) -> Result<()> {
        if !self.state().wants_wakes() {
            return Ok(());
        }
        let count = self.shared.options.limits.wakes_cached_max as u64;
        let earliest = Read::lowest(keys::TIMERS.to_owned(), count);
        let mut replies = read(&*self.shared.store, self.number, vec![earliest]).await?;
        self.state().refill_wakes(replies.scored());
        Ok(())
    }

    /// Waits until there may be work: a bell (the lookout rings it too), a due time, a blocked relay, or something to sweep.
    async fn rest(&mut self, stop: &CancellationToken) {
        let due = self
            .state()
            .next_wake()
            .map(|at| Duration::from_millis(at.saturating_add(1).saturating_sub(self.store_now())));
        let sweep = self.broom.due_in(self.shared);
        let wait = due.into_iter().chain(self.relays.blocked_for()).fold(sweep, Duration::min);
        // Cancel-safe: a token, a notification (kept until it is taken) and a timer.
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.shared.bells[usize::from(self.number)].notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// The store's clock, reckoned from when it was last seen. Only a guess: what fires is decided by what the store says.
    fn store_now(&self) -> Millis {
        self.clock.0 + self.clock.1.elapsed().as_millis() as u64
    }

    fn state(&mut self) -> &mut Partition {
        // It is taken only inside `turn`, which puts it back or ends this owner.
        #[allow(clippy::expect_used)]
        self.partition.as_mut().expect("the partition is here between turns")
    }
}

/// How much of an entry a commit names: its context and its id stand there.
const NAMED_BYTES_MAX: usize = 1024;

/// What a commit takes off the inbox.
#[derive(Default)]
struct Consumed {
    count: u64,
    /// The last of them, as a commit names it.
    last: Option<Stamped>,
}

impl Consumed {
    fn of(taken: &Taken) -> Self {
        let last = taken.entries.last();
        let named = |(stamp, bytes): &Stamped| (*stamp, bytes[..bytes.len().min(NAMED_BYTES_MAX)].to_vec());
        Self { count: taken.entries.len() as u64, last: last.map(named) }
    }
}

enum Turned {
    Worked,
    Idle,
    End(End),
}

/// Marks entries from within for a store.
pub(super) fn from_within(context: String, bytes: Vec<u8>) -> Accept {
    Accept { context, id: None, digest: Vec::new(), from_outside: false, bytes }
}
