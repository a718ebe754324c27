//! What is sent to a running host: bodies of its API, and lines of `quest-host send`.

use std::panic::AssertUnwindSafe;

use quest_host_tests::{
    process::{Host, Http, Setup},
    seed, times,
};
use serde_json::{Value, json};

use super::{LONG, UNLIMITED, corpus, events::WORDS, kept_if_it_fails, mutate::Mutator};

const BODIES: &str = "all::fuzz::http::bodies";

/// Small bounds, so that they are met.
fn setup(folder: &std::path::Path) -> Setup {
    Setup::new(crate::EXE, folder, &[]).flags(&[
        "--set",
        "accept.payload_bytes_max=300",
        "--set",
        "durability=everysec",
    ])
}

#[test]
fn bodies() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let http = Http::default();
    let look = |body: &[u8]| {
        for kind in ["application/json", "application/x-ndjson"] {
            is_answered(&host, &http, kind, body);
        }
    };
    let random = times(100, 100 * LONG) as usize;
    let asserted = AssertUnwindSafe(&look);
    bolero::check!().with_iterations(random).with_test_time(UNLIMITED).for_each(move |body: &[u8]| {
        let AssertUnwindSafe(look) = &asserted;
        look(body);
    });
    let mut mutator = Mutator::new(seed(BODIES), corpus(BODIES), WORDS);
    for _ in 0..times(1_000, 1_000 * LONG) {
        let body = mutator.draw();
        kept_if_it_fails(BODIES, &body, || look(&body));
    }
    is_well(host, &http);
}

#[test]
fn lines() {
    let folder = tempfile::tempdir().unwrap();
    let host = setup(folder.path()).start();
    let mut mutator = Mutator::new(seed("all::fuzz::http::lines"), corpus(BODIES), WORDS);
    for _ in 0..times(4, 4 * LONG) {
        let text: Vec<u8> = (0..500).flat_map(|_| [mutator.draw(), b"\n".to_vec()].concat()).collect();
        let file = folder.path().join("events.jsonl");
        std::fs::write(&file, &text).unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let output = host.cli(&["--format", "json", "send", "events.jsonl"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let sum: u64 = ["accepted", "duplicates", "refused"].iter().filter_map(|count| counts[*count].as_u64()).sum();
        assert_eq!(sum, lines as u64, "each line has its answer: {counts}, {}", file.display());
        assert_eq!(output.status.code(), Some(if counts["refused"] == json!(0) { 0 } else { 4 }), "{said}");
    }
    is_well(host, &Http::default());
}

/// Accepted, or refused with a code and a reason: the whole, or each event by itself.
fn is_answered(host: &Host, http: &Http, kind: &str, body: &[u8]) {
    let url = format!("{}/v1/events", host.url);
    let request = |client: &reqwest::Client| client.post(&url).header("Content-Type", kind).body(body.to_vec());
    let (status, answer) = http.request(request).expect("the host answers");
    let is_refusal = |answer: &Value| {
        let text = |part: &str| answer["error"][part].as_str().is_some_and(|text| !text.is_empty());
        text("code") && text("message")
    };
    match status {
        202 | 207 => {
            let Some(results) = answer["results"].as_array() else {
                assert!(answer["id"].is_string(), "{answer}");
                return;
            };
            let refused = results.iter().filter(|result| is_refusal(result)).count();
            let accepted = results.iter().filter(|result| result["id"].is_string()).count();
            assert_eq!(refused + accepted, results.len(), "{answer}");
            assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(accepted), &json!(refused)));
            assert_eq!(status == 202, refused == 0, "{answer}");
        }
        // A single one that is refused, or a body that is no JSON.
        400 | 409 | 429 => assert!(is_refusal(&answer), "{answer}"),
        other => panic!("{other}: {answer}"),
    }
}

/// It answers still, and did not panic.
fn is_well(host: Host, http: &Http) {
    assert_eq!(host.health(http).map(|(status, _)| status), Some(200));
    let said = host.leave();
    let panics: Vec<_> =
        said.iter().filter(|line| line.contains("panic") || line.contains("bug of the host")).collect();
    assert!(panics.is_empty(), "{panics:?}");
}
