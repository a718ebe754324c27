//! Versions of the variables: tried beforehand, failing, taken back.

use std::{path::Path, process::Output};

use quest_host_tests::{eventually, guests::variant, process::Host};
use serde_json::{Value, json};

use super::{FILE, Place, STORES, served, until_served};

const CONTEXTS: usize = 5;

fn version(number: u32, more: &str) -> Vec<u8> {
    variant(&format!("name=variant;version={number};label=v{number};on=next:next;query=label{more}"))
}

fn start(place: &Place) -> Host {
    place.save(FILE, &version(1, ""));
    let host = place.setup().start();
    for context in 0..CONTEXTS {
        host.json(&["add", &format!("u{context}"), "variant"]);
        next(&host, context, 1);
    }
    (0..CONTEXTS).for_each(|context| until(&host, context, "last", 1));
    host
}

fn next(host: &Host, context: usize, n: i64) {
    let payload = n.to_string();
    host.json(&["send", "--context", &format!("u{context}"), "--event", "next", "--payload", &payload]);
}

fn variables(host: &Host, context: usize) -> Value {
    host.json(&["vars", &format!("u{context}")])["variant"].clone()
}

fn until(host: &Host, context: usize, name: &str, value: i64) {
    eventually(&format!("{name} is {value}"), || (variables(host, context)[name] == value).then_some(()));
}

fn refused(output: &Output, code: i32, says: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && said.contains(says), "{:?} {said}", output.status);
}

fn write(folder: &Path, bytes: &[u8]) -> String {
    let file = folder.join("candidate.wasm");
    std::fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn an_upgrade_is_tried_on_every_instance_and_leaves_no_trace() {
    let place = Place::new("embedded");
    let host = start(&place);
    let before = variables(&host, 0);
    let good = write(place.folder.path(), &version(2, ";upgrade=ok"));
    let trial = host.json(&["upgrade", "--dry-run", "variant", "--module", &good]);
    assert_eq!((&trial["instances"], &trial["succeeded"], &trial["failed"]), (&json!(5), &json!(5), &json!(0)));
    assert_eq!(trial["changes"][0]["variables"]["upgraded_from"], json!({"was": null, "becomes": 1}));
    assert_eq!(trial["changes"][0]["variables"]["total"], json!({"was": null, "becomes": 1}));
    let bad = write(place.folder.path(), &version(2, ";upgrade=fail"));
    let output = host.cli(&["upgrade", "--dry-run", "variant", "--module", &bad, "--limit", "3"]);
    refused(&output, 1, "3 of 3 instances would not be upgraded");
    assert!(String::from_utf8_lossy(&output.stdout).contains("[no-way-up]"));
    let broken = write(place.folder.path(), b"no module");
    refused(&host.cli(&["upgrade", "--dry-run", "variant", "--module", &broken]), 4, "not WebAssembly");
    assert_eq!(variables(&host, 0), before, "nothing is kept of it");
    assert_eq!(host.json(&["upgrade", "--dry-run", "variant"])["current"], json!(5));
}

#[test]
fn an_upgrade_that_fails_keeps_state_and_event_until_one_succeeds() {
    let place = Place::new("embedded");
    let host = start(&place);
    let failing = version(2, ";upgrade=fail");
    place.save(FILE, &failing);
    until_served(&host, FILE, &failing);
    next(&host, 0, 2);
    eventually("it is held", || (host.json(&["ps", "u0"])["held"]["code"] == "upgrade-failed").then_some(()));
    assert_eq!(variables(&host, 0)["last"], json!(1), "the state is as it was");
    let better = version(3, ";upgrade=ok");
    place.save(FILE, &better);
    until_served(&host, FILE, &better);
    until(&host, 0, "last", 2);
    let variables = variables(&host, 0);
    assert_eq!((&variables["upgraded_from"], &variables["by_v3"]), (&json!(1), &json!(1)));
}

#[test]
fn a_rollback_puts_instances_back_and_holds_against_the_file() {
    for store in STORES {
        let place = Place::new(store);
        let (first, second) = (version(1, ""), version(2, ";upgrade=ok"));
        let host = start(&place);
        refused(&host.cli(&["rollback", "variant"]), 4, "no other version");
        place.save(FILE, &second);
        until_served(&host, FILE, &second);
        // Three are upgraded, two are not.
        for context in 0..3 {
            next(&host, context, 2);
            until(&host, context, "last", 2);
        }
        let planned = host.json(&["rollback", "variant", "--dry-run"]);
        assert_eq!(planned["affected"]["restorable"], json!(3), "{store}");
        until_served(&host, FILE, &second);
        let done = host.json(&["rollback", "variant"]);
        assert_eq!((&done["restored"], &done["affected"]["stranded"]), (&json!(3), &json!(0)), "{store}");
        until_served(&host, FILE, &first);
        for context in 0..CONTEXTS {
            let variables = variables(&host, context);
            assert_eq!((&variables["last"], &variables["total"]), (&json!(1), &json!(null)), "{store}: as it was");
            next(&host, context, 2);
            until(&host, context, "by_v1", 2);
        }
        host.leave();
        // The file still has the version that it went back from.
        let host = place.setup().start();
        assert_eq!(served(&host, FILE).unwrap(), blake3::hash(&first).to_hex().to_string(), "{store}");
        let versions = host.cli(&["versions", "variant"]);
        let listed = String::from_utf8_lossy(&versions.stdout).into_owned();
        assert!(listed.lines().count() == 3 && listed.contains("rollback"), "{listed}");
        // Until it is another.
        let third = version(3, ";upgrade=ok");
        place.save(FILE, &third);
        until_served(&host, FILE, &third);
        next(&host, 0, 3);
        until(&host, 0, "by_v3", 1);
    }
}

#[test]
fn a_rollback_that_would_strand_instances_is_refused() {
    let place = Place::new("embedded");
    let host = start(&place);
    let second = version(2, ";upgrade=ok");
    place.save(FILE, &second);
    until_served(&host, FILE, &second);
    host.json(&["add", "new", "variant"]);
    let output = host.cli(&["rollback", "variant"]);
    refused(&output, 4, "1 instances were written by newer code");
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"new\""));
    until_served(&host, FILE, &second);
    let done = host.json(&["rollback", "variant", "--force"]);
    assert_eq!(done["affected"]["stranded"], json!(1));
    host.json(&["send", "--context", "new", "--event", "next", "--payload", "1"]);
    eventually("it waits", || (host.json(&["ps", "new"])["held"]["code"] == "older-code").then_some(()));
    // Newer code comes back by its digest.
    let digest = blake3::hash(&second).to_hex().to_string();
    host.json(&["rollback", "variant", "--to", &digest[..12]]);
    eventually("it goes on", || (host.json(&["vars", "new"])["variant"]["last"] == 1).then_some(()));
}
