//! Scripts at load: whatever the text is, it is served or refused with a reason, within the limits of time and memory.

use std::{path::Path, sync::OnceLock};

use quest_host::wasm::{Runtime, RuntimeSettings};
use quest_host_tests::{
    guests::{root, target_dir},
    seed, times,
};

use super::{LONG, alone, corpus, kept_if_it_fails, mutate::Mutator};

/// As for components; an interpreter's instance has more memory.
const MEMORY_MIB_MAX: u64 = 768;

const WORDS: &[&str] = &[
    "quest",
    "action",
    "init",
    "every",
    "pattern",
    "(",
    ")",
    "((((((((",
    "{",
    "}",
    "[",
    "]",
    "end",
    "do",
    "=>",
    "=",
    "==",
    "\"",
    "'",
    "`",
    "\\",
    "\n",
    "#",
    "//",
    "--",
    "/*",
    "1e999",
    "0x",
    "nil",
    "null",
    "undefined",
    "self",
    "this",
    "function",
    "return",
    "while true",
    "loop",
    "${",
    "#{",
    "<",
    ">",
    "as any",
    ": string",
    "enum",
    "import",
    "é",
    "\u{0}",
    "\u{2028}",
    "/(a+)+$/",
    "**",
    "!",
    "-",
    "?.",
    "...",
];

/// A language's test, with what the repository has in it.
fn check(test: &str, file: &str, example: &str, count: u64) {
    alone(test, MEMORY_MIB_MAX, |at_hand| {
        let mut seeds = corpus(test);
        let look = |input: &[u8]| {
            at_hand(input);
            kept_if_it_fails(test, input, || is_served_or_refused(Path::new(file), input));
        };
        seeds.iter().for_each(|input| look(input));
        seeds.push(std::fs::read(root().join(example)).unwrap());
        let mut mutator = Mutator::new(seed(test), seeds, WORDS);
        for _ in 0..times(count, count * LONG) {
            look(&mutator.draw());
        }
    });
}

#[test]
fn ruby() {
    check("all::fuzz::scripts::ruby", "mutant.rb", "quests/loyalty/loyalty.rb", 400);
}

#[test]
fn javascript() {
    check("all::fuzz::scripts::javascript", "mutant.js", "quests/trial/trial.ts", 400);
}

#[test]
fn typescript() {
    check("all::fuzz::scripts::typescript", "mutant.ts", "quests/trial/trial.ts", 300);
}

#[test]
fn lua() {
    check("all::fuzz::scripts::lua", "mutant.lua", "quests/daily-gift/gift.lua", 400);
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // Interpreters are compiled once, not in each of these processes.
        let cache = Some(target_dir().join("fuzz-cache"));
        let settings = RuntimeSettings { cache, define_ms_max: 500, instances_max: 2, ..RuntimeSettings::default() };
        quest_host::wasm::isolate_in(crate::EXE.into());
        Runtime::new(settings).unwrap()
    })
}

fn is_served_or_refused(file: &Path, input: &[u8]) {
    let examined = runtime().examine_as(file, input);
    for fault in &examined.faults {
        assert_ne!(fault.code, "host-bug", "{fault}");
        assert!(!fault.code.is_empty() && !fault.message.is_empty(), "{fault:?}");
    }
    assert!(!examined.faults.is_empty() || !examined.quests.is_empty(), "good, and without a quest");
}
