//! One random history over all stores: every answer and all readable state must be the same.
//!
//! Each store has its own clock, so stamps are compared by their order of first appearance within a partition's life only where
//! that cannot differ: here an answer's stamp is blanked. The seed is printed; `QUEST_SEED` sets it.

use fastrand::Rng;
use quest_engine::write::Write;
use quest_host::store::{
    Accept, AcceptBounds, Acceptance, Commit, DEFAULT_IDS_WINDOW_MS, Log, Read, Relay, Reply, Token,
};

use super::fixture;

const STEPS: usize = 600;
const BOUNDS: AcceptBounds = AcceptBounds { inbox_max: 12, context_max: 5, ids_max: 30, reserve: 4 };

/// A step, the same for all stores.
#[derive(Debug, Clone)]
pub enum Step {
    Accept(u16, Vec<Accept>),
    Broadcast(Accept),
    Broadcasts(u64, u64),
    Trim(u64),
    Acquire(u16, u64),
    Renew(Vec<(u16, Token)>),
    Release(u16, Token),
    Take(u16, Token, u64, u64),
    Commit(u16, Token, Commit),
    Relay(u16, Relay),
    Heartbeat(String, bool),
    Read(u16),
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stores_agree() {
    let seed = std::env::var("QUEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("QUEST_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let stores = [
        fixture("memory", DEFAULT_IDS_WINDOW_MS).await,
        fixture("embedded", DEFAULT_IDS_WINDOW_MS).await,
        fixture("redis", DEFAULT_IDS_WINDOW_MS).await,
    ];
    let mut model = Model::default();
    for at in 0..STEPS {
        let step = model.step(&mut rng, at);
        let mut answers = Vec::new();
        for fixture in &stores {
            answers.push(run(&*fixture.store, &step).await);
        }
        assert_eq!(answers[0].0, answers[1].0, "embedded differs, seed {seed}, step {at}: {step:?}");
        assert_eq!(answers[0].0, answers[2].0, "redis differs, seed {seed}, step {at}: {step:?}");
        model.learn(&step, answers.remove(0).1);
    }
}

/// What the history's author knows, so that many steps succeed.
#[derive(Default)]
pub struct Model {
    pub tokens: [Option<Token>; 2],
    pub heads: [String; 2],
    pub consumed: [u64; 2],
}

/// What a step taught.
pub enum Learned {
    Nothing,
    Granted(Token, String, u64),
    Applied,
}

impl Model {
    fn token(&self, partition: u16, rng: &mut Rng) -> Token {
        let odd = Token { epoch: 1, nonce: 99 };
        if rng.u8(..10) == 0 { odd } else { self.tokens[usize::from(partition)].unwrap_or(odd) }
    }

    fn step(&self, rng: &mut Rng, at: usize) -> Step {
        let partition = rng.u16(..2);
        let token = self.token(partition, rng);
        let place = usize::from(partition);
        match rng.u8(..16) {
            0..4 => Step::Accept(partition, (0..rng.usize(..4)).map(|_| accept(rng)).collect()),
            4 => Step::Broadcast(accept(rng)),
            5 => Step::Broadcasts(rng.u64(..20), rng.u64(..5)),
            6 => Step::Trim(rng.u64(..20)),
            7 => Step::Acquire(partition, at as u64),
            8 => Step::Renew(vec![(partition, token), (1 - partition, self.token(1 - partition, rng))]),
            9 if rng.u8(..3) == 0 => Step::Release(partition, token),
            9 | 10 => {
                Step::Take(partition, token, (self.consumed[place] + rng.u64(..3)).saturating_sub(1), rng.u64(..6))
            }
            11 => Step::Relay(partition, relay(rng)),
            12 => Step::Heartbeat(rng.u8(..3).to_string(), rng.bool()),
            13 => Step::Read(partition),
            _ => {
                let known = rng.u8(..8) != 0;
                let commit = Commit {
                    id: if rng.u8(..10) == 0 { self.heads[place].clone() } else { format!("c{at}") },
                    previous: if known { self.heads[place].clone() } else { "odd".to_owned() },
                    consumed: self.consumed[place] + rng.u64(..3),
                    // Each store stamps by its own clock, so only one that none of them has is the same for all.
                    last: (rng.u8(..16) == 0).then(|| (1, b"odd".to_vec())),
                    settled: (0..rng.usize(..3)).map(|_| (context(rng), rng.u64(..3))).collect(),
                    writes: (0..rng.usize(..25)).map(|_| write(rng)).collect(),
                    accept: (0..rng.usize(..2)).map(|_| accept(rng)).collect(),
                };
                Step::Commit(partition, token, commit)
            }
        }
    }

    pub fn learn(&mut self, step: &Step, learned: Learned) {
        match (step, learned) {
            (Step::Acquire(partition, _), Learned::Granted(token, head, consumed)) => {
                let place = usize::from(*partition);
                (self.tokens[place], self.heads[place], self.consumed[place]) = (Some(token), head, consumed);
            }
            (Step::Commit(partition, _, commit), Learned::Applied) => {
                let place = usize::from(*partition);
                (self.heads[place], self.consumed[place]) = (commit.id.clone(), commit.consumed);
            }
            _ => {}
        }
    }
}

fn context(rng: &mut Rng) -> String {
    ["a", "b", "a.b", "ü {1}:x"][rng.usize(..4)].to_owned()
}

fn text(rng: &mut Rng) -> Vec<u8> {
    let length = rng.usize(..3);
    (0..length).map(|_| [0, b':', b'a', 255][rng.usize(..4)]).collect()
}

fn accept(rng: &mut Rng) -> Accept {
    Accept {
        context: if rng.u8(..6) == 0 { String::new() } else { context(rng) },
        id: (rng.u8(..2) == 0).then(|| rng.u8(..40).to_string()),
        digest: vec![rng.u8(..2), b':'],
        from_outside: rng.u8(..4) != 0,
        bytes: text(rng),
    }
}

fn relay(rng: &mut Rng) -> Relay {
    let first = rng.u64(..4);
    Relay {
        source: rng.u8(..2).to_string(),
        stream: ["s", "t:1"][rng.usize(..2)].to_owned(),
        expected: rng.bool().then_some(first),
        entries: (0..rng.u64(..3)).map(|number| (first + number, accept(rng))).collect(),
    }
}

fn write(rng: &mut Rng) -> Write {
    let key = |kind: &str, rng: &mut Rng| format!("{kind}{}", rng.u8(..2));
    match rng.u8(..12) {
        0 | 1 => Write::HashSet { key: key("h", rng), field: text(rng), value: text(rng) },
        2 => Write::HashRemove { key: key("h", rng), field: text(rng) },
        3 => Write::SetAdd { key: key("s", rng), member: text(rng) },
        4 => Write::SetRemove { key: key("s", rng), member: text(rng) },
        5 | 6 => Write::SortedSet { key: key("z", rng), member: text(rng), score: rng.u64(..5) },
        7 => Write::SortedRemove { key: key("z", rng), member: text(rng) },
        8 => Write::ListAppend { key: key("l", rng), value: text(rng) },
        9 => Write::ListPrepend { key: key("l", rng), value: text(rng) },
        10 => Write::ListTrimFront { key: key("l", rng), count: rng.u64(..3) },
        _ => {
            let kind = ["h", "s", "z", "l"][rng.usize(..4)];
            let ids = format!("{}.ids", context(rng));
            Write::Delete { key: if rng.bool() { ids } else { key(kind, rng) } }
        }
    }
}

/// Runs a step; its answer as text without stamps, and what it taught.
pub async fn run(store: &dyn quest_host::store::Store, step: &Step) -> (String, Learned) {
    let mut learned = Learned::Nothing;
    let answer = match step.clone() {
        Step::Accept(partition, entries) => {
            let answers = store.accept(partition, entries, BOUNDS).await.unwrap();
            format!("{:?}", answers.into_iter().map(blank).collect::<Vec<_>>())
        }
        Step::Broadcast(entry) => format!("{:?}", blank(store.broadcast(entry, BOUNDS).await.unwrap())),
        Step::Broadcasts(from, count) => {
            let Log { first, entries, end } = store.broadcasts(from, count).await.unwrap();
            format!("{first} {end} {:?}", entries.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>())
        }
        Step::Trim(upto) => {
            format!("{:?}", store.trim_broadcasts(upto, if upto > 10 { 1 << 50 } else { 0 }).await.unwrap())
        }
        Step::Acquire(partition, nonce) => {
            let grant = store.acquire(partition, nonce, 3_600_000).await.unwrap();
            if let Some(grant) = &grant {
                learned = Learned::Granted(grant.token, grant.head.clone(), grant.consumed);
            }
            format!("{:?}", grant.map(|grant| (grant.token, grant.head, grant.consumed)))
        }
        Step::Renew(leases) => format!("{:?}", store.renew(&leases, 3_600_000).await.unwrap()),
        Step::Release(partition, token) => format!("{:?}", store.release(partition, token).await.unwrap()),
        Step::Take(partition, token, from, count) => {
            let taken = store.take(partition, token, from, count, None).await.unwrap();
            let entries =
                |entries: Vec<(u64, Vec<u8>)>| entries.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
            format!("{:?}", taken.map(|taken| (entries(taken.entries), taken.behind)))
        }
        Step::Commit(partition, token, commit) => {
            let committed = store.commit(partition, token, commit).await.unwrap();
            if committed == quest_host::store::Committed::Applied {
                learned = Learned::Applied;
            }
            format!("{committed:?}")
        }
        Step::Relay(partition, relay) => format!("{:?}", store.relay(partition, relay, BOUNDS).await.unwrap()),
        Step::Heartbeat(host, lives) => {
            let ttl = if lives { 3_600_000 } else { 0 };
            format!("{:?}", store.heartbeat(&host, host.as_bytes(), ttl).await.unwrap())
        }
        Step::Read(partition) => {
            let mut replies = store.read(partition, everything()).await.unwrap();
            for reply in &mut replies {
                if let Reply::Fields(fields) = reply {
                    fields.sort();
                }
            }
            format!("{replies:?}")
        }
    };
    (answer, learned)
}

fn blank(acceptance: Acceptance) -> Acceptance {
    match acceptance {
        Acceptance::Accepted { .. } => Acceptance::Accepted { stamp: 0 },
        Acceptance::Duplicate { .. } => Acceptance::Duplicate { stamp: 0 },
        other @ (Acceptance::Conflict | Acceptance::Full(_)) => other,
    }
}

fn everything() -> Vec<Read> {
    let mut reads = Vec::new();
    for number in 0..2 {
        let key = |kind: &str| format!("{kind}{number}");
        reads.push(Read::Hash { key: key("h") });
        reads.push(Read::HashField { key: key("h"), field: vec![0] });
        reads.push(Read::Set { key: key("s") });
        reads.push(Read::List { key: key("l"), from: 0, count: 100 });
        reads.push(Read::List { key: key("l"), from: 1, count: 2 });
        reads.push(Read::Length { key: key("l") });
        reads.push(Read::Length { key: key("z") });
        reads.push(Read::SortedBelow { key: key("z"), below: 4, count: 5 });
    }
    reads
}
