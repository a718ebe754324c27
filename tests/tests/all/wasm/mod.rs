//! The runtime against real components: every limit, every kind of failure, nothing left between runs.

mod cache;
mod imports;
mod limits;
pub mod odd;
mod scripts;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use quest_engine::{
    action::{Effect, Export, FailureKind, Invocation, Ran},
    model::{Cause, Value},
};
use quest_host::wasm::{Allowed, Module, Permit, Registry, Runtime, RuntimeSettings};
use quest_host_tests::guests::{guest, guest_with_lines, root, variant};

fn runtime() -> &'static (Runtime, Arc<Module>) {
    static RUNTIME: OnceLock<(Runtime, Arc<Module>)> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let permit = Permit { other_contexts: Allowed::Always, broadcast: Allowed::Always };
        let settings = RuntimeSettings { action_ms_max: 60_000, permit, ..RuntimeSettings::default() };
        let runtime = Runtime::new(settings).unwrap();
        let module = runtime.load(&probe()).unwrap();
        (runtime, module)
    })
}

pub fn probe() -> Vec<u8> {
    std::fs::read(guest("guest-probe")).unwrap()
}

pub fn invocation(action: &str) -> Invocation {
    Invocation {
        export: if action == "init" { Export::Init } else { Export::Perform },
        context: "user-1".to_owned(),
        instance: "abc".to_owned(),
        event_id: "id-1".to_owned(),
        cause: if action == "total" { Cause::Query } else { Cause::Event },
        accepted_at: 1_700_000_000_123,
        processed_at: 1_700_000_000_456,
        payload: Value::Integer(5),
        variables: Arc::new(BTreeMap::from([("n".to_owned(), Value::Integer(7))])),
        active: Arc::new(vec!["probe".to_owned()]),
        ..Invocation::bare("probe", action)
    }
}

fn run(action: &str) -> Ran {
    let (runtime, module) = runtime();
    runtime.invoke(module, runtime.plain().of("any"), invocation(action))
}

fn run_with(action: &str, payload: Value) -> Ran {
    let (runtime, module) = runtime();
    runtime.invoke(module, runtime.plain().of("any"), Invocation { payload, ..invocation(action) })
}

fn reply(action: &str) -> Value {
    run(action).result.expect(action).reply.expect("a reply")
}

#[test]
fn actions_change_variables_and_queries_change_nothing() {
    assert_eq!(run("init").result.unwrap().variables["n"], Some(Value::Integer(0)));
    assert_eq!(run("count").result.unwrap().variables["n"], Some(Value::Integer(8)));
    let total = run("total");
    let changes = total.result.unwrap();
    assert_eq!((changes.reply, changes.variables.len()), (Some(Value::Integer(7)), 0));
    assert_eq!(total.logs[0].message, "read-only");
}

#[test]
fn every_effect_is_recorded_in_order() {
    let changes = run("everything").result.unwrap();
    let list = Value::from_json("[1,{\"a\":null}]").unwrap();
    assert_eq!(changes.variables, BTreeMap::from([("list".to_owned(), Some(list.clone())), ("n".to_owned(), None)]));
    let due: Vec<_> = changes.timers.values().map(|timer| timer.as_ref().unwrap().due - 1_700_000_000_123).collect();
    assert_eq!(due, [5_000, 1_000]);
    assert_eq!(changes.reply, Some(list));
    let kinds: Vec<_> = changes
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Emit { payload, .. } => {
                assert_eq!(*payload, Value::Integer(5));
                "emit"
            }
            Effect::Send { .. } => "send",
            Effect::Broadcast { .. } => "broadcast",
            Effect::Add { .. } => "add",
            Effect::Remove { .. } => "remove",
            Effect::Publish { .. } => "publish",
        })
        .collect();
    assert_eq!(kinds, ["emit", "send", "broadcast", "add", "remove", "publish"]);
}

#[test]
fn each_failure_has_its_kind_and_reason() {
    for (action, kind, code, says) in [
        ("transient", FailureKind::Transient, "transient", "as asked"),
        ("permanent", FailureKind::Permanent, "permanent", "as asked"),
        ("refused", FailureKind::Permanent, "invalid-name", "1 to 256 bytes"),
        ("define-late", FailureKind::Permanent, "not-in-define", "`define` only"),
        ("memory", FailureKind::Permanent, "limit", "memory_bytes_max"),
        ("recursion", FailureKind::Permanent, "trap", "endless recursion"),
        ("effect-flood", FailureKind::Permanent, "too-many", "1024 effects"),
        ("panic", FailureKind::Permanent, "trap", "unreachable"),
        ("exit", FailureKind::Permanent, "trap", "exited with failure"),
    ] {
        let failure = run(action).result.expect_err(action);
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{action}: {failure:?}");
        assert!(failure.message.contains(says), "{action}: {failure:?}");
    }
    let logs = run("panic").logs;
    assert!(logs.iter().any(|line| line.message.contains("the probe panics")), "{logs:?}");
}

#[test]
fn a_trap_has_the_quests_own_names_and_lines_where_the_component_has_them() {
    let (runtime, _) = runtime();
    let module = runtime.load(&std::fs::read(guest_with_lines("guest-probe")).unwrap()).unwrap();
    let trap = runtime.invoke(&module, runtime.plain().of("any"), invocation("panic")).result.unwrap_err().message;
    let source = std::fs::read_to_string(root().join("tests/guests/probe/src/lib.rs")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("the probe panics")).unwrap();
    assert!(trap.contains(&format!(" (probe/src/lib.rs:{line})")) && trap.contains("guest_probe::"), "{trap}");
    assert!(!trap.contains("_RN") && !trap.contains("std::"), "{trap}");
}

#[test]
fn everything_about_time_crosses_the_border() {
    let (runtime, module) = runtime();
    let definition = &module.quests[0];
    assert_eq!(definition.every["hourly"].schedule, "every 1000 days; zone Europe/Berlin");
    assert!(definition.patterns["quiet"].contains("absence") && definition.starts_patterns);
    let changes = runtime.invoke(module, runtime.plain().of("any"), invocation("time")).result.unwrap();
    // 22:13 UTC at the event: 09:00 is 10:47 hours away, and in Tokyo 1:47.
    let says = "Asia/Tokyo 2023-11-15T07:13:20.123+09:00[Asia/Tokyo] Some(32400000) Some(\"{\\\"x\\\":[1]}\") \
                Some(\"every 10 minutes\") true false [\"new\"] false 1774656000000 0";
    assert_eq!(changes.reply, Some(Value::from(says)));
    assert_eq!(changes.zone.unwrap().name(), "Asia/Tokyo");
    assert_eq!(changes.timers["ten"].as_ref().unwrap().recurrence.as_ref().unwrap().schedule, "every 10 minutes");
    assert!(changes.patterns["new"].as_ref().unwrap().contains("14 days"));
    let expected = "unknown-action invalid-schedule unknown-zone invalid-time invalid-pattern invalid-json invalid-name \
                    invalid-pattern";
    assert_eq!(reply("misuse-time"), Value::from(expected));
}

#[test]
fn misuse_is_refused_with_a_code() {
    let expected = "unknown-action invalid-name out-of-range invalid-context invalid-name invalid-value invalid-value \
                    invalid-json too-large not-json";
    assert_eq!(reply("misuse"), Value::from(expected));
}

#[test]
fn time_and_chance_come_from_the_host() {
    assert_eq!(reply("clock"), Value::Integer(1_700_000_000_123));
    let (runtime, module) = runtime();
    for other in [
        Invocation { event_id: "id-2".to_owned(), ..invocation("random") },
        Invocation { instance: "def".to_owned(), ..invocation("random") },
    ] {
        assert_ne!(runtime.invoke(module, runtime.plain().of("any"), other), run("random"));
    }
}

#[test]
fn the_same_invocation_gives_the_same_run() {
    for action in ["count", "total", "clock", "random", "print", "misuse", "everything", "sleep", "sockets", "panic"] {
        let first = run(action);
        let retried = Invocation { attempt: 2, processed_at: 1_800_000_000_000, ..invocation(action) };
        let (runtime, module) = runtime();
        assert_eq!(runtime.invoke(module, runtime.plain().of("any"), retried), first, "{action}");
    }
}

#[test]
fn a_wait_takes_no_time_but_moves_the_clock() {
    // An hour, by the clock that the quest sees; the runtime's wall time for an action ends at 300 ms.
    assert_eq!(reply("sleep"), Value::Integer(3600));
}

#[test]
fn nothing_is_left_between_runs() {
    assert_eq!(reply("runs"), Value::Integer(1));
    assert_eq!(reply("runs"), Value::Integer(1));
}

#[test]
fn threads_run_side_by_side() {
    const RUNS: i64 = 300;
    let (runtime, module) = runtime();
    let count = |thread: i64| {
        let mut n = thread * RUNS;
        for _ in 0..RUNS {
            let variables = Arc::new(BTreeMap::from([("n".to_owned(), Value::Integer(n))]));
            let ran =
                runtime.invoke(module, runtime.plain().of("any"), Invocation { variables, ..invocation("count") });
            n += 1;
            assert_eq!(ran.result.unwrap().variables["n"], Some(Value::Integer(n)));
        }
        n
    };
    let ends: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|thread| scope.spawn(move || count(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ends, [RUNS, 2 * RUNS]);
}

#[test]
fn nothing_reaches_outside() {
    let seen = reply("outside");
    assert_eq!(seen, Value::from("0 variables, 0 arguments, root refused, read refused, write refused"));
    for (action, denied) in [
        ("sockets", &["a TCP socket", "a UDP socket"][..]),
        ("look-up", &["looking up", "a TCP socket", "a UDP socket"]),
    ] {
        let ran = run(action);
        let Some(Value::Text(ends)) = ran.result.unwrap().reply else { panic!("text") };
        assert_eq!(ends, ["permission denied"; 4].join(", "));
        // Each kind once, however often it was tried.
        assert_eq!(ran.logs.len(), denied.len(), "{:?}", ran.logs);
        for (line, what) in ran.logs.iter().zip(denied) {
            assert!(line.message.starts_with(what) && line.message.contains("grants no quest"), "{line:?}");
        }
    }
}

#[test]
fn a_define_that_prints_loads_on_any_thread() {
    let module = async { Runtime::new(RuntimeSettings::default()).unwrap().load(&probe()).map(|module| module.size) };
    let threads = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(threads.block_on(module).is_ok());
}

#[test]
fn logs_keep_their_order_and_their_bounds() {
    let lines: Vec<_> = run("print").logs.into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["to stdout", "to the log", "to stderr, no newline"]);
    let flood = run("log-flood").logs;
    assert_eq!(flood.len(), 257);
    assert!(flood[0].message.ends_with("… (cut)"));
    assert_eq!(flood[256].message, "99744 more lines were dropped (limit log_lines_max)");
    let breaks = run("log-breaks").logs;
    let dropped = 3 * (4 << 20) - 256;
    assert_eq!(breaks[256].message, format!("{dropped} more lines were dropped (limit log_lines_max)"));
}

#[test]
fn what_is_no_quest_is_refused_by_reason() {
    let (runtime, _) = runtime();
    let whole = probe();
    let core = b"\0asm\x01\0\0\0".to_vec();
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    for (bytes, code) in [
        (b"".to_vec(), "not-wasm"),
        (b"quest".to_vec(), "not-wasm"),
        (core, "core-module"),
        (empty_component, "no-guest"),
        (whole[..whole.len() / 2].to_vec(), "compile"),
        (vec![0; (64 << 20) + 1], "too-large"),
    ] {
        let error = runtime.load(&bytes).err().map(|error| error.code);
        assert_eq!(error.as_deref(), Some(code));
    }
}

#[test]
fn a_registry_serves_the_good_and_names_the_bad() {
    use quest_host::quests::Quests as _;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let registry = Registry::new(Arc::new(Runtime::new(RuntimeSettings::default()).unwrap()));
    let good = file("good.wasm", &probe());
    assert_eq!(registry.load_file(&good).unwrap().quests, ["probe"]);
    assert_eq!(registry.load_file(&file("twin.wasm", &probe())).unwrap_err().code, "duplicate-quest");
    assert_eq!(registry.load_file(&file("bad.wasm", b"?")).unwrap_err().code, "not-wasm");
    assert_eq!(registry.load_file(&folder.path().join("none.wasm")).unwrap_err().code, "unreadable");
    assert_eq!(registry.problems().len(), 3);
    // A broken file in the place of a good one: the good one goes on.
    file("good.wasm", b"broken");
    registry.load_file(&good).unwrap_err();
    assert!(registry.invoke(invocation("count")).result.is_ok());
    let unknown = registry.invoke(Invocation { quest: "gone".to_owned(), ..invocation("count") });
    assert_eq!(unknown.result.unwrap_err().code, "quest-not-served");
}

#[test]
fn a_counter_in_rust_is_small() {
    // An action's cost is mostly the guest's memory; its code is loaded, compiled and kept for each version.
    let bytes = std::fs::metadata(guest("quest-counter")).unwrap().len();
    assert!(bytes < 60 * 1024, "{bytes} bytes");
}

#[test]
fn whoever_took_what_is_served_keeps_it_through_a_reload() {
    use quest_engine::model::Value;
    use quest_host::quests::{Quests as _, Serving};
    let version = |label: &str| variant(&format!("name=variant;label={label};action={label};query=label"));
    let registry = Registry::new(Arc::new(Runtime::new(RuntimeSettings::default()).unwrap()));
    let file = std::path::Path::new("variant.wasm");
    registry.offer(file, &version("a")).unwrap();
    let taken = registry.serving();
    registry.offer(file, &version("b")).unwrap();
    let label = |serving: &dyn Serving| {
        let asked = Invocation { quest: "variant".to_owned(), ..invocation("label") };
        serving.invoke(asked).result.unwrap().reply
    };
    let knows =
        |serving: &dyn Serving, action: &str| serving.catalog().get("variant").unwrap().actions.contains_key(action);
    assert_eq!(label(&*taken), Some(Value::Text("a".to_owned())));
    assert!(knows(&*taken, "a") && !knows(&*taken, "b"));
    assert_eq!(label(&*registry.serving()), Some(Value::Text("b".to_owned())));
    assert_eq!(registry.withdraw(file), ["variant"]);
    assert_eq!(label(&*taken), Some(Value::Text("a".to_owned())), "a turn in flight has its code to the end");
}
