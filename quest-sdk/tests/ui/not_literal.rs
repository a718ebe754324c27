use quest_sdk::prelude::*;

const NAME: &str = "counter";
const EVENT: &str = "event";

#[derive(Variables, Default)]
struct Counter {}

#[quest(name = NAME, version = 0)]
impl Counter {
    #[action(on = [EVENT])]
    fn count(&mut self) {}
}

fn main() {}
