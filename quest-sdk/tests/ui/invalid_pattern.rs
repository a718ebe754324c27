use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Counter {
    #[pattern]
    fn first(&mut self) {}

    #[pattern(kind = "absence", of = some_event)]
    fn second(&mut self) {}

    #[pattern(kind = "absence", action = "third")]
    fn third(&mut self) {}

    #[query]
    #[pattern(kind = "absence")]
    fn fourth(&self) {}

    #[pattern(kind = "absence")]
    #[pattern(kind = "count")]
    fn fifth(&mut self) {}

    #[pattern(kind = "absence")]
    fn init(&mut self) {}
}

fn main() {}
