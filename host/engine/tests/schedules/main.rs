//! Schedules against others: a slow search over every minute, and what other implementations say.

mod bounds;
mod changes;
mod docs;
mod fixtures;
mod oracle;
mod plans;
mod random;
