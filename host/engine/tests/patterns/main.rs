//! Patterns against naive references that look at the whole history, and what holds of each pattern whatever it sees.

mod bounds;
mod counts;
mod days;
mod driver;
mod errors;
mod pairs;
mod quiet;
mod reference;
mod several;
mod streaks;
