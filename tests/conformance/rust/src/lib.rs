//! The conformance quest (tests/conformance/README.md), in Rust: it does what it is told.

use std::sync::{Mutex, PoisonError};

use quest_sdk::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A call: its name, then what it takes.
type Call = Vec<Value>;

#[derive(Variables, Default)]
struct Conformance {}

#[quest(name = "conformance", version = 2, description = "does what it is told", add_on = ["begin"])]
impl Conformance {
    fn init(&mut self, cx: &Context) -> Result {
        cx.publish("init", ())
    }

    fn dealloc(&mut self, cx: &Context) -> Result {
        cx.publish("gone", ())
    }

    fn upgrade(&mut self, cx: &Context, from: u32) -> Result {
        cx.publish("upgraded", from)
    }

    #[action(name = "do", on = ["do"])]
    fn act(&mut self, cx: &Context, calls: Option<Vec<Call>>) -> Result<Vec<Value>> {
        act(cx, calls)
    }

    #[action(on = ["raise"])]
    fn raise(&mut self, cx: &Context, calls: Option<Vec<Call>>) -> Result<Vec<Value>> {
        let given = calls.unwrap_or_default().iter().map(|call| perform(cx, call)).collect::<Result<Vec<_>>>()?;
        cx.publish("did", &given)?;
        Ok(given)
    }

    #[action(on = ["note"], every = "every day at 09:00")]
    #[pattern(name = "pair", kind = "within", after = "a", expect = "b", within = "10 minutes", or_else = "note")]
    fn note(&mut self, cx: &Context, payload: Value) -> Result {
        let noted = json!({"name": cx.event_name(), "cause": cause(cx), "payload": payload, "missed": cx.missed()});
        cx.publish("noted", noted)
    }

    #[query]
    fn ask(&self, cx: &Context, calls: Vec<Call>) -> Result<Vec<Value>> {
        each(cx, &calls)
    }
}

#[derive(Variables, Default)]
struct ConformanceTwo {}

#[quest(name = "conformance-two", add_on = ["two"])]
impl ConformanceTwo {
    fn init(&mut self, cx: &Context) -> Result {
        cx.publish("init", ())
    }

    #[action(name = "do", on = ["two"])]
    fn act(&mut self, cx: &Context, calls: Option<Vec<Call>>) -> Result<Vec<Value>> {
        act(cx, calls)
    }
}

quest_sdk::module!(Conformance, ConformanceTwo);

fn act(cx: &Context, calls: Option<Vec<Call>>) -> Result<Vec<Value>> {
    let given = each(cx, &calls.unwrap_or_default())?;
    cx.publish("did", &given)?;
    Ok(given)
}

/// Makes the calls; a refusal is what one gave.
fn each(cx: &Context, calls: &[Call]) -> Result<Vec<Value>> {
    let mut given = Vec::new();
    for call in calls {
        given.push(match perform(cx, call) {
            Ok(value) => value,
            Err(error) if ["fail", "transient"].contains(&call[0].as_str().unwrap_or_default()) => return Err(error),
            Err(error) => json!({ "error": error.code() }),
        });
    }
    Ok(given)
}

fn cause(cx: &Context) -> String {
    match cx.cause() {
        Cause::Other(word) => word,
        known => format!("{known:?}").to_lowercase(),
    }
}

/// Argument number `n` of a call.
fn arg<T: DeserializeOwned>(call: &Call, n: usize) -> Result<T> {
    Ok(serde_json::from_value(call.get(n).cloned().unwrap_or_default())?)
}

/// Kept by the program, not by the quest.
static REMEMBERED: Mutex<Option<String>> = Mutex::new(None);

fn perform(cx: &Context, call: &Call) -> Result<Value> {
    let name: String = arg(call, 0)?;
    let text = |n: usize| arg::<String>(call, n);
    let value = |n: usize| arg::<Value>(call, n);
    let (group, function) = name.split_once('.').unwrap_or((&name, ""));
    let done = |result: Result| result.map(|()| Value::Null);
    Ok(match (group, function) {
        ("current", "quest") => json!(cx.quest()),
        ("current", "action") => json!(cx.action()),
        ("current", "context") => json!(cx.context()),
        ("current", "event-name") => json!(cx.event_name()),
        ("current", "cause") => json!(cause(cx)),
        ("current", "accepted-at") => json!(cx.accepted_at()),
        ("current", "attempt") => json!(cx.attempt()),
        ("current", "missed") => json!(cx.missed()),
        ("current", "has-ids") => {
            json!(!cx.instance().is_empty() && !cx.event_id().is_empty() && cx.processed_at() >= cx.accepted_at())
        }
        ("current", "field") => cx.field(&text(1)?)?.unwrap_or_default(),
        ("variables", "get") => cx.variables().get(&text(1)?)?.unwrap_or_default(),
        ("variables", "set") => done(cx.variables().set(&text(1)?, value(2)?))?,
        ("variables", "remove") => json!(cx.variables().remove(&text(1)?)?),
        ("variables", "names") => json!(cx.variables().names()),
        ("variables", "set-bytes") => {
            done(cx.variables().set(&text(1)?, serde_bytes::ByteBuf::from(arg::<Vec<u8>>(call, 2)?)))?
        }
        ("variables", "get-bytes") => {
            json!(cx.variables().get::<serde_bytes::ByteBuf>(&text(1)?)?.map(serde_bytes::ByteBuf::into_vec))
        }
        ("variables", "set-nan") => done(cx.variables().set(&text(1)?, f64::NAN))?,
        ("timers", _) => timers(cx, function, call)?,
        ("patterns", "start") => done(cx.patterns().start(&text(1)?, value(2)?))?,
        ("patterns", "cancel") => json!(cx.patterns().cancel(&text(1)?)?),
        ("patterns", "names") => json!(cx.patterns().names()),
        ("patterns", "state") => cx.patterns().state(&text(1)?)?.unwrap_or_default(),
        ("clock", "zone") => json!(cx.clock().zone()),
        ("clock", "set-zone") => done(cx.clock().set_zone(&text(1)?))?,
        ("clock", "local") => json!(cx.clock().local(arg(call, 1)?)),
        ("clock", "instant") => json!(cx.clock().instant(&text(1)?)?),
        ("events", "emit") => done(cx.emit_to(&text(1)?, &text(2)?, value(3)?))?,
        ("events", "send") => done(cx.send(&text(1)?, &text(2)?, &text(3)?, value(4)?))?,
        ("events", "broadcast") => done(cx.broadcast(&text(1)?, value(2)?))?,
        ("quests", "add") => done(cx.add_quest_to(&text(2)?, &text(1)?))?,
        ("quests", "remove") => done(cx.remove_quest_from(&text(2)?, &text(1)?))?,
        ("quests", "active") => json!(cx.active_quests()),
        ("messages", "publish") => done(cx.publish(&text(1)?, value(2)?))?,
        ("config", "get") => json!(cx.config(&text(1)?)),
        ("log", "write") => {
            match text(1)?.as_str() {
                "debug" => cx.log().debug(text(2)?),
                "info" => cx.log().info(text(2)?),
                "warn" => cx.log().warn(text(2)?),
                _ => cx.log().error(text(2)?),
            }
            Value::Null
        }
        ("print", _) => {
            #[allow(clippy::print_stdout, reason = "how Rust prints is what is tried")]
            {
                println!("{}", text(1)?);
            }
            Value::Null
        }
        ("random", "below") => json!(cx.random().below(arg(call, 1)?)),
        ("random", "unit") => json!((0.0..1.0).contains(&cx.random().unit())),
        ("random", "bytes") => json!(cx.random().bytes(arg(call, 1)?).len()),
        ("fail", _) => return Err(fail(text(1)?, text(2)?)),
        ("transient", _) => return Err(transient(text(1)?)),
        ("remember", _) => {
            let before = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner).replace(text(1)?);
            json!(before)
        }
        ("trap", _) => panic!("as told"),
        ("loop", _) => loop {
            std::hint::spin_loop();
        },
        ("recurse", _) => json!(deeper(1)),
        ("fill", _) => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 1 << 20]);
                std::hint::black_box(&all);
            }
        }
        _ => return Err(fail("unknown-call", name)),
    })
}

fn timers(cx: &Context, function: &str, call: &Call) -> Result<Value> {
    let name: String = arg(call, 1).unwrap_or_default();
    let (action, payload) = (|| arg::<String>(call, 2), || arg::<Value>(call, 4));
    let timers = cx.timers();
    let set = match function {
        "at" => timers.at_with(&name, arg(call, 3)?, &action()?, payload()?),
        "after" => timers.after_with(&name, Duration::from_millis(arg(call, 3)?), &action()?, payload()?),
        "every" => timers.every_with(&name, &arg::<String>(call, 3)?, &action()?, payload()?),
        "cancel" => return Ok(json!(timers.cancel(&name)?)),
        "names" => return Ok(json!(timers.names())),
        "due" => return Ok(json!(timers.due(&name))),
        "payload" => return Ok(timers.payload(&name)?.unwrap_or_default()),
        "schedule" => return Ok(json!(timers.schedule(&name))),
        other => Err(fail("unknown-call", other)),
    };
    set.map(|()| Value::Null)
}

#[allow(unconditional_recursion, reason = "that it ends is the host's part")]
fn deeper(n: u64) -> u64 {
    let here = [n; 64];
    std::hint::black_box(&here);
    deeper(n + 1) + here[(n % 64) as usize]
}
