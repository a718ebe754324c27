//! Unit tests of quests: the host's own engine, natively, on a clock that only the test moves.
//!
//! ```
//! use quest_sdk::{prelude::*, test::World};
//!
//! #[derive(Variables, Default)]
//! struct Greeter {}
//!
//! #[quest(add_on = ["arrived"])]
//! impl Greeter {
//!     #[action(on = ["arrived"])]
//!     fn arrive(&mut self, cx: &Context) -> Result {
//!         cx.timers().after("greet", minutes(10), "greet")
//!     }
//!
//!     #[action]
//!     fn greet(&mut self, cx: &Context) -> Result {
//!         cx.publish("greeting", "hello")
//!     }
//! }
//!
//! let mut world = World::of::<Greeter>();
//! world.send("user-1", "arrived", ()).advance(minutes(9));
//! assert!(world.messages().is_empty());
//! world.advance(minutes(1));
//! assert_eq!(world.messages()[0].payload::<String>(), "hello");
//! ```
//!
//! What a world holds reads as a text, to be looked at or kept as a snapshot (`insta::assert_snapshot!(world.snapshot("user-1"))`):
//!
//! ```
//! # use quest_sdk::{prelude::*, test::World};
//! # #[derive(Variables, Default)]
//! # struct Visits { visits: u64 }
//! # #[quest(add_on = ["visited"])]
//! # impl Visits {
//! #     #[action(on = ["visited"])]
//! #     fn visit(&mut self, cx: &Context) -> Result {
//! #         self.visits += 1;
//! #         cx.timers().after("absent", days(3), "miss")
//! #     }
//! #     #[action]
//! #     fn miss(&mut self, cx: &Context) -> Result { cx.publish("missed", self.visits) }
//! # }
//! let mut world = World::of::<Visits>();
//! world.show_in("Europe/Berlin").advance_to("2026-03-27 18:00").send("user-1", "visited", ());
//! assert_eq!(world.snapshot("user-1").to_string(), "\
//! user-1 at 2026-03-27 18:00:00 Europe/Berlin
//! quests
//!   visits
//!     visits = 1
//! timers
//!   visits.absent → miss at 2026-03-30 19:00:00");
//! world.advance(days(3));
//! assert!(world.timeline().ends_with("\
//! 2026-03-30 19:00:00  user-1  absent → visits.miss  done
//!     message missed 1
//! "));
//! ```
//!
//! Routing, order, timers, retries, limits and refusals are those of production, because the code is. Not here: wasm's limits of
//! memory and time, and stores. A failed expectation of the harness itself (a value of another type, say) panics with a text.

mod driver;
mod seen;

use std::time::Duration;

use quest_engine::model::{Body, Outcome};
use serde::{Serialize, de::DeserializeOwned};

pub use quest_engine::world::Snapshot;
pub use seen::{Dead, Event, Failed, LogLine, Message, Timer};

use crate::{Quest, Value, quest::Entry, time::millis};
use driver::Driver;

/// A host in miniature that serves some quests. Each call returns when all that it led to is done.
#[derive(Debug)]
pub struct World {
    driver: Driver,
}

/// A world of several quests: `world![Cart, WinBack]`.
#[macro_export]
macro_rules! world {
    ($($quest:ty),+ $(,)?) => {
        $crate::test::World::serving(&[$($crate::__private::Entry::of::<$quest>()),+])
    };
}
pub use crate::world;

impl World {
    /// A world that serves one quest. For several there is [`world!`].
    pub fn of<Q: Quest>() -> Self {
        Self::serving(&[Entry::of::<Q>()])
    }

    /// For [`world!`].
    #[doc(hidden)]
    pub fn serving(entries: &[Entry]) -> Self {
        Self { driver: Driver::new(entries) }
    }

    /// Serves another version of a quest from now on, as if its module had been replaced.
    pub fn replace<Q: Quest>(&mut self) -> &mut Self {
        self.driver.replace(Entry::of::<Q>());
        self
    }

    /// Sets one of the operator's settings of a quest.
    pub fn configure(&mut self, quest: &str, name: &str, value: &str) -> &mut Self {
        self.driver.configure(quest, name, value);
        self
    }

    /// Adds a quest to a context.
    pub fn add(&mut self, context: &str, quest: &str) -> &mut Self {
        self.accept(context, Body::Add { quest: quest.to_owned() })
    }

    /// Removes a quest from a context.
    pub fn remove(&mut self, context: &str, quest: &str) -> &mut Self {
        self.accept(context, Body::Remove { quest: quest.to_owned() })
    }

    /// Sends an event to every subscribed action of a context.
    pub fn send(&mut self, context: &str, event: &str, payload: impl Serialize) -> &mut Self {
        self.accept(context, Body::Emit { name: event.to_owned(), payload: value_of(&payload).into() })
    }

    /// Sends an event to one action of one quest.
    pub fn send_to(&mut self, context: &str, quest: &str, action: &str, payload: impl Serialize) -> &mut Self {
        self.accept(context, send_body(quest, action, &payload))
    }

    /// Sends an event to every context that has a subscribed quest.
    pub fn broadcast(&mut self, event: &str, payload: impl Serialize) -> &mut Self {
        self.driver.broadcast(event, value_of(&payload).into());
        self
    }

    /// Calls an action, and gives its answer.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        context: &str,
        quest: &str,
        action: &str,
        payload: impl Serialize,
    ) -> Result<T, Failed> {
        match self.driver.call(context, send_body(quest, action, &payload)) {
            Some(Outcome::Answered(value)) => Ok(read(value.into(), "the answer")),
            Some(Outcome::Failed { code, message }) => Err(Failed { code, message }),
            None => Err(Failed {
                code: "pending".to_owned(),
                message: "the action failed and will be tried again".to_owned(),
            }),
        }
    }

    /// Asks a query.
    pub fn query<T: DeserializeOwned>(
        &mut self,
        context: &str,
        quest: &str,
        query: &str,
        payload: impl Serialize,
    ) -> Result<T, Failed> {
        let value = self.driver.query(context, quest, query, value_of(&payload).into())?;
        Ok(read(value.into(), "the answer"))
    }

    /// Lets time pass: every timer and retry that is due by then runs, each at its time. What is sent afterwards comes after them.
    pub fn advance(&mut self, duration: Duration) -> &mut Self {
        let until = self.now() + millis(duration);
        self.advance_to(until)
    }

    /// Lets time pass up to a moment: Unix milliseconds, or a civil time of the world's zone, like `"2026-03-27 18:00"`. Time never goes
    /// back.
    pub fn advance_to(&mut self, time: impl Time) -> &mut Self {
        let time = time.millis(self);
        self.driver.advance_to(time);
        self
    }

    /// The zone that times are read and shown in (UTC unless it is said), like `Europe/Berlin`. Quests see none of it.
    pub fn show_in(&mut self, zone: &str) -> &mut Self {
        self.driver.set_zone(zone);
        self
    }

    /// A context's quests with their variables, its timers, and what its actions caused, published and logged, and what failed: as text.
    pub fn snapshot(&self, context: &str) -> Snapshot {
        self.driver.snapshot(context)
    }

    /// What happened so far, line by line.
    pub fn timeline(&self) -> String {
        self.driver.timeline()
    }

    /// The events that actions caused so far.
    pub fn events(&self) -> Vec<Event> {
        self.driver.events()
    }

    /// The time, in Unix milliseconds. A new world is at 2026-01-01T00:00:00Z.
    pub fn now(&self) -> u64 {
        self.driver.now()
    }

    /// A stored variable; none if it was never set or the quest is not there.
    pub fn variable<T: DeserializeOwned>(&self, context: &str, quest: &str, name: &str) -> Option<T> {
        let value = self.driver.variable(context, quest, name)?;
        Some(read(value.into(), name))
    }

    /// The quests of a context, by name.
    pub fn quests(&self, context: &str) -> Vec<String> {
        self.driver.quests(context)
    }

    /// Whether a context has a quest.
    pub fn is_active(&self, context: &str, quest: &str) -> bool {
        self.driver.quests(context).iter().any(|active| active == quest)
    }

    /// The timers of a context, by quest and name.
    pub fn timers(&self, context: &str) -> Vec<Timer> {
        self.driver.timers(context)
    }

    /// All messages published so far.
    pub fn messages(&self) -> &[Message] {
        self.driver.messages()
    }

    /// The topics of all messages published so far, for short expectations.
    pub fn topics(&self) -> Vec<&str> {
        self.messages().iter().map(|message| message.topic.as_str()).collect()
    }

    /// All lines logged so far, those of failed actions included.
    pub fn logs(&self) -> &[LogLine] {
        self.driver.logs()
    }

    /// The dead letters: deliveries that were given up.
    pub fn dead(&self) -> &[Dead] {
        self.driver.dead()
    }

    fn accept(&mut self, context: &str, body: Body) -> &mut Self {
        self.driver.accept(context, body);
        self
    }
}

/// A moment, for [`World::advance_to`].
pub trait Time {
    /// The moment in Unix milliseconds. Panics if a text is no time.
    fn millis(self, world: &World) -> u64;
}

impl Time for u64 {
    fn millis(self, _: &World) -> u64 {
        self
    }
}

impl Time for &str {
    fn millis(self, world: &World) -> u64 {
        world.driver.time(self)
    }
}

fn send_body(quest: &str, action: &str, payload: &impl Serialize) -> Body {
    Body::Send {
        quest: quest.to_owned(),
        action: action.to_owned(),
        instance: None,
        name: None,
        payload: value_of(payload).into(),
    }
}

fn value_of(payload: &impl Serialize) -> Value {
    crate::to_value(payload).unwrap_or_else(|error| panic!("this payload cannot be sent: {error}"))
}

fn read<T: DeserializeOwned>(value: Value, what: &str) -> T {
    let shown = format!("{value:?}");
    crate::from_value(value)
        .unwrap_or_else(|error| panic!("{what} is no {}: {error} ({shown})", std::any::type_name::<T>()))
}

#[cfg(test)]
mod tests;
