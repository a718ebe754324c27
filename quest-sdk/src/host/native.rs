//! The engine's recorder and definer in place of a host: one run, on this thread, without wasm.
//!
//! The same recorder stands behind the host's functions in production, so a unit test meets the same rules and refusals.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use quest_engine::{
    action::{self, Definer, Export, Failure, Invocation, LogLine, Ran, Recorder},
    limits::{ActionLimits, Permissions},
    model::{self, QuestDefinition},
};

use super::Level;
use crate::{Context, Error, Result, Value, error::fail, quest::Entry};

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
    static DEFINER: RefCell<Option<Definer>> = const { RefCell::new(None) };
}

/// Runs `define` of each quest.
pub(crate) fn define(entries: &[Entry]) -> Result<Vec<QuestDefinition>> {
    let mut definer = Definer::default();
    // A module that starts patterns is known by its imports; natively there are none to look at.
    definer.starts_patterns();
    DEFINER.set(Some(definer));
    let result = entries.iter().try_for_each(|entry| (entry.define)());
    let definer = DEFINER.take().unwrap_or_default();
    result?;
    told(definer.finish())
}

/// Runs one invocation, as the wasm runtime does: an error or a panic keeps nothing but the log.
pub(crate) fn run(
    entries: &[Entry],
    definition: Option<&QuestDefinition>,
    invocation: Invocation,
    limits: &ActionLimits,
) -> Ran {
    let Some(entry) = entries.iter().find(|entry| entry.name == invocation.quest) else {
        let message = format!("the module has no quest {:?}", invocation.quest);
        return Failure::of_guest("unknown-quest".to_owned(), message).into();
    };
    let action = match invocation.export {
        Export::Init => "init".to_owned(),
        Export::Perform => invocation.action.clone(),
    };
    RECORDER.set(Some(Recorder::new(invocation, limits.clone(), Permissions::ALL, definition)));
    let outcome = catch_unwind(AssertUnwindSafe(|| (entry.run)(&action, &Context::new())));
    let (changes, mut logs) = RECORDER.take().map(Recorder::finish).unwrap_or_default();
    let result = match outcome {
        Ok(Ok(())) => Ok(changes),
        Ok(Err(error)) => {
            let (code, message) = Error::into_parts(error);
            Err(Failure::of_guest(code, message))
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let message = format!("panicked: {}", text.unwrap_or_default());
            logs.push(LogLine { level: action::Level::Error, message: message.clone() });
            Err(Failure::trap(message))
        }
    };
    Ran { result, logs }
}

fn with<T>(read: impl FnOnce(&mut Recorder) -> T) -> T {
    RECORDER.with_borrow_mut(|recorder| match recorder {
        Some(recorder) => read(recorder),
        None => {
            panic!("a `Context` is of use only while an action runs: drive the quest with `quest_sdk::test::World`")
        }
    })
}

fn record<T>(write: impl FnOnce(&mut Recorder) -> std::result::Result<T, action::Refusal>) -> Result<T> {
    told(with(write))
}

fn defining(write: impl FnOnce(&mut Definer) -> std::result::Result<(), action::Refusal>) -> Result {
    DEFINER.with_borrow_mut(|definer| match definer {
        Some(definer) => told(write(definer)),
        None => panic!("definitions are made by `define` only"),
    })
}

fn told<T>(answer: std::result::Result<T, action::Refusal>) -> Result<T> {
    answer.map_err(|refused| fail(refused.code, refused.message))
}

pub(crate) fn quest() -> String {
    with(|run| run.invocation().quest.clone())
}

pub(crate) fn action() -> String {
    with(|run| run.invocation().action.clone())
}

pub(crate) fn context() -> String {
    with(|run| run.invocation().context.clone())
}

pub(crate) fn instance() -> String {
    with(|run| run.invocation().instance.clone())
}

pub(crate) fn event_name() -> String {
    with(|run| run.invocation().event_name.clone())
}

pub(crate) fn event_id() -> String {
    with(|run| run.invocation().event_id.clone())
}

pub(crate) fn cause() -> String {
    with(|run| run.invocation().cause.as_str().to_owned())
}

pub(crate) fn accepted_at() -> u64 {
    with(|run| run.invocation().accepted_at)
}

pub(crate) fn processed_at() -> u64 {
    with(|run| run.invocation().processed_at)
}

pub(crate) fn attempt() -> u32 {
    with(|run| run.invocation().attempt)
}

pub(crate) fn missed() -> u64 {
    with(|run| run.invocation().missed)
}

pub(crate) fn payload() -> Value {
    with(|run| run.invocation().payload.clone()).into()
}

pub(crate) fn field(pointer: &str) -> Option<Value> {
    with(|run| run.field(pointer)).map(Into::into)
}

pub(crate) fn config(name: &str) -> Option<String> {
    with(|run| run.invocation().config.get(name).cloned())
}

pub(crate) fn variable(name: &str) -> Option<Value> {
    with(|run| run.variable(name).cloned()).map(Into::into)
}

pub(crate) fn variable_names() -> Vec<String> {
    with(|run| run.variable_names())
}

pub(crate) fn set_variable(name: &str, value: Value) -> Result {
    record(|run| run.set_variable(name, model::Value::from(value)))
}

pub(crate) fn remove_variable(name: &str) -> Result<bool> {
    record(|run| run.remove_variable(name))
}

pub(crate) fn set_timer(name: &str, action: &str, due: u64, payload: Value) -> Result {
    record(|run| run.set_timer(name, action, due, model::Value::from(payload)))
}

pub(crate) fn set_timer_after(name: &str, action: &str, delay: u64, payload: Value) -> Result {
    record(|run| run.set_timer_after(name, action, delay, model::Value::from(payload)))
}

pub(crate) fn set_recurrence(name: &str, action: &str, schedule: &str, payload: Value) -> Result {
    record(|run| run.set_recurrence(name, action, schedule, model::Value::from(payload)))
}

pub(crate) fn timer_payload(name: &str) -> Option<Value> {
    with(|run| run.timer(name).map(|timer| timer.payload.as_ref().clone())).map(Into::into)
}

pub(crate) fn timer_schedule(name: &str) -> Option<String> {
    with(|run| run.timer(name).and_then(|timer| Some(timer.recurrence.as_ref()?.schedule.clone())))
}

pub(crate) fn start_pattern(name: &str, spec: Value) -> Result {
    record(|run| run.start_pattern(name, model::Value::from(spec)))
}

pub(crate) fn cancel_pattern(name: &str) -> Result<bool> {
    record(|run| run.cancel_pattern(name))
}

pub(crate) fn pattern_names() -> Vec<String> {
    with(|run| run.pattern_names())
}

pub(crate) fn pattern_state(name: &str) -> Option<Value> {
    with(|run| run.pattern_state(name)).map(Into::into)
}

pub(crate) fn zone() -> String {
    with(|run| run.zone().name().to_owned())
}

pub(crate) fn set_zone(zone: &str) -> Result {
    record(|run| run.set_zone(zone))
}

pub(crate) fn local_time(time: u64) -> String {
    with(|run| run.local_time(time))
}

pub(crate) fn instant(civil: &str) -> Result<u64> {
    record(|run| run.instant(civil))
}

pub(crate) fn cancel_timer(name: &str) -> Result<bool> {
    record(|run| run.cancel_timer(name))
}

pub(crate) fn timer_names() -> Vec<String> {
    with(|run| run.timer_names())
}

pub(crate) fn timer_due(name: &str) -> Option<u64> {
    with(|run| run.timer_due(name))
}

pub(crate) fn emit(context: &str, name: &str, payload: Value) -> Result {
    record(|run| run.emit(context, name, model::Value::from(payload)))
}

pub(crate) fn send(context: &str, quest: &str, action: &str, payload: Value) -> Result {
    record(|run| run.send(context, quest, action, model::Value::from(payload)))
}

pub(crate) fn broadcast(name: &str, payload: Value) -> Result {
    record(|run| run.broadcast(name, model::Value::from(payload)))
}

pub(crate) fn add_quest(quest: &str, context: &str) -> Result {
    record(|run| run.add_quest(quest, context))
}

pub(crate) fn remove_quest(quest: &str, context: &str) -> Result {
    record(|run| run.remove_quest(quest, context))
}

pub(crate) fn active_quests() -> Vec<String> {
    with(|run| run.invocation().active.to_vec())
}

pub(crate) fn publish(topic: &str, payload: Value) -> Result {
    record(|run| run.publish(topic, model::Value::from(payload)))
}

pub(crate) fn reply(value: Value) -> Result {
    record(|run| run.reply(model::Value::from(value)))
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => action::Level::Debug,
        Level::Info => action::Level::Info,
        Level::Warn => action::Level::Warn,
        Level::Error => action::Level::Error,
    };
    with(|run| run.log(level, message));
}

pub(crate) fn random_below(bound: u32) -> u32 {
    with(|run| run.random().below(bound))
}

pub(crate) fn random_unit() -> f64 {
    with(|run| run.random().unit())
}

pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    with(|run| run.random_bytes(count))
}

/// `definition.quest`.
pub fn define_quest(name: &str) -> Result {
    defining(|definer| definer.quest(name))
}

/// `definition.describe`.
pub fn define_description(text: &str) -> Result {
    defining(|definer| definer.describe(text))
}

/// `definition.version`.
pub fn define_version(version: u32) -> Result {
    defining(|definer| definer.version(version))
}

/// `definition.action`.
pub fn define_action(name: &str) -> Result {
    defining(|definer| definer.action(name))
}

/// `definition.on`.
pub fn define_on(action: &str, event: &str) -> Result {
    defining(|definer| definer.on(action, event))
}

/// `definition.add-on`.
pub fn define_add_on(event: &str) -> Result {
    defining(|definer| definer.add_on(event))
}

/// `definition.every`.
pub fn define_every(name: &str, action: &str, schedule: &str) -> Result {
    defining(|definer| definer.every(name, action, schedule))
}

/// `definition.pattern-json`.
pub fn define_pattern(name: &str, spec: &str) -> Result {
    defining(|definer| definer.pattern(name, action::Given::Json(spec)))
}

/// `definition.query`.
pub fn define_query(name: &str) -> Result {
    defining(|definer| definer.query(name))
}

impl From<action::Level> for Level {
    fn from(level: action::Level) -> Self {
        match level {
            action::Level::Debug => Level::Debug,
            action::Level::Info => Level::Info,
            action::Level::Warn => Level::Warn,
            action::Level::Error => Level::Error,
        }
    }
}

impl From<Value> for model::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => model::Value::Null,
            Value::Boolean(value) => model::Value::Boolean(value),
            Value::Integer(value) => model::Value::Integer(value),
            Value::Number(value) => model::Value::Number(value),
            Value::Text(text) => model::Value::Text(text),
            Value::Binary(bytes) => model::Value::Binary(bytes),
            Value::Structure(bytes) => model::Value::Structure(bytes),
        }
    }
}

impl From<model::Value> for Value {
    fn from(value: model::Value) -> Self {
        match value {
            model::Value::Null => Value::Null,
            model::Value::Boolean(value) => Value::Boolean(value),
            model::Value::Integer(value) => Value::Integer(value),
            model::Value::Number(value) => Value::Number(value),
            model::Value::Text(text) => Value::Text(text),
            model::Value::Binary(bytes) => Value::Binary(bytes),
            model::Value::Structure(bytes) => Value::Structure(bytes),
        }
    }
}
