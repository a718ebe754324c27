//! Every limit, met by a component that breaks it: at load, in `define`, in an action.

use std::sync::{Arc, Barrier};

use quest_engine::{
    action::{Failure, FailureKind},
    model::Value,
};
use quest_host::wasm::{Registry, Runtime, RuntimeSettings};

use super::{
    invocation,
    odd::{OK, OWN_ERROR, Odd, load, runtime},
    run_with,
};

const ABORT: &str = "unreachable";
const GROW: &str = "(drop (memory.grow (i32.const 2000)))";
const LOOP: &str = "(loop (br 0)) unreachable";
const RECURSION: &str = "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";
const FRAMES: &str = "(func $innermost unreachable) (func $outer (call $innermost))";
const TABLE: &str = "(table $t 1 funcref)";
const GROW_TABLE: &str = "(drop (table.grow $t (ref.null func) (i32.const 1000000)))";

/// Limits as they are by default, but for time: a busy machine must not end what is not about it.
fn small() -> RuntimeSettings {
    RuntimeSettings { action_ms_max: 60_000, define_ms_max: 60_000, instances_max: 4, ..RuntimeSettings::default() }
}

fn hasty() -> RuntimeSettings {
    RuntimeSettings { action_ms_max: 50, define_ms_max: 50, ..small() }
}

fn perform(items: &str, perform: &str) -> Result<(), Failure> {
    let odd = Odd { items, perform, ..Odd::default() };
    let settings = if perform.contains(LOOP) { RuntimeSettings { define_ms_max: 60_000, ..hasty() } } else { small() };
    let (runtime, module) = load(settings, &odd.build()).unwrap();
    runtime.invoke(&module, runtime.plain().of("any"), invocation("any")).result.map(|_| ())
}

#[test]
fn an_action_that_breaks_a_limit_names_it() {
    let grown = |then: &str| format!("{GROW} {then}");
    for (items, body, code, says) in [
        ("", &*grown(ABORT), "limit", "memory_bytes_max"),
        (TABLE, &format!("{GROW_TABLE} unreachable"), "limit", "table_elements_max"),
        (RECURSION, "(call $deep)", "limit", "stack_bytes_max"),
        ("", LOOP, "timeout", "50 ms (limit action_ms_max)"),
        // What was refused and handled is no reason for what comes later.
        ("", &grown(LOOP), "timeout", "action_ms_max"),
        (RECURSION, &grown("(call $deep)"), "limit", "stack_bytes_max"),
        ("", &grown(OWN_ERROR), "own", "own"),
        // Traps name the innermost functions, and are no limits.
        (FRAMES, "(call $outer) unreachable", "trap", "in innermost < outer < perform"),
        ("", "(i32.div_u (i32.const 1) (i32.const 0))", "trap", "a trap: wasm trap: integer divide by zero in perform"),
        ("", "(i32.load (i32.const -1))", "trap", "outside of its memory in perform"),
    ] {
        let failure = perform(items, body).expect_err(body);
        assert_eq!(failure.code, code, "{body}: {failure:?}");
        assert!(failure.message.contains(says), "{body}: {failure:?}");
        assert_eq!(failure.kind == FailureKind::Transient, code == "timeout", "{body}");
    }
}

#[test]
fn a_refusal_that_is_handled_does_not_fail_the_action() {
    assert_eq!(perform("", &format!("{GROW} {OK}")), Ok(()));
    assert_eq!(perform(TABLE, &format!("{GROW_TABLE} {OK}")), Ok(()));
}

#[test]
fn a_memory_that_meets_its_own_maximum_met_no_limit() {
    let odd = Odd {
        memory: "(memory (export \"memory\") 1 2)",
        perform: "(drop (memory.grow (i32.const 2))) unreachable",
        ..Odd::default()
    };
    let (runtime, module) = load(small(), &odd.build()).unwrap();
    assert_eq!(runtime.invoke(&module, runtime.plain().of("any"), invocation("any")).result.unwrap_err().code, "trap");
}

#[test]
fn a_define_that_breaks_a_limit_says_so_with_a_hint() {
    let said =
        "(call $log (i32.const 1) (i32.const 16) (i32.const 3)) (call $log (i32.const 3) (i32.const 24) (i32.const 3))";
    for (items, body, code, says) in [
        (
            "",
            format!("{said} unreachable"),
            "define-trapped",
            "in define; what it printed before is in the log; it said: odd | own",
        ),
        ("", LOOP.to_owned(), "define-timeout", "50 ms (limit define_ms_max)"),
        ("", format!("{GROW} unreachable"), "limit", "memory_bytes_max"),
        (TABLE, format!("{GROW_TABLE} unreachable"), "limit", "table_elements_max"),
        (RECURSION, "(drop (call $deep))".to_owned(), "limit", "stack_bytes_max"),
        ("", "(return (i32.const 192))".to_owned(), "define-failed", "own"),
        ("", "(return (i32.const 128))".to_owned(), "no-quest", "began no quest"),
    ] {
        let odd = Odd { items, define: &body, ..Odd::default() };
        let settings = if body == LOOP { hasty() } else { small() };
        let error = load(settings, &odd.build()).err().unwrap();
        assert_eq!(error.code, code, "{body}: {error:?}");
        assert!(error.message.contains(says), "{body}: {error:?}");
        assert_eq!(error.hint.is_empty(), code == "define-failed" || code == "no-quest", "{error:?}");
    }
    let handled = format!("{GROW} ");
    assert!(load(small(), &Odd { define: &handled, ..Odd::default() }.build()).is_ok());
}

#[test]
fn what_begins_too_large_is_refused_at_load() {
    let many = |module: &str, count: usize| {
        let modules = format!("(core module $More {module}) {}", "(core instance (instantiate $More))".repeat(count));
        Odd { last: &modules, ..Odd::default() }.build()
    };
    let memory = Odd { memory: "(memory (export \"memory\") 1025)", ..Odd::default() };
    let table = Odd { items: "(table 100001 funcref)", ..Odd::default() };
    // The last setting makes more instances than any machine has addresses for: then there is no pool.
    for (instances_max, is_pooled) in [(4, true), (u32::MAX / 64, false)] {
        let settings = || RuntimeSettings { instances_max, ..small() };
        assert_eq!(runtime(settings()).fallback().is_none(), is_pooled);
        for (bytes, limit) in [
            (memory.build(), "memory_bytes_max"),
            (table.build(), "table_elements_max"),
            (many("(memory 1)", 3), "memories_max"),
            (many("(memory 600)", 2), "memory_bytes_max"),
            (many("(table 1 funcref)", 9), "tables_max"),
            (many("", 16), "core_instances_max"),
        ] {
            let error = load(settings(), &bytes).err().unwrap_or_else(|| panic!("{limit}, pool: {is_pooled}"));
            assert_eq!(error.code, "limit", "{error:?}");
            assert!(error.message.contains(limit), "{limit}: {error:?}");
        }
        assert!(load(settings(), &many("(memory 1)", 2)).is_ok());
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.wasm");
    // Nobody could read that into memory.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let registry = Registry::new(Arc::new(runtime(RuntimeSettings { module_bytes_max: 1 << 20, ..small() })));
    let problem = registry.load_file(&path).unwrap_err();
    assert_eq!((problem.code.as_str(), problem.hint.is_empty()), ("too-large", false));
    assert!(problem.message.contains("more than 1048576 bytes (limit module_bytes_max)"), "{problem:?}");
}

#[test]
fn one_call_hands_over_so_much() {
    let odd = Odd {
        memory: "(memory (export \"memory\") 32)",
        perform: "(call $log (i32.const 1) (i32.const 65536) (i32.const 1000000)) (i32.const 128)",
        ..Odd::default()
    };
    for (call_bytes_max, code) in [(2_000_000, None), (100_000, Some("limit"))] {
        let settings = RuntimeSettings { call_bytes_max, ..small() };
        let (runtime, module) = load(settings, &odd.build()).unwrap();
        let failure = runtime.invoke(&module, runtime.plain().of("any"), invocation("any")).result.err();
        assert_eq!(failure.as_ref().map(|failure| failure.code.as_str()), code, "{failure:?}");
        assert!(failure.is_none_or(|failure| failure.message.contains("call_bytes_max")));
    }
}

#[test]
fn what_an_action_records_is_bounded() {
    for (what, code, says) in [
        ("variables", "too-many", "1024 variables"),
        ("variable bytes", "too-large", "variables hold at most 1048576"),
        ("timers", "too-many", "256 timers"),
        ("effects", "too-many", "1024 effects"),
        ("effect bytes", "too-large", "effects hold at most 1048576"),
        ("value", "too-large", "a value holds at most 262144"),
        ("json", "too-large", "JSON holds at most 1048576"),
        ("name", "invalid-name", "1 to 256 bytes"),
    ] {
        let failure = run_with("fill", Value::from(what)).result.expect_err(what);
        assert_eq!((failure.code.as_str(), failure.kind), (code, FailureKind::Permanent), "{what}: {failure:?}");
        assert!(failure.message.contains(says), "{what}: {failure:?}");
    }
}

#[test]
fn more_runs_than_instances_are_told_to_come_again() {
    let settings = RuntimeSettings { instances_max: 1, action_ms_max: 1_000, ..small() };
    let (runtime, module) = load(settings, &Odd { perform: LOOP, ..Odd::default() }.build()).unwrap();
    let both = Barrier::new(2);
    let mut failures = std::thread::scope(|scope| {
        let run = || {
            both.wait();
            runtime.invoke(&module, runtime.plain().of("any"), invocation("any")).result.unwrap_err()
        };
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap())
    });
    failures.sort_by(|one, other| one.code.cmp(&other.code));
    let seen = failures.map(|failure| (failure.code, failure.kind));
    assert_eq!(seen, [("busy".to_owned(), FailureKind::Transient), ("timeout".to_owned(), FailureKind::Transient)]);
}

#[test]
fn settings_that_would_endanger_the_host_are_refused() {
    for settings in
        [RuntimeSettings { stack_bytes_max: 2 << 20, ..small() }, RuntimeSettings { instances_max: 0, ..small() }]
    {
        assert!(Runtime::new(settings).is_err());
    }
}

#[test]
fn an_error_of_the_guests_is_kept_in_part() {
    let long =
        "(i32.store (i32.const 200) (i32.const 0x4040)) (i32.store (i32.const 208) (i32.const 0x4040)) (i32.const 192)";
    let failure = perform("", long).unwrap_err();
    assert_eq!((failure.code.len(), failure.message.len()), (128, 8192));
    let error = load(small(), &Odd { define: &format!("{long} return"), ..Odd::default() }.build()).err().unwrap();
    assert_eq!((error.code.as_str(), error.message.len()), ("define-failed", 8192));
}

#[test]
fn handles_are_bounded() {
    // A quest that asks for one wait after the other, as it starts.
    let imports = r#"
        (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
          (alias outer 1 $pollable (type $p))
          (export "pollable" (type $q (eq $p)))
          (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))"#;
    let last = r#"
        (core func $wait (canon lower (func $clock "subscribe-duration")))
        (core module $Waits
          (import "host" "wait" (func $wait (param i64) (result i32)))
          (func $start (loop (drop (call $wait (i64.const 1))) (br 0)))
          (start $start))
        (core instance (instantiate $Waits (with "host" (instance (export "wait" (func $wait))))))"#;
    let error = load(small(), &Odd { imports, last, ..Odd::default() }.build()).err().unwrap();
    assert_eq!(error.code, "define-trapped", "{error:?}");
    assert!(error.message.contains("table"), "{error:?}");
}
