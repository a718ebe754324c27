//! A quest that misbehaves on request, written against the bare contract: what the tests of the runtime run.
#![cfg(target_family = "wasm")]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

wit_bindgen::generate!({ path: "../../../wit", world: "quest" });

use exports::quest::host::guest::{Error, Guest};
use quest::host::{
    clock, current, definition, events, log, messages, patterns, quests, random, reply, timers, types::Value, variables,
};

struct Probe;
export!(Probe);

/// What would show that an instance served two actions.
static RUNS: AtomicU32 = AtomicU32::new(0);

const ACTIONS: &[&str] = &[
    "loop",
    "memory",
    "recursion",
    "log-flood",
    "log-gibibyte",
    "effect-flood",
    "panic",
    "transient",
    "permanent",
    "clock",
    "random",
    "print",
    "sockets",
    "runs",
    "misuse",
    "everything",
    "define-late",
    "refused",
    "fill",
    "log-breaks",
    "sleep",
    "outside",
    "look-up",
    "exit",
    "time",
    "misuse-time",
    "echo",
    "echo-json",
    "hand-over-structure",
    "hand-over-json",
];

impl Guest for Probe {
    fn define() -> Result<(), Error> {
        println!("defining");
        definition::quest("probe")?;
        definition::describe("misbehaves on request")?;
        for action in ACTIONS {
            definition::action(action)?;
        }
        definition::on("count", "counted")?;
        definition::on("next", "next")?;
        definition::on("plan", "planned")?;
        definition::on("pass-on", "passed")?;
        definition::every("hourly", "tick", "every 1000 days; zone Europe/Berlin")?;
        definition::pattern_json(
            "quiet",
            r#"{"kind": "absence", "of": "counted", "for": "1000 days", "action": "tick"}"#,
        )?;
        definition::query("total")
    }

    fn init() -> Result<(), Error> {
        variables::set("n", &Value::Integer(0))
    }

    fn perform(action: String) -> Result<(), Error> {
        let failed = |code: &str| Err(Error { code: code.to_owned(), message: format!("as asked ({action})") });
        match action.as_str() {
            "count" => {
                let Some(Value::Integer(n)) = variables::get("n") else { return failed("no-n") };
                variables::set("n", &Value::Integer(n + 1))
            }
            // The payload must be the number after the last one: a lost, doubled or reordered event fails for good.
            "next" => {
                let number = |value| if let Some(Value::Integer(n)) = value { n } else { 0 };
                let (last, given) = (number(variables::get("last")), number(Some(current::payload())));
                if given != last + 1 {
                    let message = format!("{given} came after {last}");
                    return Err(Error { code: "out-of-order".to_owned(), message });
                }
                variables::set("last", &Value::Integer(given))
            }
            "plan" => {
                let Value::Text(name) = current::payload() else { return failed("no-name") };
                timers::after(&name, "tick", 30, &Value::Null)
            }
            // To the context that the payload names: across partitions, if it lies in another.
            "pass-on" => {
                let Value::Text(to) = current::payload() else { return failed("no-context") };
                events::emit(&to, "counted", &Value::Null)
            }
            "tick" => {
                let ticks = if let Some(Value::Integer(n)) = variables::get("ticks") { n } else { 0 };
                variables::set("ticks", &Value::Integer(ticks + 1))
            }
            "total" => {
                if let Err(error) = variables::set("n", &Value::Integer(0)) {
                    log::write(log::Level::Warn, &error.code);
                }
                reply::set(&variables::get("n").unwrap_or(Value::Null))
            }
            "loop" => loop {
                std::hint::black_box(0);
            },
            "memory" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(vec![1; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            "recursion" => {
                #[allow(unconditional_recursion)]
                fn deeper(n: u64) -> u64 {
                    std::hint::black_box(deeper(std::hint::black_box(n + 1))) + 1
                }
                reply::set(&Value::Integer(deeper(0) as i64))
            }
            "log-flood" => {
                for n in 0..100_000 {
                    log::write(log::Level::Info, &format!("line {n} {}", "x".repeat(20_000 * usize::from(n == 0))));
                }
                Ok(())
            }
            "log-gibibyte" => {
                let mebibyte = "x".repeat(1 << 20);
                (0..1024).for_each(|_| log::write(log::Level::Info, &mebibyte));
                variables::set("logged", &Value::Integer(1024))
            }
            "effect-flood" => {
                for _ in 0..1_000_000 {
                    messages::publish("flood", &Value::Null)?;
                }
                Ok(())
            }
            "panic" => panic!("the probe panics"),
            "transient" | "permanent" => failed(&action),
            "clock" => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                let tick = Instant::now();
                assert!(Instant::now() >= tick);
                reply::set(&Value::Integer(wall as i64))
            }
            "random" => {
                let from_std = std::collections::HashSet::from([1]).hasher_sample();
                reply::set(&Value::Text(format!("{} {:?} {from_std}", random::below(1_000_000), random::bytes(4))))
            }
            "print" => {
                println!("to stdout");
                log::write(log::Level::Info, "to the log");
                eprint!("to stderr, no newline");
                Ok(())
            }
            "sockets" => sockets(),
            "runs" => reply::set(&Value::Integer(i64::from(RUNS.fetch_add(1, Ordering::Relaxed) + 1))),
            "misuse" => reply::set(&Value::Text(misuse())),
            "everything" => everything(),
            "time" => time(),
            "misuse-time" => reply::set(&Value::Text(misuse_time())),
            "echo" => reply::set(&current::payload()),
            "echo-json" => reply::set_json(&current::payload_json()?),
            "hand-over-structure" => {
                let Value::Binary(bytes) = current::payload() else { return failed("no-bytes") };
                reply::set(&Value::Structure(bytes))
            }
            "hand-over-json" => {
                let Value::Text(text) = current::payload() else { return failed("no-text") };
                reply::set_json(&text)
            }
            "define-late" => definition::quest("late"),
            "refused" => variables::set("", &Value::Null),
            "fill" => {
                let Value::Text(what) = current::payload() else { return failed("no-text") };
                fill(&what)
            }
            "log-breaks" => {
                let breaks = "\n".repeat(4 << 20);
                (0..3).for_each(|_| log::write(log::Level::Info, &breaks));
                Ok(())
            }
            "sleep" => {
                let began = Instant::now();
                std::thread::sleep(Duration::from_secs(3600));
                reply::set(&Value::Integer(began.elapsed().as_secs() as i64))
            }
            "outside" => reply::set(&Value::Text(outside())),
            "look-up" => match std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 1)) {
                Ok(_) => failed("found"),
                Err(_) => sockets(),
            },
            "exit" => std::process::exit(3),
            other => Err(Error { code: "unknown".to_owned(), message: other.to_owned() }),
        }
    }
}

/// Tries all kinds of sockets, twice, and answers with how each ended.
fn sockets() -> Result<(), Error> {
    let tcp = || std::net::TcpStream::connect("127.0.0.1:1").err();
    let udp = || std::net::UdpSocket::bind("127.0.0.1:0").err();
    let ends =
        [tcp(), udp(), tcp(), udp()].map(|error| error.map_or("open".to_owned(), |error| error.kind().to_string()));
    reply::set(&Value::Text(ends.join(", ")))
}

/// What a quest can see of the machine.
fn outside() -> String {
    let refused = |result: std::io::Result<()>| if result.is_err() { "refused" } else { "open" };
    format!(
        "{} variables, {} arguments, root {}, read {}, write {}",
        std::env::vars().count(),
        std::env::args().count(),
        refused(std::fs::read_dir("/").map(|_| ())),
        refused(std::fs::read("/etc/hostname").map(|_| ())),
        refused(std::fs::write("written", "x")),
    )
}

/// Goes on until the host refuses, and ends with the refusal.
fn fill(what: &str) -> Result<(), Error> {
    let large = Value::Binary(vec![1; 200_000]);
    for n in 0.. {
        let name = n.to_string();
        match what {
            "variables" => variables::set(&name, &Value::Null)?,
            "variable bytes" => variables::set(&name, &large)?,
            "timers" => timers::after(&name, "count", 1, &Value::Null)?,
            "effects" => quests::add("probe", &name)?,
            "effect bytes" => messages::publish(&name, &large)?,
            "value" => reply::set(&Value::Text("x".repeat(n << 16)))?,
            "json" => reply::set_json(&format!("{}1", " ".repeat(n << 16)))?,
            "name" => variables::set(&"n".repeat(n << 16 | 1), &Value::Null)?,
            other => return Err(Error { code: "unknown".to_owned(), message: other.to_owned() }),
        }
    }
    Ok(())
}

trait HasherSample {
    fn hasher_sample(&self) -> u64;
}

impl HasherSample for std::collections::HashSet<i32> {
    fn hasher_sample(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher};
        self.hasher().build_hasher().finish()
    }
}

fn everything() -> Result<(), Error> {
    let me = current::context();
    variables::set_json("list", "[1, {\"a\": null}]")?;
    variables::remove("n")?;
    timers::after("soon", "count", 1_000, &Value::Text("p".to_owned()))?;
    timers::at_json("later", "count", current::accepted_at() + 5_000, "{\"x\": 1}")?;
    events::emit(&me, "counted", &current::payload())?;
    events::send_json("other", "probe", "count", "1")?;
    events::broadcast("all", &Value::Null)?;
    quests::add("probe", "other")?;
    quests::remove("probe", "other")?;
    messages::publish_json("topic", "\"text\"")?;
    reply::set_json(&variables::get_json("list")?.unwrap_or_default())
}

/// Each function about time once; the answer is what they gave.
fn time() -> Result<(), Error> {
    timers::every("nine", "tick", "every day at 09:00", &Value::Integer(9))?;
    timers::every_json("ten", "tick", "every 10 minutes", "{\"x\": [1]}")?;
    let before = timers::due("nine");
    clock::set_zone("Asia/Tokyo")?;
    let absence = r#"{"kind": "absence", "of": "opened", "for": "14 days", "action": "tick"}"#;
    patterns::start_json("new", absence)?;
    let gone = patterns::cancel("quiet")?;
    reply::set(&Value::Text(format!(
        "{} {} {:?} {:?} {:?} {:?} {gone} {:?} {} {} {}",
        clock::zone(),
        clock::local(current::accepted_at()),
        before.zip(timers::due("nine")).map(|(one, other)| one - other),
        timers::payload_json("ten")?,
        timers::schedule("ten"),
        timers::payload("nine").is_some(),
        patterns::names(),
        patterns::state_json("new")?.is_some(),
        clock::instant("2026-03-28 09:00")?,
        current::missed(),
    )))
}

/// The code that each misuse of time met.
fn misuse_time() -> String {
    let code = |result: Result<(), Error>| result.map_or_else(|error| error.code, |()| "accepted".to_owned());
    [
        code(timers::every("t", "nope", "every day", &Value::Null)),
        code(timers::every("t", "tick", "every blue moon", &Value::Null)),
        code(clock::set_zone("Europe/Berln")),
        code(clock::instant("tomorrow").map(|_| ())),
        code(patterns::start("p", &Value::Integer(1))),
        code(patterns::start_json("p", "{")),
        code(patterns::start_json("bad name", "{}")),
        code(patterns::start_json("p", r#"{"kind": "absence", "of": "e", "for": "1 day", "action": "nope"}"#)),
    ]
    .join(" ")
}

/// One line for each misuse, with the code that it met.
fn misuse() -> String {
    let code = |result: Result<(), Error>| result.map_or_else(|error| error.code, |()| "accepted".to_owned());
    [
        code(timers::after("t", "nope", 1, &Value::Null)),
        code(timers::after("bad name", "count", 1, &Value::Null)),
        code(timers::after("t", "count", u64::MAX, &Value::Null)),
        code(events::emit("", "e", &Value::Null)),
        code(events::emit("c", "", &Value::Null)),
        code(variables::set("x", &Value::Number(f64::NAN))),
        code(variables::set("x", &Value::Structure(vec![1]))),
        code(variables::set_json("x", "{")),
        code(variables::set("x", &Value::Binary(vec![0; 1 << 20]))),
        code(variables::set("b", &Value::Binary(vec![1])).and_then(|()| variables::get_json("b").map(|_| ()))),
    ]
    .join(" ")
}
