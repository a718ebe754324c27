//! What comes as it comes over HTTP: messages by cursor, long poll and stream; the live log.

use std::path::Path;

use quest_host_tests::{
    guests::guest,
    process::{Host, Http, Setup},
    schema::faults,
};
use serde_json::{Value, json};

fn start(folder: &Path, flags: &[&str]) -> Host {
    Setup::new(crate::EXE, folder, &[guest("quest-onboarding")]).flags(flags).start()
}

/// Makes the quest publish a reward in each of these contexts.
fn publish(http: &Http, host: &Host, contexts: &[&str]) {
    let event = |context: &str, name: &str| json!({"event_context": context, "event_name": name});
    let events = contexts.iter().flat_map(|it| [event(it, "signed-up"), event(it, "profile-completed")]);
    let (status, answer) = http.post(&format!("{}/v1/events", host.url), &events.collect()).unwrap();
    assert_eq!(status, 202, "{answer}");
}

fn contexts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("a page: {page}"));
    messages.iter().map(|message| message["context"].as_str().unwrap()).collect()
}

fn cursor(page: &Value) -> &str {
    page["cursor"].as_str().unwrap()
}

#[test]
fn a_long_poll_ends_with_the_first_message_and_the_cursor_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path(), &[]);
    let http = Http::default();
    let read = |query: &str| http.get(&format!("{}/v1/messages{query}", host.url)).unwrap().1;
    let start = read("");
    assert_eq!((contexts(&start), &start["missed"]), (vec![], &json!(0)));
    std::thread::scope(|scope| {
        let path = format!("{}/v1/messages?wait_ms=30000&cursor={}", host.url, cursor(&start));
        let waits = scope.spawn(move || {
            let http = Http::default();
            http.get(&path).unwrap().1
        });
        publish(&http, &host, &["ada"]);
        let page = waits.join().unwrap();
        assert_eq!(contexts(&page), ["ada"]);
        publish(&http, &host, &["bob"]);
        let page = read(&format!("?wait_ms=30000&cursor={}", cursor(&page)));
        assert_eq!(contexts(&page), ["bob"], "each message once");
        let again = read(&format!("?cursor={}", cursor(&page)));
        assert_eq!((contexts(&again), cursor(&again)), (vec![], cursor(&page)), "a cursor at the end stays there");
        assert_eq!(contexts(&read("?from=now")), [""; 0]);
        assert_eq!(contexts(&read("?limit=1")).len(), 1);
        let mut all = contexts(&read("?from=oldest")).into_iter().map(str::to_owned).collect::<Vec<_>>();
        all.sort();
        assert_eq!(all, ["ada", "bob"]);
    });
}

#[test]
fn a_stream_of_messages_goes_on_where_it_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path(), &[]);
    let (http, other) = (Http::default(), Http::default());
    let url = format!("{}/v1/messages", host.url);
    publish(&other, &host, &["before"]);
    let mut from_oldest = http.stream(|client| client.get(&url));
    let first = from_oldest.next().unwrap();
    assert_eq!((first.event.as_str(), contexts(&first.data)), ("messages", vec!["before"]));
    assert_eq!(first.id, cursor(&first.data));

    // Opened behind what is there: it sees only what is published from now on.
    let mut from_now = http.stream(|client| client.get(&url).query(&[("from", "now")]));
    publish(&other, &host, &["after"]);
    let second = from_now.next().unwrap();
    assert_eq!(contexts(&second.data), ["after"]);
    assert_eq!(contexts(&from_oldest.next().unwrap().data), ["after"]);

    // What a browser does when the connection broke: the same address, and the last id that it saw.
    let mut again = http.stream(|client| client.get(&url).query(&[("from", "now")]).header("Last-Event-ID", &first.id));
    assert_eq!(contexts(&again.next().unwrap().data), ["after"]);
    let wrong =
        http.request(|client| client.get(&url).header("Accept", "text/event-stream").header("Last-Event-ID", "!"));
    let (status, answer) = wrong.unwrap();
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid-cursor")), "told at once, not in the stream");

    assert!(host.terminate().success(), "a host ends although readers are connected");
    assert!(again.next().is_none() && from_now.next().is_none(), "and their streams end");
}

#[test]
fn a_reader_that_was_away_too_long_is_told_how_much_it_missed() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path(), &["--set", "partitions=1", "--set", "engine.messages_max=4"]);
    let http = Http::default();
    let read = |query: &str| http.get(&format!("{}/v1/messages{query}", host.url)).unwrap().1;
    publish(&http, &host, &["first"]);
    let seen = read("?wait_ms=30000");
    assert_eq!(contexts(&seen), ["first"]);
    let names: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
    publish(&http, &host, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // All ten are there when the last one is.
    let mut end = read(&format!("?wait_ms=30000&cursor={}", cursor(&seen)));
    while contexts(&end).last() != Some(&"c9") {
        end = read(&format!("?wait_ms=30000&cursor={}", cursor(&end)));
    }
    let page = read(&format!("?cursor={}", cursor(&seen)));
    assert_eq!((contexts(&page), &page["missed"]), (vec!["c6", "c7", "c8", "c9"], &json!(6)));
    let url = format!("{}/v1/messages?cursor={}", host.url, cursor(&seen));
    let event = http.stream(|client| client.get(&url)).next().unwrap();
    assert_eq!(event.data["missed"], json!(6), "a stream says it too");
}

#[test]
fn the_live_log_tells_what_happens_as_it_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path(), &[]);
    let (http, other) = (Http::default(), Http::default());
    let api: Value = serde_json::from_str(quest_host::api::OPENAPI).unwrap();
    let schema = &api["paths"]["/v1/tail"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"];
    let mut tail = http.stream(|client| client.get(format!("{}/v1/tail", host.url)));
    publish(&other, &host, &["ada"]);
    let mut happened = Vec::new();
    while !happened.contains(&("complete".to_owned(), "done".to_owned())) {
        let event = tail.next().unwrap();
        assert_eq!(event.event, "happened");
        assert_eq!(faults(&api, schema, &event.data), [""; 0], "{}", event.data);
        let text = |name: &str| event.data[name].as_str().unwrap().to_owned();
        happened.push((text("action"), text("outcome")));
    }
    assert!(happened.iter().any(|(action, outcome)| action == "begin" && outcome == "done"), "{happened:?}");
    assert!(host.terminate().success());
    // It ends with the host, after what was on its way.
    tail.for_each(drop);
}
