//! One context in memory: its instances, variables, timers and what waits; and which of that the next commit must write.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    action::{PatternSeen, PatternsSeen, TimersSeen, Variables},
    keys,
    model::Millis,
    pattern::Spec,
    planted::{self, Bug},
    record::{Before, Instance, Kept, Pattern, Record, Timer, Waiting},
    schedule::Zone,
    write::Write,
};

/// What a store holds of a context, as the host loads it.
#[derive(Debug, Clone, Default)]
pub struct LoadedContext {
    /// Its instances by quest.
    pub instances: BTreeMap<String, Instance>,
    /// Its timers by quest and name.
    pub timers: BTreeMap<(String, String), Timer>,
    /// Its patterns by quest and name.
    pub patterns: BTreeMap<(String, String), Pattern>,
    /// Its time zone, if one was set.
    pub zone: Option<String>,
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

/// A live pattern in memory.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    /// Shared with the run in hand, which may look into it.
    pub(super) record: Arc<Pattern>,
    /// Its spec; none while the quest that declares it is not served.
    pub(super) spec: Option<Arc<Spec>>,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// A timer, by quest and name.
    Timer((String, String)),
    /// A deadline of a pattern, by quest and name.
    Pattern((String, String)),
}

/// One context in memory.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Boxed: a map's node has room for eleven, and most contexts have one or two.
    pub(super) instances: BTreeMap<String, Box<Live>>,
    pub(super) timers: BTreeMap<(String, String), Timer>,
    pub(super) patterns: BTreeMap<(String, String), Observer>,
    /// Its time zone, if one was set.
    pub(super) zone: Option<Zone>,
    /// Timers for actions that their quests' code does not have: each with the time until which it waits for its action.
    dangling: BTreeMap<(String, String), Millis>,
    /// The catalog that its patterns and recurrences were compared with: [`super::Partition::catalogs`] then.
    pub(super) met: u64,
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
    patterns: BTreeSet<(String, String)>,
    zone: bool,
    held: BTreeSet<String>,
    /// What is kept from before upgrades: none removes it.
    befores: BTreeMap<String, Option<Before>>,
    ids_added: Vec<String>,
    ids_removed: Vec<String>,
}

impl Context {
    pub(super) fn load(loaded: LoadedContext) -> Self {
        let LoadedContext { instances, timers, patterns, zone, mut variables, mut held, backlog } = loaded;
        let instances = instances
            .into_iter()
            .map(|(quest, record)| {
                let variables = Arc::new(variables.remove(&quest).unwrap_or_default());
                let held = held.remove(&quest).unwrap_or_default().into();
                (quest, Box::new(Live { record, variables, held }))
            })
            .collect();
        let patterns = patterns
            .into_iter()
            .map(|(key, record)| (key, Observer { record: Arc::new(record), spec: None }))
            .collect();
        // It was checked when it was set: only an older database of zones does not know it.
        let zone = zone.and_then(|name| Zone::parse(&name).ok());
        let mut context = Self { instances, timers, patterns, zone, backlog_stored: backlog, ..Self::default() };
        context.wake_stored = context.wake();
        context
    }

    /// When its next timer or retry is due. A held instance's timers wait with it.
    pub(super) fn wake(&self) -> Option<Millis> {
        let retries = self.instances.values().filter_map(|live| live.record.held.as_ref()?.retry_at);
        let timers = self
            .timers
            .iter()
            .filter(|((quest, _), _)| self.is_free(quest))
            .map(|(key, timer)| self.due_of(key, timer));
        let patterns = self.patterns.iter().filter(|((quest, _), _)| self.is_free(quest));
        retries.chain(timers).chain(patterns.filter_map(|(_, pattern)| pattern.record.due)).min()
    }

    /// The next timer or deadline of an instance that is not held.
    pub(super) fn next_due(&self) -> Option<(Due, Millis)> {
        let timers = self.timers.iter().map(|(key, timer)| (self.due_of(key, timer), timer.sequence, key, true));
        let patterns = self.patterns.iter();
        let patterns = patterns.filter_map(|(key, it)| it.record.due.map(|due| (due, it.record.sequence, key, false)));
        let free = timers.chain(patterns).filter(|(_, _, (quest, _), _)| self.is_free(quest));
        let (due, _, key, is_timer) = free.min()?;
        Some((if is_timer { Due::Timer(key.clone()) } else { Due::Pattern(key.clone()) }, due))
    }

    /// When a timer is acted on: at its time, or when it has waited long enough for an action that is gone.
    fn due_of(&self, key: &(String, String), timer: &Timer) -> Millis {
        self.dangling.get(key).copied().unwrap_or(timer.due)
    }

    /// Marks the timers of a quest whose action `is_missing`, and no others.
    pub(super) fn mark_dangling(&mut self, quest: &str, is_missing: impl Fn(&str) -> bool, kept_ms: u64) {
        self.dangling.retain(|(owner, _), _| owner != quest);
        let missing = own(&self.timers, quest).filter(|(_, timer)| is_missing(&timer.action));
        let until =
            missing.map(|(name, timer)| ((quest.to_owned(), name.to_owned()), timer.due.saturating_add(kept_ms)));
        self.dangling.extend(until.collect::<Vec<_>>());
    }

    /// What the index of due times says of it is not known: other code may have marked its timers. It is written anew.
    pub(super) fn forget_stored_wake(&mut self) {
        self.wake_stored = Some(Millis::MAX);
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
    pub(super) fn timers_of(&self, quest: &str) -> TimersSeen {
        own(&self.timers, quest).map(|(name, timer)| (name.to_owned(), Arc::new(timer.seen()))).collect()
    }

    /// An instance's patterns as an action sees them.
    pub(super) fn patterns_of(&self, quest: &str) -> PatternsSeen {
        let seen = |(name, it): (&str, &Observer)| {
            Some((name.to_owned(), PatternSeen { spec: it.spec.clone()?, record: Arc::clone(&it.record) }))
        };
        own(&self.patterns, quest).filter_map(seen).collect()
    }

    /// The patterns of an instance that events of that name concern.
    pub(super) fn patterns_on<'a>(
        &'a self,
        quest: &'a str,
        event: &'a str,
    ) -> impl Iterator<Item = &'a (String, String)> {
        let sees = move |it: &Observer| it.spec.as_ref().is_some_and(|spec| spec.observes(event));
        self.patterns.iter().filter(move |((owner, _), it)| owner == quest && sees(it)).map(|(key, _)| key)
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
        if live.record.kept.is_some() {
            self.dirty.befores.insert(quest.to_owned(), None);
        }
        self.dirty.ids_removed.push(live.record.id);
        self.dirty.instances.insert(quest.to_owned());
        self.dirty.wiped.insert(quest.to_owned());
        self.dirty.held.insert(quest.to_owned());
        let own: Vec<_> = self.timers.keys().filter(|(owner, _)| owner == quest).cloned().collect();
        for key in own {
            self.set_timer(key, None);
        }
        let own: Vec<_> = self.patterns.keys().filter(|(owner, _)| owner == quest).cloned().collect();
        for key in own {
            self.set_pattern(key, None);
        }
        live.held
    }

    pub(super) fn set_timer(&mut self, key: (String, String), timer: Option<Timer>) -> Option<Timer> {
        self.dirty.timers.insert(key.clone());
        self.dangling.remove(&key);
        match timer {
            Some(timer) => self.timers.insert(key, timer),
            None => self.timers.remove(&key),
        }
    }

    pub(super) fn set_pattern(&mut self, key: (String, String), pattern: Option<Observer>) -> Option<Observer> {
        self.dirty.patterns.insert(key.clone());
        match pattern {
            Some(pattern) => self.patterns.insert(key, pattern),
            None => self.patterns.remove(&key),
        }
    }

    pub(super) fn set_zone(&mut self, zone: Option<Zone>) {
        self.zone = zone;
        self.dirty.zone = true;
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

    /// Keeps what an instance was, or lets go of it.
    pub(super) fn set_before(&mut self, quest: &str, before: Option<(Before, Kept)>) {
        let kept = before.as_ref().map(|(_, kept)| *kept);
        self.change_record(quest, |record| record.kept = kept);
        self.dirty.befores.insert(quest.to_owned(), before.map(|(before, _)| before));
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
        if self.zone.is_some() {
            self.set_zone(None);
        }
        let quests: Vec<_> = self.instances.keys().cloned().collect();
        quests.iter().flat_map(|quest| self.remove_instance(quest)).collect()
    }

    /// Ends a turn: what was not processed becomes backlog, and every difference becomes writes.
    /// Gives the context's due time if the index must change.
    pub(super) fn settle(&mut self, name: &str, writes: &mut Vec<Write>) -> Option<Option<Millis>> {
        self.settle_backlog(name, writes);
        self.mark_who_has_what();
        let dirty = std::mem::take(&mut self.dirty);
        self.write_instances(name, &dirty, writes);
        self.write_variables(name, &dirty, writes);
        self.write_timers(name, &dirty, writes);
        self.write_patterns(name, &dirty, writes);
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

    fn mark_who_has_what(&mut self) {
        for (quest, _) in self.dirty.timers.iter().chain(&self.dirty.patterns) {
            let has_timers = own(&self.timers, quest).next().is_some();
            let has_patterns = own(&self.patterns, quest).next().is_some();
            if let Some(live) = self.instances.get_mut(quest)
                && (live.record.has_timers, live.record.has_patterns) != (has_timers, has_patterns)
            {
                (live.record.has_timers, live.record.has_patterns) = (has_timers, has_patterns);
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
        if dirty.zone {
            let (key, field) = (keys::instances(name), keys::ZONE.as_bytes().to_vec());
            writes.push(match &self.zone {
                Some(zone) => Write::HashSet { key, field, value: zone.name().as_bytes().to_vec() },
                None => Write::HashRemove { key, field },
            });
        }
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
        for (quest, before) in &dirty.befores {
            let (key, field) = (keys::before(name), quest.as_bytes().to_vec());
            writes.push(match before {
                Some(before) => Write::HashSet { key, field, value: before.to_bytes() },
                None => Write::HashRemove { key, field },
            });
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

    fn write_patterns(&self, name: &str, dirty: &Dirty, writes: &mut Vec<Write>) {
        for pattern_key in &dirty.patterns {
            let (key, field) = (keys::patterns(name), keys::timer_field(&pattern_key.0, &pattern_key.1).into_bytes());
            writes.push(match self.patterns.get(pattern_key) {
                Some(pattern) => Write::HashSet { key, field, value: pattern.record.to_bytes() },
                None => Write::HashRemove { key, field },
            });
        }
    }
}

/// What belongs to one quest, by name.
fn own<'a, T>(
    all: &'a BTreeMap<(String, String), T>,
    quest: &'a str,
) -> impl Iterator<Item = (&'a str, &'a T)> + use<'a, T> {
    let from = (quest.to_owned(), String::new());
    all.range(from..).take_while(move |((owner, _), _)| owner == quest).map(|((_, name), it)| (name.as_str(), it))
}
