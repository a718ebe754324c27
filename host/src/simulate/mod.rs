//! Runs quests against many events, recorded or generated, on a clock that the caller paces.
//!
//! Must not know: wasm, the command line, real time.

mod generated;
mod recorded;
mod tally;

use std::iter::Peekable;

pub use generated::{Generated, Rate};
pub use recorded::{Recorded, read};
pub use tally::Tally;

use quest_engine::{
    model::{Body, Millis},
    world::{Moment, Options, Restless, Runner, World},
};

/// An event from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it comes.
    pub at: Millis,
    /// Its context; empty for every context.
    pub context: String,
    /// Its id, if it was recorded with one.
    pub id: Option<String>,
    /// What it asks for.
    pub body: Body,
}

/// A world, and what is still to come.
pub struct Simulation<R, E: Iterator<Item = Event>> {
    world: World<R>,
    events: Peekable<E>,
    until: Option<Millis>,
    tally: Tally,
}

impl<R: Runner, E: Iterator<Item = Event>> Simulation<R, E> {
    /// Begins at `options.start`. `events` come in order of time; it ends at `until`, or with the last of them.
    pub fn new(runner: R, options: Options, events: E, until: Option<Millis>) -> Self {
        Self { world: World::new(runner, options), events: events.peekable(), until, tally: Tally::default() }
    }

    /// When something happens next; none at the end.
    pub fn next_at(&mut self) -> Option<Millis> {
        let event = self.events.peek().map(|event| event.at);
        let wake = self.world.next_wake();
        let next = match (event, wake) {
            (Some(event), Some(wake)) => Some(event.min(wake)),
            // Without an end of its own, it ends with the last event: timers may go on for ever.
            (None, wake) => wake.filter(|_| self.until.is_some()),
            (event, None) => event,
        };
        next.filter(|next| self.until.is_none_or(|until| *next <= until)).map(|next| next.max(self.world.now()))
    }

    /// Lets time pass until something happens, does it, and gives what came of it to `show`. False at the end.
    pub fn step(&mut self, mut show: impl FnMut(&Moment)) -> Result<bool, Restless> {
        let Some(at) = self.next_at() else { return Ok(false) };
        match self.events.next_if(|event| event.at <= at) {
            Some(event) => {
                self.world.advance_before(at)?;
                self.tally.events += 1;
                match &event.id {
                    Some(id) => self.world.accept_as(&event.context, id, event.body)?,
                    None => self.world.accept(&event.context, event.body)?,
                }
            }
            None => self.world.advance_to(at)?,
        }
        for moment in self.world.moments() {
            self.tally.add(moment);
            show(moment);
        }
        self.world.forget_past();
        Ok(true)
    }

    /// Lets the time pass that is left when nothing happens any more.
    pub fn end(&mut self) -> Result<(), Restless> {
        self.until.map_or(Ok(()), |until| self.world.advance_to(until))
    }

    /// What happened so far, counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The contexts that anything happened in.
    pub fn contexts(&self) -> usize {
        self.world.contexts().len()
    }

    /// The timers that are set.
    pub fn timers_waiting(&self) -> usize {
        self.world.contexts().iter().map(|context| self.world.timers(context).len()).sum()
    }

    /// The patterns that are live.
    pub fn patterns_live(&self) -> usize {
        self.world.contexts().iter().map(|context| self.world.patterns(context).len()).sum()
    }

    /// The time in the world.
    pub fn now(&self) -> Millis {
        self.world.now()
    }
}
