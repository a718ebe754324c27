use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Onboarding {}

#[quest]
impl Onboarding {
    #[action(on = ["signed-up"])]
    fn begin(&mut self, cx: &Context) -> Result {
        cx.timers().after("deadline", minutes(10), "remnid")
    }

    #[action]
    fn remind(&mut self) {}
}

fn main() {}
