//! A producer that behaves well while things go wrong around it, and its accounts: what was accepted is what was applied or is a dead
//! letter, each once, and per instance in order.
//!
//! The quest is `guests/probe`: its action `next` fails for good at a number that does not follow the last, so that a lost, doubled or
//! reordered event shows as a dead letter of its own kind.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::{
    eventually,
    process::{Host, Http},
};

/// Contexts that events are sent to.
pub const CONTEXTS: usize = 20;
/// Of so many rounds one has an event that fails for good.
const FAILS_EACH: i64 = 16;
/// Rounds in a request when they are sent again.
const ROUNDS_AGAIN: usize = 50;
/// Rounds that the producer may be ahead of what is done: enough for a load, not so many that each wait is for all of them.
const AHEAD_MAX: i64 = 100;

/// What a producer has sent: rounds, each with a number and a timer for every context.
#[derive(Debug)]
pub struct Accounts {
    rounds: i64,
}

/// The producer at work.
pub struct Traffic {
    url: Mutex<String>,
    state: AtomicU8,
}

const RUNNING: u8 = 0;
const FINISHING: u8 = 1;
const LEAVING: u8 = 2;
const ENDED: u8 = 3;

impl Accounts {
    /// Opens them: every context has the quest.
    pub fn open(host: &Host) -> Self {
        let http = Http::default();
        for context in 0..CONTEXTS {
            let url = format!("{}/v1/contexts/u{context}/quests/probe", host.url);
            let (status, body) = http.post(&url, &Value::Null).expect("an answer");
            assert_eq!(status, 200, "{body}");
        }
        Self { rounds: 0 }
    }

    /// The accounts of a producer that has sent so many rounds.
    pub fn after(rounds: i64) -> Self {
        Self { rounds }
    }

    /// Sends rounds of events for as long as `faults` takes: each until it is answered, with its ids, to the host at `url` or to where
    /// the traffic is sent then.
    pub fn under_load<T>(&mut self, url: &str, faults: impl FnOnce(&Traffic) -> T) -> T {
        let traffic = Traffic { url: Mutex::new(url.to_owned()), state: AtomicU8::new(RUNNING) };
        thread::scope(|scope| {
            scope.spawn(|| {
                traffic.produce(&mut self.rounds);
                traffic.state.store(ENDED, Ordering::SeqCst);
            });
            let _ends = Ends(&traffic);
            faults(&traffic)
        })
    }

    /// Sends everything again, in order and with the same ids: what a producer does whose store lost something. What the store still knows
    /// is recognised, the rest is accepted anew.
    pub fn send_again(&self, host: &Host) {
        let http = Http::default();
        let rounds: Vec<i64> = (1..=self.rounds).collect();
        for rounds in rounds.chunks(ROUNDS_AGAIN) {
            let events: Vec<Value> = rounds.iter().flat_map(|n| round(*n)).collect();
            eventually("the rounds are accepted again", || {
                let (status, _) = http.post(&format!("{}/v1/events", host.url), &json!(events))?;
                (status == 202).then_some(())
            });
        }
    }

    /// Waits until all is done, and finds each event and each timer once, in order, and nothing else.
    pub fn balance(&self, host: &Host) {
        let http = Http::default();
        for context in 0..CONTEXTS {
            let done = eventually("everything is processed", || {
                done(&http, &host.url, context).filter(|(last, ticks)| (*last, *ticks) >= (self.rounds, self.rounds))
            });
            assert_eq!(done, (self.rounds, self.rounds), "context {context}: each event and each timer once");
        }
        let failing = (self.rounds / FAILS_EACH) as usize;
        let dead = eventually("what fails for good is a dead letter", || {
            let (_, dead) = http.get(&format!("{}/v1/dead?limit=100000", host.url))?;
            let mut dead = dead["dead"].as_array()?.clone();
            // Other quests are not in these accounts.
            dead.retain(|letter| letter["entry"]["quest"] == "probe");
            (dead.len() >= failing).then_some(dead)
        });
        let other: Vec<&Value> = dead.iter().filter(|letter| letter["code"] != "permanent").collect();
        assert!(other.is_empty(), "lost, doubled or out of order: {other:?}");
        assert_eq!(dead.len(), failing, "each failing event is one dead letter");
        eprintln!(
            "accounts: {} events and {} timers each once, {failing} dead letters as asked",
            self.rounds * 40,
            self.rounds * 20
        );
    }

    /// How many numbers of each context are done, the least and the most.
    pub fn done(&self, host: &Host) -> (i64, i64) {
        let http = Http::default();
        let last = |context| eventually("an answer", || done(&http, &host.url, context)).0;
        let all: Vec<i64> = (0..CONTEXTS).map(last).collect();
        (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0))
    }

    /// The numbers that each context was sent.
    pub fn sent(&self) -> i64 {
        self.rounds
    }
}

/// Lets the producer end, also when what happens around it fails.
struct Ends<'a>(&'a Traffic);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let how = if thread::panicking() { LEAVING } else { FINISHING };
        let _ = self.0.state.compare_exchange(RUNNING, how, Ordering::SeqCst, Ordering::SeqCst);
    }
}

impl Traffic {
    /// Another host gets the events from now on.
    pub fn to(&self, host: &Host) {
        self.url.lock().expect("no panic").clone_from(&host.url);
    }

    /// Waits until each context has done `by` more.
    pub fn progress(&self, by: i64) {
        let http = Http::default();
        let last = |context| done(&http, &self.url(), context).map(|(last, _)| last);
        let before: Vec<i64> = (0..CONTEXTS).map(|context| eventually("an answer", || last(context))).collect();
        for (context, before) in before.into_iter().enumerate() {
            eventually("progress of each context", || {
                assert_ne!(self.state.load(Ordering::SeqCst), ENDED, "the producer has ended");
                last(context).filter(|now| *now >= before + by)
            });
        }
    }

    /// The producer goes away at once, with a round half sent: see [`Accounts::send_again`].
    pub fn leave(&self) {
        self.state.store(LEAVING, Ordering::SeqCst);
        eventually("the producer is gone", || (self.state.load(Ordering::SeqCst) == ENDED).then_some(()));
    }

    fn url(&self) -> String {
        self.url.lock().expect("no panic").clone()
    }

    /// Waits while too much waits already; not while nobody can say.
    fn keep_pace(&self, http: &Http, rounds: i64) {
        if rounds % (AHEAD_MAX / 10) != 0 {
            return;
        }
        eventually("the hosts keep up", || {
            let behind = done(http, &self.url(), 0).map_or(0, |(last, _)| rounds - last);
            (behind < AHEAD_MAX || self.state.load(Ordering::SeqCst) != RUNNING).then_some(())
        });
    }

    fn produce(&self, rounds: &mut i64) {
        let http = Http::default();
        while self.state.load(Ordering::SeqCst) == RUNNING {
            self.keep_pace(&http, *rounds);
            *rounds += 1;
            let events = json!(round(*rounds));
            // The same ids until all are accepted: what a well-behaved producer does.
            eventually("the events are accepted", || {
                if self.state.load(Ordering::SeqCst) == LEAVING {
                    return Some(());
                }
                let (status, _) = http.post(&format!("{}/v1/events", self.url()), &events)?;
                (status == 202).then_some(())
            });
        }
    }
}

/// The events of one round.
pub fn round(n: i64) -> Vec<Value> {
    let event = |context: usize, name: &str, payload: Value, id: String| {
        let context = format!("u{context}");
        json!({"event_name": name, "event_context": context, "event_payload": payload, "event_id": id})
    };
    let each = |context: usize| {
        let number = event(context, "next", json!(n), format!("n{n}"));
        [number, event(context, "planned", json!(format!("t{n}")), format!("p{n}"))]
    };
    let mut events: Vec<Value> = (0..CONTEXTS).flat_map(each).collect();
    if n % FAILS_EACH == 0 {
        let selector = json!({"quest_name": "probe", "action_name": "permanent"});
        events.push(json!({"event_context": "u0", "event_selector": selector, "event_id": format!("f{n}")}));
    }
    events
}

/// The last number and the fired timers of a context.
fn done(http: &Http, url: &str, context: usize) -> Option<(i64, i64)> {
    let (status, answer) = http.get(&format!("{url}/v1/contexts/u{context}/variables"))?;
    let number = |name: &str| answer["variables"]["probe"][name].as_i64().unwrap_or(0);
    (status == 200).then(|| (number("last"), number("ticks")))
}
