//! The engine's rules, driven without a store: a few quests as closures, an inbox as a list, and after every turn the whole
//! partition is thrown away and read back from what was written, so that nothing rests on memory alone.

#![allow(clippy::unwrap_used)] // A test that cannot go on should stop with a backtrace.

mod world;

mod aside;
mod cut;
mod failure;
mod order;
mod outward;
mod recurrence;
mod routing;
mod survey;
mod versions;
