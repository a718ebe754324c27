//! Patterns against naive references that look at the whole history, two of them that share nothing: one of many small checks by kind,
//! and a slow look at random histories of all kinds (`naive`). And what holds of each pattern whatever it sees.

mod bounds;
mod counts;
mod day_ends;
mod days;
mod docs;
mod driver;
mod ends;
mod errors;
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
