use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Pair(u64, u64);

#[derive(Variables)]
enum Either {
    Left,
}

#[derive(Variables, Default)]
struct Twice {
    count: u64,
    #[variable(name = "count")]
    total: u64,
}

#[derive(Variables, Default)]
struct Typo {
    #[variable(rename = "count")]
    total: u64,
}

fn main() {}
