//! The border: host functions of the contract as thin layers over the engine's recorder and definer.
//!
//! Nothing here decides anything: what a function means, what it refuses and with which code stands in `quest_engine::action`.

use quest_engine::{
    action::{Definer, Given, Level, Recorder, Refusal, Seed},
    model::Value as ModelValue,
};
use wasmtime::component::HasSelf;

use super::run::{Phase, Run};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "quest",
    imports: { default: trappable },
});

pub(super) use exports::quest::host::guest::Error as GuestError;
use quest::host::{log::Level as WitLevel, types::Error, types::Value};

type Trappable<T> = wasmtime::Result<T>;
type Refusable<T> = Trappable<Result<T, Error>>;

impl Run {
    /// The recorder; in `define` there is none, and reading the event there is a bug of the quest.
    fn run(&mut self) -> Trappable<&mut Recorder> {
        match &mut self.phase {
            Phase::Running(recorder) => Ok(recorder),
            Phase::Defining(_) => Err(wasmtime::Error::msg(
                "the event, its variables and its effects are there inside `init` and `perform` only, not in `define`",
            )),
        }
    }

    fn random(&mut self) -> &mut Seed {
        match &mut self.phase {
            Phase::Running(recorder) => recorder.random(),
            Phase::Defining(_) => &mut self.define_random,
        }
    }

    fn definer(&mut self) -> Result<&mut Definer, Error> {
        match &mut self.phase {
            Phase::Defining(definer) => Ok(definer),
            Phase::Running(_) => Err(Error {
                code: "not-in-define".to_owned(),
                message: "definitions are made in `define` only".to_owned(),
            }),
        }
    }

    fn define(&mut self, say: impl FnOnce(&mut Definer) -> Result<(), Refusal>) -> Refusable<()> {
        Ok(self.definer().and_then(|definer| say(definer).map_err(refused)))
    }
}

/// Links the contract's functions.
pub(super) fn link(linker: &mut wasmtime::component::Linker<Run>) -> wasmtime::Result<()> {
    Quest::add_to_linker::<_, HasSelf<_>>(linker, |run: &mut Run| run)
}

fn refused(refusal: Refusal) -> Error {
    Error { code: refusal.code.to_owned(), message: refusal.message }
}

fn inward(value: Value) -> ModelValue {
    match value {
        Value::Null => ModelValue::Null,
        Value::Boolean(value) => ModelValue::Boolean(value),
        Value::Integer(value) => ModelValue::Integer(value),
        Value::Number(value) => ModelValue::Number(value),
        Value::Text(value) => ModelValue::Text(value),
        Value::Binary(value) => ModelValue::Binary(value),
        Value::Structure(value) => ModelValue::Structure(value),
    }
}

fn outward(value: &ModelValue) -> Value {
    match value.clone() {
        ModelValue::Null => Value::Null,
        ModelValue::Boolean(value) => Value::Boolean(value),
        ModelValue::Integer(value) => Value::Integer(value),
        ModelValue::Number(value) => Value::Number(value),
        ModelValue::Text(value) => Value::Text(value),
        ModelValue::Binary(value) => Value::Binary(value),
        ModelValue::Structure(value) => Value::Structure(value),
    }
}

impl quest::host::types::Host for Run {}

impl quest::host::definition::Host for Run {
    fn quest(&mut self, name: String) -> Refusable<()> {
        self.define(|definer| definer.quest(&name))
    }

    fn describe(&mut self, text: String) -> Refusable<()> {
        self.define(|definer| definer.describe(&text))
    }

    fn version(&mut self, version: u32) -> Refusable<()> {
        self.define(|definer| definer.version(version))
    }

    fn action(&mut self, name: String) -> Refusable<()> {
        self.define(|definer| definer.action(&name))
    }

    fn on(&mut self, action: String, event: String) -> Refusable<()> {
        self.define(|definer| definer.on(&action, &event))
    }

    fn add_on(&mut self, event: String) -> Refusable<()> {
        self.define(|definer| definer.add_on(&event))
    }

    fn every(&mut self, name: String, action: String, schedule: String) -> Refusable<()> {
        self.define(|definer| definer.every(&name, &action, &schedule))
    }

    fn pattern(&mut self, name: String, spec: Value) -> Refusable<()> {
        self.define(|definer| definer.pattern(&name, inward(spec)))
    }

    fn pattern_json(&mut self, name: String, spec: String) -> Refusable<()> {
        self.define(|definer| definer.pattern(&name, Given::Json(&spec)))
    }

    fn query(&mut self, name: String) -> Refusable<()> {
        self.define(|definer| definer.query(&name))
    }
}

impl quest::host::current::Host for Run {
    fn quest(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().quest.clone())
    }

    fn action(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().action.clone())
    }

    fn context(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().context.clone())
    }

    fn instance(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().instance.clone())
    }

    fn event_name(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().event_name.clone())
    }

    fn event_id(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().event_id.clone())
    }

    fn cause(&mut self) -> Trappable<String> {
        Ok(self.run()?.invocation().cause.as_str().to_owned())
    }

    fn accepted_at(&mut self) -> Trappable<u64> {
        Ok(self.run()?.invocation().accepted_at)
    }

    fn processed_at(&mut self) -> Trappable<u64> {
        Ok(self.run()?.invocation().processed_at)
    }

    fn attempt(&mut self) -> Trappable<u32> {
        Ok(self.run()?.invocation().attempt)
    }

    fn missed(&mut self) -> Trappable<u64> {
        Ok(self.run()?.invocation().missed)
    }

    fn payload(&mut self) -> Trappable<Value> {
        Ok(outward(&self.run()?.invocation().payload))
    }

    fn payload_json(&mut self) -> Refusable<String> {
        Ok(self.run()?.payload_json().map_err(refused))
    }

    fn field(&mut self, pointer: String) -> Trappable<Option<Value>> {
        Ok(self.run()?.field(&pointer).as_ref().map(outward))
    }

    fn field_json(&mut self, pointer: String) -> Refusable<Option<String>> {
        Ok(self.run()?.field_json(&pointer).map_err(refused))
    }
}

impl quest::host::variables::Host for Run {
    fn get(&mut self, name: String) -> Trappable<Option<Value>> {
        Ok(self.run()?.variable(&name).map(outward))
    }

    fn set(&mut self, name: String, value: Value) -> Refusable<()> {
        Ok(self.run()?.set_variable(&name, inward(value)).map_err(refused))
    }

    fn remove(&mut self, name: String) -> Refusable<bool> {
        Ok(self.run()?.remove_variable(&name).map_err(refused))
    }

    fn names(&mut self) -> Trappable<Vec<String>> {
        Ok(self.run()?.variable_names())
    }

    fn get_json(&mut self, name: String) -> Refusable<Option<String>> {
        Ok(self.run()?.variable_json(&name).map_err(refused))
    }

    fn set_json(&mut self, name: String, json: String) -> Refusable<()> {
        Ok(self.run()?.set_variable(&name, Given::Json(&json)).map_err(refused))
    }
}

impl quest::host::timers::Host for Run {
    fn at(&mut self, name: String, action: String, time: u64, payload: Value) -> Refusable<()> {
        Ok(self.run()?.set_timer(&name, &action, time, inward(payload)).map_err(refused))
    }

    fn after(&mut self, name: String, action: String, delay: u64, payload: Value) -> Refusable<()> {
        Ok(self.run()?.set_timer_after(&name, &action, delay, inward(payload)).map_err(refused))
    }

    fn at_json(&mut self, name: String, action: String, time: u64, payload: String) -> Refusable<()> {
        Ok(self.run()?.set_timer(&name, &action, time, Given::Json(&payload)).map_err(refused))
    }

    fn after_json(&mut self, name: String, action: String, delay: u64, payload: String) -> Refusable<()> {
        Ok(self.run()?.set_timer_after(&name, &action, delay, Given::Json(&payload)).map_err(refused))
    }

    fn every(&mut self, name: String, action: String, schedule: String, payload: Value) -> Refusable<()> {
        Ok(self.run()?.set_recurrence(&name, &action, &schedule, inward(payload)).map_err(refused))
    }

    fn every_json(&mut self, name: String, action: String, schedule: String, payload: String) -> Refusable<()> {
        Ok(self.run()?.set_recurrence(&name, &action, &schedule, Given::Json(&payload)).map_err(refused))
    }

    fn cancel(&mut self, name: String) -> Refusable<bool> {
        Ok(self.run()?.cancel_timer(&name).map_err(refused))
    }

    fn names(&mut self) -> Trappable<Vec<String>> {
        Ok(self.run()?.timer_names())
    }

    fn due(&mut self, name: String) -> Trappable<Option<u64>> {
        Ok(self.run()?.timer_due(&name))
    }

    fn payload(&mut self, name: String) -> Trappable<Option<Value>> {
        Ok(self.run()?.timer(&name).map(|timer| outward(&timer.payload)))
    }

    fn payload_json(&mut self, name: String) -> Refusable<Option<String>> {
        Ok(self.run()?.timer_payload_json(&name).map_err(refused))
    }

    fn schedule(&mut self, name: String) -> Trappable<Option<String>> {
        let timer = self.run()?.timer(&name);
        Ok(timer.and_then(|timer| Some(timer.recurrence.as_ref()?.schedule.clone())))
    }
}

impl quest::host::patterns::Host for Run {
    fn start(&mut self, name: String, spec: Value) -> Refusable<()> {
        Ok(self.run()?.start_pattern(&name, inward(spec)).map_err(refused))
    }

    fn start_json(&mut self, name: String, spec: String) -> Refusable<()> {
        Ok(self.run()?.start_pattern(&name, Given::Json(&spec)).map_err(refused))
    }

    fn cancel(&mut self, name: String) -> Refusable<bool> {
        Ok(self.run()?.cancel_pattern(&name).map_err(refused))
    }

    fn names(&mut self) -> Trappable<Vec<String>> {
        Ok(self.run()?.pattern_names())
    }

    fn state(&mut self, name: String) -> Trappable<Option<Value>> {
        Ok(self.run()?.pattern_state(&name).as_ref().map(outward))
    }

    fn state_json(&mut self, name: String) -> Refusable<Option<String>> {
        Ok(self.run()?.pattern_state_json(&name).map_err(refused))
    }
}

impl quest::host::clock::Host for Run {
    fn zone(&mut self) -> Trappable<String> {
        Ok(self.run()?.zone().name().to_owned())
    }

    fn set_zone(&mut self, zone: String) -> Refusable<()> {
        Ok(self.run()?.set_zone(&zone).map_err(refused))
    }

    fn local(&mut self, time: u64) -> Trappable<String> {
        Ok(self.run()?.local_time(time))
    }

    fn instant(&mut self, civil: String) -> Refusable<u64> {
        Ok(self.run()?.instant(&civil).map_err(refused))
    }
}

impl quest::host::events::Host for Run {
    fn emit(&mut self, context: String, name: String, payload: Value) -> Refusable<()> {
        Ok(self.run()?.emit(&context, &name, inward(payload)).map_err(refused))
    }

    fn emit_json(&mut self, context: String, name: String, payload: String) -> Refusable<()> {
        Ok(self.run()?.emit(&context, &name, Given::Json(&payload)).map_err(refused))
    }

    fn send(&mut self, context: String, quest: String, action: String, payload: Value) -> Refusable<()> {
        Ok(self.run()?.send(&context, &quest, &action, inward(payload)).map_err(refused))
    }

    fn send_json(&mut self, context: String, quest: String, action: String, payload: String) -> Refusable<()> {
        Ok(self.run()?.send(&context, &quest, &action, Given::Json(&payload)).map_err(refused))
    }

    fn broadcast(&mut self, name: String, payload: Value) -> Refusable<()> {
        Ok(self.run()?.broadcast(&name, inward(payload)).map_err(refused))
    }

    fn broadcast_json(&mut self, name: String, payload: String) -> Refusable<()> {
        Ok(self.run()?.broadcast(&name, Given::Json(&payload)).map_err(refused))
    }
}

impl quest::host::quests::Host for Run {
    fn add(&mut self, quest: String, context: String) -> Refusable<()> {
        Ok(self.run()?.add_quest(&quest, &context).map_err(refused))
    }

    fn remove(&mut self, quest: String, context: String) -> Refusable<()> {
        Ok(self.run()?.remove_quest(&quest, &context).map_err(refused))
    }

    fn active(&mut self) -> Trappable<Vec<String>> {
        Ok(self.run()?.invocation().active.to_vec())
    }
}

impl quest::host::messages::Host for Run {
    fn publish(&mut self, topic: String, payload: Value) -> Refusable<()> {
        Ok(self.run()?.publish(&topic, inward(payload)).map_err(refused))
    }

    fn publish_json(&mut self, topic: String, payload: String) -> Refusable<()> {
        Ok(self.run()?.publish(&topic, Given::Json(&payload)).map_err(refused))
    }
}

impl quest::host::reply::Host for Run {
    fn set(&mut self, value: Value) -> Refusable<()> {
        Ok(self.run()?.reply(inward(value)).map_err(refused))
    }

    fn set_json(&mut self, json: String) -> Refusable<()> {
        Ok(self.run()?.reply(Given::Json(&json)).map_err(refused))
    }
}

impl quest::host::config::Host for Run {
    fn get(&mut self, name: String) -> Trappable<Option<String>> {
        Ok(self.run()?.invocation().config.get(&name).cloned())
    }
}

impl quest::host::log::Host for Run {
    fn write(&mut self, level: WitLevel, message: String) -> Trappable<()> {
        self.take_printed(false);
        let level = match level {
            WitLevel::Debug => Level::Debug,
            WitLevel::Info => Level::Info,
            WitLevel::Warn => Level::Warn,
            WitLevel::Error => Level::Error,
        };
        self.log(level, &message);
        Ok(())
    }
}

impl quest::host::random::Host for Run {
    fn below(&mut self, bound: u32) -> Trappable<u32> {
        Ok(self.random().below(bound))
    }

    fn unit(&mut self) -> Trappable<f64> {
        Ok(self.random().unit())
    }

    fn bytes(&mut self, count: u32) -> Trappable<Vec<u8>> {
        const DEFINE_BYTES_MAX: u32 = 65_536;
        Ok(match &mut self.phase {
            Phase::Running(recorder) => recorder.random_bytes(count),
            Phase::Defining(_) => self.define_random.bytes(count.min(DEFINE_BYTES_MAX) as usize),
        })
    }
}
