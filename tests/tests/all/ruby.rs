//! Quests in Ruby: what of the language works, what is said of mistakes, what ends at the limits.

use std::{path::Path, process::Output};

use quest_host_tests::{
    eventually,
    guests::root,
    process::{Host, Setup},
};
use serde_json::json;

use crate::scenarios::said;

/// Runs a scenario file, which is written here, on a script.
fn run(folder: &Path, scenarios: &str, args: &[&str]) -> Output {
    std::fs::write(folder.join("scenarios.toml"), scenarios).unwrap();
    Setup::new(crate::EXE, folder, &[]).command().args(["test", "scenarios.toml"]).args(args).output().unwrap()
}

/// What `quest-host test` says of a script that it cannot load.
fn refused(folder: &Path, script: &str) -> String {
    std::fs::write(folder.join("guard.rb"), script).unwrap();
    let output = run(
        folder,
        "module = \"guard.rb\"\n[[scenario]]\nname = \"none\"\nsteps = []\n",
        &["--set", "wasm.define_ms_max=500"],
    );
    assert!(!output.status.success(), "{}", said(&output));
    String::from_utf8(output.stderr).unwrap()
}

/// Each case of cases.txt is evaluated in an action of its own, and its lines are those of the log.
#[test]
fn the_language_is_ruby() {
    let script = "TOP = self\ndef TOP.evaluate(code) = eval(code)\nquest(:eval) { action(:run) { |code| TOP.evaluate(code) } }\n";
    let cases = include_str!("ruby/cases.txt");
    let mut scenarios = "module = \"eval.rb\"\n".to_owned();
    let mut count = 0;
    for case in cases.split("\n### ").skip(1) {
        let (head, code) = case.split_once('\n').unwrap();
        let (name, lines) = head.split_once(" | ").unwrap();
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let log: Vec<String> = lines.split('|').map(|line| format!("{{ message = {} }}", text(line))).collect();
        scenarios += &format!("[[scenario]]\nname = {}\nsteps = [\n", text(name));
        scenarios += &format!("  {{ add = \"eval\" }},\n  {{ call = \"eval.run\", payload = {} }},\n", text(code));
        scenarios += &format!("  {{ expect = {{ log = [{}] }} }},\n]\n", log.join(", "));
        count += 1;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("eval.rb"), script).unwrap();
    let output = run(folder.path(), &scenarios, &[]);
    assert!(output.status.success() && count > 90, "{}", said(&output));
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    let quest = |body: &str| format!("quest :guard do\n  action(:seen) {{ }}\n  {body}\nend\n");
    let cases: &[(String, &str)] = &[
        (
            quest("actoin :x do end"),
            "guard.rb:3: undefined method 'actoin' in quest guard; did you mean 'action'? (NoMethodError); line 3 is `actoin :x do end` [script-failed]",
        ),
        (
            quest("action :x, onn: 1 do end"),
            "guard.rb:3: unknown option onn: (known are on, every); did you mean 'on'? (ArgumentError); line 3 is `action :x, onn: 1 do end` [script-failed]",
        ),
        (quest("@a = = 1"), "guard.rb:3: syntax error, unexpected '='; line 3 is `@a = = 1` [script-syntax]"),
        (
            quest("every 'every day', :sene"),
            "guard.rb:3: quest guard has no action sene, which every \"every day\" calls; did you mean 'seen'?; line 3 is `every 'every day', :sene` [unknown-action]",
        ),
        (
            quest("pattern :p, kind: 'absence', of: 'a', for: '1 day', action: :gone"),
            "guard.rb:3: quest guard has no action gone, which pattern p calls",
        ),
        (quest("every 'every blue moon', :seen"), "guard.rb:3: \"blue\" is not a unit"),
        (quest("pattern :p, kind: 'luck'"), "guard.rb:3: "),
        (
            quest("action 'no good' do end"),
            "guard.rb:3: action \"no good\" is not allowed: a name is 1 to 64 letters, digits, '_' or '-'; line 3 is `action 'no good' do end` [invalid-name]",
        ),
        (quest("action(:seen) { 2 }"), "guard.rb:3: quest guard has an action or a query seen already"),
        (quest("action :x"), "guard.rb:3: action x has no block"),
        (quest("quest(:inner) { }"), "guard.rb:3: a quest is defined at the top level"),
        (quest("end\nquest :guard do"), "guard.rb:4: "),
        (
            "qest :guard do\nend\n".to_owned(),
            "guard.rb:1: undefined method 'qest' at the top level; did you mean 'quest'?",
        ),
        ("require 'active_record'\n".to_owned(), "guard.rb:1: require \"active_record\": a script has no libraries"),
        ("def a(n) = n.nothing\n\na(1)\n".to_owned(), "guard.rb:1: undefined method 'nothing'"),
        ("puts 1\n".to_owned(), "there is no quest in this script: write  quest :name do … end [no-quest]"),
        ("quest :x do\n  action(:a) { emit 'x' }\n".to_owned(), "guard.rb:3: syntax error, unexpected end of file"),
        (
            "x = 1\nloop { x += 1 }\n".to_owned(),
            "it was last seen at guard.rb:2; line 2 is `loop { x += 1 }` [define-timeout]",
        ),
        ("'a' * 2\n('a' * 50) =~ /(a+)+$b/\n".to_owned(), "it was last seen at guard.rb:2;"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (script, wanted) in cases {
        let said = refused(folder.path(), script);
        assert!(said.contains(wanted), "{script}\n{said}\nwanted: {wanted}");
    }
}

/// The actions of one script, what each is called with, and how it ends.
#[test]
fn what_leaves_an_action() {
    let script = include_str!("ruby/odd.rb");
    let exception = |message: &str| {
        format!("fails = {{ code = \"exception\", message = {{ \"$contains\" = {} }} }}", json!(message))
    };
    let answers = |text: &str| format!("exactly = {text}");
    let cases: &[(&str, &str, String)] = &[
        ("early", "1", answers("\"early\"")),
        ("early", "2", answers("\"late\"")),
        ("two", "[1, 2]", answers("[1, 2]")),
        ("helped", "3", exception("odd.rb:2: bad 1 (ArgumentError); line 2 is `n.times")),
        ("unknown", "0", exception("undefined method 'publsh' in quest odd; did you mean 'publish'? (NoMethodError)")),
        (
            "misuse",
            "0",
            "fails = { code = \"unknown-action\", message = { \"$contains\" = \"odd.rb:14: \" } }".to_owned(),
        ),
        ("caught", "0", answers("\"unknown-action\"")),
        ("time", "0", exception("@at: an object of the class Time cannot be stored or sent: write time.to_i")),
        ("object", "0", exception("@x: an object of the class Object cannot be stored or sent")),
        ("big", "0", exception("@n: an integer of more than 64 bits")),
        ("both", "0", exception("@h: a hash has the key a as a symbol and as a text")),
        ("holds_itself", "0", exception("@a: a value is nested at most 64 deep")),
        ("nan", "0", "fails = { code = \"invalid-value\", message = { \"$contains\" = \"@n: \" } }".to_owned()),
        ("keys", "0", answers("{ \"$null\" = true }")),
        ("read", "0", answers("\"{\\\"a\\\"=>1, 2=>\\\"two\\\", \\\"c\\\"=>{\\\"d\\\"=>\\\"e\\\"}}\"")),
        ("unset", "0", answers("{ \"$null\" = true }")),
        ("read", "0", answers("\"nil\"")),
        ("wait", "0", exception("an action does not wait")),
        (
            "recursion",
            "0",
            exception(
                "calls are nested too deep: does a method call itself without end? (SystemStackError); line 33 is",
            ),
        ),
        ("through_c", "0", exception("calls are nested too deep")),
        ("through_text", "0", exception("odd.rb:51: calls are nested too deep")),
        ("rescued", "0", answers("[\"seven\", 1]")),
        ("shown", "0", exception("calls are nested too deep")),
        ("parentheses", "0", "fails = \"limit\"".to_owned()),
        ("memory", "0", "fails = { code = { \"$any\" = true } }".to_owned()),
        ("text_without_end", "0", exception("string too long")),
        ("fiber", "0", exception("inside (RuntimeError)")),
        ("bytes", "0", exception("\"bytes \\xff\" (RuntimeError)")),
        ("event", "{ a = 1 }", answers("[1, 1, \"\", \"user-1\", { \"$null\" = true }]")),
        ("closure", "0", answers("[\"seven\", [10, 1]]")),
        ("closure", "0", answers("[\"seven\", [10, 1]]")),
        ("global", "0", answers("1")),
        ("global", "0", answers("1")),
        ("reserved", "0", answers("\"mine\"")),
        ("reserved_again", "0", answers("[\"mine\", 0]")),
    ];
    let mut scenarios =
        "module = \"odd.rb\"\n[[scenario]]\nname = \"all\"\nsteps = [\n  { add = \"odd\" },\n".to_owned();
    for (action, payload, wanted) in cases {
        scenarios += &format!("  {{ call = \"odd.{action}\", payload = {payload}, {wanted} }},\n");
    }
    scenarios +=
        "  { query = \"odd.changes\", fails = \"read-only\" },\n  { query = \"odd.answer\", exactly = [1] },\n]\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("odd.rb"), script).unwrap();
    let output = run(folder.path(), &scenarios, &[]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn what_does_not_end_is_ended_where_it_is() {
    let mut scenarios = "module = \"odd.rb\"\n".to_owned();
    for (action, line) in [("endless", 31), ("regexp", 32)] {
        let said = json!(format!("it was last seen at odd.rb:{line}; line {line} is"));
        scenarios += &format!(
            "[[scenario]]\nname = \"{action}\"\nsteps = [\n  {{ add = \"odd\" }},\n  {{ send_to = \"odd.{action}\" }},\n"
        );
        let dead = format!("{{ code = \"timeout\", message = {{ \"$contains\" = {said} }} }}");
        scenarios += &format!("  {{ after = \"1 day\", expect = {{ dead = [{dead}] }} }},\n]\n");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("odd.rb"), include_str!("ruby/odd.rb")).unwrap();
    let output = run(folder.path(), &scenarios, &["--set", "wasm.action_ms_max=300"]);
    assert!(output.status.success(), "{}", said(&output));
}

/// The original's example is character for character that of its README, and does here what it did there.
#[test]
fn the_originals_example_runs_unchanged() {
    let file = root().join("quests/ruby-quest/original/my_example_quest.rb");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("```ruby\n{}```\n", std::fs::read_to_string(&file).unwrap())));

    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[]);
    std::fs::create_dir_all(folder.path().join("quests")).unwrap();
    std::fs::copy(&file, folder.path().join("quests/my_example_quest.rb")).unwrap();
    let mut host = setup.start();
    let done = host.command(&["exec"]).arg(&file).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let counter = |host: &Host| host.json(&["vars", "a_user_session_key"])["my_example_quest"]["counter"].clone();
    assert_eq!(counter(&host), json!(1));
    host.json(&["send", "--context", "a_user_session_key", "--event", "test_event"]);
    eventually("the event", || (counter(&host) == json!(2)).then_some(()));
    host.kill();
    let host = setup.start();
    host.json(&["send", "--context", "a_user_session_key", "--event", "test_event"]);
    eventually("one more", || (counter(&host) == json!(3)).then_some(()));
}
