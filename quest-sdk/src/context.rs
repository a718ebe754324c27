//! What an action sees and does: the event in hand, and effects that are kept only if the action succeeds.

use std::{fmt::Display, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{CodecError, Result, Value, error::fail, from_value, host, host::Level, time::millis, to_value};

/// The event in hand, and what an action may do. Effects are recorded, and happen only if the action succeeds.
///
/// Payloads are whatever serde serialises; `()` is no payload. In a query all effects are refused.
#[derive(Debug)]
pub struct Context {
    _private: (),
}

/// Why an action runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// An event arrived.
    Event,
    /// A timer fired.
    Timer,
    /// It was called directly.
    Call,
    /// A read-only question.
    Query,
    /// A pattern over events was met, or its time passed.
    Pattern,
    /// The quest was added, removed or upgraded.
    Lifecycle,
    /// One that this version of the SDK does not know.
    Other(String),
}

impl Context {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }

    /// The quest's name.
    pub fn quest(&self) -> String {
        host::quest()
    }

    /// The action's name.
    pub fn action(&self) -> String {
        host::action()
    }

    /// The context: whom or what the event is about.
    pub fn context(&self) -> String {
        host::context()
    }

    /// The instance's id: random, new each time that the quest is added to the context.
    pub fn instance(&self) -> String {
        host::instance()
    }

    /// The event's name, or the timer's or the pattern's; empty when there is none.
    pub fn event_name(&self) -> String {
        host::event_name()
    }

    /// The event's id.
    pub fn event_id(&self) -> String {
        host::event_id()
    }

    /// Why the action runs.
    pub fn cause(&self) -> Cause {
        let word = host::cause();
        match word.as_str() {
            "event" => Cause::Event,
            "timer" => Cause::Timer,
            "call" => Cause::Call,
            "query" => Cause::Query,
            "pattern" => Cause::Pattern,
            "lifecycle" => Cause::Lifecycle,
            _ => Cause::Other(word),
        }
    }

    /// When the event was accepted, or the timer was due, in Unix milliseconds: the clock to reckon with. A retry sees the same.
    pub fn accepted_at(&self) -> u64 {
        host::accepted_at()
    }

    /// When this run began, in Unix milliseconds.
    pub fn processed_at(&self) -> u64 {
        host::processed_at()
    }

    /// How long after its time this run began: a timer's lateness. It differs from try to try: let no decision rest on it.
    pub fn lateness(&self) -> Duration {
        Duration::from_millis(self.processed_at().saturating_sub(self.accepted_at()))
    }

    /// For a recurrence: how many runs were left out just before this one, because the host was down.
    pub fn missed(&self) -> u64 {
        host::missed()
    }

    /// 1 at the first try.
    pub fn attempt(&self) -> u32 {
        host::attempt()
    }

    /// The event's payload. One that is no `T` fails the action for good, with the code `invalid-payload`.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T> {
        from_value(host::payload()).map_err(invalid_payload)
    }

    /// One place in the payload, as a JSON Pointer: `/amount`, `/items/0/name`; none if there is none.
    pub fn field<T: DeserializeOwned>(&self, pointer: &str) -> Result<Option<T>> {
        host::field(pointer).map(from_value).transpose().map_err(|error| at("invalid-payload", pointer, &error))
    }

    /// The operator's setting of that name for this quest.
    pub fn config(&self, name: &str) -> Option<String> {
        host::config(name)
    }

    /// Sends an event to every subscribed action of this context.
    pub fn emit(&self, event: &str, payload: impl Serialize) -> Result {
        self.emit_to(&self.context(), event, payload)
    }

    /// Sends an event to every subscribed action of another context.
    pub fn emit_to(&self, context: &str, event: &str, payload: impl Serialize) -> Result {
        host::emit(context, event, value_of(&payload)?)
    }

    /// Sends an event to one action of one quest in a context.
    pub fn send(&self, context: &str, quest: &str, action: &str, payload: impl Serialize) -> Result {
        host::send(context, quest, action, value_of(&payload)?)
    }

    /// Sends an event to every context that has a subscribed quest.
    pub fn broadcast(&self, event: &str, payload: impl Serialize) -> Result {
        host::broadcast(event, value_of(&payload)?)
    }

    /// Publishes a message for the world outside: delivered at least once, with a stable key.
    pub fn publish(&self, topic: &str, payload: impl Serialize) -> Result {
        host::publish(topic, value_of(&payload)?)
    }

    /// Answers a call or a query; the last answer counts. What an action returns is its answer too.
    pub fn reply(&self, answer: impl Serialize) -> Result {
        host::reply(value_of(&answer)?)
    }

    /// Adds a quest to this context, unless it is there.
    pub fn add_quest(&self, quest: &str) -> Result {
        self.add_quest_to(&self.context(), quest)
    }

    /// Adds a quest to another context, unless it is there.
    pub fn add_quest_to(&self, context: &str, quest: &str) -> Result {
        host::add_quest(quest, context)
    }

    /// Removes a quest from this context, if it is there; it may be this one.
    pub fn remove_quest(&self, quest: &str) -> Result {
        self.remove_quest_from(&self.context(), quest)
    }

    /// Removes a quest from another context, if it is there.
    pub fn remove_quest_from(&self, context: &str, quest: &str) -> Result {
        host::remove_quest(quest, context)
    }

    /// The quests of this context, as they were when the action began.
    pub fn active_quests(&self) -> Vec<String> {
        host::active_quests()
    }

    /// This instance's timers.
    pub fn timers(&self) -> Timers {
        Timers(())
    }

    /// This instance's patterns over events.
    pub fn patterns(&self) -> Patterns {
        Patterns(())
    }

    /// The wall clock of this context: its time zone, and civil times in it.
    pub fn clock(&self) -> Clock {
        Clock(())
    }

    /// This instance's variables by name, for quests that keep them in no struct.
    pub fn variables(&self) -> VariablesByName {
        VariablesByName(())
    }

    /// The quest's log; lines are kept even if the action fails.
    pub fn log(&self) -> Log {
        Log(())
    }

    /// Random numbers: the same for each try of the same event. Not for secrets.
    pub fn random(&self) -> Random {
        Random(())
    }
}

/// Timers of the instance. One of the same name is moved; all go when the quest is removed from the context.
#[derive(Debug)]
pub struct Timers(());

impl Timers {
    /// Calls `action` once `delay` has passed since the event was accepted.
    pub fn after(&self, name: &str, delay: Duration, action: &str) -> Result {
        host::set_timer_after(name, action, millis(delay), Value::Null)
    }

    /// As [`Timers::after`], with a payload for the action.
    pub fn after_with(&self, name: &str, delay: Duration, action: &str, payload: impl Serialize) -> Result {
        host::set_timer_after(name, action, millis(delay), value_of(&payload)?)
    }

    /// Calls `action` at `time`, in Unix milliseconds; at once if that has passed.
    pub fn at(&self, name: &str, time: u64, action: &str) -> Result {
        host::set_timer(name, action, time, Value::Null)
    }

    /// As [`Timers::at`], with a payload for the action.
    pub fn at_with(&self, name: &str, time: u64, action: &str, payload: impl Serialize) -> Result {
        host::set_timer(name, action, time, value_of(&payload)?)
    }

    /// Calls `action` again and again, by a schedule: `"every 3 days at 09:00"` (docs/schedules.md).
    pub fn every(&self, name: &str, schedule: &str, action: &str) -> Result {
        host::set_recurrence(name, action, schedule, Value::Null)
    }

    /// As [`Timers::every`], with a payload for the action.
    pub fn every_with(&self, name: &str, schedule: &str, action: &str, payload: impl Serialize) -> Result {
        host::set_recurrence(name, action, schedule, value_of(&payload)?)
    }

    /// Cancels a timer; says whether there was one.
    pub fn cancel(&self, name: &str) -> Result<bool> {
        host::cancel_timer(name)
    }

    /// The names of all that are set.
    pub fn names(&self) -> Vec<String> {
        host::timer_names()
    }

    /// When a timer is due (next), in Unix milliseconds; none if it is not set.
    pub fn due(&self, name: &str) -> Option<u64> {
        host::timer_due(name)
    }

    /// A timer's payload; none if it is not set.
    pub fn payload<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        host::timer_payload(name).map(from_value).transpose().map_err(|error| at("invalid-payload", name, &error))
    }

    /// The schedule of a timer that comes again; none if it is not set, or comes once.
    pub fn schedule(&self, name: &str) -> Option<String> {
        host::timer_schedule(name)
    }
}

/// Patterns over events (docs/patterns.md). Those that `#[pattern]` declares begin by themselves.
#[derive(Debug)]
pub struct Patterns(());

impl Patterns {
    /// Starts a pattern, or begins the one of that name anew. It sees the events that are accepted after the one in hand. The spec is a map:
    /// `json!({"kind": "absence", "of": "opened", "for": "14 days", "action": "miss_you"})`.
    pub fn start(&self, name: &str, spec: impl Serialize) -> Result {
        host::start_pattern(name, value_of(&spec)?)
    }

    /// Cancels a pattern; says whether there was one.
    pub fn cancel(&self, name: &str) -> Result<bool> {
        host::cancel_pattern(name)
    }

    /// The names of all that are live.
    pub fn names(&self) -> Vec<String> {
        host::pattern_names()
    }

    /// What a pattern has seen, as a map; none if there is none, or if this action started it.
    pub fn state<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        host::pattern_state(name).map(from_value).transpose().map_err(|error| at("invalid-pattern", name, &error))
    }
}

/// The wall clock of the context.
#[derive(Debug)]
pub struct Clock(());

impl Clock {
    /// The context's time zone: the host's default, unless one was set.
    pub fn zone(&self) -> String {
        host::zone()
    }

    /// Sets the context's time zone, for all its quests. What recurs by the context's zone is planned anew.
    pub fn set_zone(&self, zone: &str) -> Result {
        host::set_zone(zone)
    }

    /// A Unix time in milliseconds as the wall clock shows it: `2026-03-28T09:00:00.000+01:00[Europe/Berlin]`.
    pub fn local(&self, time: u64) -> String {
        host::local_time(time)
    }

    /// The Unix time in milliseconds at which the wall clock shows a civil time, such as `2026-03-28 09:00`.
    pub fn instant(&self, civil: &str) -> Result<u64> {
        host::instant(civil)
    }
}

/// Variables by name.
#[derive(Debug)]
pub struct VariablesByName(());

impl VariablesByName {
    /// A variable; none if it was never set.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        host::variable(name).map(from_value).transpose().map_err(|error| invalid_variable(name, &error))
    }

    /// Sets a variable.
    pub fn set(&self, name: &str, value: impl Serialize) -> Result {
        host::set_variable(name, to_value(&value).map_err(|error| invalid_variable(name, &error))?)
    }

    /// Removes a variable; says whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool> {
        host::remove_variable(name)
    }

    /// The names of all that are set.
    pub fn names(&self) -> Vec<String> {
        host::variable_names()
    }
}

/// The quest's log.
#[derive(Debug)]
pub struct Log(());

impl Log {
    /// For whoever debugs the quest.
    pub fn debug(&self, message: impl Display) {
        host::log(Level::Debug, &message.to_string());
    }

    /// Worth telling.
    pub fn info(&self, message: impl Display) {
        host::log(Level::Info, &message.to_string());
    }

    /// Not as it should be.
    pub fn warn(&self, message: impl Display) {
        host::log(Level::Warn, &message.to_string());
    }

    /// Something failed.
    pub fn error(&self, message: impl Display) {
        host::log(Level::Error, &message.to_string());
    }
}

/// Random numbers.
#[derive(Debug)]
pub struct Random(());

impl Random {
    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&self, bound: u32) -> u32 {
        host::random_below(bound)
    }

    /// A number from 0 up to, but not including, 1.
    pub fn unit(&self) -> f64 {
        host::random_unit()
    }

    /// `count` bytes.
    pub fn bytes(&self, count: u32) -> Vec<u8> {
        host::random_bytes(count)
    }
}

fn value_of<T: Serialize>(data: &T) -> Result<Value> {
    to_value(data).map_err(|error| fail("invalid-value", error.to_string()))
}

fn invalid_payload(error: CodecError) -> crate::Error {
    fail("invalid-payload", error.to_string())
}

pub(crate) fn invalid_variable(name: &str, error: &CodecError) -> crate::Error {
    at("invalid-variable", name, error)
}

fn at(code: &str, place: &str, error: &CodecError) -> crate::Error {
    let mut message = String::from(place);
    message.push_str(": ");
    message.push_str(&error.to_string());
    fail(code, message)
}
