use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Counter {
    #[action]
    fn two_payloads(&mut self, metres: u64, seconds: u64) {}

    #[action]
    fn owned_context(&mut self, cx: Context) {}

    #[action]
    fn changing_context(&mut self, cx: &mut Context) {}

    #[action]
    fn borrowed_payload(&mut self, text: &str) {}
}

fn main() {}
