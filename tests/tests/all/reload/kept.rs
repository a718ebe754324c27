//! What the store keeps: a restart beside a broken file, and hosts that serve the same whoever brought it.

use quest_host_tests::{
    eventually,
    guests::variant,
    process::{Host, Setup},
};

use super::{FILE, Place, STORES, problem, served, until_served};

fn version(label: &str) -> Vec<u8> {
    variant(&format!("name=variant;label={label};on=next:next;query=label"))
}

fn label(host: &Host) -> String {
    host.json(&["query", "u", "variant", "label"])["answer"].as_str().unwrap().to_owned()
}

#[test]
fn a_restart_beside_a_broken_file_serves_the_last_good_version() {
    for store in STORES {
        let place = Place::new(store);
        let (first, second) = (version("first"), version("second"));
        place.save(FILE, &first);
        let host = place.setup().start();
        host.json(&["add", "u", "variant"]);
        place.save(FILE, &second);
        until_served(&host, FILE, &second);
        // Broken while the host is down, in each of the ways that reach the store differently.
        let mut host = host;
        for broken in [second[..second.len() / 2].to_vec(), Vec::new(), variant("name=other")] {
            host.kill();
            place.save(FILE, &broken);
            host = place.setup().start();
            assert_eq!(label(&host), "second", "{store}");
            assert!(problem(&host, FILE).is_some(), "{store}: and it is said");
            host.json(&["send", "--context", "u", "--event", "next"]);
        }
        let third = version("third");
        place.save(FILE, &third);
        until_served(&host, FILE, &third);
        assert!(problem(&host, FILE).is_none());
    }
}

#[test]
fn a_host_that_is_alone_believes_its_folder() {
    let place = Place::new("embedded");
    let (first, second) = (version("first"), version("second"));
    place.save(FILE, &first);
    let host = place.setup().start();
    host.json(&["add", "u", "variant"]);
    place.save(FILE, &second);
    until_served(&host, FILE, &second);
    host.leave();
    place.save(FILE, &first);
    let host = place.setup().start();
    assert_eq!(label(&host), "first", "an older file is what its operator put there");
    host.leave();
    std::fs::remove_file(place.file(FILE)).unwrap();
    let host = place.setup().start();
    assert_eq!(served(&host, FILE), None, "and a deleted one is deleted");
}

/// A second host on the same store, with a folder of its own.
fn beside(place: &Place) -> (tempfile::TempDir, Setup) {
    let folder = tempfile::tempdir().unwrap();
    let first = place.setup();
    let flags: Vec<&str> = first.flags.iter().map(String::as_str).collect();
    let setup = Setup::new(crate::EXE, folder.path(), &[]).flags(&flags);
    (folder, setup)
}

#[test]
fn all_hosts_serve_what_one_of_them_was_given() {
    let place = Place::new("redis");
    let (first, second) = (version("first"), version("second"));
    place.save(FILE, &first);
    let one = place.setup().start();
    let (folder, setup) = beside(&place);
    let other = setup.start();
    until_served(&other, FILE, &first);
    place.save(FILE, &second);
    until_served(&one, FILE, &second);
    until_served(&other, FILE, &second);
    // The other one's folder counts as well.
    let third = version("third");
    std::fs::write(folder.path().join("quests").join(FILE), &third).unwrap();
    until_served(&other, FILE, &third);
    until_served(&one, FILE, &third);
    // A host that comes with an old file does not take the others back.
    let (old_folder, old) = beside(&place);
    std::fs::write(old_folder.path().join("quests").join(FILE), &first).unwrap();
    let late = old.start();
    assert_eq!(served(&late, FILE), served(&one, FILE));
    // What is deleted where it is watched is deleted.
    std::fs::remove_file(place.file(FILE)).unwrap();
    for host in [&one, &other, &late] {
        eventually("it is out of service", || served(host, FILE).is_none().then_some(()));
    }
    // Nor does a host that still has it bring it back.
    late.leave();
    let late = old.start();
    assert_eq!((served(&late, FILE), served(&one, FILE)), (None, None));
}

#[test]
fn a_host_that_cannot_load_what_the_others_serve_stands_aside() {
    let place = Place::new("redis");
    let (first, second) = (version("first"), version("second"));
    place.save(FILE, &first);
    let one = place.setup().start();
    let (_folder, setup) = beside(&place);
    let small = setup.flags(&["--set", &format!("wasm.module_bytes_max={}", first.len())]).start();
    until_served(&small, FILE, &first);
    let contexts: Vec<String> = (0..16).map(|n| format!("u{n}")).collect();
    contexts.iter().for_each(|context| _ = one.json(&["add", context, "variant"]));
    // Larger by a custom section, which means nothing.
    let larger = [&second[..], &[0, 5, 3, b'x', b'y', b'z', 0]].concat();
    place.save(FILE, &larger);
    until_served(&one, FILE, &larger);
    let found = eventually("it says so", || problem(&small, FILE));
    assert_eq!(found["code"], "too-large");
    assert_eq!(served(&small, FILE), None);
    // What comes for its partitions waits, and is done where they go.
    for context in &contexts {
        one.json(&["send", "--context", context, "--event", "next", "--payload", "1"]);
    }
    small.leave();
    for context in &contexts {
        eventually("it is done", || (one.json(&["vars", context])["variant"]["by_second"] == 1).then_some(()));
    }
}
