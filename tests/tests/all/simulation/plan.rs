//! What one run does, written down before it begins: so that a failing run can be made smaller by leaving things out.

use quest_host::store::{AcceptBounds, PartitionId};

use super::{CONTEXTS, PARTITIONS, STEADY};

/// A run: drawn from a seed, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub shape: Shape,
    pub faults: Faults,
    pub steps: Vec<Step>,
}

/// The bounds of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub bounds: AcceptBounds,
    pub outbox_max: usize,
    /// So long that nothing but bells and the lookout wakes a partition, or short.
    pub tidy_ms: u64,
    /// Whether time alone gives quests something to do; if not, owners may be without any work.
    pub beats: bool,
}

/// How often what goes wrong, of a thousand cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    pub lost_requests: u64,
    pub lost_answers: u64,
    /// Requests that carry entries from one partition to another, beside the other lost ones.
    pub lost_relays: u64,
    pub repeated_commits: u64,
    pub lost_bells: u64,
    /// A host dies just before or just after a commit.
    pub deaths: u64,
}

/// One thing that somebody does, and the wait after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the whole plan; what it sends is called by it.
    pub id: usize,
    pub act: Act,
    pub then_ms: u64,
}

/// Contexts and hosts are given by number; hosts modulo those that live then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A producer sends an event until there is an answer.
    Event {
        context: u64,
        event: Event,
    },
    /// Two producers send the same id at once: the same event or another.
    Twice {
        context: u64,
        event: Event,
        other: Event,
    },
    Broadcast,
    Add {
        context: u64,
    },
    Remove {
        context: u64,
    },
    Forget {
        context: u64,
    },
    /// To one instance only, which may be gone: one of those that were seen so far.
    Aim {
        context: u64,
        seen: usize,
    },
    /// An operator takes the first timer that the context has.
    Timer {
        context: u64,
        command: TimerCommand,
    },
    /// An operator takes the first dead letter that the context has.
    Dead {
        context: u64,
        retries: bool,
    },
    Kill {
        host: usize,
    },
    Hang {
        host: usize,
        ms: u64,
    },
    Drain {
        host: usize,
    },
    Start,
    /// A copy of the store is made.
    Copy,
    /// The store, or one partition of it, comes back as it was at the latest copy; with its leases or without.
    RollBack {
        partition: Option<PartitionId>,
        revokes: bool,
    },
    /// A copy is made, and the store comes back as it was then just before the next commit, which arrives so much later.
    Relapse {
        ms: u64,
    },
    /// The store's clock jumps.
    Clock {
        ms: i64,
    },
}

/// What a producer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Counts.
    Next,
    /// Sets a timer.
    Planned { in_ms: u64 },
    /// Makes the quest send to another context.
    Send { to: u64 },
    /// Makes the quest send to all contexts.
    Shout,
    /// Fails for good, until an operator has it tried again.
    Stumble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerCommand {
    Fire,
    Move { in_ms: u64 },
    Cancel,
}

/// What may happen in a run, beside what happens in each.
struct Flavour {
    rolls_back: bool,
    clock_jumps: bool,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let flavour = Flavour { rolls_back: rng.u8(..3) == 0, clock_jumps: rng.bool() };
        let shape = Shape::draw(&mut rng, flavour.rolls_back);
        let faults = Faults {
            lost_requests: rng.u64(..30),
            lost_answers: rng.u64(..30),
            lost_relays: *rng.choice(&[0, 0, 500]).unwrap_or(&0),
            repeated_commits: rng.u64(..100),
            lost_bells: *rng.choice(&[0, 300, 1_000]).unwrap_or(&0),
            deaths: rng.u64(..30),
        };
        let count = rng.usize(60..160);
        let mut acts: Vec<Act> = (0..count).map(|_| flavour.draw(&mut rng)).collect();
        if flavour.rolls_back {
            // Nothing more comes that would tell a host of it.
            acts.push(roll_back(&mut rng));
        }
        let steps = acts.into_iter().enumerate().map(|(id, act)| Step { id, act, then_ms: rng.u64(..300) }).collect();
        Self { seed, shape, faults, steps }
    }
}

impl Shape {
    fn draw(rng: &mut fastrand::Rng, rolls_back: bool) -> Self {
        let (ids_max, beats) = (100_000, rng.bool());
        if rng.bool() {
            let bounds = AcceptBounds { inbox_max: 10_000, context_max: 10_000, ids_max, reserve: 1_000 };
            // An owner without work notices a store that was put back when it sweeps.
            let tidy_ms = if rolls_back || rng.bool() { 5_000 } else { 600_000 };
            return Self { bounds, outbox_max: 10_000, tidy_ms, beats };
        }
        // So small that inboxes are full, and outboxes behind them.
        let bounds =
            AcceptBounds { inbox_max: rng.u64(2..8), context_max: rng.u64(1..5), ids_max, reserve: rng.u64(1..5) };
        // The log of broadcasts has room again when it is swept.
        Self { bounds, outbox_max: rng.usize(1..5), tidy_ms: 5_000, beats }
    }
}

impl Flavour {
    fn draw(&self, rng: &mut fastrand::Rng) -> Act {
        let restless = rng.u64(STEADY..CONTEXTS);
        let steady = rng.u64(..STEADY);
        match rng.u32(..100) {
            0..44 => Act::Event { context: steady, event: Event::draw(rng) },
            44..48 => Act::Twice { context: steady, event: Event::draw(rng), other: Event::draw(rng) },
            48..51 => {
                let event = Event::draw(rng);
                Act::Twice { context: steady, event, other: event }
            }
            51..54 => Act::Broadcast,
            54..61 => Act::Event { context: restless, event: Event::draw_for_restless(rng) },
            61..65 => Act::Add { context: restless },
            65..68 => Act::Remove { context: restless },
            68..69 => Act::Forget { context: restless },
            69..74 => Act::Aim { context: restless, seen: rng.usize(..8) },
            74..78 => Act::Timer { context: rng.u64(..CONTEXTS), command: TimerCommand::draw(rng) },
            78..80 => Act::Dead { context: steady, retries: rng.u8(..3) > 0 },
            _ => self.misfortune(rng),
        }
    }

    fn misfortune(&self, rng: &mut fastrand::Rng) -> Act {
        let host = rng.usize(..4);
        match rng.u32(..16) {
            0..4 => Act::Kill { host },
            4..8 => Act::Hang { host, ms: rng.u64(..8_000) },
            8..10 => Act::Drain { host },
            10..11 => Act::Start,
            11..13 if self.rolls_back => Act::Copy,
            13 if self.rolls_back => Act::Relapse { ms: rng.u64(..2_000) },
            14 if self.rolls_back => roll_back(rng),
            15 if self.clock_jumps => Act::Clock { ms: rng.i64(-10_000..10_000) },
            _ => Act::Event { context: rng.u64(..STEADY), event: Event::Next },
        }
    }
}

fn roll_back(rng: &mut fastrand::Rng) -> Act {
    let partition = rng.bool().then(|| rng.u16(..PARTITIONS));
    Act::RollBack { partition, revokes: rng.bool() }
}

impl Event {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(..20) {
            0..8 => Self::Next,
            8..12 => Self::Planned { in_ms: rng.u64(..5_000) },
            12..17 => Self::Send { to: rng.u64(..STEADY) },
            17..18 => Self::Shout,
            _ => Self::Stumble,
        }
    }

    /// What a removed quest did not do is nobody's loss, so it only does what stays its own.
    fn draw_for_restless(rng: &mut fastrand::Rng) -> Self {
        if rng.bool() { Self::Next } else { Self::Planned { in_ms: rng.u64(..5_000) } }
    }
}

impl TimerCommand {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(..3) {
            0 => Self::Fire,
            1 => Self::Move { in_ms: rng.u64(..5_000) },
            _ => Self::Cancel,
        }
    }
}
