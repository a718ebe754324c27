//! Garbage on every entrance: each gets a clear error, nothing is lost, others are served.

use quest_host_tests::{
    guests::guest,
    process::{Http, Setup},
};
use serde_json::{Value, json};

#[test]
fn http() {
    let folder = tempfile::tempdir().unwrap();
    let host = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).start();
    let http = Http::default();
    let ask = |method: &str, path: &str, body: &[u8], headers: &[(&str, &str)]| {
        let method = method.parse::<reqwest::Method>().unwrap();
        let answer = http.request(|client| {
            let mut request = client.request(method, format!("{}{path}", host.url)).body(body.to_vec());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request
        });
        let (status, answer) = answer.unwrap();
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let long = format!("/v1/contexts/{}", "x".repeat(513));
    for (method, path, body, status, code) in [
        ("POST", "/v1/events", &b"{"[..], 400, "invalid-request"),
        ("POST", "/v1/events", b"\xff\xfe", 400, "invalid-request"),
        ("POST", "/v1/events", b"7", 400, "invalid-event"),
        ("POST", "/v1/events", b"{}", 400, "invalid-event"),
        ("POST", "/v1/events", br#"{"event_name":"e","event_context":"a\u0000b"}"#, 400, "invalid-event"),
        ("POST", "/v1/contexts/u/quests/nope", b"", 404, "unknown-quest"),
        ("POST", "/v1/contexts/u/quests/no%20pe", b"", 400, "invalid-request"),
        ("DELETE", "/v1/contexts/u/quests/probe", b"", 200, ""),
        ("POST", "/v1/contexts/u/quests/probe/actions/count", b"{", 400, "invalid-request"),
        ("POST", "/v1/contexts/u/quests/probe/actions/count", b"", 404, "not-active"),
        ("GET", "/v1/contexts/u/quests/probe/queries/nope", b"", 404, "unknown-query"),
        ("GET", "/v1/contexts/u/quests/probe/queries/total", b"", 404, "not-active"),
        ("DELETE", "/v1/contexts/u/quests/probe/timers/t", b"", 404, "no-such-timer"),
        ("POST", "/v1/contexts/u/quests/probe/timers/t", b"{\"due\":\"soon\"}", 400, "invalid-request"),
        ("GET", "/v1/messages?cursor=!", b"", 400, "invalid-cursor"),
        ("GET", "/v1/dead/nope", b"", 404, "no-such-dead-letter"),
        ("POST", "/v1/dead/9999-1/retry", b"", 404, "no-such-dead-letter"),
        ("GET", "/v1/outcomes/u/x", b"", 404, "no-outcome"),
        ("GET", long.as_str(), b"", 400, "invalid-request"),
        ("GET", "/nope", b"", 404, "no-such-path"),
        ("PUT", "/v1/events", b"", 405, "no-such-method"),
    ] {
        assert_eq!(ask(method, path, body, &[]), (status, code.to_owned()), "{method} {path}");
    }
    let evil = [("Origin", "https://evil.example")];
    assert_eq!(ask("GET", "/v1/health", b"", &evil), (403, "foreign-origin".to_owned()));
    assert_eq!(ask("GET", "/v1/health", b"", &[("Host", "evil.example")]), (403, "foreign-host".to_owned()));
    // A conflict, and what stands beside garbage in one request.
    let event = |n: i64| json!({"event_name": "counted", "event_context": "u", "event_id": "same", "event_payload": n});
    let url = format!("{}/v1/events", host.url);
    assert_eq!(http.post(&url, &event(1)).unwrap().0, 202);
    assert_eq!(http.post(&url, &event(1)).unwrap().1["duplicate"], json!(true));
    assert_eq!(http.post(&url, &event(2)).unwrap().0, 409);
    let (status, answer) = http.post(&url, &json!([1, {"event_name": "counted", "event_context": "u"}])).unwrap();
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (207, &json!(1), &json!(1)));
}

#[test]
fn command_line() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    std::fs::write(folder.path().join("quests/broken.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(
        folder.path().join("bad.jsonl"),
        "{\"event_name\":\"counted\",\"event_context\":\"u\"}\nnot json\n[]\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("bad.toml"), "[pace]\nlease_sm = 1\n").unwrap();
    let host = setup.start();
    for (args, exit, says) in [
        (&["add", "u", "nope"][..], 4, "no module defines a quest"),
        (&["call", "u", "probe", "count", "--payload", "{"], 1, "--payload is not JSON"),
        (&["call", "u", "probe", "count"], 4, "[not-active]"),
        (&["send"], 1, "needs --event"),
        (&["send", "none.jsonl"], 1, "cannot read none.jsonl"),
        (&["send", "bad.jsonl"], 4, "line 2: not JSON"),
        (&["forget", "u"], 1, "say --yes"),
        (&["dead", "show", "x"], 4, "hint: `quest-host dead list`"),
        (&["nope"], 2, "unrecognized subcommand"),
        (&["config", "--config", "bad.toml"], 1, "did you mean pace.lease_ms?"),
        (&["config", "--set", "x"], 1, "NAME=VALUE"),
        (&["run", "--set", "listen=0.0.0.0:1"], 1, "needs a token"),
        (&["run", "--listen", "127.0.0.1:0", "--store", "mysql://x"], 1, "redis://"),
    ] {
        let output = host.cli(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let problems = host.json(&["list"])["problems"].clone();
    assert_eq!(problems[0]["code"], json!("core-module"), "the broken file is named, the good one serves: {problems}");
    let unreached = setup.command().args(["--url", "http://127.0.0.1:1", "list"]).output().unwrap();
    assert_eq!(unreached.status.code(), Some(3));
    // The good line of the bad file was accepted.
    let quests: Value = host.json(&["list"])["quests"].clone();
    assert_eq!(quests[0]["name"], json!("probe"));
}
