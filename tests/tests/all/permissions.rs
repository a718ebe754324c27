//! `quest.toml`: what a quest may do and take, under the operator's ceiling; changed while the host runs, and broken.

use std::path::{Path, PathBuf};

use quest_engine::limits::ActionLimits;
use quest_host::wasm::{QuestLimits, RuntimeSettings};
use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Setup},
    schema,
};
use serde_json::{Value, json};

use crate::{
    reload::{problem, served, until_served},
    scenarios::said,
};

const REACH: &str = r#"
local function code(of, ...) local done, why = pcall(of, ...) return done and "done" or why.code end

quest "reach" {
  add_on = "begin",
  on = { heard = "hear" },
  init = function(self) self.heard = 0 end,
  hear = function(self) self.heard = self.heard + 1 end,
  try = function() reply {
    own = code(emit, "other-event", nil, event.context), emit = code(emit, "heard", nil, "bob"), send = code(send, "bob", "reach", "hear"),
    add = code(quests.add, "reach", "carl"), remove = code(quests.remove, "reach", "dora"), broadcast = code(broadcast, "nothing"),
  } end,
  why = function() emit("heard", nil, "bob") end,
  endless = function() while true do end end,
  timers = function() for i = 1, 3 do timers.after("t" .. i, "hear", 3600000) end end,
}
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(folder.quests()).unwrap();
        std::fs::write(folder.quests().join("reach.lua"), REACH).unwrap();
        folder
    }

    fn setup(&self) -> Setup {
        Setup::new(crate::EXE, self.0.path(), &[])
    }

    fn quests(&self) -> PathBuf {
        self.0.path().join("quests")
    }

    fn policy(&self, text: &str) {
        std::fs::write(self.quests().join("quest.toml"), text).unwrap();
    }

    fn check(&self, args: &[&str]) -> String {
        said(&self.setup().command().args(["check", "quests"]).args(args).output().unwrap())
    }
}

fn answer(host: &Host, action: &str) -> Value {
    host.json(&["call", "ann", "reach", action])["answer"].clone()
}

/// What becomes of reaching for other contexts, and of a broadcast.
fn tried(host: &Host) -> (String, String) {
    let answer = answer(host, "try");
    assert_eq!(answer["own"], "done");
    let code = |name: &str| answer[name].as_str().unwrap().to_owned();
    for name in ["send", "add", "remove"] {
        assert_eq!(code(name), code("emit"), "{answer}");
    }
    (code("emit"), code("broadcast"))
}

fn becomes(host: &Host, expected: (&str, &str)) {
    let expected = (expected.0.to_owned(), expected.1.to_owned());
    eventually(&format!("{expected:?}"), || (tried(host) == expected).then_some(()));
}

const NO: &str = "not-permitted";

#[test]
fn a_quest_reaches_others_only_if_it_asks_and_the_operator_lets_it() {
    let folder = Folder::new();
    let host = folder.setup().start();
    host.json(&["add", "ann", "reach"]);
    host.json(&["add", "bob", "reach"]);
    becomes(&host, (NO, NO));
    let refused = said(&host.cli(&["call", "ann", "reach", "why"]));
    assert!(
        refused.contains("`other_contexts = true` under [permissions] in the quest.toml beside its module"),
        "{refused}"
    );
    assert_eq!(host.json(&["vars", "bob"])["reach"]["heard"], json!(0));

    // It takes effect while the host runs, in both directions, and counts for one quest where it says so.
    folder.policy("[permissions]\nother_contexts = true\n");
    becomes(&host, ("done", NO));
    eventually("bob hears", || (host.json(&["vars", "bob"])["reach"]["heard"].as_u64() >= Some(2)).then_some(()));
    folder.policy(
        "[permissions]\nother_contexts = true\n[quests.reach.permissions]\nbroadcast = true\nother_contexts = false\n",
    );
    becomes(&host, (NO, "done"));
    std::fs::remove_file(folder.quests().join("quest.toml")).unwrap();
    becomes(&host, (NO, NO));
    drop(host);

    folder.policy(quest_host_tests::process::PERMISSIONS);
    let host = folder.setup().flags(&["--set", "wasm.permit.other_contexts=never"]).start();
    becomes(&host, (NO, "done"));
    host.says("the permission other_contexts is not given");
    let refused = said(&host.cli(&["call", "ann", "reach", "why"]));
    assert!(refused.contains("wasm.permit.other_contexts is \"never\""), "{refused}");
    drop(host);
    std::fs::remove_file(folder.quests().join("quest.toml")).unwrap();
    let host = folder.setup().flags(&["--set", "wasm.permit.broadcast=always"]).start();
    becomes(&host, (NO, "done"));
}

#[test]
fn a_broken_file_changes_nothing_and_at_a_start_serves_nothing() {
    let folder = Folder::new();
    folder.policy("[permissions]\nbroadcast = true\n");
    let mut host = folder.setup().start();
    host.json(&["add", "ann", "reach"]);
    becomes(&host, (NO, "done"));
    folder.policy("[permissions]\nbroadcats = true\n");
    let problem = |host: &Host| host.json(&["list"])["problems"][0].clone();
    let found = eventually("its fault", || Some(problem(&host)).filter(|found| found["code"] == "quest-toml"));
    assert!(found["message"].as_str().unwrap().contains("line 2"), "{found}");
    becomes(&host, (NO, "done"));
    assert!(folder.check(&[]).contains("[quest-toml]"), "{}", folder.check(&[]));

    host.kill();
    let host = folder.setup().start();
    assert_eq!(problem(&host)["code"], "quest-toml", "what it may do is not known, so it is not served");
    assert_eq!(host.json(&["list"])["quests"], json!([]));
    folder.policy("[permissions]\nother_contexts = true\n");
    eventually("mended", || (problem(&host) == Value::Null).then_some(()));
    becomes(&host, ("done", NO));
}

/// A host that went back to the first version, while the file has a later one.
fn rolled_back(folder: &Folder) -> Host {
    let host = folder.setup().start();
    host.json(&["add", "ann", "reach"]);
    let later = format!("{REACH}-- later\n");
    std::fs::write(folder.quests().join("reach.lua"), &later).unwrap();
    until_served(&host, "reach.lua", later.as_bytes());
    host.json(&["rollback", "reach"]);
    until_served(&host, "reach.lua", REACH.as_bytes());
    host
}

#[test]
fn a_rollback_holds_when_the_policy_changes() {
    let folder = Folder::new();
    let host = rolled_back(&folder);
    folder.policy("[permissions]\nbroadcast = true\n");
    becomes(&host, (NO, "done"));
    assert_eq!(served(&host, "reach.lua").unwrap(), blake3::hash(REACH.as_bytes()).to_hex().to_string());
    // A broken one does not bring the file's version back either, nor does mending it.
    folder.policy("[permission]\n");
    eventually("its fault", || problem(&host, "reach.lua").filter(|found| found["code"] == "quest-toml"));
    folder.policy("[permissions]\nother_contexts = true\n");
    becomes(&host, ("done", NO));
    eventually("mended", || problem(&host, "reach.lua").is_none().then_some(()));
    assert_eq!(served(&host, "reach.lua").unwrap(), blake3::hash(REACH.as_bytes()).to_hex().to_string());
}

#[test]
fn a_rollback_holds_through_a_start_beside_a_broken_policy() {
    let folder = Folder::new();
    let host = rolled_back(&folder);
    host.leave();
    folder.policy("[permission]\n");
    let host = folder.setup().start();
    assert_eq!(problem(&host, "reach.lua").unwrap()["code"], "quest-toml");
    assert_eq!(host.json(&["list"])["quests"], json!([]));
    folder.policy("[permissions]\nother_contexts = true\n");
    until_served(&host, "reach.lua", REACH.as_bytes());
    becomes(&host, ("done", NO));
    eventually("mended", || problem(&host, "reach.lua").is_none().then_some(()));
}

#[test]
fn a_module_from_the_store_goes_by_the_policy_of_its_sources() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[]);
    let sources = folder.path().join("quests/built");
    std::fs::create_dir_all(&sources).unwrap();
    std::fs::copy(guest("guest-probe"), sources.join("probe.wasm")).unwrap();
    std::fs::write(sources.join("build.sh"), "echo probe.wasm\n").unwrap();
    let allow = |timers: u32| {
        std::fs::write(sources.join("quest.toml"), format!("[limits]\ntimers_max = {timers}\n")).unwrap();
    };
    let until = |host: &Host, timers: u32| {
        let refused = || said(&host.cli(&["call", "ann", "probe", "fill", "--payload", "\"timers\""]));
        eventually("the limit", || refused().contains(&format!("at most {timers} timers")).then_some(()));
    };
    allow(3);
    let mut host = setup.start();
    host.json(&["add", "ann", "probe"]);
    until(&host, 3);
    host.kill();
    // They do not build any more, and the module is served as the store has it.
    std::fs::write(sources.join("build.sh"), "echo no >&2; exit 1\n").unwrap();
    std::fs::remove_file(sources.join("probe.wasm")).unwrap();
    let host = setup.start();
    assert_eq!(problem(&host, "built").unwrap()["code"], "build-failed");
    until(&host, 3);
    allow(5);
    until(&host, 5);
}

#[test]
fn limits_are_a_quests_own_up_to_the_operators() {
    let folder = Folder::new();
    folder.policy("[limits]\naction_ms_max = 120\ntimers_max = 2\neffects_max = 1_000_000\n[quests.reech]\nkeep_instances = 'context'\n");
    let text = said(&folder.setup().command().args(["inspect", "quests"]).output().unwrap());
    for part in [
        "    may       act on its own context only\n",
        "    limits    action_ms_max 120, effects_max 1024, timers_max 2\n",
        "  note      quest.toml: line 4: effects_max = 1000000 is above the host's 1024 (wasm.action.effects_max), which holds\n",
        "quest.toml has a section for the quest \"reech\", which no module there defines",
    ] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
    let json = folder.setup().command().args(["inspect", "quests", "--format", "json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(told["policies"]["reach"]["limits"]["timers_max"], json!(2));
    assert_eq!(told["policies"]["reach"]["permissions"], json!({"other_contexts": "unasked", "broadcast": "unasked"}));

    let host = folder.setup().flags(&["--set", "engine.attempts_max=1"]).start();
    host.says("effects_max = 1000000 is above the host's");
    host.json(&["add", "ann", "reach"]);
    let failed = said(&host.cli(&["call", "ann", "reach", "timers"]));
    assert!(failed.contains("too-many") && failed.contains("at most 2 timers"), "{failed}");
    let failed = said(&host.cli(&["call", "ann", "reach", "endless"]));
    assert!(failed.contains("longer than 120 ms"), "{failed}");
}

#[test]
fn scenarios_and_simulations_go_by_it_too() {
    let folder = Folder::new();
    let script = folder.0.path().join("scenarios.toml");
    let steps =
        "steps = [{ add = 'reach' }, { call = 'reach.try', expect = { emit = 'done', broadcast = 'not-permitted' } }]";
    std::fs::write(&script, format!("module = 'quests'\n[[scenario]]\nname = 'reach'\n{steps}\n")).unwrap();
    let run = || said(&folder.setup().command().arg("test").arg(&script).output().unwrap());
    assert!(run().contains("1 failed"), "{}", run());
    folder.policy("[permissions]\nother_contexts = true\n");
    assert!(run().contains("1 passed"), "{}", run());
    folder.policy("[permission]\n");
    assert!(run().contains("[quest-toml]"), "{}", run());
}

#[test]
fn the_schema_has_what_the_file_may_hold() {
    let text = std::fs::read_to_string(quest_host_tests::guests::root().join("docs/quest.schema.json")).unwrap();
    let schema_text: Value = serde_json::from_str(&text).unwrap();
    let named = |pointer: &str| -> Vec<String> {
        let mut names: Vec<String> =
            schema_text.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let settings = RuntimeSettings::default();
    let limits = QuestLimits::ceiling(&settings);
    let mut known: Vec<String> = json!(limits).as_object().unwrap().keys().cloned().collect();
    known.sort();
    assert_eq!(named("/$defs/limits/properties"), known);
    assert_eq!(json!(ActionLimits::default()).as_object().unwrap().len() + 4, known.len());
    assert_eq!(named("/$defs/permissions/properties"), ["broadcast", "other_contexts"]);
    // The example of the documentation, by the schema and by the host.
    let docs = std::fs::read_to_string(quest_host_tests::guests::root().join("docs/permissions.md")).unwrap();
    let example = docs.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let value: Value = toml::from_str(example).unwrap();
    assert_eq!(schema::faults(&schema_text, &schema_text, &value), Vec::<String>::new());
    let folder = Folder::new();
    folder.policy(example);
    assert!(folder.check(&[]).contains("reach.lua: ok: reach"), "{}", folder.check(&[]));
    assert!(Path::new(&folder.quests()).join("quest.toml").exists());
}
