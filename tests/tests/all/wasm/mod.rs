//! The runtime against a real component: every limit, every kind of failure, nothing left between runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use quest_engine::{
    action::{Effect, Export, FailureKind, Invocation, Ran},
    model::{Cause, Value},
};
use quest_host::wasm::{Module, Registry, Runtime, RuntimeSettings};
use quest_host_tests::guests::guest;

fn runtime() -> &'static (Runtime, Arc<Module>) {
    static RUNTIME: OnceLock<(Runtime, Arc<Module>)> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let settings = RuntimeSettings { action_ms_max: 300, ..RuntimeSettings::default() };
        let runtime = Runtime::new(settings).unwrap();
        let module = runtime.load(&probe()).unwrap();
        (runtime, module)
    })
}

fn probe() -> Vec<u8> {
    std::fs::read(guest("guest-probe")).unwrap()
}

fn invocation(action: &str) -> Invocation {
    Invocation {
        export: if action == "init" { Export::Init } else { Export::Perform },
        quest: "probe".to_owned(),
        action: action.to_owned(),
        context: "user-1".to_owned(),
        instance: "abc".to_owned(),
        event_name: "e".to_owned(),
        event_id: "id-1".to_owned(),
        cause: if action == "total" { Cause::Query } else { Cause::Event },
        accepted_at: 1_700_000_000_123,
        processed_at: 1_700_000_000_456,
        attempt: 1,
        hops: 0,
        payload: Value::Integer(5),
        variables: Arc::new(BTreeMap::from([("n".to_owned(), Value::Integer(7))])),
        timers: Arc::default(),
        active: Arc::new(vec!["probe".to_owned()]),
        config: Arc::default(),
    }
}

fn run(action: &str) -> Ran {
    let (runtime, module) = runtime();
    runtime.invoke(module, invocation(action))
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
        ("loop", FailureKind::Transient, "timeout", "300 ms"),
        ("memory", FailureKind::Permanent, "limit", "memory_bytes_max"),
        ("recursion", FailureKind::Permanent, "trap", "endless recursion"),
        ("effect-flood", FailureKind::Permanent, "too-many", "1024 effects"),
        ("panic", FailureKind::Permanent, "trap", "unreachable"),
    ] {
        let failure = run(action).result.expect_err(action);
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{action}: {failure:?}");
        assert!(failure.message.contains(says), "{action}: {failure:?}");
    }
    let logs = run("panic").logs;
    assert!(logs.iter().any(|line| line.message.contains("the probe panics")), "{logs:?}");
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
    assert_eq!(run("random"), run("random"), "the same event, the same numbers");
    let (runtime, module) = runtime();
    let other = runtime.invoke(module, Invocation { event_id: "id-2".to_owned(), ..invocation("random") });
    assert_ne!(other, run("random"));
}

#[test]
fn nothing_is_left_between_runs_and_nothing_reaches_outside() {
    assert_eq!(reply("runs"), Value::Integer(1));
    assert_eq!(reply("runs"), Value::Integer(1));
    let Value::Text(refused) = reply("sockets") else { panic!("text") };
    assert!(refused.contains("Permission") || refused.contains("Unsupported"), "{refused}");
}

#[test]
fn logs_keep_their_order_and_their_bounds() {
    let lines: Vec<_> = run("print").logs.into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["to stdout", "to the log", "to stderr, no newline"]);
    let flood = run("log-flood").logs;
    assert_eq!(flood.len(), 257);
    assert!(flood[0].message.ends_with("… (cut)"));
    assert_eq!(flood[256].message, "99744 more lines were dropped (limit log_lines_max)");
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
fn compiled_code_is_kept_and_distrusted_when_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        let settings = RuntimeSettings { cache: Some(folder.path().to_owned()), ..RuntimeSettings::default() };
        Runtime::new(settings).unwrap().load(&probe()).unwrap().from_cache
    };
    let cached = || std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert!(!load());
    assert!(load());
    let mut bytes = std::fs::read(cached()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(cached(), &bytes).unwrap();
    assert!(!load(), "damaged");
    assert!(load());
    std::fs::write(cached(), &bytes[..100]).unwrap();
    assert!(!load(), "cut short");
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
