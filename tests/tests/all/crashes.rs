//! Hosts killed under load: nothing lost, nothing doubled, order kept, timers included.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    seed,
};
use serde_json::{Value, json};

/// Each of them has the probe.
pub const CONTEXTS: usize = 20;

/// One round of events: a number and a timer for each context.
pub fn round(n: i64) -> Vec<Value> {
    let of = |context: usize| {
        let name = format!("u{context}");
        [
            json!({"event_name": "next", "event_context": name, "event_payload": n, "event_id": format!("n{n}")}),
            json!({"event_name": "planned", "event_context": name, "event_payload": format!("t{n}"), "event_id": format!("p{n}")}),
        ]
    };
    (0..CONTEXTS).flat_map(of).collect()
}

/// Sends rounds of events until told to stop; each until it is answered, with its id.
pub fn produce(url: &std::sync::Mutex<String>, stop: &AtomicBool, sent: &mut BTreeMap<usize, i64>) {
    let http = Http::default();
    for n in 1.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let events = round(n);
        sent.extend((0..CONTEXTS).map(|context| (context, n)));
        // The same ids until all are accepted: what a well-behaved producer does.
        eventually("the events are accepted", || {
            let url = format!("{}/v1/events", url.lock().expect("no panic"));
            let (status, _) = http.post(&url, &Value::Array(events.clone()))?;
            (status == 202).then_some(())
        });
    }
}

/// The last number and the fired timers of a context.
fn variables(http: &Http, host: &Host, context: usize) -> Option<(i64, i64)> {
    let (_, answer) = http.get(&format!("{}/v1/contexts/u{context}/variables", host.url))?;
    let number = |name: &str| answer["variables"]["probe"][name].as_i64().unwrap_or(0);
    Some((number("last"), number("ticks")))
}

/// Kills and starts the host again and again while events come in.
pub fn killed_under_load(setup: &Setup, kills: usize, rng: &mut fastrand::Rng) {
    let mut host = setup.start();
    for context in 0..CONTEXTS {
        host.json(&["add", &format!("u{context}"), "probe"]);
    }
    let url = std::sync::Mutex::new(host.url.clone());
    let stop = AtomicBool::new(false);
    let mut sent = BTreeMap::new();
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&url, &stop, &mut sent));
        let http = Http::default();
        for kill in 0..kills {
            // Some progress, then a random number of events more: the moment is random, progress is not left to chance.
            let (before, _) = eventually("an answer", || variables(&http, &host, 0));
            let more = rng.i64(1..30);
            eventually("progress under load", || {
                assert!(!producer.is_finished(), "the producer failed");
                variables(&http, &host, 0).filter(|(last, _)| *last >= before + more)
            });
            host.kill();
            host = setup.start();
            url.lock().expect("no panic").clone_from(&host.url);
            eprintln!("kill {kill} done");
        }
        stop.store(true, Ordering::Relaxed);
    });
    settled(&Http::default(), &host, &sent);
    assert!(host.terminate().success(), "a drained host ends well");
}

/// Each event and each timer once, none out of order, none given up.
pub fn settled(http: &Http, host: &Host, sent: &BTreeMap<usize, i64>) {
    for (context, n) in sent {
        let counted = eventually("everything is processed", || {
            variables(http, host, *context).filter(|(last, ticks)| (*last, *ticks) >= (*n, *n))
        });
        assert_eq!(counted, (*n, *n), "context {context}: each event and each timer once");
    }
    let (_, dead) = http.get(&format!("{}/v1/dead", host.url)).expect("an answer");
    assert_eq!(dead["dead"].as_array().map(Vec::len), Some(0), "{dead}");
}

#[test]
fn kill_9_on_the_embedded_store_loses_and_doubles_nothing() {
    let mut rng = fastrand::Rng::with_seed(seed("kill_9_embedded"));
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    killed_under_load(&setup, 8, &mut rng);
}

#[test]
fn a_second_host_on_one_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    let host = setup.start();
    let second = setup.command().args(["run", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by process"), "{said}");
    assert_eq!(host.json(&["add", "u", "probe"])["added"], json!(true), "the first one serves on");
}
