use quest_sdk::prelude::*;

struct Counter {}

#[quest]
impl Counter {
    #[action]
    fn count(&mut self) {}
}

fn main() {}
