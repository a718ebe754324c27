//! Nine quests that each take all they can get, written against the bare contract. Each is added by its event and does its worst then.
//! The tenth, which grows a table, is text (`table.wat`): Rust has no tables to grow.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "quest" });

use exports::quest::host::guest::{Error, Guest};
use quest::host::{current, definition, events, log, messages, quests, random, reply, timers, types::Value, variables};

struct Hostile;
export!(Hostile);

const QUESTS: [&str; 9] = ["loop", "recursion", "memory", "strings", "logs", "effects", "timers", "storm", "chain"];

impl Guest for Hostile {
    fn define() -> Result<(), Error> {
        for quest in QUESTS {
            let event = format!("hostile-{quest}");
            definition::quest(quest)?;
            definition::action("act")?;
            definition::on("act", &event)?;
            definition::add_on(&event)?;
        }
        Ok(())
    }

    fn init() -> Result<(), Error> {
        Ok(())
    }

    fn perform(_: String) -> Result<(), Error> {
        match current::quest().as_str() {
            "loop" => loop {
                std::hint::black_box(0);
            },
            "recursion" => {
                #[allow(unconditional_recursion)]
                fn deeper(n: u64) -> u64 {
                    std::hint::black_box(deeper(std::hint::black_box(n + 1))) + 1
                }
                reply::set(&Value::Integer(deeper(0) as i64))
            }
            "memory" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(vec![1; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            // Twice as long each time, until the host has had enough: at more than 16 MiB.
            "strings" => {
                let mut text = "x".repeat((1 << 10) + 1);
                loop {
                    log::write(log::Level::Debug, &text);
                    text.push_str(&text.clone());
                }
            }
            "logs" => {
                let mebibyte = "x".repeat(1 << 20);
                (0..256).for_each(|_| log::write(log::Level::Info, &mebibyte));
                (0..100_000).for_each(|n| log::write(log::Level::Info, &format!("line {n}")));
                variables::set("done", &Value::Boolean(true))
            }
            "effects" => loop {
                messages::publish("flood", &Value::Null)?;
            },
            "timers" => {
                for n in 0.. {
                    timers::after(&n.to_string(), "act", 1, &Value::Null)?;
                }
                Ok(())
            }
            // Adds itself to eight new contexts, each of which does the same.
            "storm" => {
                for _ in 0..8 {
                    let context = format!("storm-{}", random::below(u32::MAX));
                    quests::add("storm", &context)?;
                    events::send(&context, "storm", "act", &Value::Null)?;
                }
                Ok(())
            }
            // From context to context.
            _ => events::emit(&format!("chain-{}", random::below(u32::MAX)), "hostile-chain", &Value::Null),
        }
    }
}
