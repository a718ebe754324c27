//! Tables of settings and what they resolve to.

use super::*;

fn with(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> anyhow::Result<Resolved> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).expect("written");
    let flags: Vec<_> = flags.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    resolve_with(&flags, Some(&path), environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())))
}

#[test]
fn flags_come_before_the_environment_that_before_the_file_and_the_file_before_defaults() {
    let text =
        "prefix = \"p:\"\ndata = \"d\"\n[pace]\nlease_ms = 500\nidle_poll_ms = 20\n[config.streak]\ngoal = \"7\"\n";
    let environment = [("QUEST_HOST_PACE__IDLE_POLL_MS", "30"), ("QUEST_HOST_DATA", "e"), ("QUEST_HOST_TOKEN", "s")];
    let flags = [("pace.lease_ms", "7_000"), ("data", "f"), ("config.cart.shop.name", "x")];
    let resolved = with(text, &environment, &flags).expect("valid");
    let settings = &resolved.settings;
    assert_eq!((settings.prefix.as_str(), settings.pace.lease_ms, settings.pace.idle_poll_ms), ("p:", 7_000, 30));
    assert_eq!((settings.data.as_path(), settings.token.as_str()), (Path::new("f"), "s"));
    assert_eq!((&settings.config["streak"]["goal"], &settings.config["cart"]["shop.name"]), (&"7".into(), &"x".into()));
    for (path, says) in [
        ("pace.lease_ms", "flag"),
        ("pace.idle_poll_ms", "environment QUEST_HOST_PACE__IDLE_POLL_MS"),
        ("prefix", "settings.toml:1"),
        ("config.streak.goal", "settings.toml:7"),
        ("config.cart.shop.name", "flag"),
        ("listen", "default"),
    ] {
        let origin = &resolved.leaves.iter().find(|leaf| leaf.0 == path).expect("known").2;
        assert!(origin.ends_with(says), "{path}: {origin}");
    }
    assert!(resolved.warnings.is_empty());
}

#[test]
fn variables_that_mean_nothing_are_named() {
    let environment =
        [("QUEST_HOST_TOKNE", "s"), ("QUEST_HOST_SERVICE_PORT", "1"), ("QUEST_HOST_URL", "http://x"), ("OTHER", "x")];
    let resolved = with("", &environment, &[]).expect("valid");
    assert_eq!(
        resolved.warnings,
        [
            "the environment sets QUEST_HOST_SERVICE_PORT, which is no setting",
            "the environment sets QUEST_HOST_TOKNE, which is no setting (did you mean QUEST_HOST_TOKEN?)",
        ]
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, flags, says) in [
        ("\n[pace]\nlease_sm = 5\n", &[][..], ":3: there is no setting pace.lease_sm (did you mean pace.lease_ms?)"),
        ("zebra = 5\n", &[], ":1: there is no setting zebra; hint"),
        ("prefix = 5\n", &[], ":1: prefix is a text, not a whole number"),
        ("[pace]\nlease_ms = \"5s\"\n", &[], ":2: pace.lease_ms is a whole number, not a text"),
        ("build = 1\n", &[], ":1: build is true or false, not a whole number"),
        ("pace = 5\n", &[], ":1: there is no setting pace"),
        ("[listen]\nhost = \"x\"\n", &[], ":2: there is no setting listen.host"),
        ("prefix = \n", &[], "line 1"),
        ("durability = \"never\"\n", &[], "settings.toml:1: durability is always or everysec"),
        ("[config]\ngoal = \"7\"\n", &[], ":2: config.goal is no setting of a quest"),
        ("[config.streak]\ngoal = 7\n", &[], ":2: config.streak.goal is a text, as quests read it; hint: put 7 in"),
        ("[pace]\nlease_ms = 0\n", &[], ":2: pace.lease_ms is 100 to 3600000, not 0"),
        ("[pace]\nturn_entries_max = 0\n", &[], ":2: pace.turn_entries_max is 1 to"),
        ("[accept]\ninbox_max = -1\n", &[], ":2: accept.inbox_max is 1 to"),
        ("[wasm]\nmemory_bytes_max = 0\n", &[], ":2: wasm.memory_bytes_max is 65536 to"),
        ("[engine]\nhops_max = 70000\n", &[], ":2: engine.hops_max is 1 to 65535"),
        ("partitions = 0", &[], ":1: partitions is 1 to 1024"),
        ("prefix = \"{x}\"", &[], "no braces"),
        ("listen = \"0.0.0.0:1\"", &[], "needs a token"),
        ("listen = \"[::]:1\"", &[], "needs a token"),
        ("listen = \"here\"", &[], "address with a port"),
        ("token = \"with space\"", &[], "visible ASCII"),
        ("quests = \"\"", &[], "name folders"),
        ("", &[("pace.lease_ms", "soon")], "pace.lease_ms = \"soon\": it is a whole number"),
        ("", &[("pace.lease_ms", "0")], "flag: pace.lease_ms is 100"),
        ("", &[("nope", "1")], "there is no setting nope"),
        ("", &[("config.goal", "1")], "[config.QUEST]"),
    ] {
        let error = format!("{:#}", with(text, &[], flags).expect_err(text));
        assert!(error.contains(says), "{text:?} {flags:?}: {error}");
    }
    let error = format!("{:#}", with("", &[("QUEST_HOST_BUILD", "perhaps")], &[]).expect_err("no boolean"));
    assert!(error.contains("QUEST_HOST_BUILD=perhaps: it is true or false"), "{error}");
}
