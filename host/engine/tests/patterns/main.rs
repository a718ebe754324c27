//! Patterns against naive references that look at the whole history, and what holds of each pattern whatever it sees.

mod counts;
mod driver;
mod pairs;
mod quiet;
mod several;
