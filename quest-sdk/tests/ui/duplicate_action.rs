use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Counter {
    #[action]
    fn count(&mut self) {}

    #[query(name = "count")]
    fn total(&self) {}
}

fn main() {}
