//! `openapi.json` against the API that it describes: its paths and methods, and the shapes of real answers.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
    schema::{faults, resolve},
};
use serde_json::{Value, json};

fn api() -> Value {
    serde_json::from_str(quest_host::api::OPENAPI).unwrap()
}

fn start(folder: &Path) -> Host {
    Setup::new(crate::EXE, folder, &[guest("quest-onboarding"), guest("guest-probe")]).start()
}

/// A path with names in the place of its parameters.
fn filled(path: &str) -> String {
    path.replace(['{', '}'], "")
}

#[test]
fn each_path_and_method_is_described_and_each_that_is_described_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path());
    let http = Http::default();
    let api = api();
    let described: BTreeSet<&str> = api["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, quest_host::api::paths().into_iter().collect());
    for path in described {
        let methods = ["get", "put", "post", "delete", "patch"].into_iter().filter(|method| {
            let method = method.to_uppercase().parse().unwrap();
            let url = format!("{}{}", host.url, filled(path));
            // Headers alone, since some of these answers never end; and no quest `quest` is served, so nothing is waited for.
            http.status(|client| client.request(method, format!("{url}?timeout_ms=1"))) != 405
        });
        let described: BTreeSet<&str> = api["paths"][path].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(methods.collect::<BTreeSet<_>>(), described, "{path}");
    }
}

#[test]
fn parameters_and_references_are_whole() {
    let api = api();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            for parameter in parameters {
                for part in ["name", "in", "schema", "description"] {
                    assert!(
                        !parameter[part].is_null() && parameter[part] != "",
                        "{method} {path}: {part} of {parameter}"
                    );
                }
            }
            let named = parameters.iter().filter(|it| it["in"] == "path").map(|it| it["name"].as_str().unwrap());
            let in_path = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
            assert_eq!(named.collect::<BTreeSet<_>>(), in_path.collect::<BTreeSet<_>>(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object() && operation["summary"].is_string());
            references(&api, operation);
        }
    }
    references(&api, &api["components"]);
}

fn references(api: &Value, value: &Value) {
    resolve(api, value);
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().for_each(|value| references(api, value));
}

/// Asks, and checks each answer against what is described of it.
struct Checked<'a> {
    api: Value,
    http: &'a Http,
    url: &'a str,
    /// The described answers that were seen, as `method path status`.
    seen: RefCell<BTreeSet<String>>,
}

impl Checked<'_> {
    /// Asks `method` of the described `path`, with its parameters as given; the answer.
    fn ask(&self, method: &str, path: &str, parts: &[(&str, &str)], query: &str, body: Option<Value>) -> (u16, Value) {
        let operation = &self.api["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        let mut url = format!("{}{path}{query}", self.url);
        for (name, value) in parts {
            url = url.replace(&format!("{{{name}}}"), value);
        }
        for (name, _) in query.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('=')) {
            let described = operation["parameters"].as_array().unwrap().iter().any(|it| it["name"] == name);
            assert!(described, "{method} {path}: {name}");
        }
        let verb = method.to_uppercase().parse::<reqwest::Method>().unwrap();
        let answer = self.http.request(|client| {
            let request = client.request(verb, &url);
            if let Some(body) = &body { request.json(body) } else { request }
        });
        let (status, answer) = answer.expect("an answer");
        let responses = &operation["responses"];
        let response = resolve(&self.api, responses.get(status.to_string()).unwrap_or(&responses["default"]));
        let schema = &response["content"]["application/json"]["schema"];
        let found = faults(&self.api, schema, &answer);
        assert!(schema.is_object() && found.is_empty(), "{method} {path} {status}: {found:?} in {answer}");
        self.seen.borrow_mut().insert(format!("{method} {path} {status}"));
        (status, answer)
    }
}

#[test]
fn answers_have_the_shapes_that_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let host = start(folder.path());
    let http = Http::default();
    let checked = Checked { api: api(), http: &http, url: &host.url, seen: RefCell::default() };
    let ask = |method: &str, path: &str, parts: &[(&str, &str)], query: &str, body: Option<Value>| {
        checked.ask(method, path, parts, query, body)
    };
    let quest = "/v1/contexts/{context}/quests/{quest}";
    let (action, query, timer) = (
        format!("{quest}/actions/{{action}}"),
        format!("{quest}/queries/{{query}}"),
        format!("{quest}/timers/{{timer}}"),
    );
    let (ada, probe) =
        (&[("context", "ada"), ("quest", "onboarding")][..], &[("context", "bob"), ("quest", "probe")][..]);
    let with = |parts: &[(&'static str, &'static str)], more: (&'static str, &'static str)| [parts, &[more]].concat();

    ask("get", "/v1/health", &[], "", None);
    ask("get", "/v1/openapi.json", &[], "", None);
    assert_eq!(ask("get", "/v1/quests", &[], "", None).1["problems"], json!([]));
    let event = |name: &str, id: &str| json!({"event_name": name, "event_context": "ada", "event_id": id});
    assert_eq!(ask("post", "/v1/events", &[], "", Some(event("signed-up", "1"))).0, 202);
    assert_eq!(ask("post", "/v1/events", &[], "", Some(event("other", "1"))).0, 409);
    assert_eq!(ask("post", "/v1/events", &[], "", Some(json!([event("signed-up", "1")]))).0, 202);
    assert_eq!(ask("post", "/v1/events", &[], "", Some(json!([event("other", "2"), 7]))).0, 207);
    assert_eq!(ask("post", "/v1/events", &[], "", Some(json!(7))).0, 400);
    eventually("the timer is set", || {
        let (_, timers) = ask("get", "/v1/timers", &[], "?limit=5", None);
        timers["timers"].get(0).cloned()
    });
    ask("get", "/v1/contexts/{context}/timers", ada, "", None);
    ask("get", "/v1/contexts/{context}/variables", ada, "", None);
    let deadline = with(ada, ("timer", "deadline"));
    let move_it = |due: Value| ask("put", &timer, &deadline, "?timeout_ms=5000", Some(json!({ "due": due }))).0;
    assert_eq!(move_it(json!(4_102_444_800_000u64)), 200);
    assert_eq!(move_it(json!("soon")), 400);
    assert_eq!(ask("post", &timer, &deadline, "?timeout_ms=5000", Some(json!({"due": 1}))).0, 400);
    assert_eq!(ask("post", &timer, &deadline, "?timeout_ms=5000", None).0, 200);
    ask("post", &action, &with(ada, ("action", "begin")), "?timeout_ms=5000", Some(json!(null)));
    assert_eq!(ask("delete", &timer, &deadline, "?timeout_ms=5000", None).0, 200);
    assert_eq!(ask("delete", &timer, &deadline, "", None).0, 404);
    let (_, page) = ask("get", "/v1/messages", &[], "?from=oldest&wait_ms=30000&limit=1", None);
    assert_eq!(page["messages"][0]["topic"], json!("reminder"));
    let cursor = format!("?cursor={}", page["cursor"].as_str().unwrap());
    assert_eq!(ask("get", "/v1/messages", &[], &cursor, None).1["messages"], json!([]));
    assert_eq!(ask("get", "/v1/messages", &[], "?cursor=!", None).0, 400);

    assert_eq!(ask("post", quest, probe, "?timeout_ms=60000", None).1["added"], json!(true));
    assert_eq!(ask("post", quest, &[("context", "bob"), ("quest", "none")], "", None).0, 404);
    assert_eq!(ask("post", &action, &with(probe, ("action", "permanent")), "", None).0, 422);
    let (_, answer) = ask("post", &action, &with(probe, ("action", "runs")), "", None);
    let id = answer["id"].as_str().unwrap();
    let outcome = "/v1/outcomes/{context}/{id}";
    assert_eq!(ask("get", outcome, &[("context", "bob"), ("id", id)], "", None).1["answer"], answer["answer"]);
    assert_eq!(ask("get", outcome, &[("context", "bob"), ("id", "none")], "", None).0, 404);
    ask("get", &query, &with(probe, ("query", "total")), "", None);
    ask("post", &query, &with(probe, ("query", "total")), "", Some(json!({"any": 1})));
    assert_eq!(ask("get", &query, &with(probe, ("query", "none")), "", None).0, 404);

    // Its pattern, by hand; and the zone.
    let (_, patterns) = ask("get", "/v1/contexts/{context}/patterns", probe, "", None);
    assert_eq!(patterns["patterns"][0]["pattern"], json!("quiet"));
    let pattern = format!("{quest}/patterns/{{pattern}}");
    let quiet = with(probe, ("pattern", "quiet"));
    assert_eq!(ask("delete", &pattern, &quiet, "?timeout_ms=9000", None).0, 200);
    assert_eq!(ask("delete", &pattern, &quiet, "", None).0, 404);
    let zone = "/v1/contexts/{context}/zone";
    assert_eq!(ask("get", zone, probe, "", None).1, json!({"zone": "UTC", "is_default": true}));
    let (_, set) = ask("put", zone, probe, "?timeout_ms=9000", Some(json!({"zone": "europe/berlin"})));
    assert_eq!(set, json!({"zone": "Europe/Berlin", "is_default": false}));
    assert_eq!(ask("put", zone, probe, "", Some(json!({"zone": "Europe/Berln"}))).0, 400);
    assert_eq!(ask("put", zone, probe, "", None).0, 400);
    assert_eq!(ask("delete", zone, probe, "?timeout_ms=9000", None).1["is_default"], json!(true));

    // A delivery that fails for good, and one that is tried again: a dead letter, and an instance that is held.
    let fail = |action: &str| {
        let selector = json!({"quest_name": "probe", "action_name": action});
        json!({"event_context": "bob", "event_selector": selector})
    };
    ask("post", "/v1/events", &[], "", Some(json!([fail("permanent"), fail("transient")])));
    let dead = eventually("a dead letter", || {
        let (_, dead) = ask("get", "/v1/dead", &[], "?context=bob&limit=1", None);
        Some(dead["dead"].get(0)?["id"].as_str()?.to_owned())
    });
    eventually("the instance is held", || {
        let (_, instances) = ask("get", "/v1/instances", &[], "?quest=probe&limit=9", None);
        instances["instances"][0]["held"].as_object().cloned()
    });
    ask("get", "/v1/contexts/{context}", probe, "", None);
    let dead = [("id", dead.as_str())];
    ask("get", "/v1/dead/{id}", &dead, "", None);
    assert_eq!(ask("post", "/v1/dead/{id}/retry", &dead, "?timeout_ms=9000", None).0, 200);
    assert_eq!(ask("get", "/v1/dead/{id}", &[("id", "none")], "", None).0, 404);
    // What waits behind the held delivery goes with the quest.
    assert_eq!(ask("delete", quest, probe, "?timeout_ms=9000", None).1["removed"], json!(true));
    let (_, left) = ask("get", "/v1/dead", &[], "", None);
    let left = left["dead"][0]["id"].as_str().expect("a dead letter").to_owned();
    assert_eq!(ask("delete", "/v1/dead/{id}", &[("id", &left)], "?timeout_ms=9000", None).0, 200);
    assert_eq!(ask("delete", "/v1/contexts/{context}", ada, "?timeout_ms=9000", None).1["forgotten"], json!("ada"));

    versions(&checked, folder.path());

    // Every success that is described was seen, but for streams, which have a test of their own.
    for (path, methods) in checked.api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|_| path != "/v1/tail") {
            for status in operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with('2')) {
                let answer = format!("{method} {path} {status}");
                assert!(checked.seen.borrow().contains(&answer), "{answer} is described, and no test saw it");
            }
        }
    }
}

/// Saves another version of a module, goes back from it, and tries an upgrade.
fn versions(checked: &Checked<'_>, folder: &Path) {
    let file = guest("guest-probe");
    let name = file.file_name().unwrap();
    let listed =
        || checked.ask("get", "/v1/versions", &[], "?quest=probe", None).1["versions"].as_array().unwrap().len();
    assert_eq!(listed(), 1);
    // Another by a custom section, which means nothing.
    let other = [&std::fs::read(&file).unwrap()[..], &[0, 5, 3, b'x', b'y', b'z', 0]].concat();
    std::fs::write(folder.join("quests").join(name), other).unwrap();
    eventually("another version is served", || (listed() == 2).then_some(()));
    let (rollback, of) = ("/v1/quests/{quest}/rollback", &[("quest", "probe")][..]);
    let (_, planned) = checked.ask("post", rollback, of, "", Some(json!({"dry_run": true})));
    assert_eq!(planned["restored"], json!(null));
    let (status, done) = checked.ask("post", rollback, of, "", None);
    assert_eq!((status, &done["restored"]), (200, &json!(0)));
    assert_eq!(checked.ask("post", rollback, of, "", Some(json!({"to": "0000"}))).0, 404);
    eventually("the host says what it serves", || {
        let (_, rollout) = checked.ask("get", "/v1/rollout", &[], "", None);
        rollout["hosts"].as_array().unwrap().iter().find(|row| row["served"] == done["version"]["digest"]).cloned()
    });
    let (_, trial) = checked.ask("post", "/v1/quests/{quest}/upgrade-trial", of, "?limit=9", None);
    assert_eq!(trial["has_upgrade"], json!(false));
}
