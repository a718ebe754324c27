quest_sdk::module!();

fn main() {}
