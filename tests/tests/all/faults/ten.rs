//! Ten hostile quests make a tenth of a host's load: each ends with a reason of its own, the host's memory keeps its bound, and the other quest's
//! events are done once and in order. What they cost the others in time is measured by `quest-host bench --hostile`.

use std::{collections::BTreeMap, fs::File};

use quest_host_tests::{
    eventually,
    guests::probe_and_hostile,
    load::{Accounts, CONTEXTS},
    process::{Guard, Host, Http, Setup},
    redis_server::{RedisOptions, RedisServer},
    times,
};
use serde_json::{Value, json};

/// A quest, the code of the dead letters that come of it, and what they say.
const HOSTILE: [(&str, &str, &str); 9] = [
    ("loop", "timeout", "action_ms_max"),
    ("recursion", "trap", "endless recursion"),
    ("memory", "limit", "memory_bytes_max"),
    ("table", "limit", "table_elements_max"),
    ("strings", "limit", "call_bytes_max"),
    ("effects", "too-many", "1024 effects"),
    ("timers", "too-many", "256 timers"),
    ("storm", "too-many-following", "a storm of quests?"),
    ("chain", "too-many-hops", "a loop between quests?"),
];
/// What is put off ends like this, if it goes on; the message has the reason beside it.
const PUT_OFF: &str = "over-its-share";
/// A flood of words is no failure: what is too much is dropped, with a line that says so.
const LOGS: (&str, &str) = ("logs", "more lines were dropped (limit log_lines_max)");
/// Rounds of the other quest for each round of the hostile ones, so that those are a tenth of the events.
const ROUNDS: i64 = 3;
/// What docs/reliability.md states.
const MEMORY_MIB_MAX: u64 = 512;

fn ten(setup: Setup) {
    let setup = setup.flags(&["--set", "partitions=8", "--set", "engine.attempts_max=3"]);
    let setup = setup.flags(&["--set", "engine.retry_base_ms=10", "--set", "wasm.action_ms_max=2000"]);
    let host = setup.start();
    let (told, _tail) = tail(&host);
    let mut accounts = Accounts::open(&host);
    let http = Http::default();
    let rounds = times(3, 200);
    accounts.under_load(&host.url, |traffic| {
        for round in 0..rounds {
            send(&host, &http, round);
            traffic.progress(ROUNDS);
        }
    });
    for (quest, code, says) in HOSTILE {
        let letters = eventually(&format!("each event of {quest} came to an end"), || {
            let letters = letters(&host, &http).remove(quest)?;
            (letters.len() as u64 >= rounds).then_some(letters)
        });
        for letter in &letters {
            let (found, message) = (letter["code"].as_str().unwrap(), letter["message"].as_str().unwrap());
            assert!([code, PUT_OFF].contains(&found) && message.contains(says), "{quest}: {letter}");
        }
        let ended = letters.iter().filter(|letter| letter["code"] == code).count();
        eprintln!("{quest}: {} dead letters, {ended} of them {code}", letters.len());
    }
    let (quest, says) = LOGS;
    eventually("the flood of words is over, and said", || {
        let done = host.json(&["vars", &context(quest, 0)])[quest]["done"] == json!(true);
        (done && std::fs::read_to_string(&told).unwrap().contains(says)).then_some(())
    });
    accounts.balance(&host);
    let peak = host.peak_memory() >> 20;
    eprintln!(
        "{rounds} rounds of ten hostile events, {} events of others; the host's memory peaked at {peak} MiB",
        accounts.sent() * 2 * CONTEXTS as i64
    );
    assert!(peak <= MEMORY_MIB_MAX, "{peak} MiB, and docs/reliability.md says {MEMORY_MIB_MAX}");
    host.leave();
}

fn context(quest: &str, round: u64) -> String {
    format!("{quest}-{round}")
}

/// One event for each of the ten.
fn send(host: &Host, http: &Http, round: u64) {
    let quests = HOSTILE.iter().map(|(quest, ..)| *quest).chain([LOGS.0]);
    let event = |quest: &str| json!({"event_name": format!("hostile-{quest}"), "event_context": context(quest, round)});
    let events: Vec<Value> = quests.map(event).collect();
    eventually("they are accepted", || {
        let (status, answer) = http.post(&format!("{}/v1/events", host.url), &json!(events))?;
        assert_eq!(status, 202, "{answer}");
        Some(())
    });
}

/// The dead letters of each quest.
fn letters(host: &Host, http: &Http) -> BTreeMap<String, Vec<Value>> {
    let (_, answer) = http.get(&format!("{}/v1/dead?limit=100000", host.url)).expect("an answer");
    let mut letters = BTreeMap::<String, Vec<Value>>::new();
    for letter in answer["dead"].as_array().expect("a list") {
        // Of an event that did not get as far as to its quest, what was to be added.
        let quest = letter["entry"]["quest"].as_str().or_else(|| letter["entry"]["add"].as_str()).unwrap_or_default();
        letters.entry(quest.to_owned()).or_default().push(letter.clone());
    }
    letters
}

/// What the live log tells from now on, in a file.
fn tail(host: &Host) -> (std::path::PathBuf, Guard) {
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    let out = File::create(&file).unwrap();
    let child = host.command(&["--format", "json", "tail"]).stdout(out).spawn().unwrap();
    (file, Guard(child))
}

#[test]
fn ten_hostile_quests_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    ten(Setup::new(crate::EXE, folder.path(), &probe_and_hostile()));
}

#[test]
fn ten_hostile_quests_on_redis() {
    let redis = RedisServer::start(RedisOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    ten(Setup::new(crate::EXE, folder.path(), &probe_and_hostile()).flags(&["--store", &redis.url()]));
}
