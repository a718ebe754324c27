//! `count` against a reference: both windows, every measure, every threshold.
