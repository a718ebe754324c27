//! A turn: what goes in, what comes out, and the loop between.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{Partition, run::Running};
use crate::{
    action::LogLine,
    keys,
    model::{Catalog, Cause, DeadLetter, Entry, Millis, Outcome},
    record::{Message, Record, Waiting},
    write::Write,
};

/// What one turn works on.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// The store's clock.
    pub now: Millis,
    /// Every entry stamped before this has been read.
    pub horizon: Millis,
    /// New inbox entries with their stamps, in order.
    pub entries: Vec<(Millis, Entry)>,
    /// Inbox entries that could not be decoded: kept aside, so that a version that can may still have them. For their contexts they
    /// wait no more.
    pub unreadable: Vec<Vec<u8>>,
    /// Whether the inbox behind them is at the bound for entries from within: actions that would add to it are tried again later.
    pub inbox_full: bool,
    /// Contexts to look at besides: due, or with a backlog.
    pub agenda: Vec<String>,
    /// The next chunk of a broadcast.
    pub broadcast: Option<super::broadcast::Chunk>,
    /// The next chunk of a survey.
    pub survey: Option<super::survey::Survey>,
    /// The quests served now.
    pub catalog: Arc<Catalog>,
    /// The operator's settings by quest.
    pub config: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    /// Dead letters that commands are about.
    pub dead: BTreeMap<String, DeadLetter>,
    /// Ids of all dead letters of contexts to be forgotten.
    pub dead_of: BTreeMap<String, Vec<String>>,
}

/// What one turn comes to: to be committed whole, then acted on.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// For each context, how many of its entries wait no more.
    pub settled: Vec<(String, u64)>,
    /// Entries for this partition's own inbox.
    pub accept: Vec<Entry>,
    /// Answers that were stored.
    pub answered: Vec<Answered>,
    /// Messages published.
    pub messages: Vec<Message>,
    /// Dead letters made.
    pub dead: Vec<DeadLetter>,
    /// What happened, for people.
    pub happenings: Vec<Happening>,
}

impl Batch {
    /// Whether committing it would change nothing.
    pub fn changes_nothing(&self) -> bool {
        self.writes.is_empty() && self.settled.is_empty() && self.accept.is_empty()
    }
}

/// An answer that was stored, and who waits for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The host that was asked.
    pub host: String,
    /// The context.
    pub context: String,
    /// The call's id.
    pub id: String,
    /// What became of the call.
    pub outcome: Outcome,
}

/// One thing that happened, for the live log and `tail`. Told after the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// The context.
    pub context: String,
    /// The quest; empty where none is concerned.
    pub quest: String,
    /// The action; empty where none is concerned.
    pub action: String,
    /// The instance.
    pub instance: String,
    /// The event's id.
    pub event_id: String,
    /// The event's name.
    pub event_name: String,
    /// Why the action ran.
    pub cause: Cause,
    /// How many emits led here; 0 for what came from outside, and for a timer.
    pub hops: u16,
    /// When the event was accepted, or the timer was due.
    pub stamp: Millis,
    /// What became of it.
    pub what: Happened,
    /// What the quest wrote to its log.
    pub logs: Vec<LogLine>,
}

/// What became of a delivery or an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The action ran, its effects are committed.
    Done,
    /// The quest was added.
    Added,
    /// The quest was removed.
    Removed,
    /// An operator's command was carried out.
    Operated,
    /// Nothing was there to run it; nothing was lost that was promised.
    Ignored {
        /// Why.
        reason: &'static str,
    },
    /// It failed and is tried again.
    Retried {
        /// When.
        at: Millis,
        /// How often it was tried.
        attempts: u32,
        /// The failure's code.
        code: String,
        /// The failure's text.
        message: String,
    },
    /// It was given up and is a dead letter now.
    Dead {
        /// The failure's code.
        code: String,
        /// The failure's text.
        message: String,
    },
}

/// A turn in progress.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) now: Millis,
    pub(super) horizon: Millis,
    pub(super) inbox_full: bool,
    pub(super) catalog: Arc<Catalog>,
    pub(super) config: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    pub(super) dead: BTreeMap<String, DeadLetter>,
    pub(super) dead_of: BTreeMap<String, Vec<String>>,
    pub(super) batch: Batch,
    pub(super) settled: BTreeMap<String, u64>,
    pub(super) running: Option<Running>,
    agenda: VecDeque<String>,
    touched: BTreeSet<String>,
    /// Deliveries that the context in hand may still have.
    pub(super) quota: usize,
    /// Bytes of what was changed so far.
    pub(super) changed_bytes: usize,
}

impl Partition {
    /// Begins a turn. Every context concerned must be loaded.
    pub fn begin(&mut self, turn: Turn) {
        self.turns += 1;
        if self.catalogs == 0 || !Arc::ptr_eq(&self.served, &turn.catalog) {
            self.served = Arc::clone(&turn.catalog);
            self.catalogs += 1;
        }
        let mut agenda = VecDeque::new();
        let mut touched = BTreeSet::new();
        let mut touch = |name: &str| {
            if touched.insert(name.to_owned()) {
                agenda.push_back(name.to_owned());
            }
        };
        // In rotation before what is new: a context that floods would come first each time, and a turn may end early.
        turn.agenda.iter().for_each(|name| touch(name));
        for (stamp, entry) in turn.entries {
            touch(&entry.context);
            let context = self.contexts.entry(entry.context.clone()).or_default();
            context.incoming.push_back(Waiting { stamp, counted: true, entry });
        }
        for (stamp, entry) in self.spread(turn.broadcast, turn.horizon, &turn.catalog) {
            touch(&entry.context);
            let context = self.contexts.entry(entry.context.clone()).or_default();
            context.incoming.push_back(Waiting { stamp, counted: false, entry });
        }
        let surveyed = turn.survey.iter().flat_map(|survey| &survey.contexts);
        touched.extend(surveyed.filter(|name| self.contexts.contains_key(*name)).cloned());
        let mut batch = Batch::default();
        let mut settled = BTreeMap::new();
        for value in turn.unreadable {
            if let Some(context) = Entry::context_of(&value) {
                *settled.entry(context.to_owned()).or_default() += 1;
            }
            batch.writes.push(Write::ListAppend { key: keys::UNREADABLE.to_owned(), value });
        }
        self.progress = Some(Progress {
            now: turn.now,
            horizon: turn.horizon,
            inbox_full: turn.inbox_full,
            catalog: turn.catalog,
            config: turn.config,
            dead: turn.dead,
            dead_of: turn.dead_of,
            batch,
            settled,
            running: None,
            agenda,
            touched,
            quota: self.limits.context_turn_max,
            changed_bytes: 0,
        });
        self.survey(turn.survey, turn.now);
    }

    /// The next run, or none when the turn has nothing more to do. Each must be completed before the next is asked for.
    #[allow(clippy::should_implement_trait)] // Needs `complete` in between: not an iterator.
    pub fn next(&mut self) -> Option<crate::action::Invocation> {
        loop {
            let progress = self.progress.as_ref()?;
            if progress.running.is_none() && progress.changed_bytes > self.limits.turn_bytes_max {
                return None;
            }
            let name = progress.agenda.front()?.clone();
            // Taken out, so that the context and the partition can be changed side by side.
            if let Some(mut context) = self.contexts.remove(&name) {
                context.last_used = self.turns;
                let invocation = self.advance(&name, &mut context);
                self.contexts.insert(name, context);
                if invocation.is_some() {
                    return invocation;
                }
            }
            let progress = self.progress.as_mut()?;
            progress.agenda.pop_front();
            progress.quota = self.limits.context_turn_max;
        }
    }

    /// Whether the turn may end here: not between an `upgrade` and its action, which would have to upgrade again in the next, and for
    /// ever if that takes longer than a turn.
    pub fn is_between_runs(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.running.is_none())
    }

    /// Ends the turn. What it could not process becomes backlog.
    pub fn finish(&mut self) -> Batch {
        // A turn may end between an `upgrade` and its action: the delivery comes again, whole.
        self.put_back();
        let Some(mut progress) = self.progress.take() else { return Batch::default() };
        // Cut short: the next turn goes on behind the context that was served last.
        if let Some(in_hand) = progress.agenda.pop_front() {
            self.rotation = in_hand;
        }
        let mut writes = Vec::new();
        for name in &progress.touched {
            let Some(context) = self.contexts.get_mut(name) else { continue };
            if let Some(wake) = context.settle(name, &mut writes) {
                self.wakes.set(name, wake, self.limits.wakes_cached_max);
            }
            if context.backlog_stored > 0 {
                self.backlogs.insert(name.clone());
            } else {
                self.backlogs.remove(name);
            }
        }
        // What the turn's operations wrote directly comes before: a context that is forgotten may be filled again.
        let mut batch = std::mem::take(&mut progress.batch);
        batch.writes.append(&mut writes);
        batch.settled = progress.settled.into_iter().collect();
        self.write_messages(&mut batch);
        self.write_outboxes(&mut batch);
        self.write_cursors(&mut batch);
        for dead in &batch.dead {
            let id = dead.id.as_bytes().to_vec();
            let bytes = dead.to_bytes();
            let (score, index) = (dead.died_at, keys::dead_of(&dead.entry.context));
            batch.writes.push(Write::HashSet { key: keys::DEAD.to_owned(), field: id.clone(), value: bytes });
            batch.writes.push(Write::SortedSet { key: keys::DEAD_ORDER.to_owned(), member: id.clone(), score });
            batch.writes.push(Write::SortedSet { key: index, member: id, score });
        }
        batch
    }

    /// Removes stored outcomes that nobody asked for in time, in the batch of the turn in progress.
    /// `places` are members of [`keys::OUTCOMES_ORDER`].
    pub fn expire_outcomes(&mut self, places: Vec<Vec<u8>>) {
        let Some(progress) = self.progress.as_mut() else { return };
        let writes = &mut progress.batch.writes;
        for place in places {
            if let Some((context, id)) = keys::outcome_at(&place) {
                writes.push(Write::HashRemove { key: keys::outcomes(context), field: id.as_bytes().to_vec() });
            }
            writes.push(Write::SortedRemove { key: keys::OUTCOMES_ORDER.to_owned(), member: place });
        }
    }

    /// Stores an answer, if anybody waits for one.
    pub(super) fn answer(&mut self, entry: &Entry, outcome: Outcome) {
        let (Some(reply), Some(progress)) = (&entry.reply, self.progress.as_mut()) else { return };
        let (key, field) = (keys::outcomes(&entry.context), entry.id.as_bytes().to_vec());
        let member = keys::outcome_place(&entry.context, &entry.id);
        let writes = &mut progress.batch.writes;
        writes.push(Write::HashSet { key, field, value: outcome.to_bytes() });
        writes.push(Write::SortedSet { key: keys::OUTCOMES_ORDER.to_owned(), member, score: progress.now });
        let (context, id) = (entry.context.clone(), entry.id.clone());
        progress.batch.answered.push(Answered { host: reply.host.clone(), context, id, outcome });
    }

    /// Answers that it will not happen, if anybody waits.
    pub(super) fn answer_failed(&mut self, entry: &Entry, code: &str, message: &str) {
        self.answer(entry, Outcome::Failed { code: code.to_owned(), message: message.to_owned() });
    }

    pub(super) fn happened(&mut self, happening: Happening) {
        if let Some(progress) = self.progress.as_mut() {
            progress.batch.happenings.push(happening);
        }
    }

    /// Gives an entry up.
    pub(super) fn bury(&mut self, waiting: &Waiting, code: &str, message: &str, logs: Vec<LogLine>) {
        self.answer_failed(&waiting.entry, code, message);
        let mut happening =
            Happening::of(waiting, Happened::Dead { code: code.to_owned(), message: message.to_owned() });
        happening.logs = logs;
        self.happened(happening);
        let sequence = self.next_sequence();
        let Some(progress) = self.progress.as_mut() else { return };
        let attempts = match &waiting.entry.body {
            crate::model::Body::Deliver { attempt, .. } => *attempt,
            _ => 0,
        };
        progress.batch.dead.push(DeadLetter {
            id: format!("{}-{sequence}", self.number),
            entry: Entry { reply: None, ..waiting.entry.clone() },
            stamp: waiting.stamp,
            died_at: progress.now,
            code: code.to_owned(),
            message: message.to_owned(),
            attempts,
        });
    }

    fn write_cursors(&mut self, batch: &mut Batch) {
        for field in std::mem::take(&mut self.dirty) {
            let value = match field {
                keys::SEQUENCE => self.sequence.to_bytes(),
                keys::MESSAGES_FIRST => self.messages_first.to_bytes(),
                keys::MESSAGES_NEXT => self.messages_next.to_bytes(),
                keys::BROADCAST => self.broadcast.to_bytes(),
                keys::RELAYS => self.relay_cursors().to_bytes(),
                keys::SURVEYED => self.surveyed.to_bytes(),
                other => unreachable!("no cursor is called {other}"),
            };
            batch.writes.push(Write::HashSet {
                key: keys::CURSORS.to_owned(),
                field: field.as_bytes().to_vec(),
                value,
            });
        }
    }
}

impl Happening {
    /// What happened to an entry or a delivery.
    pub(super) fn of(waiting: &Waiting, what: Happened) -> Self {
        use crate::model::Body;
        let entry = &waiting.entry;
        let mut happening = Self {
            context: entry.context.clone(),
            quest: String::new(),
            action: String::new(),
            instance: String::new(),
            event_id: entry.id.clone(),
            event_name: String::new(),
            cause: Cause::Event,
            hops: entry.hops,
            stamp: waiting.stamp,
            what,
            logs: Vec::new(),
        };
        match &entry.body {
            Body::Emit { name, .. } => happening.event_name.clone_from(name),
            Body::Spread { quest, name, .. } => {
                happening.quest.clone_from(quest);
                happening.event_name.clone_from(name);
            }
            Body::Send { quest, action, name, .. } => {
                happening.quest.clone_from(quest);
                happening.action.clone_from(action);
                happening.event_name = name.clone().unwrap_or_default();
            }
            Body::Add { quest } | Body::Remove { quest } => {
                happening.quest.clone_from(quest);
                happening.cause = Cause::Lifecycle;
            }
            Body::Deliver { quest, action, instance, cause, name, .. } => {
                happening.quest.clone_from(quest);
                happening.action.clone_from(action);
                happening.instance.clone_from(instance);
                happening.event_name.clone_from(name);
                happening.cause = *cause;
            }
            Body::Observe { quest, instance, name, .. } => {
                happening.quest.clone_from(quest);
                happening.instance.clone_from(instance);
                happening.event_name.clone_from(name);
                happening.cause = Cause::Pattern;
            }
            Body::Operate(command) => {
                happening.cause = Cause::Lifecycle;
                happening.action = command.name().to_owned();
            }
        }
        happening
    }
}
