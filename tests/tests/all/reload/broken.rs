//! Files that cannot be served: what was served before goes on, and the reason is told once, in the terminal and in the API.

use std::path::Path;

use quest_host_tests::{
    eventually,
    guests::{guest, variant},
    process::Host,
};
use serde_json::json;

use super::{FILE, Place, problem, served, until_served};
use crate::wasm::odd::component;

const GOOD: &str = "name=variant;label=good;on=next:next;query=label";

/// Everything that can be wrong with a file, and the code that says so.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = variant(GOOD);
    let import = r#"(component (import "other:thing/door@1.0.0" (instance (export "open" (func)))))"#;
    vec![
        ("truncated", good[..good.len() / 2].to_vec(), "compile"),
        ("empty", Vec::new(), "not-wasm"),
        ("garbage", b"no module at all".to_vec(), "not-wasm"),
        ("core", b"\0asm\x01\0\0\0".to_vec(), "core-module"),
        ("wrong world", component("(component)"), "no-guest"),
        ("denied import", component(import), "denied-import"),
        ("trap in define", variant("name=variant;trap=define"), "define-trapped"),
        ("refused define", variant("name=variant;version=0"), "define-failed"),
        ("renamed quest", variant("name=other;on=next:next"), "quest-missing"),
        ("another file's quest", std::fs::read(guest("guest-probe")).unwrap(), "duplicate-quest"),
    ]
}

fn told(host: &Host, code: &str) -> usize {
    host.said(&format!("[{code}]")).len()
}

fn label(host: &Host) -> String {
    host.json(&["query", "u", "variant", "label"])["answer"].as_str().unwrap().to_owned()
}

#[test]
fn a_broken_file_never_takes_the_place_of_a_good_one() {
    let place = Place::new("embedded");
    let good = variant(GOOD);
    place.save(FILE, &good);
    std::fs::copy(guest("guest-probe"), place.file("probe.wasm")).unwrap();
    let host = place.setup().start();
    host.json(&["add", "u", "variant"]);
    let digest = served(&host, FILE).unwrap();
    for (what, bytes, code) in broken() {
        let before = told(&host, code);
        place.save(FILE, &bytes);
        let found = eventually(what, || problem(&host, FILE).filter(|problem| problem["code"] == code));
        assert!(!found["message"].as_str().unwrap().is_empty(), "{what}");
        assert_eq!(served(&host, FILE).unwrap(), digest, "{what}: the one before is served");
        assert_eq!(label(&host), "good", "{what}");
        host.json(&["send", "--context", "u", "--event", "other"]);
        eventually("it is told", || (told(&host, code) > before).then_some(()));
        // Touched, and the same: nothing new to be told.
        place.save(FILE, &bytes);
        // What comes after it was looked at after it.
        let sign = variant(&format!("name=sign;label={}", fastrand::u64(..)));
        place.save("sign.wasm", &sign);
        until_served(&host, "sign.wasm", &sign);
        assert_eq!(told(&host, code), before + 1, "{what}: told once");
        place.save(FILE, &good);
        eventually("mended", || problem(&host, FILE).is_none().then_some(()));
    }
    let better = variant(&GOOD.replace("good", "better"));
    place.save(FILE, &better);
    until_served(&host, FILE, &better);
    assert_eq!(label(&host), "better");
}

#[test]
fn a_new_file_is_served_a_deleted_ones_events_wait_and_a_file_kept_out_takes_its_place() {
    let place = Place::new("embedded");
    let host = place.setup().start();
    let first = variant("name=variant;label=first;on=next:next;query=label");
    place.save(FILE, &first);
    until_served(&host, FILE, &first);
    host.json(&["add", "u", "variant"]);
    let last = |n: i64| {
        eventually("the events are done", || (host.json(&["vars", "u"])["variant"]["last"] == n).then_some(()))
    };
    let send = |n: i64| {
        host.json(&["send", "--context", "u", "--event", "next", "--payload", &n.to_string()]);
    };
    send(1);
    last(1);
    std::fs::remove_file(place.file(FILE)).unwrap();
    eventually("it is out of service", || served(&host, FILE).is_none().then_some(()));
    host.says("variant is not served any more");
    send(2);
    send(3);
    let held = eventually("what comes for it waits", || {
        let instances = host.json(&["ps", "u"]);
        (instances["held"]["code"] == "quest-not-served").then_some(instances)
    });
    assert_eq!(held["quest"], json!("variant"));
    let second = variant("name=variant;label=second;on=next:next;query=label");
    place.save("other.wasm", &second);
    until_served(&host, "other.wasm", &second);
    last(3);
    assert_eq!(host.json(&["vars", "u"])["variant"]["by_second"], json!(2));
    // The first one's file comes back, and is kept out; until the other goes.
    place.save(FILE, &first);
    eventually("kept out", || problem(&host, FILE).filter(|it| it["code"] == "duplicate-quest"));
    std::fs::remove_file(place.file("other.wasm")).unwrap();
    until_served(&host, FILE, &first);
    assert_eq!(label(&host), "first");
}

#[test]
fn a_file_that_is_written_slowly_is_served_whole() {
    use std::io::Write as _;
    let place = Place::new("embedded");
    let host = place.setup().start();
    let bytes = variant(GOOD);
    let mut file = std::fs::File::create(place.file(FILE)).unwrap();
    for part in bytes.chunks(bytes.len() / 12 + 1) {
        file.write_all(part).unwrap();
        file.flush().unwrap();
        // As slow a writer as the test is about.
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
    drop(file);
    until_served(&host, FILE, &bytes);
    assert!(host.said("is NOT served").is_empty(), "nobody heard of its parts");
}

#[test]
fn a_host_that_is_not_to_follow_its_files_does_not() {
    let place = Place::new("embedded");
    let (first, second) = (variant(GOOD), variant(&GOOD.replace("good", "second")));
    place.save(FILE, &first);
    let host = place.setup().flags(&["--set", "reload=false"]).start();
    place.save(FILE, &second);
    host.json(&["add", "u", "variant"]);
    assert_eq!(label(&host), "good");
    assert!(Path::new(&place.file(FILE)).exists());
}
