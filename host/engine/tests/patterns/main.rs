//! Patterns against what a slow look at the whole history finds, and what they promise besides: bounds, texts of errors, going on under
//! another spec. The slow search (`naive`) shares no code with the patterns.

#![allow(clippy::unwrap_used)] // A test that cannot go on should stop with a backtrace.

mod bounds;
mod days;
mod history;
mod naive;
mod random;
mod refused;
mod resume;
