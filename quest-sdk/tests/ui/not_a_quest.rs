use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Plain {}

quest_sdk::module!(Plain);

fn main() {}
