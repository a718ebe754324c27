//! The ends of civil days, against a look at every minute around each change of clocks.
