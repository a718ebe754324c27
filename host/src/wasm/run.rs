//! What is known of a run while it goes on: the data of its store.
//!
//! Must not know: which functions the contract has.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quest_engine::action::{Definer, Level, Recorder, Seed};

use super::{
    script::{Script, Told},
    wasi::Console,
};
use crate::threads::thread_time;

/// What a module's code is being run for.
pub(super) enum Phase {
    /// `define`: only definitions, log and random are there.
    Defining(Definer),
    /// `init` or `perform`.
    Running(Box<Recorder>),
}

/// The data of a store: one run.
pub(super) struct Run {
    pub(super) phase: Phase,
    /// More time, where the run did not get what it may take of a processor.
    pub(super) patience: Option<Patience>,
    /// What runs once the phase of definitions is over.
    pub(super) next: Option<Box<Recorder>>,
    /// Lines written while `define` ran.
    pub(super) define_log: Vec<String>,
    pub(super) limiter: super::limits::Limiter,
    pub(super) wasi: Option<super::wasi::Wasi>,
    /// The script that an interpreter runs.
    pub(super) script: Option<Arc<Script>>,
    /// What it told of the script.
    pub(super) told: Told,
    /// Random numbers while `define` runs: the same each time.
    pub(super) define_random: Seed,
}

/// What a run may take of a processor, and until when at the most: others run beside it, and it is not to end for that.
pub(super) struct Patience {
    /// By the thread's own time.
    until: Duration,
    at_most: Instant,
}

/// How many times as long a run may take by the clock as of a processor.
const TIMES_BY_THE_CLOCK: u32 = 2;

impl Patience {
    /// From now on, on this thread.
    pub(super) fn of(time: Duration) -> Self {
        Self { until: thread_time() + time, at_most: Instant::now() + time * TIMES_BY_THE_CLOCK }
    }

    /// How much longer, if any.
    pub(super) fn left(&self) -> Option<Duration> {
        let of_processor = self.until.checked_sub(thread_time())?;
        let by_the_clock = self.at_most.checked_duration_since(Instant::now())?;
        Some(of_processor.min(by_the_clock)).filter(|left| !left.is_zero())
    }
}

impl Run {
    /// Another action begins in the same instance.
    pub(super) fn begin_again(&mut self, recorder: Box<Recorder>) {
        if let Some(wasi) = &mut self.wasi {
            wasi.begin_again(recorder.invocation());
        }
        self.phase = Phase::Running(recorder);
        self.limiter.refused = None;
        self.told = Told::default();
    }

    /// From here on the action runs.
    pub(super) fn begin(&mut self) {
        if let Some(recorder) = self.next.take() {
            self.phase = Phase::Running(recorder);
        }
    }

    /// Ends the run, wherever it has come to.
    pub(super) fn take_recorder(&mut self) -> Option<Box<Recorder>> {
        match std::mem::replace(&mut self.phase, Phase::Defining(Definer::default())) {
            Phase::Running(recorder) => Some(recorder),
            Phase::Defining(_) => self.next.take(),
        }
    }

    /// What a `define` that returned has said.
    pub(super) fn into_definer(self) -> Definer {
        match self.phase {
            Phase::Defining(definer) => definer,
            Phase::Running(_) => Definer::default(),
        }
    }

    /// Moves what was printed to the log, so that printed and written lines keep their order.
    pub(super) fn take_printed(&mut self, whole: bool) {
        let Some(wasi) = &self.wasi else { return };
        let lines = wasi.take_lines(whole);
        for (console, line) in lines {
            let level = match console {
                Console::Out => Level::Info,
                Console::Err => Level::Error,
            };
            self.log(level, &line);
        }
    }

    pub(super) fn log(&mut self, level: Level, message: &str) {
        match &mut self.phase {
            Phase::Running(recorder) => recorder.log(level, message),
            Phase::Defining(_) => {
                const LINES_MAX: usize = 100;
                const BYTES_MAX: usize = 1024;
                let room = LINES_MAX.saturating_sub(self.define_log.len());
                let lines = message.lines().take(room).map(|line| &line[..line.floor_char_boundary(BYTES_MAX)]);
                self.define_log.extend(lines.map(str::to_owned));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_of_the_threads_own_time() {
        let hour = Duration::from_secs(3_600);
        let (patience, short) = (Patience::of(hour), Patience::of(Duration::from_millis(1)));
        assert!(patience.left().is_some_and(|left| left <= hour));
        let began = thread_time();
        while thread_time() - began < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        assert_eq!(short.left(), None, "it had its time");
        let late = Patience { until: thread_time() + hour, at_most: Instant::now() };
        assert_eq!(late.left(), None, "whatever it had of a processor");
    }
}
