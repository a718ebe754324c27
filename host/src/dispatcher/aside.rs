//! Runs that take long, beside the turns: a turn holds its partition up for as long as its runs take, and others wait in it.
//!
//! A run is ended in its turn once it has taken [`Pace::aside_after_ms`], and begun anew on a thread of its own; its
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
use quest_engine::action::{Failure, Invocation, Ran};
use tokio::sync::Notify;

use super::{Shared, share};
use crate::{quests::Serving, store::PartitionId, threads::take_long_slices};

/// Runs that wait, go on, or have ended and were not asked for yet. What finds no room runs in its turn.
const RUNS_MAX: usize = 256;
/// How long such a run goes on before others have a turn: as long as Linux lets it, so that whatever wakes up comes first.
const SLICE: Duration = Duration::from_millis(100);
/// How long what nobody asks for is kept.
const KEPT: Duration = Duration::from_secs(30);

/// The runs set aside.
pub(super) struct Aside {
    shares: Arc<share::Shares>,
    bells: Arc<[Notify]>,
    /// Threads at once.
    threads_max: usize,
    /// Whether there is anything in `state`, to be read without waiting.
    is_used: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<Place, Run>,
    queue: VecDeque<Place>,
    /// Contexts with a run that has ended, whose partitions were not told.
    untold: BTreeMap<PartitionId, BTreeSet<String>>,
    threads: usize,
    numbers: u64,
    is_stopped: bool,
}

/// Whose run it is: of a context's instance, which has one at a time, the action; `upgrade` comes before another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    partition: PartitionId,
    context: String,
    quest: String,
    action: String,
}

struct Run {
    number: u64,
    invocation: Arc<Invocation>,
    serving: Arc<dyn Serving>,
    step: Step,
}

/// A run that a thread has taken up.
struct Begun {
    place: Place,
    number: u64,
    invocation: Arc<Invocation>,
    serving: Arc<dyn Serving>,
}

enum Step {
    Waits,
    Goes(Instant),
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
    shared: &Shared,
    partition: PartitionId,
    serving: &Arc<dyn Serving>,
    invocation: Invocation,
    meter: &mut share::Meter,
) -> Came {
    let (aside, shares) = (&shared.aside, &shared.aside.shares);
    if !shares.are_kept() {
        return Came::Ran(serving.invoke(invocation));
    }
    if let Some(came) = aside.ask(partition, serving, &invocation) {
        return came;
    }
    let action = share::selector(&invocation);
    let invocation = if shares.is_slow(&action) {
        match shares.admits(&action) {
            Ok(()) => Box::new(invocation),
            Err(refused) => return Came::Ran(refused.into()),
        }
    } else {
        let within = Duration::from_millis(shared.options.pace.aside_after_ms);
        match shares.run_within(&action, meter, || serving.invoke_within(invocation, within)) {
            Ok(ran) => return Came::Ran(ran),
            Err(invocation) => invocation,
        }
    };
    match aside.add(partition, serving, invocation) {
        Ok(()) => {
            Shared::count(&shared.counters.aside, 1);
            Came::Aside
        }
        Err(invocation) => Came::Ran(shares.run(&action, meter, || serving.invoke(*invocation))),
    }
}

/// The same on the thread of the partitions, for a simulation: which runs take long is the quests' to say there, and they end at once.
pub(super) fn in_place(shared: &Shared, partition: PartitionId, serving: &dyn Serving, invocation: Invocation) -> Came {
    match serving.invoke_within(invocation, Duration::MAX) {
        Ok(ran) => Came::Ran(ran),
        Err(invocation) => {
            let aside = &shared.aside;
            aside.tell(&mut aside.state.lock(), partition, invocation.context);
            shared.wake(partition);
            Came::Aside
        }
    }
}

impl Place {
    fn of(partition: PartitionId, invocation: &Invocation) -> Self {
        Self {
            partition,
            context: invocation.context.clone(),
            quest: invocation.quest.clone(),
            action: invocation.action.clone(),
        }
    }

    fn is_of_action(&self, other: &Self) -> bool {
        (&self.quest, &self.action) == (&other.quest, &other.action)
    }
}

impl Aside {
    /// With so many turns at once, of partitions with these bells.
    pub(super) fn new(shares: share::Shares, turns: usize, bells: Arc<[Notify]>) -> Arc<Self> {
        Arc::new(Self {
            shares: Arc::new(shares),
            bells,
            threads_max: threads_at_once(turns),
            is_used: AtomicBool::new(false),
            state: Mutex::default(),
        })
    }

    /// A partition's contexts that have a run which has ended since this was asked last.
    pub(super) fn ended(&self, partition: PartitionId) -> BTreeSet<String> {
        if !self.is_used.load(Ordering::Acquire) {
            return BTreeSet::new();
        }
        let mut state = self.state.lock();
        let ended = state.untold.remove(&partition).unwrap_or_default();
        self.note(&state);
        ended
    }

    /// Another may own a partition from now on.
    pub(super) fn leave(&self, partition: PartitionId) {
        let mut state = self.state.lock();
        state.untold.remove(&partition);
        let gone: Vec<_> = state.runs.extract_if(.., |place, _| place.partition == partition).collect();
        self.note(&state);
        // What they hold of memory, and of code that is not served any more, is given back while nobody waits.
        drop(state);
        drop(gone);
    }

    /// Begins nothing more. What goes on comes to its end, and to nothing.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        state.queue.clear();
        let gone = std::mem::take(&mut state.runs);
        drop(state);
        drop(gone);
    }

    /// Takes what came of a run, if there is one of this invocation, by what is served now.
    fn ask(&self, partition: PartitionId, serving: &Arc<dyn Serving>, invocation: &Invocation) -> Option<Came> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        let place = Place::of(partition, invocation);
        let mut state = self.state.lock();
        let is_same =
            |run: &&Run| Arc::ptr_eq(run.serving.catalog(), serving.catalog()) && run.invocation.is_same_as(invocation);
        // Another one's stays: this may come first of its context now, and that again behind it.
        let run = state.runs.get(&place).filter(is_same)?;
        if !matches!(run.step, Step::Ended(..)) {
            return Some(Came::Aside);
        }
        let run = state.runs.remove(&place);
        self.note(&state);
        drop(state);
        match run.map(|run| run.step) {
            Some(Step::Ended(ran, _)) => Some(Came::Ran(ran)),
            _ => None,
        }
    }

    /// Has a run begun, as soon as a thread is free; gives it back where there is no room.
    fn add(
        self: &Arc<Self>,
        partition: PartitionId,
        serving: &Arc<dyn Serving>,
        invocation: Box<Invocation>,
    ) -> Result<(), Box<Invocation>> {
        let mut state = self.state.lock();
        let is_left = |run: &Run| matches!(&run.step, Step::Ended(_, at) if at.elapsed() > KEPT);
        let left: Vec<_> = state.runs.extract_if(.., |_, run| is_left(run)).collect();
        if state.runs.len() >= RUNS_MAX || state.is_stopped {
            return Err(invocation);
        }
        if state.threads < self.threads_max {
            let all = Arc::clone(self);
            match std::thread::Builder::new().name("aside".to_owned()).spawn(move || all.work()) {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot start a thread for runs that take long");
                    return Err(invocation);
                }
            }
        }
        state.numbers += 1;
        let place = Place::of(partition, &invocation);
        let run = Run {
            number: state.numbers,
            invocation: Arc::from(invocation),
            serving: Arc::clone(serving),
            step: Step::Waits,
        };
        let before = state.runs.insert(place.clone(), run);
        state.queue.push_back(place);
        self.note(&state);
        drop(state);
        drop((left, before));
        Ok(())
    }

    /// Runs what waits, until nothing does.
    fn work(&self) {
        take_long_slices(SLICE);
        while let Some(Begun { place, number, invocation, serving }) = self.next() {
            let action = share::selector(&invocation);
            let invocation = Arc::unwrap_or_clone(invocation);
            let run = || self.shares.run(&action, &mut share::Meter::start(), || serving.invoke(invocation));
            // One that is never told of would be waited for as long as this host lives.
            let ran = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                let message = "the host panicked while this ran; please report it".to_owned();
                Failure::host_bug(message).into()
            });
            self.end(place, number, ran);
        }
    }

    /// The first that waits, but while a run of an action takes long no other of it.
    fn next(&self) -> Option<Begun> {
        let state = &mut *self.state.lock();
        let takes_long = |run: &Run| matches!(run.step, Step::Goes(began) if began.elapsed() > share::SLOW);
        let long: Vec<Place> =
            state.runs.iter().filter(|(_, run)| takes_long(run)).map(|(place, _)| place.clone()).collect();
        // One that was given up, or begun anew, leaves its place in the queue.
        let waits = |place: &Place| state.runs.get(place).is_some_and(|run| matches!(run.step, Step::Waits));
        state.queue.retain(waits);
        let at = state.queue.iter().position(|place| !long.iter().any(|long| long.is_of_action(place)));
        let place = at.and_then(|at| state.queue.remove(at));
        if let Some(place) = place
            && let Some(run) = state.runs.get_mut(&place)
        {
            run.step = Step::Goes(Instant::now());
            let (invocation, serving) = (Arc::clone(&run.invocation), Arc::clone(&run.serving));
            return Some(Begun { place, number: run.number, invocation, serving });
        }
        // Where others of an action wait for one that takes long, its thread comes for them.
        state.threads -= 1;
        None
    }

    fn end(&self, place: Place, number: u64, ran: Ran) {
        let partition = place.partition;
        let state = &mut *self.state.lock();
        if let Some(run) = state.runs.get_mut(&place)
            && run.number == number
        {
            run.step = Step::Ended(ran, Instant::now());
            self.tell(state, partition, place.context);
            if let Some(bell) = self.bells.get(usize::from(partition)) {
                bell.notify_one();
            }
        }
    }

    fn tell(&self, state: &mut State, partition: PartitionId, context: String) {
        state.untold.entry(partition).or_default().insert(context);
        self.note(state);
    }

    fn note(&self, state: &State) {
        self.is_used.store(!state.runs.is_empty() || !state.untold.is_empty(), Ordering::Release);
    }
}

/// More than there are processors would only take them from the turns; but one that goes on for long is not to hold up all others.
fn threads_at_once(turns: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    turns.min(processors.max(2)).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use quest_engine::{
        action::Changes,
        model::{Catalog, Value},
    };

    use super::*;

    /// Gives what it is told to for each run, when it is told.
    struct Told {
        catalog: Arc<Catalog>,
        answers: Mutex<mpsc::Receiver<i64>>,
    }

    impl Serving for Told {
        fn catalog(&self) -> &Arc<Catalog> {
            &self.catalog
        }

        fn invoke(&self, _: Invocation) -> Ran {
            let reply = Some(Value::Integer(self.answers.lock().recv().expect("an answer")));
            Ran { result: Ok(Changes { reply, ..Changes::default() }), logs: Vec::new() }
        }

        fn invoke_within(&self, invocation: Invocation, _: Duration) -> Result<Ran, Box<Invocation>> {
            Err(Box::new(invocation))
        }
    }

    fn told() -> (Arc<dyn Serving>, mpsc::Sender<i64>) {
        let (answer, answers) = mpsc::channel();
        (Arc::new(Told { catalog: Arc::default(), answers: Mutex::new(answers) }), answer)
    }

    fn aside() -> Arc<Aside> {
        Aside::new(share::Shares::new(10, 4), 4, (0..2).map(|_| Notify::new()).collect())
    }

    fn invocation(action: &str) -> Box<Invocation> {
        Box::new(Invocation { context: "u".to_owned(), ..Invocation::bare("q", action) })
    }

    /// Waits until partition 1 is told of the context.
    fn ended(aside: &Aside) {
        let until = Instant::now() + Duration::from_secs(60);
        while !aside.ended(1).contains("u") {
            assert!(Instant::now() < until, "its run does not end");
            std::thread::yield_now();
        }
    }

    fn reply(came: Option<Came>) -> Option<i64> {
        match came? {
            Came::Ran(Ran { result: Ok(Changes { reply: Some(Value::Integer(n)), .. }), .. }) => Some(n),
            Came::Ran(other) => panic!("{other:?}"),
            Came::Aside => None,
        }
    }

    #[test]
    fn what_came_of_a_run_is_taken_once_whatever_comes_between() {
        let (aside, (serving, answer)) = (aside(), told());
        let long = Invocation { processed_at: 2, ..*invocation("long") };
        assert!(aside.add(1, &serving, invocation("long")).is_ok());
        assert!(matches!(aside.ask(1, &serving, &long), Some(Came::Aside)));
        assert!(aside.ended(1).is_empty());
        answer.send(7).expect("it is waited for");
        ended(&aside);
        assert!(aside.ended(1).is_empty(), "told once");
        // The upgrade before it, and a retry of it, are other runs.
        assert!(aside.ask(1, &serving, &invocation("upgrade")).is_none());
        assert!(aside.ask(1, &serving, &Invocation { attempt: 2, ..long.clone() }).is_none());
        assert!(aside.ask(0, &serving, &long).is_none());
        assert_eq!(reply(aside.ask(1, &serving, &long)), Some(7));
        assert!(aside.ask(1, &serving, &long).is_none());
        assert!(!aside.is_used.load(Ordering::Acquire));
    }

    #[test]
    fn by_other_code_it_is_run_anew_and_what_comes_of_the_old_counts_for_nothing() {
        let (aside, (old, old_answer), (new, new_answer)) = (aside(), told(), told());
        assert!(aside.add(1, &old, invocation("long")).is_ok());
        while aside.state.lock().runs.values().any(|run| matches!(run.step, Step::Waits)) {
            std::thread::yield_now();
        }
        assert!(aside.ask(1, &new, &invocation("long")).is_none());
        assert!(aside.add(1, &new, invocation("long")).is_ok());
        old_answer.send(1).expect("it is waited for");
        new_answer.send(2).expect("it is waited for");
        ended(&aside);
        assert_eq!(reply(aside.ask(1, &new, &invocation("long"))), Some(2));
    }

    #[test]
    fn a_partition_that_is_left_leaves_nothing_and_the_end_begins_nothing() {
        let (aside, (serving, answer)) = (aside(), told());
        assert!(aside.add(1, &serving, invocation("long")).is_ok());
        aside.leave(1);
        assert!(aside.ask(1, &serving, &invocation("long")).is_none());
        answer.send(1).expect("it may have been begun");
        aside.stop();
        assert!(aside.add(1, &serving, invocation("long")).is_err(), "it runs in its turn");
        assert!(aside.ended(1).is_empty());
    }
}
