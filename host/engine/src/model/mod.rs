//! Plain types that every part shares: names, values, entries, definitions. No behaviour that needs a store, a clock or wasm.

mod definition;
mod entry;
mod name;
mod place;
mod value;

pub(crate) use definition::Declared;
pub use definition::{Catalog, Every, QuestDefinition};
pub use entry::{Body, Cause, Command, DeadLetter, Entry, Outcome, ReplyTo};
pub use name::{InvalidName, check_context, check_event, check_name};
pub use place::partition_of;
pub use value::{PORTABLE_INTEGER_MAX, Value, ValueError};

/// Unix time in milliseconds.
pub type Millis = u64;
