//! What a step expects of a context, as the file says it.

use quest_engine::{
    model::Millis,
    world::{
        Zone,
        time::{self, Pause},
    },
};
use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::{
    keys,
    toml_text::{Reader, Value},
    values,
};

/// What is there after a step. None: not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// The context's quests.
    pub quests: Option<Vec<String>>,
    /// The name of the context's zone.
    pub zone: Option<String>,
    /// Variables by `quest.variable`.
    pub variables: Option<Map<String, Json>>,
    /// Timers by `quest.timer`.
    pub timers: Option<Vec<(String, TimerExpected)>>,
    /// Patterns by `quest.pattern`: whether one is live, or what it has seen.
    pub patterns: Option<Map<String, Json>>,
    /// Messages since they were last looked at.
    pub messages: Option<Vec<Json>>,
    /// Events that actions caused since they were last looked at.
    pub events: Option<Vec<Json>>,
    /// Dead letters since they were last looked at.
    pub dead: Option<Vec<Json>>,
    /// Log lines since they were last looked at.
    pub log: Option<Vec<Json>>,
}

/// An expected timer.
#[derive(Debug, Clone)]
pub enum TimerExpected {
    /// Whether it is set.
    Is(bool),
    /// It is set like this.
    Like {
        /// When it is due.
        at: Option<Due>,
        /// Its `action`, `payload` and `schedule`, as far as they count.
        fields: Map<String, Json>,
    },
}

/// When a timer is due.
#[derive(Debug, Clone)]
pub enum Due {
    /// At this time.
    At(Millis),
    /// So long after the step.
    In(Pause),
}

impl Expect {
    pub(super) fn read<'i>(reader: &mut Reader<'i>, what: &str, value: &Value<'i>, zone: &Zone) -> Option<Self> {
        let table = reader.table(what, value)?;
        reader.check_keys(what, table, keys::EXPECT);
        let mut items = |name: &str, keys: &[&str]| {
            let value = table.get(name)?;
            let what = format!("an item of {name}");
            let list = reader.array(name, value)?;
            all::<_, Vec<Json>>(list.iter().map(|item| values::item(reader, &what, keys, item)))
        };
        let messages = items("messages", keys::MESSAGE);
        let events = items("events", keys::EVENT);
        let dead = items("dead", keys::DEAD);
        let log = items("log", keys::LOG);
        let quests = table.get("quests").and_then(|value| {
            let list = reader.array("quests", value)?;
            all(list.iter().map(|name| reader.text("a quest", name).map(str::to_owned)))
        });
        let variables = table.get("variables").and_then(|value| {
            let named = by_quest(reader, "variables", value)?;
            let read = |(name, value)| Some((name, values::expected(reader, value)?));
            all(named.into_iter().map(read))
        });
        let timers = table.get("timers").and_then(|value| {
            let named = by_quest(reader, "timers", value)?;
            let read = |(name, value)| Some((name, timer(reader, value, zone)?));
            all(named.into_iter().map(read))
        });
        let patterns = table.get("patterns").and_then(|value| {
            let named = by_quest(reader, "patterns", value)?;
            let read = |(name, value)| Some((name, pattern(reader, value)?));
            all(named.into_iter().map(read))
        });
        let zone = table.get("zone").and_then(|value| zone_name(reader, "zone", value));
        Some(Self { quests, zone, variables, timers, patterns, messages, events, dead, log })
    }
}

/// All of them, or none if one is missing; after all were looked at, so that every fault is told.
pub(super) fn all<T, C: FromIterator<T>>(parts: impl Iterator<Item = Option<T>>) -> Option<C> {
    let parts: Vec<Option<T>> = parts.collect();
    parts.into_iter().collect()
}

/// Things of a quest by `"quest.name"`, which may be written as a table for each quest.
fn by_quest<'a, 'i>(reader: &mut Reader<'i>, what: &str, value: &'a Value<'i>) -> Option<Vec<(String, &'a Value<'i>)>> {
    let mut named = Vec::new();
    for (key, value) in reader.table(what, value)?.iter() {
        let name = key.get_ref();
        match value.get_ref() {
            _ if name.contains('.') => named.push((name.to_string(), value)),
            DeValue::Table(table) => {
                named.extend(table.iter().map(|(key, value)| (format!("{name}.{}", key.get_ref()), value)));
            }
            _ => {
                let message = format!("{what} are named \"quest.name\", not {name:?}; or a table for each quest");
                reader.fault(key.span(), message);
            }
        }
    }
    Some(named)
}

/// The name of a zone that there is.
pub(super) fn zone_name<'i>(reader: &mut Reader<'i>, what: &str, value: &Value<'i>) -> Option<String> {
    let name = reader.text(what, value)?.to_owned();
    reader.checked(value, time::zone(&name)).map(|zone| zone.to_string())
}

fn pattern<'i>(reader: &mut Reader<'i>, value: &Value<'i>) -> Option<Json> {
    match value.get_ref() {
        DeValue::Boolean(true) => Some(json!({ "$any": true })),
        DeValue::Boolean(false) => Some(json!({ "$absent": true })),
        DeValue::Table(_) => values::expected(reader, value),
        _ => {
            reader.wrong("a pattern", "true, false, or a table of what it has seen", value);
            None
        }
    }
}

fn timer<'i>(reader: &mut Reader<'i>, value: &Value<'i>, zone: &Zone) -> Option<TimerExpected> {
    match value.get_ref() {
        DeValue::Boolean(is_set) => Some(TimerExpected::Is(*is_set)),
        DeValue::Table(table) => timer_like(reader, value, table, zone),
        _ => {
            let at = Some(Due::At(time(reader, value, zone)?));
            Some(TimerExpected::Like { at, fields: Map::new() })
        }
    }
}

fn timer_like<'i>(
    reader: &mut Reader<'i>,
    value: &Value<'i>,
    table: &DeTable<'i>,
    zone: &Zone,
) -> Option<TimerExpected> {
    reader.check_keys("a timer", table, keys::TIMER);
    let at = match (table.get("at"), table.get("in")) {
        (Some(at), None) => Some(Due::At(time(reader, at, zone)?)),
        (None, Some(pause)) => {
            let text = reader.text("in", pause)?;
            Some(Due::In(reader.checked(pause, Pause::parse(text))?))
        }
        (None, None) => None,
        (Some(_), Some(_)) => {
            reader.fault(value.span(), "a timer has one of at and in".to_owned());
            return None;
        }
    };
    let mut fields = Map::new();
    for name in ["action", "payload", "schedule"] {
        if let Some(value) = table.get(name) {
            fields.insert(name.to_owned(), values::expected(reader, value)?);
        }
    }
    Some(TimerExpected::Like { at, fields })
}

/// A time in the scenario's zone.
pub(super) fn time<'i>(reader: &mut Reader<'i>, value: &Value<'i>, zone: &Zone) -> Option<Millis> {
    let text = reader.time_text("this", value)?;
    reader.checked(value, time::read(&text, zone))
}
