//! Garbage on every entrance: each gets a clear error, nothing is lost, others are served.

use std::path::Path;

use quest_engine::model::partition_of;
use quest_host::{
    service::{Produced, produce},
    store::{AcceptBounds, Open, open},
};
use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Http, Setup},
    redis_server::{RedisOptions, RedisServer},
};
use serde_json::{Value, json};

#[test]
fn http() {
    let folder = tempfile::tempdir().unwrap();
    let host = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).start();
    let http = Http::default();
    let ask = |method: &str, path: &str, body: &[u8], headers: &[(&str, &[u8])]| {
        let method = method.parse::<reqwest::Method>().unwrap();
        let answer = http.request(|client| {
            let mut request = client.request(method, format!("{}{path}", host.url)).body(body.to_vec());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request
        });
        let (status, answer) = answer.unwrap();
        let text = |part: &str| answer["error"][part].as_str().map(str::to_owned);
        let is_ours = status < 300 || (text("code").is_some() && text("message").is_some_and(|text| !text.is_empty()));
        assert!(is_ours, "{path}: {status} {answer}");
        (status, text("code").unwrap_or_default())
    };
    let long = format!("/v1/contexts/{}", "x".repeat(513));
    let long_id = "x".repeat(129);
    let huge = vec![b' '; quest_host::api::BODY_BYTES_MAX + 1];
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
        ("POST", "/v1/contexts/u/quests/probe/timers/t", b"{\"due\":1}", 400, "invalid-request"),
        ("PUT", "/v1/contexts/u/quests/probe/timers/t", b"{\"due\":\"soon\"}", 400, "invalid-request"),
        ("PUT", "/v1/contexts/u/quests/probe/timers/t", b"", 400, "invalid-request"),
        ("PUT", "/v1/contexts/u/quests/probe/timers/t", b"{\"due\":1}", 404, "no-such-timer"),
        ("GET", "/v1/messages?cursor=!", b"", 400, "invalid-cursor"),
        ("GET", "/v1/dead/nope", b"", 404, "no-such-dead-letter"),
        ("POST", "/v1/dead/9999-1/retry", b"", 404, "no-such-dead-letter"),
        ("GET", "/v1/outcomes/u/x", b"", 404, "no-outcome"),
        ("GET", long.as_str(), b"", 400, "invalid-request"),
        ("GET", "/nope", b"", 404, "no-such-path"),
        ("PUT", "/v1/events", b"", 405, "no-such-method"),
        ("POST", "/v1/events", b"[]", 202, ""),
        ("POST", "/v1/events", b"", 400, "invalid-request"),
        ("POST", "/v1/events", &huge, 413, "too-large"),
        ("POST", "/v1/contexts/u/quests/probe/actions/count", &huge, 413, "too-large"),
        ("GET", "/v1/dead?limit=x", b"", 400, "invalid-request"),
        ("GET", "/v1/dead?limit=-1", b"", 400, "invalid-request"),
        ("GET", "/v1/dead?limit=1e3", b"", 400, "invalid-request"),
        ("GET", "/v1/dead?limit=1&limit=2", b"", 400, "invalid-request"),
        ("GET", "/v1/dead?limti=1", b"", 400, "invalid-request"),
        ("GET", "/v1/dead?context=%ff", b"", 200, ""),
        ("GET", "/v1/timers?limit=99999999999999999999999", b"", 400, "invalid-request"),
        ("GET", "/v1/messages?wait_ms=-1", b"", 400, "invalid-request"),
        ("GET", "/v1/messages?from=later", b"", 400, "invalid-request"),
        ("GET", "/v1/messages?limit=0", b"", 200, ""),
        ("POST", "/v1/contexts/u/quests/probe?timeout_ms=-1", b"", 400, "invalid-request"),
        ("POST", "/v1/contexts/u/quests/probe?timeout_ms=soon", b"", 400, "invalid-request"),
        ("GET", "/v1/contexts/%ff", b"", 400, "invalid-request"),
        ("GET", "/v1/contexts/a%00b", b"", 400, "invalid-request"),
        ("GET", "/v1/contexts/%20/variables", b"", 200, ""),
        ("GET", "/v1/contexts/a%2Fb%3Fc", b"", 200, ""),
        ("GET", "/v1/contexts/", b"", 404, "no-such-path"),
        ("POST", "/v1/contexts/u/quests/%ff/actions/x", b"", 400, "invalid-request"),
        ("GET", "/v1/outcomes/%ff/x", b"", 400, "invalid-request"),
    ] {
        assert_eq!(ask(method, path, body, &[]), (status, code.to_owned()), "{method} {path}");
    }
    let event = br#"{"event_name": "counted", "event_context": "u"}"#;
    let call = "/v1/contexts/u/quests/probe/actions/count";
    for (method, path, body, (name, value), status, code) in [
        ("GET", "/v1/health", &b""[..], ("Origin", &b"https://evil.example"[..]), 403, "foreign-origin"),
        ("GET", "/v1/health", b"", ("Host", b"evil.example"), 403, "foreign-host"),
        ("GET", "/v1/health", b"", ("Host", b"\xff"), 403, "foreign-host"),
        ("POST", "/v1/events", event, ("Content-Type", b"application/json; charset=utf-8"), 202, ""),
        ("POST", "/v1/events", event, ("Content-Type", b"application/x-www-form-urlencoded"), 202, ""),
        ("POST", "/v1/events", event, ("Content-Type", b"application/x-ndjson"), 202, ""),
        ("POST", "/v1/events", b"nonsense", ("Content-Type", b"application/x-ndjson"), 207, ""),
        ("POST", "/v1/events", event, ("Content-Type", b"application/msgpack"), 415, "unsupported-content-type"),
        ("POST", "/v1/events", event, ("Content-Type", b"text/csv"), 415, "unsupported-content-type"),
        ("POST", "/v1/events", event, ("Content-Type", b"\xff"), 415, "unsupported-content-type"),
        ("POST", call, b"1", ("Content-Type", b"multipart/form-data"), 415, "unsupported-content-type"),
        ("POST", call, b"", ("Idempotency-Key", b""), 400, "invalid-request"),
        ("POST", call, b"", ("Idempotency-Key", b"\xff"), 400, "invalid-request"),
        ("POST", call, b"", ("Idempotency-Key", long_id.as_bytes()), 400, "invalid-request"),
        ("POST", call, b"", ("Idempotency-Key", &long_id.as_bytes()[1..]), 404, "not-active"),
        ("GET", "/v1/messages", b"", ("Last-Event-ID", b"\xff"), 400, "invalid-request"),
        ("GET", "/v1/messages", b"", ("Last-Event-ID", b"nonsense"), 400, "invalid-cursor"),
        ("GET", "/v1/messages", b"", ("Accept", b"\xff"), 200, ""),
    ] {
        let asked = ask(method, path, body, &[(name, value)]);
        assert_eq!(asked, (status, code.to_owned()), "{method} {path} {name}: {}", String::from_utf8_lossy(value));
    }
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
        (&["call", "u", "probe", "count", "--payload", "{"], 2, "--payload is not JSON"),
        (&["call", "u", "probe", "count"], 4, "[not-active]"),
        (&["send"], 2, "an event needs a name"),
        (&["send", "none.jsonl"], 1, "cannot read none.jsonl"),
        (&["send", "bad.jsonl"], 4, "line 2: not JSON"),
        (&["forget", "u"], 2, "say --yes"),
        (&["dead", "show", "x"], 4, "hint: `quest-host dead list`"),
        (&["nope"], 2, "unrecognized subcommand"),
        (&["config", "--config", "bad.toml"], 1, "did you mean pace.lease_ms?"),
        (&["config", "--set", "x"], 2, "NAME=VALUE"),
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
    for args in [&["list"][..], &["tail"], &["send", "--event", "e"], &["send", "bad.jsonl"], &["messages", "--follow"]]
    {
        let unreached = setup.command().args(["--url", "http://127.0.0.1:1"]).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&unreached.stderr);
        assert_eq!(unreached.status.code(), Some(3), "{args:?}: {said}");
        assert!(said.contains("no host reached at http://127.0.0.1:1") && said.contains("hint: start one"), "{said}");
    }
    // The good line of the bad file was accepted.
    let quests: Value = host.json(&["list"])["quests"].clone();
    assert_eq!(quests[0]["name"], json!("probe"));
}

#[test]
fn a_token_is_asked_for_and_ipv6_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    // Some containers have no IPv6 at all.
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let listen = if has_ipv6 { "[::1]:0" } else { "127.0.0.1:0" };
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]).listen(listen);
    let host = setup.flags(&["--token", "s3cret"]).start();
    assert_eq!(host.url.starts_with("http://[::1]:"), has_ipv6, "{}", host.url);
    let http = Http::default();
    let url = format!("{}/v1/health", host.url);
    for (value, status, code) in [
        (None, 401, "unauthorized"),
        (Some(&b"Bearer wrong"[..]), 401, "unauthorized"),
        (Some(b"Bearer "), 401, "unauthorized"),
        (Some(b"Basic czNjcmV0"), 401, "unauthorized"),
        (Some(b"Bearer \xff"), 401, "unauthorized"),
        (Some(b"Bearer s3cret"), 200, ""),
    ] {
        let answer = http.request(|client| match value {
            Some(value) => client.get(&url).header("Authorization", value),
            None => client.get(&url),
        });
        let (answered, answer) = answer.unwrap();
        assert_eq!((answered, answer["error"]["code"].as_str().unwrap_or_default()), (status, code), "{answer}");
    }
    assert!(host.cli(&["list", "--token", "s3cret"]).status.success(), "the command line speaks it too");
}

/// Entries that only another version can read are kept for it, and take no room of their context any more.
fn entries_of_another_version(settings: &Open, folder: &Path, flags: &[&str]) {
    let event = json!({"event_name": "counted", "event_context": "u"});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(settings).await.unwrap();
        let Produced { mut accept, .. } = produce(&event, 1_000).unwrap();
        // A kind of entry that is not known here.
        let at = accept.bytes.windows(4).position(|part| part == b"Emit").unwrap();
        accept.bytes[at..at + 4].copy_from_slice(b"Blow");
        let bounds = AcceptBounds { inbox_max: 10, context_max: 10, ids_max: 10, reserve: 0 };
        store.accept(partition_of("u", settings.partitions), vec![accept; 3], bounds).await.unwrap();
    });
    let setup = Setup::new(crate::EXE, folder, &[guest("guest-probe")]).flags(flags);
    let host = setup.flags(&["--set", "accept.context_max=2"]).start();
    let http = Http::default();
    eventually("they are found unreadable", || {
        host.health(&http).filter(|(_, health)| health["counters"]["unreadable"] == json!(3))
    });
    for _ in 0..2 {
        let sent = || http.post(&format!("{}/v1/events", host.url), &event).filter(|(status, _)| *status == 202);
        eventually("there is room", sent);
    }
}

#[test]
fn entries_of_another_version_in_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Open { data: folder.path().join(".quest-host/data"), ..Open::default() };
    entries_of_another_version(&settings, folder.path(), &[]);
}

#[test]
fn entries_of_another_version_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Open { url: Some(redis.url()), ..Open::default() };
    entries_of_another_version(&settings, folder.path(), &["--store", &redis.url()]);
}
