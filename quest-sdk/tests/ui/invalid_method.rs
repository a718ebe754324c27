use quest_sdk::prelude::*;

#[derive(Variables, Default)]
struct Counter {
    count: u64,
}

#[quest]
impl Counter {
    #[query]
    fn changing_query(&mut self) -> u64 {
        self.count
    }

    #[action]
    fn without_self(_cx: &Context) {}

    #[action]
    fn by_value(self) {}

    #[action]
    async fn waits(&mut self) {}

    #[action]
    fn generic<T>(&mut self, _payload: T) {}

    #[action]
    #[query]
    fn both(&self) {}

    fn init(&mut self, _payload: u64) {}
}

fn main() {}
