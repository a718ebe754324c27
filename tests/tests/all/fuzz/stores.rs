//! What the stores are asked to do with arbitrary keys, names, values, numbers and sizes: the embedded store and a real Redis answer as the memory
//! store does, step by step, and hold the same in the end.
//!
//! An input is the seed of a history: the corpus has those that found something.

use fastrand::Rng;
use quest_engine::write::Write;
use quest_host::store::{Accept, Commit, DEFAULT_IDS_WINDOW_MS, Read, Relay, Reply, Token};
use quest_host_tests::{seed, times};

use super::{corpus, kept_if_it_fails};
use crate::stores::{
    Fixture,
    differential::{Model, Step, run},
    fixture,
};

const NAME: &str = "all::fuzz::stores::arguments";
const STEPS: u64 = 250;
/// The largest number that all stores hold exactly: a double's.
const NUMBER_MAX: u64 = (1 << 53) - 1;

#[test]
fn arguments() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let look = |seed: u64| kept_if_it_fails(NAME, seed.to_string().as_bytes(), || runtime.block_on(history(seed)));
    for input in corpus(NAME) {
        look(std::str::from_utf8(&input).unwrap().trim().parse().unwrap());
    }
    let mut seeds = Rng::with_seed(seed(NAME));
    (0..times(4, 400)).for_each(|_| look(seeds.u64(..)));
}

/// One history on all stores.
async fn history(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut stores = Vec::<Fixture>::new();
    for kind in ["memory", "embedded", "redis"] {
        stores.push(fixture(kind, DEFAULT_IDS_WINDOW_MS).await);
    }
    let words: Vec<String> = (0..4).map(|_| text(&mut rng)).collect();
    let mut model = Model::default();
    for at in 0..STEPS {
        let step = step(&mut rng, &model, &words, at);
        let mut answers = Vec::new();
        for fixture in &stores {
            answers.push(run(&*fixture.store, &step).await);
        }
        let shown = format!("{step:.2000?}");
        assert_eq!(answers[0].0, answers[1].0, "embedded differs, seed {seed}, step {at}: {shown:.2000}");
        assert_eq!(answers[0].0, answers[2].0, "redis differs, seed {seed}, step {at}: {shown:.2000}");
        model.learn(&step, answers.remove(0).1);
    }
    for partition in 0..2 {
        let mut held = Vec::new();
        for fixture in &stores {
            let mut replies = fixture.store.read(partition, everything(&words)).await.unwrap();
            replies.iter_mut().for_each(|reply| {
                if let Reply::Fields(fields) = reply {
                    fields.sort();
                }
            });
            held.push(replies);
        }
        assert!(held[0] == held[1] && held[0] == held[2], "they hold other things in the end, seed {seed}");
    }
}

fn step(rng: &mut Rng, model: &Model, words: &[String], at: u64) -> Step {
    let partition = rng.u16(..2);
    let token = match rng.u8(..12) {
        0 => Token { epoch: number(rng), nonce: rng.u64(..) },
        _ => model.tokens[usize::from(partition)].unwrap_or(Token { epoch: 1, nonce: 1 }),
    };
    let place = usize::from(partition);
    let (head, consumed) = (&model.heads[place], model.consumed[place]);
    let most = [2, 30, 300][rng.usize(..3)];
    let writes = rng.usize(..most);
    match rng.u8(..14) {
        0..3 => Step::Accept(partition, (0..rng.usize(..4)).map(|_| accept(rng, words)).collect()),
        3 => Step::Broadcast(accept(rng, words)),
        4 => Step::Broadcasts(number(rng), small(rng)),
        5 => Step::Acquire(partition, at),
        6 => Step::Take(partition, token, consumed.saturating_sub(rng.u64(..2)), small(rng)),
        7 => Step::Relay(partition, relay(rng, words)),
        8 => Step::Heartbeat(text(rng), rng.bool()),
        _ => Step::Commit(
            partition,
            token,
            Commit {
                id: if rng.u8(..12) == 0 { head.clone() } else { format!("{at}{}", text(rng)) },
                previous: if rng.u8(..12) == 0 { text(rng) } else { head.clone() },
                consumed: if rng.u8(..12) == 0 { number(rng) } else { consumed + rng.u64(..3) },
                // Each store stamps by its own clock, so only one that none of them has is the same for all.
                last: (rng.u8(..16) == 0).then(|| (1, bytes(rng))),
                settled: (0..rng.usize(..3)).map(|_| (word(rng, words), number(rng))).collect(),
                writes: (0..writes).map(|_| write(rng, words)).collect(),
                accept: (0..rng.usize(..3)).map(|_| accept(rng, words)).collect(),
            },
        ),
    }
}

fn write(rng: &mut Rng, words: &[String]) -> Write {
    // A key is of one kind for ever: the kind stands first.
    let key = |kind: &str, rng: &mut Rng| format!("{kind}{}", word(rng, words));
    match rng.u8(..12) {
        0..3 => Write::HashSet { key: key("h", rng), field: name(rng), value: bytes(rng) },
        3 => Write::HashRemove { key: key("h", rng), field: name(rng) },
        4 => Write::SetAdd { key: key("s", rng), member: name(rng) },
        5 => Write::SetRemove { key: key("s", rng), member: name(rng) },
        6 => Write::SortedSet { key: key("z", rng), member: name(rng), score: number(rng) },
        7 => Write::SortedRemove { key: key("z", rng), member: name(rng) },
        8 => Write::ListAppend { key: key("l", rng), value: bytes(rng) },
        9 => Write::ListPrepend { key: key("l", rng), value: bytes(rng) },
        10 => Write::ListTrimFront { key: key("l", rng), count: number(rng) },
        _ => {
            let kind = ["h", "s", "z", "l"][rng.usize(..4)];
            Write::Delete { key: key(kind, rng) }
        }
    }
}

fn accept(rng: &mut Rng, words: &[String]) -> Accept {
    Accept {
        context: if rng.u8(..6) == 0 { String::new() } else { word(rng, words) },
        id: rng.bool().then(|| word(rng, words)),
        digest: name(rng),
        from_outside: rng.u8(..4) != 0,
        bytes: bytes(rng),
    }
}

fn relay(rng: &mut Rng, words: &[String]) -> Relay {
    let first = if rng.u8(..4) == 0 { number(rng).min(NUMBER_MAX - 3) } else { rng.u64(..4) };
    Relay {
        source: word(rng, words),
        stream: word(rng, words),
        expected: rng.bool().then_some(first),
        entries: (0..rng.u64(..3)).map(|number| (first + number, accept(rng, words))).collect(),
    }
}

/// One that comes again and again, or a new one.
fn word(rng: &mut Rng, words: &[String]) -> String {
    if rng.u8(..10) == 0 { text(rng) } else { words[rng.usize(..words.len())].clone() }
}

/// Any text: what separates names elsewhere, what scripts and protocols give a meaning, nothing at all, a lot.
fn text(rng: &mut Rng) -> String {
    const PARTS: [&str; 22] = [
        "a",
        ".",
        ":",
        "{",
        "}",
        "{1}",
        "\0",
        "\r\n",
        "*",
        "$",
        "\"",
        "'",
        "\\",
        " ",
        "ü",
        "\u{10ffff}",
        ".ids",
        ".variables",
        "-1",
        "nan",
        "%s",
        "]]",
    ];
    let length = [0, 1, 2, 3, 8, 500][rng.usize(..6)];
    (0..length).map(|_| PARTS[rng.usize(..PARTS.len())]).collect()
}

/// What stands in a store's own keys: their length there has a bound, far above what the engine names anything by.
fn name(rng: &mut Rng) -> Vec<u8> {
    let mut name = bytes(rng);
    name.truncate(4_096);
    name
}

/// Few bytes that come again, any bytes, or many.
fn bytes(rng: &mut Rng) -> Vec<u8> {
    let kinds = if rng.u8(..20) == 0 { 7 } else { 6 };
    let length = [0, 1, 1, 2, 16, 300, 70_000][rng.usize(..kinds)];
    if length <= 2 {
        return (0..length).map(|_| [0, b':', b'a', 255][rng.usize(..4)]).collect();
    }
    (0..length).map(|_| rng.u8(..)).collect()
}

fn number(rng: &mut Rng) -> u64 {
    match rng.u8(..8) {
        0 => NUMBER_MAX - rng.u64(..2),
        1 => 1 << rng.u32(..53),
        2 => rng.u64(..NUMBER_MAX),
        _ => rng.u64(..6),
    }
}

fn small(rng: &mut Rng) -> u64 {
    [0, 1, 2, 7, 1_000, NUMBER_MAX][rng.usize(..6)]
}

fn everything(words: &[String]) -> Vec<Read> {
    let reads = |word: &String| {
        let key = |kind: &str| format!("{kind}{word}");
        [
            Read::Hash { key: key("h") },
            Read::HashField { key: key("h"), field: vec![0] },
            Read::Set { key: key("s") },
            Read::List { key: key("l"), from: 0, count: NUMBER_MAX },
            Read::List { key: key("l"), from: 1, count: 2 },
            Read::Length { key: key("l") },
            Read::Length { key: key("z") },
            Read::lowest(key("z"), NUMBER_MAX),
            Read::SortedBelow { key: key("z"), below: 4, count: 5 },
        ]
    };
    words.iter().flat_map(reads).collect()
}
