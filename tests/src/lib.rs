//! What the end-to-end tests share: guests, servers, hosts and how to wait for them.

pub mod guests;
