use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest(name = "my counter")]
impl Counter {
    #[action(name = "a.b")]
    fn dotted(&mut self) {}

    #[action(on = [""])]
    fn on_nothing(&mut self) {}

    #[action(name = "init")]
    fn taken(&mut self) {}

    #[action]
    fn init(&mut self) {}
}

fn main() {}
