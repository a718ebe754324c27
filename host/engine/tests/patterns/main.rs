//! Patterns against naive references that look at the whole history, two of them that share nothing: one of many small checks by kind,
//! and a slow look at random histories of all kinds (`naive`). And what holds of each pattern whatever it sees.

#![allow(clippy::unwrap_used)] // A test that cannot go on should stop with a backtrace.

mod bounds;
mod counts;
mod day_ends;
mod days;
mod driver;
mod ends;
mod errors;
mod floods;
mod garbage;
mod history;
mod naive;
mod pairs;
mod quiet;
mod random;
mod reference;
mod refused;
mod resume;
mod several;
mod streaks;
