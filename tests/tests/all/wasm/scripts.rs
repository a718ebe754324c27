//! Scripts on their interpreters: replay and snapshot do the same, faults have a line, nothing is left between runs.

use std::{path::Path, sync::Arc};

use quest_engine::{
    action::{FailureKind, Invocation, Ran},
    model::Value,
};
use quest_host::wasm::{Allowed, Language, LoadError, Module, Permit, Runtime, RuntimeSettings};
use quest_host_tests::{eventually, guests::root};
use serde_json::json;

use super::invocation;

/// A busy machine is no reason to fail.
fn patient() -> RuntimeSettings {
    let permit = Permit { other_contexts: Allowed::Always, broadcast: Allowed::Always };
    RuntimeSettings { action_ms_max: 30_000, permit, ..RuntimeSettings::default() }
}

fn runtime() -> Arc<Runtime> {
    Arc::new(Runtime::new(patient()).unwrap())
}

fn invoke(runtime: &Runtime, module: &Arc<Module>, action: &str, payload: serde_json::Value) -> Ran {
    let quest = module.quests[0].name.clone();
    let payload = Value::from_json_value(&payload).unwrap();
    runtime.invoke(module, runtime.plain().of("any"), Invocation { quest, payload, ..invocation(action) })
}

/// Each language's conformance quest, in the order of [`Language::ALL`].
fn conformance() -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let file = |language: Language| {
        let file = root().join("tests/conformance").join(format!("quest.{}", language.extensions()[0]));
        let text = std::fs::read(&file).unwrap();
        (file, text)
    };
    Language::ALL.into_iter().map(file).collect()
}

#[test]
fn a_snapshot_takes_over_and_changes_nothing_but_the_speed() {
    let cache = tempfile::tempdir().unwrap();
    let settings = RuntimeSettings { cache: Some(cache.path().join("cache")), ..patient() };
    let runtime = Arc::new(Runtime::new(settings.clone()).unwrap());
    let calls = json!([
        ["variables.set", "x", [1, {"a": [true, null]}]], ["random.below", 1_000_000], ["random.bytes", 5], ["print", "here"],
        ["current.accepted-at"], ["timers.after", "t", "note", 5, 1], ["timers.after", "t", "nobody", 5, 1],
        ["events.emit", "u", "e", "p"], ["log.write", "warn", "line"], ["config.get", "none"],
    ]);
    for (file, text) in conformance() {
        // Not yet swapped: making one takes longer than this.
        let module = runtime.load_script(&file, &text).unwrap();
        let replayed: Vec<Ran> = [json!([["trap"]]), calls.clone(), json!([["fail", "c", "m"]]), json!([["recurse"]])]
            .into_iter()
            .map(|calls| invoke(&runtime, &module, "do", calls))
            .collect();
        assert!(!module.from_cache);
        eventually("its snapshot", || module.runs_from_snapshot().then_some(()));
        let swapped: Vec<Ran> = [json!([["trap"]]), calls.clone(), json!([["fail", "c", "m"]]), json!([["recurse"]])]
            .into_iter()
            .map(|calls| invoke(&runtime, &module, "do", calls))
            .collect();
        assert_eq!(replayed, swapped, "{}", file.display());
        let changes = swapped[1].result.as_ref().expect("it succeeds");
        assert_eq!(changes.variables.len(), 1);
        // Again, by a host that starts anew: from the cache at once.
        let again = Arc::new(Runtime::new(settings.clone()).unwrap());
        let module = again.load_script(&file, &text).unwrap();
        assert!(module.from_cache && module.runs_from_snapshot(), "{}", file.display());
        assert_eq!(invoke(&again, &module, "do", calls.clone()), swapped[1]);
    }
}

#[test]
fn random_numbers_differ_from_event_to_event_and_repeat_at_each_try() {
    let runtime = runtime();
    for (file, text) in conformance() {
        let module = runtime.load_script(&file, &text).unwrap();
        let draw = |event_id: &str, attempt| {
            let payload = Value::from_json_value(&json!([["random.below", 4_000_000_000_u32]])).unwrap();
            let quest = "conformance".to_owned();
            let event_id = event_id.to_owned();
            let ran = runtime.invoke(
                &module,
                runtime.plain().of("any"),
                Invocation { quest, payload, event_id, attempt, ..invocation("do") },
            );
            ran.result.unwrap().reply
        };
        assert_eq!(draw("one", 1), draw("one", 2));
        assert_ne!(draw("one", 1), draw("two", 1));
    }
}

/// Nothing of one user is there when the next one's action runs, also where a script keeps it in a global.
#[test]
fn nothing_is_left_between_runs() {
    let runtime = runtime();
    let scripts = [
        (
            "leak.js",
            "let seen = []; quest('a', { actions: { go(q, p) { seen.push(p); globalThis.last = [globalThis.last, p]; q.reply([seen, globalThis.last]); } } });",
        ),
        (
            "leak.lua",
            "local seen = {} quest 'a' { go = function(_, p) seen[#seen + 1] = p; last = { tostring(last), p }; reply({ seen, last }) end }",
        ),
    ];
    for (name, text) in scripts {
        let module = runtime.load_script(Path::new(name), text.as_bytes()).unwrap();
        let answer = |payload: &str| {
            let ran = invoke(&runtime, &module, "go", json!(payload));
            ran.result.unwrap().reply.unwrap().to_json_lossy().to_string()
        };
        let first = answer("secret");
        let second = answer("other");
        assert!(first.contains("secret") && second.contains("other") && !second.contains("secret"), "{second}");
        eventually("its snapshot", || module.runs_from_snapshot().then_some(()));
        let third = answer("third");
        assert!(!third.contains("secret") && !third.contains("other"), "{third}");
    }
}

#[test]
fn a_faulty_script_is_told_its_line_and_the_lines_text() {
    let runtime = runtime();
    for (name, text, code, parts) in [
        (
            "a.js",
            "quest('a', {\n  actions: { go( { } },\n});",
            "script-syntax",
            &["a.js:2", "line 2 is `actions: { go( { } },`"][..],
        ),
        (
            "b.js",
            "const x = 1;\nqest('a', {});",
            "script-failed",
            &["b.js:2: ReferenceError: qest is not defined", "line 2 is"],
        ),
        ("c.js", "quest('a', { go() {} });", "script-failed", &["c.js:1", "no part go; actions stand in `actions`"]),
        (
            "d.js",
            "quest('a', { actions: { go() {} }, on: { e: 'gone' } });",
            "unknown-action",
            &["no action gone", "`on`"],
        ),
        ("e.js", "quest('a', { actions: { go() {} }, every: { go: 'evry day' } });", "invalid-schedule", &["evry"]),
        ("f.js", "const a = 1;", "no-quest", &["there is no quest in this script"]),
        ("g.js", "let i = 0;\nfor (;;) i += 1;", "define-timeout", &["define_ms_max", "it was last seen at g.js:2"]),
        ("h.js", "quest('a', {}); quest('a', {});", "duplicate", &["named \"a\" already"]),
        (
            "a.lua",
            "quest 'a' {\n  go = function( end,\n}",
            "script-syntax",
            &["a.lua:2", "line 2 is `go = function( end,`"],
        ),
        ("b.lua", "local x = 1\nqest 'a' {}", "script-failed", &["b.lua:2", "global 'qest'", "line 2 is"]),
        ("c.lua", "quest 'a' { evry = {} }", "script-failed", &["c.lua:1", "no part evry"]),
        ("d.lua", "quest 'a' { on = { e = 'gone' } }", "unknown-action", &["no action gone"]),
        ("f.lua", "local a = 1", "no-quest", &["there is no quest in this script"]),
        ("g.lua", "while true do end", "define-timeout", &["it was last seen at g.lua:1"]),
        ("h.lua", "emit('e')", "define-trapped", &["not in `define`"]),
    ] {
        let LoadError { code: found, message, .. } =
            runtime.load_script(Path::new(name), text.as_bytes()).err().expect(name);
        assert_eq!(found, code, "{name}: {message}");
        for part in parts {
            assert!(message.contains(part), "{name}: {part}: {message}");
        }
    }
    let LoadError { code, message, .. } =
        runtime.load_script(Path::new("x.js"), b"// fine\n// \xff\n").err().expect("not text");
    assert_eq!((code.as_str(), message.as_str()), ("not-text", "line 2 is not UTF-8"));
    let small = RuntimeSettings { module_bytes_max: 10, ..RuntimeSettings::default() };
    let small = Arc::new(Runtime::new(small).unwrap());
    let LoadError { code, .. } = small.load_script(Path::new("x.js"), b"quest('a', {});").err().expect("too large");
    assert_eq!(code, "too-large");
}

#[test]
fn what_fails_while_it_runs_has_its_line_too() {
    let (hasty, runtime) = (RuntimeSettings { action_ms_max: 500, ..patient() }, runtime());
    let hasty = Arc::new(Runtime::new(hasty).unwrap());
    let js = r#"quest("a", { actions: { go(q, p) {
        if (p === "loop") for (;;) {}
        if (p === "regex") /^(a+)+$/.test("a".repeat(60) + "b");
        if (p === "deep") { const f = (n) => f(n + 1) + 1; f(0); }
        if (p === "promise") return Promise.resolve(1);
        if (p === "function") q.vars.x = () => 1;
        if (p === "large") q.vars.x = 2n ** 63n;
        if (p === "thrown") throw "text";
        if (p === "nothing") undefined.field;
        if (p === "typed") q.timers.after(5, "go", 1);
    } } });"#;
    let lua = r#"quest "a" { go = function(self, p)
        if p == "loop" then while true do end end
        local x
        if p == "deep" then local function f(n) return f(n + 1) + 1 end f(0) end
        if p == "table" then self.x = { 1, nil, 3 } end
        if p == "function" then self.x = function() end end
        if p == "bytes" then self.x = "\255" end
        if p == "thrown" then error("text") end
        if p == "nothing" then x.field = 1 end
        if p == "typed" then timers.after(nil, "go", 1) end
    end }"#;
    for (name, text, payload, code, parts) in [
        ("a.js", js, "loop", "timeout", &["it was last seen at a.js:2", "for (;;) {}"][..]),
        ("a.js", js, "regex", "timeout", &["it was last seen at a.js:3"]),
        ("a.js", js, "deep", "exception", &["a.js:4: RangeError", "call stack"]),
        ("a.js", js, "promise", "exception", &["a promise", "no async function"]),
        ("a.js", js, "function", "exception", &["x: a function cannot be stored"]),
        ("a.js", js, "large", "exception", &["RangeError: x: an integer has at most 64 bits"]),
        ("a.js", js, "thrown", "exception", &["it threw text"]),
        ("a.js", js, "nothing", "exception", &["a.js:9: TypeError", "line 9 is"]),
        ("a.js", js, "typed", "invalid-argument", &["timers.after: argument 1 is not a text"]),
        ("a.lua", lua, "loop", "timeout", &["it was last seen at a.lua:2"]),
        ("a.lua", lua, "deep", "exception", &["a.lua:4: stack overflow", "line 4 is"]),
        ("a.lua", lua, "table", "exception", &["x: a key of a table is a text"]),
        ("a.lua", lua, "function", "exception", &["x: a function cannot be stored"]),
        ("a.lua", lua, "bytes", "exception", &["x: a text that is not UTF-8"]),
        ("a.lua", lua, "thrown", "exception", &["a.lua:8: text"]),
        ("a.lua", lua, "nothing", "exception", &["a.lua:9: attempt to index a nil value (local 'x')"]),
        ("a.lua", lua, "typed", "invalid-argument", &["timers.after: argument 1 is not a text"]),
    ] {
        let runtime = if code == "timeout" { &hasty } else { &runtime };
        let module = runtime.load_script(Path::new(name), text.as_bytes()).unwrap();
        let failure = invoke(runtime, &module, "go", json!(payload)).result.expect_err(payload);
        assert_eq!(failure.code, code, "{name} {payload}: {}", failure.message);
        let kind = if code == "timeout" { FailureKind::Transient } else { FailureKind::Permanent };
        assert_eq!(failure.kind, kind);
        for part in parts {
            assert!(failure.message.contains(part), "{name} {payload}: {part}: {}", failure.message);
        }
    }
}

/// Every quest that the documentation shows in a script's language is one.
#[test]
fn what_the_documentation_shows_is_served() {
    let runtime = runtime();
    let pages = [
        "README.md",
        "docs/time.md",
        "docs/languages/javascript.md",
        "docs/languages/lua.md",
        "docs/languages/ruby.md",
    ];
    let mut shown = 0;
    for page in pages {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for block in text.split("```").skip(1).step_by(2) {
            let (language, script) = block.split_once('\n').unwrap();
            let extension = match language {
                "js" => "js",
                "ts" => "ts",
                "lua" => "lua",
                "ruby" => "rb",
                _ => continue,
            };
            let begins = ["quest(", "quest \"", "quest :"];
            if !script.lines().any(|line| begins.iter().any(|begin| line.starts_with(begin))) {
                continue;
            }
            let loaded = runtime.load_script(Path::new(&format!("shown.{extension}")), script.as_bytes());
            assert!(loaded.is_ok(), "{page}: {}: {script}", loaded.err().unwrap());
            shown += 1;
        }
    }
    assert!(shown >= 6, "{shown}");
}
