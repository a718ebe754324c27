//! Many hosts on one store in simulated time: the real dispatcher and engine over the memory store, with everything between them going
//! wrong. First a phase with faults, then one without, in which all that the store accepted and has must come to its end, exactly once and
//! in order.
//!
//! A seed makes one plan, and a plan one run: the runtime has one thread and a clock of its own, turns run in place. In the order that
//! data flows: [`plan`] is drawn, [`run`] carries it out over [`store`]'s links to the [`world`], the quest in [`quests`] looks at what
//! reaches it, [`truth`] knows what was accepted and [`verdict`] compares it with the [`state`] that is stored. A run that fails is made
//! small ([`shrink`]) and told as a timeline.
//!
//! Hosts read no clock but the store's and measure durations, so there are no clocks of hosts to be skewed: what jumps is the store's. Shortly
//! after the beginning, clocks in New York go back, and what recurs by them is expected to go on.

mod plan;
mod planted;
mod quests;
mod run;
mod shrink;
mod state;
mod store;
mod truth;
mod verdict;
mod world;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quest_host::store::PartitionId;
use quest_host_tests::{seed, times};

use plan::Plan;
use run::Run;
use shrink::shrink;

const PARTITIONS: PartitionId = 3;
/// Contexts, by number. The first of them have their quest from the beginning to the end; to the others it comes and goes.
const CONTEXTS: u64 = 9;
const STEADY: u64 = 6;
/// Entries that one turn takes.
const TURN_ENTRIES_MAX: u64 = 7;
/// Simulated time within which everything must be done once nothing goes wrong any more: longer than all that hosts wait for by
/// themselves, shorter than the longer of the times after which they sweep.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);

/// How a run went.
struct Ran {
    /// The trace of what was committed, or what is wrong.
    result: Result<u64, String>,
    timeline: Vec<String>,
}

/// Runs a plan; tells what happens if that is wanted.
fn carry_out(plan: &Plan, is_told: bool) -> Ran {
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new(plan, is_told);
        run.carry_out(plan).await;
        let result = settle(&run).await;
        Ran { result, timeline: run.world.timeline() }
    })
}

/// Waits until everything that was accepted is done, and a while longer: nothing more must come of it.
async fn settle(run: &Run) -> Result<u64, String> {
    let until = tokio::time::Instant::now() + SETTLED_WITHIN;
    loop {
        verdict::violated(&run.world).await?;
        match verdict::undone(&run.world).await {
            Ok(()) => break,
            Err(undone) if tokio::time::Instant::now() > until => {
                return Err(format!("not done within {SETTLED_WITHIN:?}: {undone}"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(1_000)).await,
        }
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    verdict::violated(&run.world).await?;
    verdict::undone(&run.world).await?;
    Ok(run.world.trace())
}

/// The first of `count` seeds from `first` on whose run fails, if any; on all processors, each prepared.
fn first_failing(first: u64, count: u64, prepare: impl Fn() + Sync) -> Option<u64> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<u64>));
    let work = || {
        prepare();
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n >= count || found.lock().unwrap().is_some_and(|found| found < n) {
                return;
            }
            if carry_out(&Plan::of(first.wrapping_add(n)), false).result.is_err() {
                let mut found = found.lock().unwrap();
                *found = Some(found.map_or(n, |found| found.min(n)));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap().map(|n| first.wrapping_add(n))
}

/// A failing plan made small, with what happens in it.
fn smallest(plan: Plan) -> (Plan, Ran) {
    let plan = shrink(plan, |plan| carry_out(plan, false).result.is_err());
    let ran = carry_out(&plan, true);
    (plan, ran)
}

#[test]
fn whatever_goes_wrong_each_event_counts_once_and_in_order() {
    let first = seed("simulation");
    let given = std::env::var("QUEST_SIMULATIONS").ok().and_then(|text| text.parse().ok());
    let seeds = given.unwrap_or_else(|| times(2_000, 2_000_000));
    let Some(failing) = first_failing(first, seeds, || {}) else { return };
    let (plan, ran) = smallest(Plan::of(failing));
    let (wrong, timeline) = (ran.result.err().unwrap_or_default(), ran.timeline.join("\n"));
    panic!(
        "{timeline}\n\n{wrong}\nwith {:?}, {:?}\nagain: QUEST_SEED={failing} QUEST_SIMULATIONS=1 cargo test -p quest-host-tests --test all \
         simulation::whatever",
        plan.faults, plan.shape
    );
}

#[test]
fn a_seed_makes_one_run() {
    for seed in 0..10 {
        let [first, second] = [(), ()].map(|()| carry_out(&Plan::of(seed), true));
        assert_eq!(first.result, second.result, "seed {seed}");
        assert_eq!(first.timeline, second.timeline, "seed {seed}");
    }
}
