//! The whole command on a disk that fails or fills up: it refuses with a clear error, loses nothing, and goes on after a restart.

use std::path::Path;

use quest_host_tests::{
    disk::fault::{Effect, Fault, Kind, Plan},
    guests::guest,
    load::{Accounts, round},
    process::{Host, Http, Setup},
    seed, times,
};
use serde_json::Value;

use super::FAULTY;

/// A host in `folder`, which meets the fault if there is one.
fn setup(folder: &Path, durability: &str, fault: Option<Fault>) -> Setup {
    let data = folder.join("data");
    let setup = Setup::new(if fault.is_some() { FAULTY } else { crate::EXE }, folder, &[guest("guest-probe")]);
    let setup = setup.flags(&["--data", data.to_str().unwrap(), "--durability", durability]);
    let plan = fault.map(|fault| Plan { fault, folder: data, struck: folder.join("struck") });
    let environment = plan.map(|plan| plan.environment()).unwrap_or_default();
    environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value))
}

fn send(http: &Http, host: &Host, n: i64) -> (u16, Value) {
    http.post(&format!("{}/v1/events", host.url), &Value::Array(round(n))).expect("an answer")
}

/// The errors of the events that an answer refuses.
fn refusals(answer: &Value) -> Vec<&Value> {
    answer["results"].as_array().unwrap().iter().map(|row| &row["error"]).filter(|error| error.is_object()).collect()
}

/// Sends rounds until one is refused, all or some of it; its number.
fn until_refused(http: &Http, host: &Host) -> i64 {
    for n in 1..100_000 {
        let (status, answer) = send(http, host, n);
        if status != 202 {
            let is_known =
                |error: &&Value| ["store-unavailable", "store-read-only"].map(Value::from).contains(&error["code"]);
            let refused = refusals(&answer);
            assert!(status == 207 && !refused.is_empty() && refused.iter().all(is_known), "{status} {answer}");
            return n;
        }
    }
    panic!("the fault does not strike")
}

/// Nothing is taken any more, with a code and a hint, and whoever asks after the host's health hears it.
fn stopped(http: &Http, host: &Host, n: i64) {
    let is_clear = |error: &&Value| {
        error["code"] == "store-read-only"
            && error["message"].as_str().is_some_and(|text| text.contains("restart the host"))
    };
    let (_, answer) = send(http, host, n);
    let refused = refusals(&answer);
    assert!(refused.len() == round(n).len() && refused.iter().all(is_clear), "{answer}");
    let (status, answer) = http.post(&format!("{}/v1/events", host.url), &round(n)[0]).expect("an answer");
    assert!(status == 503 && is_clear(&&answer["error"]), "{status} {answer}");
    let (status, answer) = http.get(&format!("{}/v1/health", host.url)).expect("an answer");
    assert!(status == 503 && is_clear(&&answer["error"]), "{status} {answer}");
}

/// A host meets the fault under load; the next one on its folder has lost and doubled nothing.
fn meet(durability: &str, fault: Fault, is_killed: bool) {
    eprintln!("{durability}: {fault}, killed: {is_killed}");
    let folder = tempfile::tempdir().unwrap();
    let http = Http::default();
    let mut host = setup(folder.path(), durability, None).start();
    Accounts::open(&host);
    assert!(host.terminate().success());
    host = setup(folder.path(), durability, Some(fault)).start();
    let refused = until_refused(&http, &host);
    stopped(&http, &host, refused);
    if is_killed {
        host.kill();
    } else {
        host.terminate();
    }
    let host = setup(folder.path(), durability, None).start();
    let (status, answer) = send(&http, &host, refused);
    assert_eq!(status, 202, "{answer}");
    Accounts::after(refused).balance(&host);
}

#[test]
fn a_host_whose_disk_fails_refuses_and_is_right_after_a_restart() {
    let mut rng = fastrand::Rng::with_seed(seed("host_disk_fails"));
    for _ in 0..times(1, 30) {
        let fault = Fault { kind: Kind::Sync, at: rng.u64(20..120), effect: Effect::Fails(libc::EIO) };
        meet("always", fault, rng.bool());
        let fault = Fault { kind: Kind::Write, at: rng.u64(20..300), effect: Effect::FailsOn(libc::EIO) };
        meet(if rng.bool() { "always" } else { "everysec" }, fault, rng.bool());
    }
}

#[test]
fn a_host_whose_disk_is_full_refuses_and_goes_on_after_a_restart() {
    let mut rng = fastrand::Rng::with_seed(seed("host_disk_full"));
    for _ in 0..times(1, 30) {
        // A start writes what the journal has again, and with it the modules that are kept: some 150 KB.
        let fault = Fault { kind: Kind::Any, at: rng.u64(250_000..700_000), effect: Effect::Room };
        meet(if rng.bool() { "always" } else { "everysec" }, fault, rng.bool());
    }
}
