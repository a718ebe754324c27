//! Write quests for quest-host in Rust.
//!
//! A quest is a struct of variables and the methods that react to events:
//!
//! ```
//! use quest_sdk::prelude::*;
//!
//! #[derive(Variables, Default)]
//! struct Counter {
//!     counter: u64,
//! }
//!
//! #[quest(name = "my_example_quest")]
//! impl Counter {
//!     #[action(on = ["test_event"])]
//!     fn my_action(&mut self, cx: &Context) {
//!         self.counter += 1;
//!         cx.log().info(self.counter);
//!     }
//! }
//!
//! quest_sdk::module!(Counter);
//! # fn main() {
//! let mut world = quest_sdk::test::World::of::<Counter>();
//! world.add("a_user_session_key", "my_example_quest");
//! world.send("a_user_session_key", "test_event", ());
//! assert_eq!(world.variable::<u64>("a_user_session_key", "my_example_quest", "counter"), Some(1));
//! # }
//! ```
//!
//! **The rule.** An action is a transaction: what it does to its variables, timers and everything else through [`Context`] is
//! recorded, and happens only if it succeeds. One that fails ([`transient`], [`fail`], `?`), panics or takes too long changes
//! nothing. An action may run again after a failure, so it does nothing but through its `Context`.
//!
//! **Variables.** Each field is one variable, loaded before an action and stored after it if it has changed. One that is missing
//! (a field added in a later version) takes its value in `Default`; what is stored under names without a field is left alone.
//! Any type that serde knows will do, bytes by `serde_bytes`. Integers past the signed 64-bit range are refused, and those
//! outside ±(2^53 − 1) do not survive in every other language. `#[variable(name = "…")]` names a variable otherwise,
//! `#[variable(skip)]` leaves a field out. Quests without a struct of variables use [`Context::variables`].
//!
//! **Methods** of the `#[quest]` block:
//!
//! | method | runs |
//! | --- | --- |
//! | `fn init(&mut self)` | when the quest is added to a context; may be left out |
//! | `#[action(on = ["…", …])] fn …` | when such an event arrives, a timer names it, or it is called |
//! | `#[action(every = "…")] fn …` | by a schedule, from the add on: `"every 3 days at 09:00"` (docs/schedules.md) |
//! | `#[pattern(kind = "…", …)] fn …` | when a pattern over events is met, such as "no `opened` for 14 days" (docs/patterns.md) |
//! | `#[query] fn …(&self)` | when it is asked, on committed state; it answers and changes nothing |
//! | `fn upgrade(&mut self, from: u32)` | when an instance that version `from` wrote meets a higher one |
//! | `fn dealloc(&mut self)` | when the quest is removed; its failure does not prevent that |
//!
//! Each may take a [`&Context`](Context), and one more argument of any type that serde reads: the event's payload. Each may
//! return nothing, a value (the answer of a call or query), [`Result`] or `Result<value>`.
//!
//! **Build**: `crate-type = ["cdylib", "rlib"]`, then `cargo build --profile quest --target wasm32-wasip2`. A panic's text goes to
//! the quest's log. **Test**: natively, with the crate's `test::World`, which runs the host's own engine on a clock of its own.
//!
//! This crate must not know stores, wasmtime or tokio.

/// The page for authors, whose quests are tried as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../docs/languages/rust.md")]
struct Page;

// The macros say `::quest_sdk`, in this crate's own tests too.
#[cfg(test)]
extern crate self as quest_sdk;

#[cfg(all(target_arch = "wasm32", feature = "bump-allocator"))]
#[allow(unsafe_code)]
mod alloc;
mod codec;
mod context;
mod error;
mod host;
mod module;
mod quest;
#[cfg(not(target_family = "wasm"))]
pub mod test;
mod time;
mod value;

pub use codec::{CodecError, from_value, to_value};
pub use context::{Cause, Clock, Context, Log, Patterns, Random, Timers, VariablesByName};
pub use error::{Error, Result, fail, transient};
pub use host::Level;
pub use quest::{Quest, Variables, Visitor};
pub use quest_sdk_macros::{Variables, quest};
pub use time::{days, hours, minutes, seconds};
pub use value::Value;

/// All that a quest needs. A payload of a struct of its own needs serde's derives, and so `serde` in the quest's Cargo.toml.
pub mod prelude {
    pub use crate::{
        Cause, Context, Error, Quest, Result, Variables, days, fail, hours, minutes, quest, seconds, transient,
    };
    pub use serde::{Deserialize, Serialize};
    pub use std::time::Duration;
}

/// For the macros.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::host::wasm::{answer, bindings};
    pub use crate::{
        host::{
            define_action, define_add_on, define_description, define_every, define_on, define_pattern, define_query,
            define_quest, define_version,
        },
        quest::{Entry, changing, reading, unknown_action},
    };

    pub mod module {
        pub use crate::module::{define, run};
    }
}
