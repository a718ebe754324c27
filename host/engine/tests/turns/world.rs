//! The driver: a store of three maps, quests as functions, and a clock that only the test moves.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use quest_engine::{
    action::{Changes, Effect, Failure, FailureKind, Invocation, Ran, TimerSet},
    keys,
    limits::EngineLimits,
    model::{Body, Catalog, DeadLetter, Entry, Millis, Outcome, QuestDefinition, ReplyTo, Value},
    partition::{Batch, Happened, LoadedContext, Partition, Start, Survey, Turn},
    record::{Before, Instance, Record, Timer, Waiting},
    write::Write,
};

/// A quest's behaviour: what each run changes.
pub type Behaviour = fn(&Invocation) -> Result<Changes, Failure>;

/// What a store would hold.
#[derive(Default, Clone)]
struct Stored {
    hashes: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
    sets: BTreeMap<String, BTreeSet<Vec<u8>>>,
    sorted: BTreeMap<String, BTreeMap<Vec<u8>, u64>>,
    lists: BTreeMap<String, VecDeque<Vec<u8>>>,
}

pub struct World {
    partition: Partition,
    stored: Stored,
    inbox: VecDeque<(Millis, Entry)>,
    pub catalog: Arc<Catalog>,
    behaviours: BTreeMap<String, Behaviour>,
    limits: Arc<EngineLimits>,
    pub now: Millis,
    ids: u64,
    /// Whether the store's inbox stands at the bound for entries from within.
    pub inbox_full: bool,
    /// The action whose runs are set aside, and whether one owner takes all turns: a new one knows of none.
    pub slow: Option<&'static str>,
    pub one_owner: bool,
    /// `quest.action@stamp` of every run, in order, with its attempt when it is not the first.
    pub runs: Vec<String>,
    pub dead: Vec<DeadLetter>,
    pub ignored: Vec<&'static str>,
    pub answers: Vec<String>,
    pub batches: Vec<Batch>,
    pub outgoing: Vec<(u16, Entry)>,
}

/// A definition in a line: `("quest", [("action", "event"), …])`.
pub fn quest(name: &str, actions: &[(&str, &str)]) -> QuestDefinition {
    let mut quest = QuestDefinition { name: name.to_owned(), version: 1, ..QuestDefinition::default() };
    for (action, event) in actions {
        let events = quest.actions.entry((*action).to_owned()).or_default();
        if !event.is_empty() {
            events.push((*event).to_owned());
        }
    }
    quest
}

pub fn transient() -> Failure {
    Failure { kind: FailureKind::Transient, code: "transient".to_owned(), message: "later".to_owned() }
}

pub fn permanent() -> Failure {
    Failure { kind: FailureKind::Permanent, code: "broken".to_owned(), message: "never".to_owned() }
}

/// `n` plus one, whatever it was.
pub fn count(invocation: &Invocation) -> Changes {
    let before = match invocation.variables.get("n") {
        Some(Value::Integer(n)) => *n,
        _ => 0,
    };
    Changes { variables: BTreeMap::from([("n".to_owned(), Some(Value::Integer(before + 1)))]), ..Changes::default() }
}

pub fn timer(name: &str, action: &str, due: Millis) -> Changes {
    let set = TimerSet { action: action.to_owned(), due, payload: Arc::default(), recurrence: None };
    Changes { timers: BTreeMap::from([(name.to_owned(), Some(set))]), ..Changes::default() }
}

pub fn effects(effects: Vec<Effect>) -> Changes {
    Changes { effects, ..Changes::default() }
}

impl World {
    pub fn new(quests: Vec<(QuestDefinition, Behaviour)>) -> Self {
        Self::with_limits(quests, EngineLimits::default())
    }

    pub fn with_limits(quests: Vec<(QuestDefinition, Behaviour)>, limits: EngineLimits) -> Self {
        let behaviours = quests.iter().map(|(quest, behaviour)| (quest.name.clone(), *behaviour)).collect();
        let limits = Arc::new(limits);
        Self {
            partition: Partition::new(0, 1, "nonce".to_owned(), Arc::clone(&limits), Start::default()),
            stored: Stored::default(),
            inbox: VecDeque::new(),
            catalog: Arc::new(Catalog::new(quests.into_iter().map(|(quest, _)| quest))),
            behaviours,
            limits,
            now: 1_000,
            ids: 0,
            inbox_full: false,
            slow: None,
            one_owner: false,
            runs: Vec::new(),
            dead: Vec::new(),
            ignored: Vec::new(),
            answers: Vec::new(),
            batches: Vec::new(),
            outgoing: Vec::new(),
        }
    }

    /// Serves only these quests from now on; gives what was served.
    pub fn serve(&mut self, quests: &[&str]) -> Arc<Catalog> {
        let served = self.catalog.quests().filter(|quest| quests.contains(&quest.name.as_str())).cloned();
        let next = Arc::new(Catalog::new(served.collect::<Vec<_>>()));
        std::mem::replace(&mut self.catalog, next)
    }

    /// Accepts an entry now.
    pub fn accept(&mut self, context: &str, body: Body) -> &mut Self {
        self.ids += 1;
        let id = format!("e{}", self.ids);
        self.accept_as(context, &id, body)
    }

    /// Accepts an entry with an id.
    pub fn accept_as(&mut self, context: &str, id: &str, body: Body) -> &mut Self {
        let reply = Some(ReplyTo { host: "test".to_owned() });
        let entry = Entry { context: context.to_owned(), id: id.to_owned(), hops: 0, reply, body, left: None };
        self.inbox.push_back((self.now, entry));
        self
    }

    pub fn emit(&mut self, context: &str, name: &str) -> &mut Self {
        self.accept(context, Body::Emit { name: name.to_owned(), payload: Value::Null })
    }

    pub fn add(&mut self, context: &str, quest: &str) -> &mut Self {
        self.accept(context, Body::Add { quest: quest.to_owned() })
    }

    pub fn remove(&mut self, context: &str, quest: &str) -> &mut Self {
        self.accept(context, Body::Remove { quest: quest.to_owned() })
    }

    /// Lets time pass without a turn: the host is down.
    pub fn sleep(&mut self, ms: Millis) -> &mut Self {
        self.now += ms;
        self
    }

    /// Turns until there is nothing to do at this time.
    pub fn run(&mut self) -> &mut Self {
        for _ in 0..10_000 {
            if !self.turn(512) {
                return self;
            }
        }
        panic!("the partition does not come to rest");
    }

    /// One turn over at most `max` entries; whether there was anything to do.
    pub fn turn(&mut self, max: usize) -> bool {
        self.reload();
        let horizon = match self.inbox.get(max) {
            Some(_) => self.inbox[max - 1].0,
            None => self.now,
        };
        let taken = max.min(self.inbox.len());
        let entries: Vec<(Millis, Entry)> = self.inbox.drain(..taken).collect();
        let agenda = self.partition.agenda(horizon, 512);
        let wanted = self.partition.survey_wanted(&self.catalog);
        let survey = wanted.map(|(quest, after)| self.stored.survey(quest, after));
        if entries.is_empty() && agenda.is_empty() && survey.is_none() && !self.partition.has_unsaved() {
            return false;
        }
        let names = entries.iter().map(|(_, entry)| entry.context.clone()).chain(agenda.iter().cloned());
        let names: Vec<String> = names.chain(survey.iter().flat_map(|survey| survey.contexts.clone())).collect();
        for name in self.partition.missing(names.iter().map(String::as_str)) {
            let loaded = self.stored.context(&name);
            self.partition.load(name, loaded);
        }
        for name in &names {
            if let Some(count) = self.partition.backlog_wanted(name) {
                let first = self.stored.waiting(&keys::backlog(name)).into_iter().take(count as usize).collect();
                self.partition.load_backlog(name, first);
            }
        }
        let (ids, contexts) = self.partition.dead_wanted(entries.iter().map(|(_, entry)| entry), &names);
        let dead = self.dead.iter().filter(|dead| ids.contains(&dead.id)).map(|dead| (dead.id.clone(), dead.clone()));
        let dead_of = contexts.into_iter().map(|name| {
            let of = self.dead.iter().filter(|dead| dead.entry.context == name).map(|dead| dead.id.clone()).collect();
            (name, of)
        });
        let turn = Turn {
            now: self.now,
            horizon,
            entries,
            inbox_full: self.inbox_full,
            agenda,
            survey,
            catalog: Arc::clone(&self.catalog),
            dead: dead.collect(),
            dead_of: dead_of.collect(),
            ..Turn::default()
        };
        self.partition.begin(turn);
        while let Some(invocation) = self.partition.next() {
            let again = if invocation.attempt > 1 { format!("#{}", invocation.attempt) } else { String::new() };
            let (quest, action, at) = (&invocation.quest, &invocation.action, invocation.accepted_at);
            self.runs.push(format!("{quest}.{action}@{at}{again}"));
            if self.slow == Some(action) {
                self.partition.set_aside();
                continue;
            }
            let result = self.behaviours[quest](&invocation);
            self.partition.complete(Ran { result, logs: Vec::new() });
        }
        let batch = self.partition.finish();
        self.take_in(batch);
        true
    }

    fn take_in(&mut self, batch: Batch) {
        batch.writes.iter().for_each(|write| self.stored.write(write));
        self.dead.extend(batch.dead.iter().cloned());
        for happening in &batch.happenings {
            if let Happened::Ignored { reason } = happening.what {
                self.ignored.push(reason);
            }
        }
        for entry in &batch.accept {
            self.inbox.push_back((self.now, entry.clone()));
        }
        for answered in &batch.answered {
            let bytes = &self.stored.hashes[&keys::outcomes(&answered.context)][answered.id.as_bytes()];
            assert_eq!(Outcome::from_bytes(bytes).unwrap(), answered.outcome);
            self.answers.push(format!("{:?}", answered.outcome));
        }
        for outgoing in self.partition.outgoing(1_000) {
            for bytes in &outgoing.entries {
                self.outgoing.push((outgoing.destination, Entry::from_bytes(bytes).unwrap()));
            }
            let next = outgoing.first + outgoing.entries.len() as u64;
            self.partition.relayed(outgoing.destination, next);
        }
        self.batches.push(batch);
    }

    /// The runs that were set aside are at their end.
    pub fn resume(&mut self, context: &str) -> &mut Self {
        self.slow = None;
        self.partition.resume(context);
        self
    }

    /// When the partition would wake up by itself.
    pub fn next_wake(&self) -> Option<Millis> {
        self.partition.next_wake()
    }

    /// A new owner: everything is read back from what was written.
    fn reload(&mut self) {
        if self.one_owner || self.partition.has_unsaved() {
            return self.refill();
        }
        let cursors = self.stored.hashes.get(keys::CURSORS).cloned().unwrap_or_default();
        let read = |field: &str| cursors.get(field.as_bytes()).cloned();
        let number = |field: &str| read(field).map(|bytes| u64::from_bytes(&bytes).unwrap()).unwrap_or_default();
        let backlogs = self.stored.sets.get(keys::BACKLOGS).cloned().unwrap_or_default();
        let quests = self.stored.sets.get(keys::QUESTS).cloned().unwrap_or_default();
        let surveyed = read(keys::SURVEYED).map(|bytes| BTreeMap::from_bytes(&bytes).unwrap());
        let start = Start {
            quests: quests.into_iter().map(|name| String::from_utf8(name).unwrap()).collect(),
            surveyed: surveyed.unwrap_or_default(),
            sequence: number(keys::SEQUENCE),
            messages_first: number(keys::MESSAGES_FIRST),
            messages_next: number(keys::MESSAGES_NEXT),
            backlogs: backlogs.into_iter().map(|name| String::from_utf8(name).unwrap()).collect(),
            ..Start::default()
        };
        self.partition = Partition::new(0, 1, "nonce".to_owned(), Arc::clone(&self.limits), start);
        self.refill();
    }

    fn refill(&mut self) {
        if self.partition.wants_wakes() {
            let index = self.stored.sorted.get(keys::TIMERS).cloned().unwrap_or_default();
            let mut earliest: Vec<(String, Millis)> =
                index.into_iter().map(|(name, at)| (String::from_utf8(name).unwrap(), at)).collect();
            earliest.sort_by_key(|(_, at)| *at);
            earliest.truncate(self.limits.wakes_cached_max);
            self.partition.refill_wakes(earliest);
        }
    }

    /// The stored variable `n` of an instance.
    pub fn n(&self, context: &str, quest: &str) -> Option<i64> {
        let bytes = self.stored.hashes.get(&keys::variables(context, quest))?.get(&b"n"[..])?;
        match Value::decode(bytes).unwrap() {
            Value::Integer(n) => Some(n),
            other => panic!("{other:?}"),
        }
    }

    /// What is kept of an instance from before its last upgrade.
    pub fn before(&self, context: &str, quest: &str) -> Option<Before> {
        let bytes = self.stored.hashes.get(&keys::before(context))?.get(quest.as_bytes())?;
        Some(Before::from_bytes(bytes).unwrap())
    }

    pub fn quests(&self, context: &str) -> Vec<String> {
        let active = self.stored.hashes.get(&keys::active_quests(context)).cloned().unwrap_or_default();
        active.into_keys().map(|quest| String::from_utf8(quest).unwrap()).collect()
    }

    pub fn instance(&self, context: &str, quest: &str) -> String {
        let id = &self.stored.hashes[&keys::active_quests(context)][quest.as_bytes()];
        String::from_utf8(id.clone()).unwrap()
    }

    pub fn due(&self, context: &str) -> Vec<Millis> {
        let timers = self.stored.hashes.get(&keys::timers(context)).cloned().unwrap_or_default();
        timers.values().map(|bytes| Timer::from_bytes(bytes).unwrap().due).collect()
    }

    pub fn dead_codes(&self) -> Vec<&str> {
        self.dead.iter().map(|dead| dead.code.as_str()).collect()
    }

    /// Keys that hold anything of a context's state, beside the partition's own and the answers that wait to be fetched.
    pub fn keys_of(&self, context: &str) -> Vec<String> {
        let stored = &self.stored;
        let hashes = stored.hashes.iter().filter(|(_, hash)| !hash.is_empty()).map(|(key, _)| key);
        let lists = stored.lists.iter().filter(|(_, list)| !list.is_empty()).map(|(key, _)| key);
        let sorted = stored.sorted.iter().filter(|(_, sorted)| !sorted.is_empty()).map(|(key, _)| key);
        hashes
            .chain(lists)
            .chain(sorted)
            .filter(|key| key.starts_with(&format!("{context}.")) && **key != keys::outcomes(context))
            .cloned()
            .collect()
    }

    /// How many outcomes of calls a context has.
    pub fn outcomes_of(&self, context: &str) -> usize {
        self.stored.hashes.get(&keys::outcomes(context)).map_or(0, BTreeMap::len)
    }

    /// Members of a sorted set.
    pub fn sorted(&self, key: &str) -> Vec<Vec<u8>> {
        self.stored.sorted.get(key).into_iter().flat_map(|sorted| sorted.keys().cloned()).collect()
    }

    /// One turn in which only what `sweep` says happens.
    pub fn sweep(&mut self, sweep: impl FnOnce(&mut Partition)) {
        self.reload();
        self.partition.begin(Turn { now: self.now, horizon: self.now, ..Turn::default() });
        sweep(&mut self.partition);
        let batch = self.partition.finish();
        self.take_in(batch);
    }
}

impl Stored {
    fn write(&mut self, write: &Write) {
        match write.clone() {
            Write::HashSet { key, field, value } => {
                self.hashes.entry(key).or_default().insert(field, value);
            }
            Write::HashRemove { key, field } => {
                self.hashes.entry(key).or_default().remove(&field);
            }
            Write::SetAdd { key, member } => {
                self.sets.entry(key).or_default().insert(member);
            }
            Write::SetRemove { key, member } => {
                self.sets.entry(key).or_default().remove(&member);
            }
            Write::SortedSet { key, member, score } => {
                self.sorted.entry(key).or_default().insert(member, score);
            }
            Write::SortedRemove { key, member } => {
                self.sorted.entry(key).or_default().remove(&member);
            }
            Write::ListAppend { key, value } => self.lists.entry(key).or_default().push_back(value),
            Write::ListPrepend { key, value } => self.lists.entry(key).or_default().push_front(value),
            Write::ListTrimFront { key, count } => {
                let list = self.lists.entry(key).or_default();
                list.drain(..(count as usize).min(list.len()));
            }
            Write::Delete { key } => {
                self.hashes.remove(&key);
                self.sets.remove(&key);
                self.sorted.remove(&key);
                self.lists.remove(&key);
            }
        }
    }

    /// A chunk of two: surveys of the tests go over several.
    fn survey(&self, quest: String, after: Option<String>) -> Survey {
        const CHUNK: usize = 2;
        let all = self.sorted.get(&keys::contexts(&quest)).into_iter().flat_map(BTreeMap::keys);
        let names = all.map(|name| String::from_utf8(name.clone()).unwrap());
        let contexts: Vec<String> =
            names.filter(|name| after.as_ref().is_none_or(|after| name > after)).take(CHUNK).collect();
        let more = contexts.len() == CHUNK;
        Survey { quest, contexts, more }
    }

    fn waiting(&self, key: &str) -> Vec<Waiting> {
        self.lists.get(key).into_iter().flatten().map(|bytes| Waiting::from_bytes(bytes).unwrap()).collect()
    }

    fn context(&self, name: &str) -> LoadedContext {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
        let hash = |key: String| self.hashes.get(&key).cloned().unwrap_or_default();
        let mut instances = hash(keys::instances(name));
        let zone = instances.remove(keys::ZONE.as_bytes()).map(|zone| text(&zone));
        let instances: BTreeMap<String, Instance> =
            instances.iter().map(|(quest, bytes)| (text(quest), Instance::from_bytes(bytes).unwrap())).collect();
        let (timers, patterns) = (hash(keys::timers(name)), hash(keys::patterns(name)));
        for (quest, instance) in &instances {
            let own = format!("{quest}.");
            let has_timers = timers.keys().any(|field| field.starts_with(own.as_bytes()));
            assert_eq!(instance.has_timers, has_timers, "{name}: by this a host knows whether to look for timers");
            let has_patterns = patterns.keys().any(|field| field.starts_with(own.as_bytes()));
            assert_eq!(instance.has_patterns, has_patterns, "{name}: the same for patterns");
        }
        let variables = instances.keys().map(|quest| {
            let fields = hash(keys::variables(name, quest));
            (quest.clone(), fields.iter().map(|(name, value)| (text(name), Value::decode(value).unwrap())).collect())
        });
        LoadedContext {
            timers: named(&timers),
            patterns: named(&patterns),
            zone,
            variables: variables.collect(),
            held: instances.keys().map(|quest| (quest.clone(), self.waiting(&keys::held(name, quest)))).collect(),
            backlog: self.lists.get(&keys::backlog(name)).map_or(0, |list| list.len() as u64),
            instances,
        }
    }
}

fn named<T: Record>(hash: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<(String, String), T> {
    let read = |(field, bytes): (&Vec<u8>, &Vec<u8>)| {
        let field = String::from_utf8(field.clone()).unwrap();
        let (quest, name) = field.split_once('.').unwrap();
        ((quest.to_owned(), name.to_owned()), T::from_bytes(bytes).unwrap())
    };
    hash.iter().map(read).collect()
}
