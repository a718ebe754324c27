//! Reads scenario files.

use std::{collections::BTreeMap, path::PathBuf};

use quest_engine::{
    model::{check_context, check_event, check_name},
    world::{
        BEGINNING, Zone,
        time::{Pause, zone as zone_of},
    },
};
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::{
    Answer, Fault, File, Scenario, Step, Verb, When, expect,
    expect::Expect,
    keys,
    toml_text::{Reader, Value},
    values,
};

/// The context of a step that names none.
const CONTEXT: &str = "user-1";
/// How often a step may be repeated: years of minutes.
const REPEAT_MAX: u64 = 10_000_000;

/// What a file says for all of its scenarios.
#[derive(Clone, Default)]
struct Common {
    zone: Zone,
    start: Option<u64>,
    context: String,
    config: BTreeMap<String, BTreeMap<String, String>>,
}

impl File {
    /// Reads a file's text; or tells what is wrong with it, in order of place.
    pub fn read(text: &str) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new(text);
        let file = read_file(&mut reader);
        let faults = reader.into_faults();
        match file {
            Some(file) if faults.is_empty() => Ok(file),
            _ => Err(faults),
        }
    }
}

fn read_file(reader: &mut Reader<'_>) -> Option<File> {
    let root = reader.parse()?;
    let table = root.get_ref();
    reader.check_keys("a scenario file", table, keys::FILE);
    let modules = table.get("module").map_or(Some(Vec::new()), |value| modules(reader, value));
    let common = Common { context: CONTEXT.to_owned(), ..Common::default() };
    let common = read_common(reader, table, &common);
    let Some(list) = table.get("scenario") else {
        reader.fault(0..0, "a scenario file has at least one [[scenario]]".to_owned());
        return None;
    };
    let list = reader.array("scenario", list)?;
    let scenarios = expect::all(list.iter().map(|value| scenario(reader, value, &common)));
    Some(File { modules: modules?, scenarios: scenarios? })
}

fn modules<'i>(reader: &mut Reader<'i>, value: &Value<'i>) -> Option<Vec<PathBuf>> {
    let one = |reader: &mut Reader<'i>, value: &Value<'i>| reader.text("a module", value).map(PathBuf::from);
    match value.get_ref() {
        DeValue::Array(list) => expect::all(list.iter().map(|value| one(reader, value))),
        _ => Some(vec![one(reader, value)?]),
    }
}

/// What a file says for its scenarios, and each for itself. The zone counts for all times beside it.
fn read_common<'i>(reader: &mut Reader<'i>, table: &DeTable<'i>, outer: &Common) -> Common {
    let mut common = outer.clone();
    if let Some(zone) = table.get("zone") {
        let name = reader.text("zone", zone).map(str::to_owned);
        let zone = name.and_then(|name| reader.checked(zone, zone_of(&name)));
        common.zone = zone.unwrap_or_default();
    }
    if let Some(start) = table.get("start") {
        common.start = expect::time(reader, start, &common.zone).or(common.start);
    }
    if let Some(context) = table.get("context") {
        common.context = self::context(reader, context).unwrap_or(common.context);
    }
    if let Some(config) = table.get("config").and_then(|value| reader.table("config", value)) {
        for (quest, settings) in config.iter() {
            let Some(settings) = reader.table("the settings of a quest", settings) else { continue };
            for (name, value) in settings.iter() {
                if let Some(value) = reader.text("a setting of a quest", value) {
                    let own = common.config.entry(quest.get_ref().to_string()).or_default();
                    own.insert(name.get_ref().to_string(), value.to_owned());
                }
            }
        }
    }
    common
}

fn scenario<'i>(reader: &mut Reader<'i>, value: &Value<'i>, outer: &Common) -> Option<Scenario> {
    let table = reader.table("a scenario", value)?;
    reader.check_keys("a scenario", table, keys::SCENARIO);
    let common = read_common(reader, table, outer);
    let name = match table.get("name") {
        Some(name) => reader.text("name", name).map(str::to_owned),
        None => {
            reader.fault(value.span(), "a scenario has a name".to_owned());
            None
        }
    };
    let steps = match table.get("steps") {
        Some(steps) => {
            let list = reader.array("steps", steps);
            list.and_then(|list| expect::all(list.iter().map(|value| step(reader, value, &common))))
        }
        None => {
            reader.fault(value.span(), "a scenario has steps".to_owned());
            None
        }
    };
    Some(Scenario {
        name: name?,
        line: reader.line(&value.span()),
        zone: common.zone,
        start: common.start.unwrap_or(BEGINNING),
        config: common.config,
        steps: steps?,
    })
}

fn step<'i>(reader: &mut Reader<'i>, value: &Value<'i>, common: &Common) -> Option<Step> {
    let table = reader.table("a step", value)?;
    reader.check_keys("a step", table, keys::STEP);
    let verb = verb(reader, table);
    let is_asked = ["call", "query"].iter().any(|name| table.contains_key(*name));
    let takes_payload = ["send", "send_to", "broadcast", "call", "query"].iter().any(|name| table.contains_key(*name));
    let payload = match table.get("payload") {
        Some(payload) if !takes_payload => {
            let what = "payload belongs to send, send_to, broadcast, call or query";
            reader.fault(payload.span(), what.to_owned());
            None
        }
        Some(payload) => reader.json(payload),
        None => Some(Json::Null),
    };
    let context = match table.get("context") {
        Some(value) => context(reader, value),
        None => Some(common.context.clone()),
    };
    let repeat = table.get("repeat").map_or(Some(1), |value| reader.count("repeat", value, 1..REPEAT_MAX + 1));
    let when = when(reader, table, &common.zone);
    let answer = if is_asked { answer(reader, table) } else { None };
    if let (false, Some(fails)) = (is_asked, table.get("fails")) {
        reader.fault(fails.span(), "fails belongs to call or query; what an event led to is in dead".to_owned());
    }
    let mut expected = |name: &str| {
        let value = table.get(name).filter(|_| !is_asked)?;
        Expect::read(reader, name, value, &common.zone)
    };
    let (expect, exactly) = (expected("expect"), expected("exactly"));
    if table.is_empty() {
        reader.fault(value.span(), "a step does something, lets time pass, or expects something".to_owned());
    }
    Some(Step {
        line: reader.line(&value.span()),
        when,
        verb,
        payload: payload?,
        context: context?,
        repeat: repeat?,
        answer,
        expect,
        exactly,
    })
}

fn context<'i>(reader: &mut Reader<'i>, value: &Value<'i>) -> Option<String> {
    let name = reader.text("context", value)?.to_owned();
    reader.checked(value, check_context(&name))?;
    Some(name)
}

fn when<'i>(reader: &mut Reader<'i>, table: &DeTable<'i>, zone: &Zone) -> Option<When> {
    match (table.get("after"), table.get("at")) {
        (Some(after), None) => {
            let text = reader.text("after", after)?.to_owned();
            Some(When::After(reader.checked(after, Pause::parse(&text))?))
        }
        (None, Some(at)) => Some(When::At(expect::time(reader, at, zone)?)),
        (None, None) => None,
        (Some(_), Some(at)) => {
            reader.fault(at.span(), "a step has one of after and at".to_owned());
            None
        }
    }
}

fn verb<'i>(reader: &mut Reader<'i>, table: &DeTable<'i>) -> Option<Verb> {
    let mut named = table.iter().filter(|(key, _)| keys::VERBS.contains(&key.get_ref().as_ref()));
    let (key, value) = named.next()?;
    if let Some((other, _)) = named.next() {
        let message = format!("a step does one thing: {} or {}", key.get_ref(), other.get_ref());
        reader.fault(other.span(), message);
        return None;
    }
    let text = reader.text(key.get_ref(), value)?.to_owned();
    let quest = |reader: &mut Reader<'i>| reader.checked(value, check_name("quest", &text)).map(|_| text.clone());
    let event = |reader: &mut Reader<'i>| reader.checked(value, check_event(&text)).map(|_| text.clone());
    let selector = |reader: &mut Reader<'i>| {
        let Some((quest, action)) = text.split_once('.') else {
            reader.fault(value.span(), format!("{} names \"quest.action\", not {text:?}", key.get_ref()));
            return None;
        };
        reader.checked(value, check_name("quest", quest))?;
        reader.checked(value, check_name("action", action))?;
        Some((quest.to_owned(), action.to_owned()))
    };
    Some(match key.get_ref().as_ref() {
        "add" => Verb::Add(quest(reader)?),
        "remove" => Verb::Remove(quest(reader)?),
        "send" => Verb::Send(event(reader)?),
        "broadcast" => Verb::Broadcast(event(reader)?),
        "set_zone" => Verb::SetZone(expect::zone_name(reader, "set_zone", value)?),
        other => {
            let (quest, action) = selector(reader)?;
            match other {
                "call" => Verb::Call(quest, action),
                "query" => Verb::Query(quest, action),
                _ => Verb::SendTo(quest, action),
            }
        }
    })
}

fn answer<'i>(reader: &mut Reader<'i>, table: &DeTable<'i>) -> Option<Answer> {
    let mut given = ["expect", "exactly", "fails"].into_iter().filter_map(|name| Some((name, table.get(name)?)));
    let (name, value) = given.next()?;
    if let Some((other, value)) = given.next() {
        reader.fault(value.span(), format!("an answer is compared with one of {name} and {other}"));
        return None;
    }
    Some(match name {
        "fails" => Answer::Fails(values::item(reader, "fails", keys::FAILS, value)?),
        name => Answer::Is { value: values::expected(reader, value)?, whole: name == "exactly" },
    })
}
