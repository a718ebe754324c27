//! The contract's imports.

use bindings::quest::host::{self as import, types};

pub(crate) use import::{
    clock::{local as local_time, zone},
    config::get as config,
    current::{
        accepted_at, action, attempt, cause, context, event_id, event_name, instance, missed, processed_at, quest,
    },
    patterns::names as pattern_names,
    quests::active as active_quests,
    random::{below as random_below, bytes as random_bytes, unit as random_unit},
    timers::{due as timer_due, names as timer_names, schedule as timer_schedule},
    variables::names as variable_names,
};

use super::Level;
use crate::{Error, Result, Value, error::fail};

/// What wit-bindgen makes of the contract. `module!` exports it from the author's crate.
#[allow(unsafe_code, missing_docs, missing_debug_implementations, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "quest",
        pub_export_macro: true,
        export_macro_name: "export_guest",
        default_bindings_module: "quest_sdk::__private::bindings",
    });
}

type Answer<T = ()> = std::result::Result<T, types::Error>;

pub(crate) fn payload() -> Value {
    import::current::payload().into()
}

pub(crate) fn field(pointer: &str) -> Option<Value> {
    import::current::field(pointer).map(Into::into)
}

pub(crate) fn variable(name: &str) -> Option<Value> {
    import::variables::get(name).map(Into::into)
}

pub(crate) fn set_variable(name: &str, value: Value) -> Result {
    told(import::variables::set(name, &value.into()))
}

pub(crate) fn remove_variable(name: &str) -> Result<bool> {
    told(import::variables::remove(name))
}

pub(crate) fn set_timer(name: &str, action: &str, due: u64, payload: Value) -> Result {
    told(import::timers::at(name, action, due, &payload.into()))
}

pub(crate) fn set_timer_after(name: &str, action: &str, delay: u64, payload: Value) -> Result {
    told(import::timers::after(name, action, delay, &payload.into()))
}

pub(crate) fn set_recurrence(name: &str, action: &str, schedule: &str, payload: Value) -> Result {
    told(import::timers::every(name, action, schedule, &payload.into()))
}

pub(crate) fn timer_payload(name: &str) -> Option<Value> {
    import::timers::payload(name).map(Into::into)
}

pub(crate) fn start_pattern(name: &str, spec: Value) -> Result {
    told(import::patterns::start(name, &spec.into()))
}

pub(crate) fn cancel_pattern(name: &str) -> Result<bool> {
    told(import::patterns::cancel(name))
}

pub(crate) fn pattern_state(name: &str) -> Option<Value> {
    import::patterns::state(name).map(Into::into)
}

pub(crate) fn set_zone(zone: &str) -> Result {
    told(import::clock::set_zone(zone))
}

pub(crate) fn instant(civil: &str) -> Result<u64> {
    told(import::clock::instant(civil))
}

pub(crate) fn cancel_timer(name: &str) -> Result<bool> {
    told(import::timers::cancel(name))
}

pub(crate) fn emit(context: &str, name: &str, payload: Value) -> Result {
    told(import::events::emit(context, name, &payload.into()))
}

pub(crate) fn send(context: &str, quest: &str, action: &str, payload: Value) -> Result {
    told(import::events::send(context, quest, action, &payload.into()))
}

pub(crate) fn broadcast(name: &str, payload: Value) -> Result {
    told(import::events::broadcast(name, &payload.into()))
}

pub(crate) fn add_quest(quest: &str, context: &str) -> Result {
    told(import::quests::add(quest, context))
}

pub(crate) fn remove_quest(quest: &str, context: &str) -> Result {
    told(import::quests::remove(quest, context))
}

pub(crate) fn publish(topic: &str, payload: Value) -> Result {
    told(import::messages::publish(topic, &payload.into()))
}

pub(crate) fn reply(value: Value) -> Result {
    told(import::reply::set(&value.into()))
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => import::log::Level::Debug,
        Level::Info => import::log::Level::Info,
        Level::Warn => import::log::Level::Warn,
        Level::Error => import::log::Level::Error,
    };
    import::log::write(level, message);
}

/// `definition.quest`.
pub fn define_quest(name: &str) -> Result {
    told(import::definition::quest(name))
}

/// `definition.describe`.
pub fn define_description(text: &str) -> Result {
    told(import::definition::describe(text))
}

/// `definition.version`.
pub fn define_version(version: u32) -> Result {
    told(import::definition::version(version))
}

/// `definition.action`.
pub fn define_action(name: &str) -> Result {
    told(import::definition::action(name))
}

/// `definition.on`.
pub fn define_on(action: &str, event: &str) -> Result {
    told(import::definition::on(action, event))
}

/// `definition.add-on`.
pub fn define_add_on(event: &str) -> Result {
    told(import::definition::add_on(event))
}

/// `definition.every`.
pub fn define_every(name: &str, action: &str, schedule: &str) -> Result {
    told(import::definition::every(name, action, schedule))
}

/// `definition.pattern-json`.
pub fn define_pattern(name: &str, spec: &str) -> Result {
    told(import::definition::pattern_json(name, spec))
}

/// `definition.query`.
pub fn define_query(name: &str) -> Result {
    told(import::definition::query(name))
}

fn told<T>(answer: Answer<T>) -> Result<T> {
    answer.map_err(|refused| fail(refused.code, refused.message))
}

/// What an export gives back to the host.
pub fn answer(result: Result) -> Answer {
    result.map_err(|error: Error| {
        let (code, message) = error.into_parts();
        types::Error { code, message }
    })
}

impl From<Value> for types::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => types::Value::Null,
            Value::Boolean(value) => types::Value::Boolean(value),
            Value::Integer(value) => types::Value::Integer(value),
            Value::Number(value) => types::Value::Number(value),
            Value::Text(text) => types::Value::Text(text),
            Value::Binary(bytes) => types::Value::Binary(bytes),
            Value::Structure(bytes) => types::Value::Structure(bytes),
        }
    }
}

impl From<types::Value> for Value {
    fn from(value: types::Value) -> Self {
        match value {
            types::Value::Null => Value::Null,
            types::Value::Boolean(value) => Value::Boolean(value),
            types::Value::Integer(value) => Value::Integer(value),
            types::Value::Number(value) => Value::Number(value),
            types::Value::Text(text) => Value::Text(text),
            types::Value::Binary(bytes) => Value::Binary(bytes),
            types::Value::Structure(bytes) => Value::Structure(bytes),
        }
    }
}
