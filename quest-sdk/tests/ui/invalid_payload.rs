use quest_sdk::prelude::*;

struct Step;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Counter {
    #[action]
    fn step(&mut self, _step: Step) {}
}

fn main() {}
