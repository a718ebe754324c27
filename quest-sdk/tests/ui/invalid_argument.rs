use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {}

#[quest]
impl Counter {
    #[action]
    fn two_payloads(&mut self, _metres: u64, _seconds: u64) {}

    #[action]
    fn owned_context(&mut self, _cx: Context) {}

    #[action]
    fn changing_context(&mut self, _cx: &mut Context) {}

    #[action]
    fn borrowed_payload(&mut self, _text: &str) {}
}

fn main() {}
