//! Settings through the real command: each mistake is named with its place; each value is shown with its origin.

use quest_host_tests::process::Setup;

fn setup(folder: &std::path::Path) -> Setup {
    Setup::new(crate::EXE, folder, &[])
}

#[test]
fn bad_files_are_refused_by_name_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    for (bytes, says) in [
        (
            &b"\n[pace]\nlease_sm = 1\n"[..],
            "quest-host.toml:3: there is no setting pace.lease_sm (did you mean pace.lease_ms?)\nhint: ",
        ),
        (b"listen = 7766\n", "quest-host.toml:1: listen is a text, not a whole number\n"),
        (b"[accept]\ninbox_max = 0\n", "quest-host.toml:2: accept.inbox_max is 1 to "),
        (b"[pace]\n\nlease_ms = 0\n", "quest-host.toml:3: pace.lease_ms is 100 to 3600000, not 0\n"),
        (b"[config.streak]\ngoal = 7\n", "quest-host.toml:2: config.streak.goal is a text"),
        (b"a = 1\nb = = 2\n", "quest-host.toml is not TOML: TOML parse error at line 2, column 5"),
        (b"\xff\xfe", "cannot read the settings file quest-host.toml: stream did not contain valid UTF-8"),
        (b"listen = \"0.0.0.0:7766\"\n", "needs a token\nhint: set QUEST_HOST_TOKEN"),
        (b"durability = \"sometimes\"\n", "quest-host.toml:1: durability is always or everysec"),
    ] {
        std::fs::write(folder.path().join("quest-host.toml"), bytes).unwrap();
        for command in [&["run"][..], &["config"], &["bench", "x.wasm"]] {
            let output = setup.command().args(command).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            assert!(said.starts_with("error: ") && said.contains(says), "{command:?}: {said}");
            assert!(output.stdout.is_empty());
        }
    }
    for (file, says) in [("none.toml", "No such file"), ("quests", "Is a directory")] {
        let output = setup.command().args(["config", "--config", file]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("cannot read the settings file {file}: {says}")), "{said}");
    }
}

#[test]
fn each_value_is_shown_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let text = "token = \"s3cret\"\nstore = \"redis://:pw@127.0.0.1\"\n[config.streak]\ngoal = \"7\"\n";
    std::fs::write(folder.path().join("quest-host.toml"), text).unwrap();
    let setup = setup(folder.path()).env("QUEST_HOST_PACE__LEASE_MS", "5000").env("QUEST_HOST_LSITEN", "x");
    let output = setup.command().args(["config", "--set", "partitions=8"]).output().unwrap();
    let (shown, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for row in [
        &["SETTING", "VALUE", "ORIGIN"][..],
        &["token", "(hidden)", "quest-host.toml:1"],
        &["store", "redis://:(hidden)@127.0.0.1", "quest-host.toml:2"],
        &["config.streak.goal", "7", "quest-host.toml:4"],
        &["pace.lease_ms", "5000", "environment", "QUEST_HOST_PACE__LEASE_MS"],
        &["partitions", "8", "flag"],
        &["listen", "127.0.0.1:7766", "default"],
    ] {
        assert!(rows.iter().any(|shown| shown == row), "{row:?} is not in\n{shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("pw"));
    assert!(said.contains("QUEST_HOST_LSITEN, which is no setting (did you mean QUEST_HOST_LISTEN?)"), "{said}");
}
