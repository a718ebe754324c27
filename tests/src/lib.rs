//! What the tests share: real servers on free ports, gone when the test is.

pub mod redis_server;
