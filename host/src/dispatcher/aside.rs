//! Runs that take long, beside the turns: a turn holds its partition up for as long as its runs take, and others wait in it.
//!
//! A run is ended in its turn once it has taken [`Pace::aside_after_ms`], and begun anew on a thread of its own, which yields to others; its
//! context waits, and no other does (`Partition::set_aside`). The same invocation gives the same effects, so that what came of it counts when
//! the delivery is given out again. An action that was slow twice is not begun in a turn any more, until its runs are quick again.
//!
//! Nothing here is stored: should the host end, the next owner runs the delivery anew.
//!
//! Must not know: what a run does, where a partition stands.
//!
//! [`Pace::aside_after_ms`]: super::Pace::aside_after_ms

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use quest_engine::action::{Failure, FailureKind, Invocation, Ran};

use super::{Shared, share};
use crate::{quests::Serving, store::PartitionId};

/// Runs that wait, go on, or have ended and were not asked for yet. What finds no room runs in its turn.
const RUNS_MAX: usize = 256;
/// How long what nobody asks for is kept: its partition may be another host's by now.
const KEPT: Duration = Duration::from_secs(30);

/// The runs set aside.
pub(super) struct Aside {
    /// Threads at once.
    threads_max: usize,
    /// Whether there is anything in `state`, to be read without waiting.
    is_used: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A context has one at a time: its deliveries are in order.
    runs: BTreeMap<Place, Run>,
    queue: VecDeque<Place>,
    /// Contexts whose runs are at their end, that their partitions were not told of.
    ended: BTreeMap<PartitionId, BTreeSet<String>>,
    threads: usize,
    numbers: u64,
}

/// A partition's context.
type Place = (PartitionId, String);

struct Run {
    number: u64,
    invocation: Invocation,
    serving: Arc<dyn Serving>,
    step: Step,
}

enum Step {
    Waits,
    Goes,
    Ended(Ran, Instant),
}

/// What a turn gets for a run that it asks for.
pub(super) enum Came {
    Ran(Ran),
    /// The run goes on aside.
    Aside,
}

/// Runs an action, in the turn or aside. `meter` is of the turn's thread.
pub(super) fn run(
    shared: &Arc<Shared>,
    partition: PartitionId,
    serving: &Arc<dyn Serving>,
    invocation: Invocation,
    meter: &mut share::Meter,
) -> Came {
    let shares = &shared.shares;
    if !shares.are_kept() {
        return Came::Ran(serving.invoke(invocation));
    }
    let invocation = match shared.aside.ask(partition, serving, invocation) {
        Asked::Ended(ran) => return Came::Ran(ran),
        Asked::GoesOn => return Came::Aside,
        Asked::Unknown(invocation) => invocation,
    };
    let action = share::selector(&invocation);
    let invocation = if shares.is_slow(&action) {
        match shares.admits(&action) {
            Ok(()) => Box::new(invocation),
            Err(refused) => return Came::Ran(refused),
        }
    } else {
        let within = Duration::from_millis(shared.options.pace.aside_after_ms);
        match shares.run_within(&action, meter, || serving.invoke_within(invocation, within)) {
            Ok(ran) => return Came::Ran(ran),
            Err(invocation) => invocation,
        }
    };
    match add(shared, partition, serving, *invocation) {
        Ok(()) => {
            Shared::count(&shared.counters.aside, 1);
            Came::Aside
        }
        Err(invocation) => Came::Ran(shares.run(&action, meter, || serving.invoke(*invocation))),
    }
}

/// The same on the thread of the partitions, for a simulation: which runs take long is the quests' to say there, and they end at once.
pub(super) fn in_place(
    shared: &Shared,
    partition: PartitionId,
    serving: &dyn Serving,
    invocation: Invocation,
) -> Came {
    match serving.invoke_within(invocation, Duration::MAX) {
        Ok(ran) => Came::Ran(ran),
        Err(invocation) => {
            shared.aside.tell(&mut shared.aside.state.lock(), (partition, invocation.context));
            shared.wake(partition);
            Came::Aside
        }
    }
}

/// What is known of a run.
enum Asked {
    Ended(Ran),
    GoesOn,
    Unknown(Invocation),
}

impl Aside {
    /// With so many turns at once.
    pub(super) fn new(turns: usize) -> Self {
        Self { threads_max: turns.max(1), is_used: AtomicBool::new(false), state: Mutex::default() }
    }

    /// A partition's contexts whose runs have come to their end since this was asked last.
    pub(super) fn ended(&self, partition: PartitionId) -> BTreeSet<String> {
        match self.is_used.load(Ordering::Acquire) {
            true => self.state.lock().ended.remove(&partition).unwrap_or_default(),
            false => BTreeSet::new(),
        }
    }

    /// Takes what came of a run, if it was of this invocation, by what is served now.
    fn ask(&self, partition: PartitionId, serving: &Arc<dyn Serving>, invocation: Invocation) -> Asked {
        if !self.is_used.load(Ordering::Acquire) {
            return Asked::Unknown(invocation);
        }
        let place = (partition, invocation.context.clone());
        let state = &mut *self.state.lock();
        let Some(run) = state.runs.get(&place) else { return Asked::Unknown(invocation) };
        let is_same = Arc::ptr_eq(run.serving.catalog(), serving.catalog()) && run.invocation.is_same_as(&invocation);
        if is_same && !matches!(run.step, Step::Ended(..)) {
            return Asked::GoesOn;
        }
        let run = state.runs.remove(&place);
        self.is_used.store(!state.runs.is_empty() || !state.ended.is_empty(), Ordering::Release);
        match run {
            Some(Run { step: Step::Ended(ran, _), .. }) if is_same => Asked::Ended(ran),
            _ => Asked::Unknown(invocation),
        }
    }

    fn tell(&self, state: &mut State, (partition, context): Place) {
        state.ended.entry(partition).or_default().insert(context);
        self.is_used.store(true, Ordering::Release);
    }

    fn next(&self) -> Option<(Place, u64, Invocation, Arc<dyn Serving>)> {
        let state = &mut *self.state.lock();
        while let Some(place) = state.queue.pop_front() {
            // It may have been taken back meanwhile.
            if let Some(run) = state.runs.get_mut(&place)
                && matches!(run.step, Step::Waits)
            {
                run.step = Step::Goes;
                return Some((place, run.number, run.invocation.clone(), Arc::clone(&run.serving)));
            }
        }
        state.threads -= 1;
        None
    }

    fn end(&self, place: Place, number: u64, ran: Ran) {
        let state = &mut *self.state.lock();
        if let Some(run) = state.runs.get_mut(&place)
            && run.number == number
        {
            run.step = Step::Ended(ran, Instant::now());
            self.tell(state, place);
        }
    }
}

/// Has a run begun aside, as soon as a thread is free; gives it back where there is no room.
fn add(
    shared: &Arc<Shared>,
    partition: PartitionId,
    serving: &Arc<dyn Serving>,
    invocation: Invocation,
) -> Result<(), Box<Invocation>> {
    let aside = &shared.aside;
    let state = &mut *aside.state.lock();
    if state.runs.len() >= RUNS_MAX {
        let is_kept = |run: &Run| !matches!(&run.step, Step::Ended(_, at) if at.elapsed() > KEPT);
        state.runs.retain(|_, run| is_kept(run));
    }
    if state.runs.len() >= RUNS_MAX {
        return Err(Box::new(invocation));
    }
    if state.threads < aside.threads_max {
        let all = Arc::clone(shared);
        match std::thread::Builder::new().name("aside".to_owned()).spawn(move || work(&all)) {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread for runs that take long");
                return Err(Box::new(invocation));
            }
        }
    }
    state.numbers += 1;
    let place = (partition, invocation.context.clone());
    let run = Run { number: state.numbers, invocation, serving: Arc::clone(serving), step: Step::Waits };
    state.runs.insert(place.clone(), run);
    state.queue.push_back(place);
    aside.is_used.store(true, Ordering::Release);
    Ok(())
}

/// Runs what waits, until nothing does.
fn work(shared: &Shared) {
    yield_to_others();
    while let Some((place, number, invocation, serving)) = shared.aside.next() {
        let action = share::selector(&invocation);
        let run = || shared.shares.run(&action, &mut share::Meter::start(), || serving.invoke(invocation));
        // One that is never told of would be waited for as long as this host lives.
        let ran = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            let message = "the host panicked while this ran; please report it".to_owned();
            let failure = Failure { kind: FailureKind::Permanent, code: "host-bug".to_owned(), message };
            Ran { result: Err(failure), logs: Vec::new() }
        });
        let partition = place.0;
        shared.aside.end(place, number, ran);
        shared.wake(partition);
    }
}

/// How much less of a busy processor these threads get than the turns: a third.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Linux has a niceness for each thread, and none named means the caller; elsewhere it is the whole process's.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "cannot make a thread yield");
    }
}
