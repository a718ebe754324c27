//! Many hosts on one store in simulated time: the real dispatcher and engine over the memory store, with everything between them going
//! wrong. First a phase with faults, then one without, in which all that was accepted must come to its end, exactly once and in order.
//!
//! A seed makes one run: the runtime has one thread and a clock of its own, turns run in place.

mod quests;
mod store;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use quest_engine::{
    keys,
    limits::EngineLimits,
    model::{Body, DeadLetter, Entry, Value, partition_of},
    record::Record as _,
};
use quest_host::{
    dispatcher::{Dispatcher, Options, Pace},
    store::{Accept, AcceptBounds, Acceptance, PartitionId, Read, Reply, Store},
};
use quest_host_tests::seed;

use quests::{Probe, QUEST};
use store::{Link, World};

const PARTITIONS: PartitionId = 3;
const CONTEXTS: u64 = 6;
const BOUNDS: AcceptBounds = AcceptBounds { inbox_max: 10_000, context_max: 10_000, ids_max: 100_000, reserve: 1_000 };
/// Simulated time within which everything must be done once nothing goes wrong any more.
const SETTLED_WITHIN: Duration = Duration::from_secs(3_600);

/// What a context must have in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    last: i64,
    ticks: i64,
    pokes: i64,
    heard: i64,
}

struct Simulation {
    world: Arc<World>,
    quests: Arc<Probe>,
    hosts: Vec<(Arc<Link>, Dispatcher)>,
    started: u64,
    ids: u64,
    expected: BTreeMap<u64, Counts>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let world = World::new(PARTITIONS, seed);
        let quests = Probe::new(&world);
        Self { world, quests, hosts: Vec::new(), started: 0, ids: 0, expected: BTreeMap::new() }
    }

    fn start_host(&mut self) {
        self.started += 1;
        let link = Link::new(&self.world);
        // Small bounds, so that every path is walked.
        let limits = EngineLimits {
            context_turn_max: 4,
            backlogs_turn_max: 2,
            contexts_cached_max: 2,
            wakes_cached_max: 2,
            retry_base_ms: 200,
            ..EngineLimits::default()
        };
        let pace = Pace {
            lease_ms: 2_000,
            turn_entries_max: 7,
            turn_due_max: 3,
            broadcast_chunk: 2,
            relay_chunk: 3,
            tidy_ms: 5_000,
            ..Pace::default()
        };
        let options = Options {
            host: format!("host-{}", self.started),
            partitions: PARTITIONS,
            limits: Arc::new(limits),
            accept: BOUNDS,
            pace,
            config: BTreeMap::new(),
            runs_in_place: true,
        };
        let store: Arc<dyn Store> = Arc::clone(&link) as Arc<dyn Store>;
        let dispatcher = Dispatcher::start(store, Arc::clone(&self.quests) as _, options, Arc::new(|_, _| {}));
        self.hosts.push((link, dispatcher));
    }

    /// Sends until there is an answer, always with the same id, as a good producer does.
    async fn send(&mut self, context: String, body: Body) {
        self.ids += 1;
        let id = format!("e{}", self.ids);
        let number = match &body {
            Body::Emit { name, payload: Value::Integer(number) } if name == "next" => Some(*number),
            _ => None,
        };
        let entry = Entry { context: context.clone(), id: id.clone(), hops: 0, reply: None, body };
        let accept = Accept { context, id: Some(id), digest: vec![1], from_outside: true, bytes: entry.to_bytes() };
        let producer = Link::new(&self.world);
        loop {
            let answer = match accept.context.is_empty() {
                true => producer.broadcast(accept.clone(), BOUNDS).await,
                false => {
                    let partition = partition_of(&accept.context, PARTITIONS);
                    producer.accept(partition, vec![accept.clone()], BOUNDS).await.map(|answers| answers[0])
                }
            };
            match answer {
                Ok(Acceptance::Accepted { stamp } | Acceptance::Duplicate { stamp }) => {
                    if let Some(number) = number {
                        self.world.accepted(&accept.context, stamp, number);
                    }
                    return;
                }
                Ok(Acceptance::Full(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(Acceptance::Conflict) => panic!("an id of its own"),
            }
        }
    }

    async fn send_something(&mut self) {
        let context = self.world.below(CONTEXTS);
        let emit = |name: &str, payload: i64| Body::Emit { name: name.to_owned(), payload: Value::Integer(payload) };
        let kind = self.world.below(20);
        let counts = self.expected.entry(context).or_default();
        let body = match kind {
            0..10 => {
                counts.last += 1;
                emit("next", counts.last)
            }
            10..14 => {
                counts.ticks += 1;
                emit("planned", self.world.below(5_000) as i64)
            }
            14..19 => {
                let other = self.world.below(CONTEXTS);
                self.expected.entry(other).or_default().pokes += 1;
                emit("send", other as i64)
            }
            _ => {
                (0..CONTEXTS).for_each(|context| self.expected.entry(context).or_default().heard += 1);
                return self.send(String::new(), emit("all", 0)).await;
            }
        };
        self.send(format!("c{context}"), body).await;
    }

    /// Something happens to a host.
    async fn misfortune(&mut self) {
        let at = self.world.below(self.hosts.len() as u64) as usize;
        match self.world.below(10) {
            0..3 => {
                self.hosts.swap_remove(at).0.kill();
                self.start_host();
            }
            3..6 => self.hosts[at].0.hang(Duration::from_millis(self.world.below(8_000))),
            6..8 => {
                let (_, dispatcher) = self.hosts.swap_remove(at);
                tokio::spawn(dispatcher.drain());
                self.start_host();
            }
            _ if self.hosts.len() < 4 => self.start_host(),
            _ => {}
        }
    }

    async fn counts(&self, context: u64) -> Option<Counts> {
        let name = format!("c{context}");
        let reads = vec![Read::Hash { key: keys::variables(&name, QUEST) }];
        let partition = partition_of(&name, PARTITIONS);
        let replies = self.world.memory.read(partition, reads).await.unwrap();
        let Some(Reply::Fields(fields)) = replies.into_iter().next() else { return None };
        let number = |wanted: &str| {
            let field = fields.iter().find(|(name, _)| name == wanted.as_bytes());
            match field.map(|(_, bytes)| Value::decode(bytes).unwrap()) {
                Some(Value::Integer(number)) => number,
                _ => 0,
            }
        };
        let (last, ticks, pokes, heard) = (number("last"), number("ticks"), number("pokes"), number("heard"));
        Some(Counts { last, ticks, pokes, heard })
    }

    async fn dead(&self) -> Vec<String> {
        let mut dead = Vec::new();
        for partition in 0..PARTITIONS {
            let reads = vec![Read::Hash { key: keys::DEAD.to_owned() }];
            let replies = self.world.memory.read(partition, reads).await.unwrap();
            if let Some(Reply::Fields(fields)) = replies.into_iter().next() {
                dead.extend(fields.iter().map(|(_, bytes)| format!("{:?}", DeadLetter::from_bytes(bytes).unwrap())));
            }
        }
        dead
    }

    /// Waits until everything that was accepted is done; how it stands if that does not come.
    async fn settle(&self) -> Result<(), String> {
        let until = tokio::time::Instant::now() + SETTLED_WITHIN;
        loop {
            let mut found = BTreeMap::new();
            for context in 0..CONTEXTS {
                found.insert(context, self.counts(context).await.unwrap_or_default());
            }
            let violations = self.world.violations.lock().unwrap().clone();
            let dead = self.dead().await;
            if !violations.is_empty() || !dead.is_empty() {
                return Err(format!("{violations:?}, dead letters: {dead:#?}"));
            }
            if found == self.expected {
                return Ok(());
            }
            if tokio::time::Instant::now() > until {
                return Err(format!("not done within {SETTLED_WITHIN:?}: {found:?} instead of {:?}", self.expected));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Gives the trace of the run.
    async fn run(mut self) -> Result<u64, String> {
        self.start_host();
        self.start_host();
        // Everybody has the quest before anything else happens: broadcasts reach those who have it.
        self.world.faults.store(false, Ordering::SeqCst);
        for context in 0..CONTEXTS {
            self.send(format!("c{context}"), Body::Add { quest: QUEST.to_owned() }).await;
            self.expected.insert(context, Counts::default());
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        self.world.faults.store(true, Ordering::SeqCst);
        for _ in 0..120 {
            self.send_something().await;
            if self.world.below(8) == 0 {
                self.misfortune().await;
            }
            tokio::time::sleep(Duration::from_millis(self.world.below(300))).await;
        }
        self.world.faults.store(false, Ordering::SeqCst);
        self.start_host();
        self.settle().await?;
        // Nothing more comes of it.
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.settle().await?;
        Ok(self.world.trace.load(Ordering::SeqCst))
    }
}

fn simulate(seed: u64) -> Result<u64, String> {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Simulation::new(seed).run().await })
}

#[test]
fn whatever_goes_wrong_each_event_counts_once_and_in_order() {
    let first = seed("simulation");
    let seeds: u64 = std::env::var("QUEST_SIMULATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    for seed in (0..seeds).map(|n| first.wrapping_add(n)) {
        if let Err(wrong) = simulate(seed) {
            panic!(
                "{wrong}\nagain: QUEST_SEED={seed} QUEST_SIMULATIONS=1 cargo test -p quest-host-tests --test all simulation"
            );
        }
    }
}

#[test]
fn a_seed_makes_one_run() {
    for seed in 0..5 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
}
