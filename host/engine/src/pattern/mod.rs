//! Patterns over events: "A, then B within 10 minutes", "no `opened` for 14 days", "a streak of 7 days". `docs/patterns.md` is the
//! reference of the kinds and their keys.
//!
//! A [`Spec`] is what an author wrote, read and checked; a [`State`] is what one live pattern has seen. The engine shows it events in the
//! order of its instance ([`observe`]) and tells it when a deadline has passed ([`tick`]): at `due`, after every event that was accepted
//! at or before that, and before any that was accepted later. What a pattern means follows from the times of acceptance alone, so the
//! outcome is the same after a crash, a backlog of hours, or on a replay.
//!
//! A pattern's own clock is the latest time that it has seen: a consequence inherits the stamp of its cause, which may lie a little
//! behind. Everything that a state keeps has a bound, named here or in its kind.

mod calls;
mod condition;
mod expression;
mod keys;
mod kinds;
mod spec;

use std::{collections::BTreeMap, fmt::Debug};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::{
    model::{Millis, Value},
    schedule::Zone,
};
use calls::{Call, Calls};
pub use kinds::Unit;
use spec::Fields;
pub use spec::SpecError;

/// The kinds of patterns.
pub const KINDS: [&str; 13] = [
    "within", "sequence", "absence", "count", "streak", "debounce", "throttle", "batch", "session", "any", "all",
    "lookback", "history",
];

/// Keys of a pattern with `by` that are followed at once, unless its spec says otherwise.
pub const KEYS_DEFAULT: u64 = 256;
/// The most that a spec may say.
pub const KEYS_MAX: u64 = 4_096;
/// Bytes that the keys of a pattern have together, as MessagePack: past it, as past the bound of keys, the one that was touched longest
/// ago gives way.
pub const KEYED_BYTES_MAX: usize = 1_024 * 1_024;
/// Keys that [`inspect`] shows.
const KEYS_SHOWN: usize = 100;

/// What a pattern looks for, and what it calls.
#[derive(Debug)]
pub struct Spec {
    kind: &'static str,
    rules: Box<dyn Rules>,
    /// Where in the payload the key is that separates what belongs together.
    by: Option<String>,
    keys_max: usize,
    once: bool,
    actions: Vec<String>,
}

/// What a live pattern has seen. Fields are only added, at the end and with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    kind: String,
    /// The latest time that it has seen.
    clock: Millis,
    units: BTreeMap<String, Keyed>,
    /// Keys that were dropped because there were too many.
    dropped: u64,
    over: bool,
    /// Where the keys came from.
    by: Option<String>,
}

/// What was seen of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Keyed {
    touched: Millis,
    unit: Unit,
    /// Bytes of both and of the key as MessagePack; 0 without `by`.
    bytes: usize,
}

impl Keyed {
    /// `key` is none without `by`: what is kept then has a bound of its own.
    fn new(key: Option<&str>, touched: Millis, unit: Unit) -> Self {
        let mut keyed = Self { touched, unit, bytes: 0 };
        keyed.weigh(key);
        keyed
    }

    fn weigh(&mut self, key: Option<&str>) {
        // Beside it: the heads of the key and of this, and two numbers.
        const BESIDE: usize = 24;
        let weigh = |key: &str| key.len() + BESIDE + rmp_serde::to_vec(&self.unit).map_or(0, |bytes| bytes.len());
        self.bytes = key.map_or(0, weigh);
    }
}

/// An event as a pattern sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its payload.
    pub payload: &'a Value,
    /// When it was accepted.
    pub stamp: Millis,
}

/// An action that a pattern calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Fire {
    /// The action.
    pub action: String,
    /// When what it is called for happened.
    pub stamp: Millis,
    /// What it is told: a map with `kind`, `outcome` and what the kind gives.
    pub payload: Value,
}

/// What one kind of pattern does with one key's events.
trait Rules: Debug + Send + Sync {
    /// Whether events of that name concern it.
    fn observes(&self, event: &str) -> bool;
    /// A key's beginning, before its first event; without `by`, the pattern's.
    fn begin(&self, at: Millis, is_keyed: bool) -> Unit;
    /// Whether it can go on with what was kept under another spec of its kind.
    fn fits(&self, unit: &Unit) -> bool;
    /// An event, at the pattern's own clock.
    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, zone: &Zone, calls: &mut Calls);
    /// The next deadline. With `is_keyed` also when what is kept becomes idle, so that keys do not stay for ever.
    fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis>;
    /// The deadline has passed.
    fn tick(&self, unit: &mut Unit, at: Millis, zone: &Zone, calls: &mut Calls);
    /// Whether nothing is kept, so that a key can be forgotten.
    fn is_idle(&self, unit: &Unit) -> bool;
    /// What is kept, for people and for the quest.
    fn inspect(&self, unit: &Unit) -> Map<String, Json>;
    /// The context's time zone is another; whether anything has changed.
    fn rezone(&self, _unit: &mut Unit, _now: Millis, _zone: &Zone) -> bool {
        false
    }
    /// Whether it ends with the first action that it calls, even if its spec does not say so.
    fn is_single(&self) -> bool {
        false
    }
    /// Whether nothing will come of it any more.
    fn is_done(&self, _unit: &Unit) -> bool {
        false
    }
    /// The pattern whose history it begins with.
    fn history(&self) -> Option<&str> {
        None
    }
    /// Takes a history in, as far as it still matters at that time.
    fn seed(&self, _unit: &mut Unit, _history: &Unit, _at: Millis) {}
}

impl Spec {
    /// Reads a spec: a map.
    ///
    /// # Errors
    /// If it is none, if a key is unknown, missing or wrong, or if it names an action that `has_action` does not know.
    pub fn parse(value: &Value, has_action: &dyn Fn(&str) -> bool) -> Result<Self, SpecError> {
        let mut fields = Fields::of(value)?;
        let by = fields.optional_place("by")?;
        let keys_max = fields.optional_whole("keys-max", 1, KEYS_MAX)?;
        let once = fields.flag("once")?;
        let kinds::Known { kind, rules, actions, takes_by, takes_once } = kinds::read(&mut fields)?;
        if by.is_some() && !takes_by {
            return Err(fields.wrong("by", "this kind is about the context as a whole"));
        }
        if keys_max.is_some() && by.is_none() {
            return Err(fields.wrong("keys-max", "it bounds the keys of `by`, which is not there"));
        }
        if once && !takes_once {
            return Err(fields.wrong("once", "this kind goes on until it is cancelled"));
        }
        let actions: Vec<(&'static str, String)> =
            actions.into_iter().filter_map(|(key, it)| Some((key, it?))).collect();
        for (key, action) in &actions {
            if !has_action(action) {
                return Err(fields.wrong(key, format_args!("the quest has no action {action:?}")));
            }
        }
        fields.finish()?;
        let actions = actions.into_iter().map(|(_, action)| action).collect();
        let keys_max = keys_max.unwrap_or(KEYS_DEFAULT) as usize;
        Ok(Self { kind, rules, by, keys_max, once, actions })
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The actions that it may call.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// Whether events of that name concern it.
    pub fn observes(&self, event: &str) -> bool {
        self.rules.observes(event)
    }

    /// The pattern of the same instance whose history it begins with.
    pub fn history(&self) -> Option<&str> {
        self.rules.history()
    }
}

impl State {
    /// Bytes that it takes, about as it is stored.
    pub fn size(&self) -> usize {
        let size = |keyed: &Keyed| match keyed.bytes {
            0 => rmp_serde::to_vec(&keyed.unit).map_or(0, |bytes| bytes.len()),
            bytes => bytes,
        };
        self.units.values().map(size).sum()
    }
}

/// Begins a pattern at `stamp`.
pub fn start(spec: &Spec, stamp: Millis) -> State {
    let mut units = BTreeMap::new();
    if spec.by.is_none() {
        units.insert(String::new(), Keyed::new(None, stamp, spec.rules.begin(stamp, false)));
    }
    State { kind: spec.kind.to_owned(), clock: stamp, units, dropped: 0, over: false, by: spec.by.clone() }
}

/// Takes over what another pattern of the instance remembers ([`Spec::history`]), of the keys that were touched last if it has more.
pub fn seed(spec: &Spec, state: &mut State, history: &State) {
    let is_keyed = spec.by.is_some();
    let mut past: Vec<_> = history.units.iter().filter(|(key, _)| is_keyed != key.is_empty()).collect();
    // So that those which were touched last stay, if there is no room for all.
    past.sort_by_key(|(_, past)| past.touched);
    for (key, past) in past {
        let known = state.units.remove(key);
        let mut unit = known.map_or_else(|| spec.rules.begin(state.clock, is_keyed), |keyed| keyed.unit);
        spec.rules.seed(&mut unit, &past.unit, state.clock);
        if !is_keyed || !spec.rules.is_idle(&unit) {
            insert(spec, state, key, past.touched, unit);
        }
    }
}

/// A state under another spec: it goes on if that spec can take it (`docs/patterns.md` says when), and begins anew otherwise. What
/// depends on the zone is right after [`rezone`].
pub fn resume(spec: &Spec, state: State, stamp: Millis) -> State {
    let fits = |state: &State| state.units.values().all(|keyed| spec.rules.fits(&keyed.unit));
    if state.kind == spec.kind
        && state.by == spec.by
        && state.units.contains_key("") != spec.by.is_some()
        && fits(&state)
    {
        return state;
    }
    start(spec, stamp)
}

/// Shows it an event.
pub fn observe(spec: &Spec, state: &mut State, seen: &Seen<'_>, zone: &Zone) -> Vec<Fire> {
    if state.over || !spec.observes(seen.name) {
        return Vec::new();
    }
    let key = match &spec.by {
        None => String::new(),
        Some(place) => match keys::of(seen.payload, place) {
            Some(key) => key,
            None => return Vec::new(),
        },
    };
    state.clock = state.clock.max(seen.stamp);
    let seen = Seen { stamp: state.clock, ..*seen };
    let mut unit = match state.units.remove(&key) {
        Some(keyed) => keyed.unit,
        None => spec.rules.begin(state.clock, spec.by.is_some()),
    };
    let mut calls = Calls::default();
    spec.rules.observe(&mut unit, &seen, zone, &mut calls);
    if spec.by.is_none() || !spec.rules.is_idle(&unit) {
        insert(spec, state, &key, state.clock, unit);
    }
    told(spec, state, &key, calls)
}

/// Puts a key in that is not there. If there is no room, the one that was touched longest ago gives way.
fn insert(spec: &Spec, state: &mut State, key: &str, touched: Millis, unit: Unit) {
    let keyed = Keyed::new(spec.by.is_some().then_some(key), touched, unit);
    let mut bytes = keyed.bytes + state.units.values().map(|other| other.bytes).sum::<usize>();
    while state.units.len() >= spec.keys_max || bytes > KEYED_BYTES_MAX {
        let oldest = state.units.iter().min_by_key(|(_, other)| other.touched).map(|(key, _)| key.clone());
        let Some(oldest) = oldest.and_then(|key| state.units.remove(&key)) else { break };
        bytes -= oldest.bytes;
        state.dropped += 1;
    }
    state.units.insert(key.to_owned(), keyed);
}

/// When its next deadline is.
pub fn due(spec: &Spec, state: &State) -> Option<Millis> {
    if state.over {
        return None;
    }
    let due = state.units.values().filter_map(|keyed| spec.rules.due(&keyed.unit, spec.by.is_some())).min();
    // Under another spec than it began with, a deadline may lie behind.
    due.map(|due| due.max(state.clock))
}

/// Its deadline has passed: `at` is [`due`].
pub fn tick(spec: &Spec, state: &mut State, at: Millis, zone: &Zone) -> Vec<Fire> {
    state.clock = state.clock.max(at);
    let is_keyed = spec.by.is_some();
    let is_due = |keyed: &Keyed| spec.rules.due(&keyed.unit, is_keyed).is_some_and(|due| due <= at);
    let keys: Vec<String> = state.units.iter().filter(|(_, keyed)| is_due(keyed)).map(|(key, _)| key.clone()).collect();
    let mut fires = Vec::new();
    for key in keys {
        let Some(keyed) = state.units.get_mut(&key).filter(|_| !state.over) else { continue };
        let mut calls = Calls::default();
        spec.rules.tick(&mut keyed.unit, at, zone, &mut calls);
        keyed.weigh(is_keyed.then_some(&key));
        let is_done = spec.rules.is_done(&keyed.unit);
        if is_keyed && spec.rules.is_idle(&keyed.unit) {
            state.units.remove(&key);
        }
        fires.extend(told(spec, state, &key, calls));
        state.over |= is_done;
    }
    fires
}

/// Calls with what every action is told; the first of a pattern that ends with it is the last.
fn told(spec: &Spec, state: &mut State, key: &str, Calls(mut calls): Calls) -> Vec<Fire> {
    if !calls.is_empty() && (spec.once || spec.rules.is_single()) {
        calls.truncate(1);
        state.over = true;
        state.units.clear();
    }
    let fire = |Call { action, outcome, at, told }: Call| {
        let mut fields = vec![("kind", spec.kind.into()), ("outcome", outcome.into())];
        if spec.by.is_some() {
            fields.push(("key", key.into()));
        }
        fields.extend(told);
        Fire { action, stamp: at, payload: calls::map(&fields) }
    };
    calls.into_iter().map(fire).collect()
}

/// What it has seen, as a map.
pub fn inspect(spec: &Spec, state: &State) -> Value {
    let mut shown = Map::new();
    shown.insert("kind".to_owned(), json!(spec.kind));
    if spec.by.is_some() {
        let keys = state.units.iter().take(KEYS_SHOWN);
        let keys: Map<String, Json> =
            keys.map(|(key, keyed)| (key.clone(), Json::Object(spec.rules.inspect(&keyed.unit)))).collect();
        shown.insert("keys".to_owned(), json!(state.units.len()));
        shown.insert("dropped".to_owned(), json!(state.dropped));
        shown.insert("by-key".to_owned(), Json::Object(keys));
    } else if let Some(keyed) = state.units.get("") {
        shown.extend(spec.rules.inspect(&keyed.unit));
    }
    Value::from_json_value(&Json::Object(shown)).unwrap_or_default()
}

/// Whether it has done all that it ever will: its owner removes it.
pub fn is_over(state: &State) -> bool {
    state.over
}

/// The context's time zone is another from now on; whether anything has changed.
pub fn rezone(spec: &Spec, state: &mut State, now: Millis, zone: &Zone) -> bool {
    let mut changed = false;
    for keyed in state.units.values_mut() {
        changed |= spec.rules.rezone(&mut keyed.unit, now, zone);
    }
    changed
}
