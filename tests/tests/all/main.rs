//! All tests in one binary: one module an area.

mod stores;
