//! Components at load: whatever the bytes are, they are served or refused with a reason, within the limits of time and memory.
//!
//! Each test is a process of its own: what ends a process would end all tests, and its memory is its own.

use std::sync::OnceLock;

use fastrand::Rng;
use quest_host::wasm::{Runtime, RuntimeSettings};
use quest_host_tests::{seed, times};

use super::{LONG, alone, corpus, kept_if_it_fails, mutate::Mutator, target};
use crate::wasm::{invocation, odd::Odd};

/// What a process may have used at the end, in MiB: compiling takes some 150, whatever the component.
const MEMORY_MIB_MAX: u64 = 512;

const WORDS: &[&str] = &[
    "\0asm\r\0\u{1}\0",
    "\0asm\u{1}\0\0\0",
    "quest:host/guest@0.1.0",
    "quest:host/log@0.1.0",
    "quest:host/guest@0.2.0",
    "define",
    "wasi:cli/environment@0.2.0",
    "memory",
    "\u{0}",
    "\u{7f}",
    "[method]a.b",
    "[constructor]a",
    "é",
];

target!(bytes, random: 2_000, mutants: 1, words: WORDS, check: is_served_or_refused);

#[test]
fn mutants() {
    let name = "all::fuzz::components::mutants";
    alone(name, MEMORY_MIB_MAX, |at_hand| {
        let mut seeds: Vec<_> = corpus("all::fuzz::components::bytes").iter().map(|input| binary(input)).collect();
        // A real one too, though most of its mutants take longer to compile.
        seeds.extend((0..3).map(|_| Odd::default().build()));
        let mut mutator = Mutator::new(seed(name), seeds, WORDS);
        for _ in 0..times(1_500, 1_500 * LONG) {
            let input = mutator.draw();
            at_hand(&input);
            kept_if_it_fails(name, &input, || is_served_or_refused(&input));
        }
    });
}

#[test]
fn composed() {
    let name = "all::fuzz::components::composed";
    alone(name, MEMORY_MIB_MAX, |at_hand| {
        let mut rng = Rng::with_seed(seed(name));
        let mut served = 0;
        let count = times(400, 400 * LONG);
        for _ in 0..count {
            let text = compose(&mut rng);
            at_hand(text.as_bytes());
            kept_if_it_fails(name, text.as_bytes(), || served += u64::from(is_served(text.as_bytes())));
        }
        assert!(served * 20 > count, "some are good: {served} of {count}");
    });
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let settings =
            RuntimeSettings { action_ms_max: 60, define_ms_max: 60, instances_max: 2, ..RuntimeSettings::default() };
        Runtime::new(settings).unwrap()
    })
}

/// The corpus has components as text: they can be read, and are not mistaken for build products.
fn binary(input: &[u8]) -> Vec<u8> {
    if input.trim_ascii_start().first().is_some_and(|byte| b"(;".contains(byte)) {
        return wat::parse_bytes(input).map_or_else(|_| input.to_vec(), std::borrow::Cow::into_owned);
    }
    input.to_vec()
}

fn is_served_or_refused(input: &[u8]) {
    is_served(input);
}

fn is_served(input: &[u8]) -> bool {
    const TEXT_MAX: usize = 9 * 1024;
    let input = binary(input);
    let loaded = runtime().load(&input);
    let examined = runtime().examine(&input);
    for fault in examined.faults.iter().chain(loaded.as_ref().err()) {
        assert_ne!(fault.code, "host-bug", "{fault}");
        assert!(!fault.code.is_empty() && !fault.message.is_empty(), "{fault:?}");
        assert!(fault.message.len() <= TEXT_MAX, "{} bytes of message", fault.message.len());
    }
    // By time they may differ.
    let is_late = |code: &str| code == "define-timeout";
    match &loaded {
        Ok(_) => assert!(examined.faults.iter().all(|fault| is_late(&fault.code)), "{:?}", examined.faults),
        Err(fault) => {
            assert!(is_late(&fault.code) || !examined.faults.is_empty(), "refused with {fault}, and examined as good")
        }
    }
    let Ok(module) = loaded else { return false };
    for quest in &module.quests {
        for action in ["init", "perform"] {
            let invocation = quest_engine::action::Invocation { quest: quest.name.clone(), ..invocation(action) };
            if let Err(failure) = runtime().invoke(&module, runtime().plain().of("any"), invocation).result {
                assert_ne!(failure.code, "host-bug", "{failure:?}");
            }
        }
    }
    true
}

/// A component that validates more often than not, and asks for too much of something.
fn compose(rng: &mut Rng) -> String {
    let memory = *rng.choice(MEMORIES).unwrap_or(&"");
    // What goes wrong is one thing or two: with more, nothing of it is reached.
    let calm = rng.u8(..3);
    let part = |rng: &mut Rng, parts: &[&str]| if calm == 0 { String::new() } else { part(rng, parts) };
    let define = part(rng, DEFINES);
    let perform = format!("{} (i32.const {})", part(rng, DEFINES), [128, 192, 0, -1, 65_532][rng.usize(..5)]);
    let items = if calm == 1 { String::new() } else { format!("{}{}", many(rng, ITEMS), deep(rng)) };
    let imports = if calm < 2 { String::new() } else { many(rng, IMPORTS) };
    let last = if calm == 1 { String::new() } else { format!("{}{}", many(rng, LAST), doubling(rng)) };
    let guest = if rng.u8(..12) == 0 { "quest:host/guest@0.3.0" } else { "quest:host/guest@0.1.0" };
    Odd { imports: &imports, memory, items: &items, define: &define, perform: &perform, guest, last: &last }.text()
}

fn part(rng: &mut Rng, parts: &[&str]) -> String {
    if rng.bool() { String::new() } else { (*rng.choice(parts).unwrap_or(&"")).to_owned() }
}

/// One of them, now and then very often.
fn many(rng: &mut Rng, parts: &[&str]) -> String {
    let times = [0, 0, 1, 1, 3, 40, 3_000][rng.usize(..7)];
    let part = *rng.choice(parts).unwrap_or(&"");
    (0..times).map(|n| part.replace('#', &n.to_string())).collect()
}

/// Blocks in blocks.
fn deep(rng: &mut Rng) -> String {
    let depth = [0, 0, 0, 10, 400][rng.usize(..5)];
    format!("(func {}{})", "(block ".repeat(depth), ")".repeat(depth))
}

/// Types whose size doubles with each.
fn doubling(rng: &mut Rng) -> String {
    let count = [0, 0, 0, 5, 12, 40][rng.usize(..6)];
    let pair = |n: usize| format!("(type $d{} (tuple $d{n} $d{n}))", n + 1);
    format!("(type $d0 (tuple u8 string)){}", (0..count).map(pair).collect::<String>())
}

const MEMORIES: &[&str] = &[
    r#"(memory (export "memory") 1)"#,
    r#"(memory (export "memory") 1)"#,
    r#"(memory (export "memory") 1)"#,
    r#"(memory (export "memory") 1 1)"#,
    r#"(memory (export "memory") 0)"#,
    r#"(memory (export "memory") 1024)"#,
    r#"(memory (export "memory") 1025)"#,
    r#"(memory (export "memory") 65536)"#,
    r#"(memory (export "memory") 1 2 shared)"#,
    r#"(memory 1) (memory (export "memory") 1)"#,
];

const DEFINES: &[&str] = &[
    "unreachable",
    "(loop (br 0))",
    "(drop (memory.grow (i32.const 65535)))",
    "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))",
    "(drop (call $define))",
    "(call $log (i32.const 1) (i32.const 0) (i32.const -1))",
    "(call $log (i32.const 9) (i32.const 0) (i32.const 1))",
    "(loop (call $log (i32.const 1) (i32.const 0) (i32.const 65536)) (br 0))",
    "(call $quest (i32.const 16) (i32.const 0) (i32.const 256))",
    "(call $quest (i32.const 0) (i32.const 65536) (i32.const 256))",
    "(call $quest (i32.const 16) (i32.const 3) (i32.const -4))",
    "(loop (call $quest (i32.const 16) (i32.const 3) (i32.const 256)) (br 0))",
    "(i64.store (i32.const -8) (i64.const 1))",
    "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))",
    "(memory.copy (i32.const 1) (i32.const 0) (i32.const -1))",
    "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))",
];

const ITEMS: &[&str] = &[
    "(func $f# (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))",
    "(func (local i64 i64 i64 i64 f64 f64 f64 f64 v128 v128))",
    "(table 10 funcref)",
    "(table 100001 funcref)",
    "(table 4294967295 externref)",
    "(global (mut i64) (i64.const -1))",
    "(memory 1)",
    "(data (i32.const 65530) \"longer than the end\")",
    "(type (func (param i32 i64 f32 f64) (result i32)))",
    "(func (drop (i32.trunc_f64_s (f64.const 1e300))))",
    "(start $define)",
    "(export \"e#\" (memory 0))",
    "(tag (param i32))",
];

const IMPORTS: &[&str] = &[
    "(import \"unknown:thing/at#@1.0.0\" (func))",
    "(import \"unknown:thing/of#@1.0.0\" (instance (export \"f\" (func (param \"a\" string) (result (list u8))))))",
    "(import \"quest:host/nothing#@0.1.0\" (instance))",
    "(import \"wasi:random/random@0.2.0\" (instance (export \"get-random-u64\" (func (result u64)))))",
    "(import \"wasi:sockets/tcp#@0.2.0\" (instance))",
    "(import \"resource#\" (type (sub resource)))",
    "(import \"component#\" (component (import \"x\" (func)) (export \"y\" (func))))",
    "(import \"value-of-a-type#\" (type (eq string)))",
];

const LAST: &[&str] = &[
    "(type (record (field \"a\" u8) (field \"b\" (list string))))",
    "(component (component (component (core module (func (loop (br 0)))))))",
    "(component $c# (core module $m (memory 1)) (core instance (instantiate $m))) (instance (instantiate $c#))",
    "(core module $n# (memory 1) (table 1 funcref)) (core instance (instantiate $n#))",
    "(core module $s# (func $s unreachable) (start $s)) (core instance (instantiate $s#))",
    "(core module $l# (func $s (loop (br 0))) (start $s)) (core instance (instantiate $l#))",
    "(export \"again#\" (instance $guest))",
    "(type $r# (resource (rep i32)))",
    "(type (variant (case \"a\") (case \"b\" (option (result u8 (error string))))))",
];
