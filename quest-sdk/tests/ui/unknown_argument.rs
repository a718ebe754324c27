use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest(nome = "counter")]
impl Counter {
    #[action(when = ["event"])]
    fn first(&mut self) {}

    #[query(on = ["event"])]
    fn second(&self) {}
}

fn main() {}
