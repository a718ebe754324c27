use quest_sdk::prelude::*;

#[derive(Variables)]
struct Counter {
    count: u64,
}

fn main() {}
