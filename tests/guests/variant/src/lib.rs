//! A quest whose definition stands in its data, as text between marks: tests write another text over it, and have another version.
//!
//! The text is a list of `KEY=VALUE` with `;` between them: `name`, `version`, `label`, `action=NAME`, `on=ACTION:EVENT`,
//! `every=NAME:ACTION:SCHEDULE`, `query`, `upgrade=ok` or `fail`, `trap=define`.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "quest" });

use exports::quest::host::guest::{Error, Guest};
use quest::host::{current, definition, reply, timers, types::Value, variables};

/// Room for the text.
const ROOM: usize = 1024;
const MARK: usize = 8;
static PLAN: [u8; ROOM] = padded(b"@@PLAN@@name=variant;label=first;on=next:next");

const fn padded(text: &[u8]) -> [u8; ROOM] {
    let mut room = [b' '; ROOM];
    let mut at = 0;
    while at < text.len() {
        room[at] = text[at];
        at += 1;
    }
    room
}

struct Variant;
export!(Variant);

/// The text's pairs. Read through a black box: the compiler must not know what it says.
fn plan() -> Vec<(String, String)> {
    let bytes = &std::hint::black_box(&PLAN)[MARK..];
    let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
    let pair = |part: &str| part.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.split(';').filter_map(pair).collect()
}

fn said(key: &str) -> Option<String> {
    plan().into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn number(name: &str) -> i64 {
    if let Some(Value::Integer(n)) = variables::get(name) { n } else { 0 }
}

fn one_more(name: &str) -> Result<(), Error> {
    variables::set(name, &Value::Integer(number(name) + 1))
}

fn failed(code: &str, message: String) -> Result<(), Error> {
    Err(Error { code: code.to_owned(), message })
}

impl Guest for Variant {
    fn define() -> Result<(), Error> {
        if said("trap").as_deref() == Some("define") {
            panic!("as the plan says");
        }
        definition::quest(&said("name").unwrap_or_default())?;
        for (key, value) in plan() {
            let mut parts = value.splitn(3, ':');
            let mut part = || parts.next().unwrap_or_default();
            match key.as_str() {
                "version" => definition::version(value.parse().unwrap_or(0))?,
                "action" => definition::action(&value)?,
                "on" => definition::on(part(), part())?,
                "every" => definition::every(part(), part(), part())?,
                "upgrade" => definition::action("upgrade")?,
                "query" => definition::query(&value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn init() -> Result<(), Error> {
        variables::set("last", &Value::Integer(0))
    }

    fn perform(action: String) -> Result<(), Error> {
        let label = said("label").unwrap_or_default();
        match action.as_str() {
            // The payload is the number after the last one: a lost, doubled or reordered event fails for good.
            "next" | "forth" => {
                let (last, given) = (number("last"), current::payload());
                if given != Value::Integer(last + 1) {
                    return failed("out-of-order", format!("{given:?} came after {last}"));
                }
                variables::set("last", &Value::Integer(last + 1))?;
                one_more(&format!("by_{label}"))
            }
            // A timer for `late` in as many milliseconds as the payload says.
            "plan" => {
                let Value::Integer(delay) = current::payload() else { return failed("no-delay", String::new()) };
                timers::after("late", "late", delay.unsigned_abs(), &Value::Null)
            }
            "upgrade" => {
                if said("upgrade").as_deref() == Some("fail") {
                    variables::set("last", &Value::Integer(-1))?;
                    return failed("no-way-up", format!("from {:?}", current::payload()));
                }
                variables::set("upgraded_from", &current::payload())?;
                variables::set("total", &Value::Integer(number("last")))
            }
            "label" => reply::set(&Value::Text(label)),
            other => one_more(other),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Value::Integer(one), Value::Integer(other)) if one == other)
    }
}
