//! The first example of Ruby-Quest's README: counts the `test_event`s of a context.

use quest_sdk::prelude::*;

/// How many events the context has seen.
#[derive(Variables, Default)]
struct Counter {
    counter: u64,
}

/// Counts `test_event`s.
#[quest(name = "my_example_quest")]
impl Counter {
    fn init(&mut self) {
        self.counter = 0;
    }

    #[action(on = ["test_event"])]
    fn my_action(&mut self, cx: &Context) {
        self.counter += 1;
        cx.log().info(self.counter);
    }

    #[query]
    fn total(&self) -> u64 {
        self.counter
    }
}

quest_sdk::module!(Counter);

#[cfg(test)]
mod tests {
    use super::Counter;
    use quest_sdk::test::World;

    #[test]
    fn counts() {
        let (user, quest) = ("a_user_session_key", "my_example_quest");
        let mut world = World::of::<Counter>();
        world.add(user, quest);
        assert_eq!(world.variable::<u64>(user, quest, "counter"), Some(0));

        world.call::<()>(user, quest, "my_action", ()).expect("the original's example calls it directly");
        world.send(user, "test_event", ()).send(user, "another_event", ()).send("a_stranger", "test_event", ());
        assert_eq!(world.variable::<u64>(user, quest, "counter"), Some(2));
        assert_eq!(world.query::<u64>(user, quest, "total", ()), Ok(2));
        assert_eq!(world.logs()[1].message, "2");
    }
}
