use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Clone for Counter {
    fn clone(&self) -> Self {
        Counter {}
    }
}

fn main() {}
