//! Scripts in the folder with quests: served like any module, told of faults, done once by `exec`.

use quest_host_tests::{eventually, process::Setup};
use serde_json::json;

use crate::scenarios::said;

const GREETER: &str = r#"
quest("greeter", {
  on: { greeted: "greet" },
  init(q) { q.vars.times = 0; },
  actions: {
    greet(q, { name = "you" } = {}) {
      q.vars.times += 1;
      q.publish("hello", `hello, ${name}`);
      return q.vars.times;
    },
  },
});
addQuest("greeter", "ada");
callQuest("greeter", "greet", "ada", { name: "Ada" });
"#;

const COUNTER: &str = r#"
quest "visits" {
  add_on = "visited",
  on = { visited = "visit" },
  init = function(self) self.count = 0 end,
  visit = function(self) self.count = self.count + 1 end,
}
"#;

#[test]
fn scripts_in_the_folder_are_quests_and_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[]);
    let quests = folder.path().join("quests");
    std::fs::create_dir_all(&quests).unwrap();
    std::fs::write(quests.join("greeter.js"), GREETER).unwrap();
    std::fs::write(quests.join("visits.lua"), COUNTER).unwrap();
    std::fs::write(quests.join("again.lua"), COUNTER).unwrap();
    std::fs::write(quests.join("broken.js"), "quest('broken', {").unwrap();
    let mut host = setup.start();
    let shown = said(&host.command(&["list"]).output().unwrap());
    assert!(shown.contains("greeter") && shown.contains("visits"), "{shown}");
    let output = setup.command().args(["check", "quests"]).output().unwrap();
    let text = said(&output);
    assert!(text.contains("quests/broken.js: 1 fault") && text.contains("[script-syntax]"), "{text}");
    assert!(text.contains("[duplicate-quest]"), "{text}");

    // What stands at the top level is done once, by command.
    assert_eq!(host.json(&["vars", "ada"]), json!({}));
    let file = quests.join("greeter.js");
    let done = host.command(&["exec"]).arg(&file).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(String::from_utf8_lossy(&done.stdout), "ada has greeter now\n1\n");
    assert_eq!(host.json(&["vars", "ada"])["greeter"]["times"], json!(1));
    let nothing = host.command(&["exec"]).arg(quests.join("visits.lua")).output().unwrap();
    assert!(nothing.status.success() && said(&nothing).contains("nothing at the top level"), "{}", said(&nothing));

    for _ in 0..5 {
        host.json(&["send", "--context", "bob", "--event", "visited"]);
    }
    let count = |host: &quest_host_tests::process::Host| host.json(&["vars", "bob"])["visits"]["count"].clone();
    eventually("five visits", || (count(&host) == json!(5)).then_some(()));
    host.kill();
    let host = setup.start();
    host.json(&["send", "--context", "bob", "--event", "visited"]);
    eventually("the sixth", || (count(&host) == json!(6)).then_some(()));
}
