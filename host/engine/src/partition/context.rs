//! One context in memory: its instances, variables, timers and what waits; and which of that the next commit must write.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    action::Variables,
    keys,
    model::Millis,
    planted::{self, Bug},
    record::{Instance, Record, Timer, Waiting},
    write::Write,
};

/// What a store holds of a context, as the host loads it.
#[derive(Debug, Clone, Default)]
pub struct LoadedContext {
    /// Its instances by quest.
    pub instances: BTreeMap<String, Instance>,
    /// Its timers by quest and name.
    pub timers: BTreeMap<(String, String), Timer>,
    /// Variables by quest.
    pub variables: BTreeMap<String, Variables>,
    /// Held deliveries by quest, for instances that have any.
    pub held: BTreeMap<String, Vec<Waiting>>,
    /// Length of its backlog.
    pub backlog: u64,
}

/// A living instance in memory.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) record: Instance,
    pub(super) variables: Arc<Variables>,
    pub(super) held: VecDeque<Waiting>,
}

/// One context in memory.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Boxed: a map's node has room for eleven, and most contexts have one or two.
    pub(super) instances: BTreeMap<String, Box<Live>>,
    pub(super) timers: BTreeMap<(String, String), Timer>,
    /// The first part of the stored backlog.
    pub(super) backlog: VecDeque<Waiting>,
    /// How many the stored backlog holds, `backlog` included.
    pub(super) backlog_stored: u64,
    /// Entries from within, of this turn: by stamp, then order.
    pub(super) ready: BTreeMap<(Millis, u64), Waiting>,
    /// Routed deliveries of the entry in hand; they come before everything else.
    pub(super) routed: VecDeque<Waiting>,
    /// New entries of this turn.
    pub(super) incoming: VecDeque<Waiting>,
    pub(super) last_used: u64,
    wake_stored: Option<Millis>,
    backlog_taken: u64,
    dirty: Dirty,
}

/// What differs from the store.
#[derive(Debug, Default)]
struct Dirty {
    wiped: BTreeSet<String>,
    variables: BTreeSet<(String, String)>,
    instances: BTreeSet<String>,
    timers: BTreeSet<(String, String)>,
    held: BTreeSet<String>,
    ids_added: Vec<String>,
    ids_removed: Vec<String>,
}

impl Context {
    pub(super) fn load(loaded: LoadedContext) -> Self {
        let LoadedContext { instances, timers, mut variables, mut held, backlog } = loaded;
        let instances = instances
            .into_iter()
            .map(|(quest, record)| {
                let variables = Arc::new(variables.remove(&quest).unwrap_or_default());
                let held = held.remove(&quest).unwrap_or_default().into();
                (quest, Box::new(Live { record, variables, held }))
            })
            .collect();
        let mut context = Self { instances, timers, backlog_stored: backlog, ..Self::default() };
        context.wake_stored = context.wake();
        context
    }

    /// When its next timer or retry is due. A held instance's timers wait with it.
    pub(super) fn wake(&self) -> Option<Millis> {
        let retries = self.instances.values().filter_map(|live| live.record.held.as_ref()?.retry_at);
        let timers = self.timers.iter().filter(|((quest, _), _)| self.is_free(quest)).map(|(_, timer)| timer.due);
        retries.chain(timers).min()
    }

    /// The next timer of an instance that is not held.
    pub(super) fn next_timer(&self) -> Option<((String, String), Millis)> {
        self.timers
            .iter()
            .filter(|((quest, _), _)| self.is_free(quest))
            .min_by_key(|(_, timer)| (timer.due, timer.sequence))
            .map(|(key, timer)| (key.clone(), timer.due))
    }

    fn is_free(&self, quest: &str) -> bool {
        self.instances.get(quest).is_some_and(|live| live.record.held.is_none())
    }

    /// The instance of `quest`, if it is the one meant.
    pub(super) fn living(&self, quest: &str, instance: &str) -> Option<&Live> {
        self.instances
            .get(quest)
            .map(Box::as_ref)
            .filter(|live| live.record.id == instance || planted::is(Bug::SkipInstanceCheck))
    }

    /// An instance's timers as an action sees them.
    pub(super) fn timers_of(&self, quest: &str) -> BTreeMap<String, Millis> {
        let own = self.timers.range((quest.to_owned(), String::new())..).take_while(|((owner, _), _)| owner == quest);
        own.map(|((_, name), timer)| (name.clone(), timer.due)).collect()
    }

    pub(super) fn insert_instance(&mut self, quest: &str, record: Instance) {
        self.dirty.ids_added.push(record.id.clone());
        self.dirty.instances.insert(quest.to_owned());
        self.dirty.wiped.insert(quest.to_owned());
        let live = Live { record, variables: Arc::default(), held: VecDeque::new() };
        self.instances.insert(quest.to_owned(), Box::new(live));
    }

    /// Removes an instance with all that is its own; gives what was held.
    pub(super) fn remove_instance(&mut self, quest: &str) -> VecDeque<Waiting> {
        let Some(live) = self.instances.remove(quest) else { return VecDeque::new() };
        self.dirty.ids_removed.push(live.record.id);
        self.dirty.instances.insert(quest.to_owned());
        self.dirty.wiped.insert(quest.to_owned());
        self.dirty.held.insert(quest.to_owned());
        let own: Vec<_> = self.timers.keys().filter(|(owner, _)| owner == quest).cloned().collect();
        for key in own {
            self.set_timer(key, None);
        }
        live.held
    }

    pub(super) fn set_timer(&mut self, key: (String, String), timer: Option<Timer>) -> Option<Timer> {
        self.dirty.timers.insert(key.clone());
        match timer {
            Some(timer) => self.timers.insert(key, timer),
            None => self.timers.remove(&key),
        }
    }

    pub(super) fn set_variables(&mut self, quest: &str, changes: BTreeMap<String, Option<crate::model::Value>>) {
        let Some(live) = self.instances.get_mut(quest) else { return };
        if changes.is_empty() {
            return;
        }
        let variables = Arc::make_mut(&mut live.variables);
        for (name, value) in changes {
            self.dirty.variables.insert((quest.to_owned(), name.clone()));
            match value {
                Some(value) => variables.insert(name, value),
                None => variables.remove(&name),
            };
        }
    }

    /// Changes an instance's record.
    pub(super) fn change_record(&mut self, quest: &str, change: impl FnOnce(&mut Instance)) {
        if let Some(live) = self.instances.get_mut(quest) {
            change(&mut live.record);
            self.dirty.instances.insert(quest.to_owned());
        }
    }

    /// Puts a delivery behind those that an instance holds.
    pub(super) fn hold(&mut self, quest: &str, waiting: Waiting) {
        if let Some(live) = self.instances.get_mut(quest) {
            live.held.push_back(waiting);
            self.dirty.held.insert(quest.to_owned());
        }
    }

    /// Takes all that an instance holds, to be run again, and frees the instance.
    pub(super) fn release(&mut self, quest: &str) -> VecDeque<Waiting> {
        let Some(live) = self.instances.get_mut(quest) else { return VecDeque::new() };
        live.record.held = None;
        self.dirty.instances.insert(quest.to_owned());
        self.dirty.held.insert(quest.to_owned());
        std::mem::take(&mut live.held)
    }

    /// Takes the first of the loaded backlog.
    pub(super) fn pop_backlog(&mut self) -> Option<Waiting> {
        let first = self.backlog.pop_front()?;
        self.backlog_stored -= 1;
        self.backlog_taken += 1;
        Some(first)
    }

    /// Whether the stored backlog has entries that are not loaded.
    pub(super) fn has_unread_backlog(&self) -> bool {
        self.backlog_stored > self.backlog.len() as u64
    }

    /// Erases the context's own state, and gives what was held; what waits in inbox and backlog stays.
    pub(super) fn erase(&mut self) -> Vec<Waiting> {
        let quests: Vec<_> = self.instances.keys().cloned().collect();
        quests.iter().flat_map(|quest| self.remove_instance(quest)).collect()
    }

    /// Ends a turn: what was not processed becomes backlog, and every difference becomes writes.
    /// Gives the context's due time if the index must change.
    pub(super) fn settle(&mut self, name: &str, writes: &mut Vec<Write>) -> Option<Option<Millis>> {
        self.settle_backlog(name, writes);
        self.mark_who_has_timers();
        let dirty = std::mem::take(&mut self.dirty);
        self.write_instances(name, &dirty, writes);
        self.write_variables(name, &dirty, writes);
        self.write_timers(name, &dirty, writes);
        let wake = self.wake();
        if wake == self.wake_stored {
            return None;
        }
        self.wake_stored = wake;
        let (key, member) = (keys::TIMERS.to_owned(), name.as_bytes().to_vec());
        writes.push(match wake {
            Some(score) => Write::SortedSet { key, member, score },
            None => Write::SortedRemove { key, member },
        });
        Some(wake)
    }

    fn mark_who_has_timers(&mut self) {
        for (quest, _) in &self.dirty.timers {
            let has_timers = self
                .timers
                .range((quest.clone(), String::new())..)
                .next()
                .is_some_and(|((owner, _), _)| owner == quest);
            if let Some(live) = self.instances.get_mut(quest)
                && live.record.has_timers != has_timers
            {
                live.record.has_timers = has_timers;
                self.dirty.instances.insert(quest.clone());
            }
        }
    }

    fn settle_backlog(&mut self, name: &str, writes: &mut Vec<Write>) {
        let key = keys::backlog(name);
        let was = self.backlog_stored + self.backlog_taken;
        if self.backlog_taken > 0 {
            writes.push(Write::ListTrimFront { key: key.clone(), count: self.backlog_taken });
        }
        // Entries from within are never younger than what waits: they stand before it.
        // Taken, not drained: a context that rests keeps no empty room.
        let (routed, ready) = (std::mem::take(&mut self.routed), std::mem::take(&mut self.ready));
        let inner: Vec<Waiting> = routed.into_iter().chain(ready.into_values()).collect();
        for waiting in inner.into_iter().rev() {
            writes.push(Write::ListPrepend { key: key.clone(), value: waiting.to_bytes() });
            self.backlog.push_front(waiting);
            self.backlog_stored += 1;
        }
        let all_loaded = !self.has_unread_backlog();
        for waiting in std::mem::take(&mut self.incoming) {
            writes.push(Write::ListAppend { key: key.clone(), value: waiting.to_bytes() });
            self.backlog_stored += 1;
            if all_loaded {
                self.backlog.push_back(waiting);
            }
        }
        self.backlog_taken = 0;
        let (key, member) = (keys::BACKLOGS.to_owned(), name.as_bytes().to_vec());
        match (was > 0, self.backlog_stored > 0) {
            (false, true) => writes.push(Write::SetAdd { key, member }),
            (true, false) => writes.push(Write::SetRemove { key, member }),
            _ => {}
        }
    }

    fn write_instances(&self, name: &str, dirty: &Dirty, writes: &mut Vec<Write>) {
        for quest in &dirty.instances {
            let field = quest.as_bytes().to_vec();
            let index = keys::contexts(quest);
            let member = name.as_bytes().to_vec();
            let (active, instances) = (keys::active_quests(name), keys::instances(name));
            match self.instances.get(quest) {
                Some(live) => {
                    // Adding again what is there changes nothing; only records change without an add.
                    if dirty.wiped.contains(quest) {
                        let value = live.record.id.as_bytes().to_vec();
                        writes.push(Write::HashSet { key: active, field: field.clone(), value });
                        writes.push(Write::SortedSet { key: index, member, score: 0 });
                    }
                    writes.push(Write::HashSet { key: instances, field, value: live.record.to_bytes() });
                }
                None => {
                    writes.push(Write::HashRemove { key: active, field: field.clone() });
                    writes.push(Write::HashRemove { key: instances, field });
                    writes.push(Write::SortedRemove { key: index, member });
                }
            }
        }
        let key = keys::ACTIVE_INSTANCES;
        let (added, removed) = (&dirty.ids_added, &dirty.ids_removed);
        for id in added.iter().filter(|id| !removed.contains(id)) {
            writes.push(Write::SetAdd { key: key.to_owned(), member: id.as_bytes().to_vec() });
        }
        for id in removed.iter().filter(|id| !added.contains(id)) {
            writes.push(Write::SetRemove { key: key.to_owned(), member: id.as_bytes().to_vec() });
        }
        for quest in &dirty.held {
            let key = keys::held(name, quest);
            writes.push(Write::Delete { key: key.clone() });
            if planted::is(Bug::HeldInMemory) {
                continue;
            }
            let held = self.instances.get(quest).into_iter().flat_map(|live| &live.held);
            writes.extend(held.map(|waiting| Write::ListAppend { key: key.clone(), value: waiting.to_bytes() }));
        }
    }

    fn write_variables(&self, name: &str, dirty: &Dirty, writes: &mut Vec<Write>) {
        for quest in &dirty.wiped {
            writes.push(Write::Delete { key: keys::variables(name, quest) });
        }
        for (quest, variable) in &dirty.variables {
            let Some(live) = self.instances.get(quest) else { continue };
            let (key, field) = (keys::variables(name, quest), variable.as_bytes().to_vec());
            match live.variables.get(variable) {
                Some(value) => writes.push(Write::HashSet { key, field, value: value.encode() }),
                None if dirty.wiped.contains(quest) => {}
                None => writes.push(Write::HashRemove { key, field }),
            }
        }
    }

    fn write_timers(&self, name: &str, dirty: &Dirty, writes: &mut Vec<Write>) {
        for timer_key in &dirty.timers {
            let (key, field) = (keys::timers(name), keys::timer_field(&timer_key.0, &timer_key.1).into_bytes());
            writes.push(match self.timers.get(timer_key) {
                Some(timer) => Write::HashSet { key, field, value: timer.to_bytes() },
                None => Write::HashRemove { key, field },
            });
        }
    }
}
