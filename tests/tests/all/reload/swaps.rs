//! Versions change under load: counts and order tell whether anything was lost, doubled or half loaded.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use quest_host::host::Host;
use quest_host_tests::{eventually, guests::variant, process::Http};
use serde_json::json;

use super::{FILE, Place, STORES};

const CONTEXTS: i64 = 8;
const SWAPS: usize = 1_000;
/// Events of a context that may wait: enough for a load.
const AHEAD_MAX: i64 = 200;
const WAIT: Duration = Duration::from_secs(60);

/// Two versions that route the same event to different actions. Both know both, since what was routed by one may be run by the other.
fn versions() -> [Vec<u8>; 2] {
    let plan =
        |label, on, other| variant(&format!("name=variant;label={label};on={on}:next;action={other};query=label"));
    [plan("a", "next", "forth"), plan("b", "forth", "next")]
}

#[test]
fn a_thousand_swaps_lose_nothing_and_double_nothing() {
    for store in STORES {
        let place = Place::new(store);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(swap(&place));
    }
}

async fn swap(place: &Place) {
    let versions = versions();
    place.save(FILE, &versions[0]);
    let file = place.file(FILE);
    let mut settings = place.settings();
    // The swaps are this test's alone.
    settings.reload = false;
    let host = Host::start(&settings, std::slice::from_ref(&file)).await.unwrap();
    for context in 0..CONTEXTS {
        host.service.add(&format!("u{context}"), "variant", WAIT).await.unwrap();
    }
    let (done, under_way) = (AtomicBool::new(false), AtomicI64::new(0));
    let load = async {
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            for n in sent + 1..=sent + 20 {
                let events: Vec<_> = (0..CONTEXTS).map(|context| event(context, n)).collect();
                for accepted in host.service.send(&events).await {
                    accepted.unwrap();
                }
            }
            sent += 20;
            under_way.store(sent, Ordering::Relaxed);
            while sent - least(&host).await > AHEAD_MAX {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        sent
    };
    let swaps = async {
        for n in 1..=SWAPS {
            let (registry, file, bytes) = (host.registry.clone(), file.clone(), versions[n % 2].clone());
            tokio::task::spawn_blocking(move || registry.offer(&file, &bytes)).await.unwrap().unwrap();
            // Swaps are quicker than events: each meets some.
            while under_way.load(Ordering::Relaxed) < 2 * n as i64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(load, swaps);
    let until = std::time::Instant::now() + WAIT;
    while least(&host).await < sent {
        assert!(std::time::Instant::now() < until, "everything is done");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (mut by_a, mut by_b) = (0, 0);
    for context in 0..CONTEXTS {
        let ran = ran(&host, context).await;
        assert_eq!(ran.a + ran.b, sent, "each event once");
        by_a += ran.a;
        by_b += ran.b;
    }
    assert!(by_a > 0 && by_b > 0, "both versions ran: {by_a} and {by_b}");
    assert_eq!(host.service.dead(None, 10).await.unwrap().len(), 0);
    eprintln!("{sent} events a context under {SWAPS} swaps: {by_a} by one version, {by_b} by the other");
    host.drain().await;
}

struct RanBy {
    a: i64,
    b: i64,
}

async fn ran(host: &Host, context: i64) -> RanBy {
    let variables = host.service.variables(&format!("u{context}")).await.unwrap();
    let of = |name: &str| variables["variant"].get(name).and_then(serde_json::Value::as_i64).unwrap_or(0);
    RanBy { a: of("by_a"), b: of("by_b") }
}

async fn least(host: &Host) -> i64 {
    let mut least = i64::MAX;
    for context in 0..CONTEXTS {
        let ran = ran(host, context).await;
        least = least.min(ran.a + ran.b);
    }
    least
}

/// Hosts are killed while versions change, at any moment; what was accepted is done once and in order.
#[test]
fn a_host_that_is_killed_while_versions_change_loses_nothing() {
    for store in STORES {
        let place = Place::new(store);
        let versions = versions();
        place.save(FILE, &versions[0]);
        let setup = place.setup().flags(&["--set", "pace.lease_ms=500"]);
        let mut host = setup.start();
        for context in 0..CONTEXTS {
            host.json(&["add", &format!("u{context}"), "variant"]);
        }
        let http = Http::default();
        let mut sent = 0;
        for round in 0..12 {
            place.save(FILE, &versions[(round + 1) % 2]);
            // Killed after so many requests: somewhere between the save and long after the swap.
            for _ in 0..fastrand::usize(1..20) {
                let events: Vec<_> = (0..CONTEXTS).map(|context| event(context, sent + 1)).collect();
                let (status, answer) = http.post(&format!("{}/v1/events", host.url), &json!(events)).unwrap();
                assert_eq!(status, 202, "{answer}");
                sent += 1;
            }
            host.kill();
            host = setup.start();
        }
        for context in 0..CONTEXTS {
            eventually("everything is done", || {
                (host.json(&["vars", &format!("u{context}")])["variant"]["last"] == sent).then_some(())
            });
            let variables = host.json(&["vars", &format!("u{context}")])["variant"].clone();
            let by = |name: &str| variables[name].as_i64().unwrap_or(0);
            assert_eq!(by("by_a") + by("by_b"), sent, "{store}: each event once");
        }
        assert!(host.cli(&["--format", "json", "dead"]).stdout.is_empty(), "{store}");
    }
}

fn event(context: i64, n: i64) -> serde_json::Value {
    let (context, id) = (format!("u{context}"), format!("e{n}"));
    json!({ "event_context": context, "event_name": "next", "event_payload": n, "event_id": id })
}
