//! Greets whoever comes for the third time, and misses whoever stays away for a week.

use quest_sdk::prelude::*;

/// What it remembers of a context: of a user, say.
#[derive(Variables, Default)]
struct Visits {
    visits: u64,
}

/// Greets the third visit, misses who stays away.
// The event that adds the quest to a context.
#[quest(name = "hello", add_on = ["visited"])]
impl Visits {
    #[action(on = ["visited"])]
    fn visit(&mut self, cx: &Context) -> Result {
        self.visits += 1;
        if self.visits == 3 {
            cx.publish("welcome-back", self.visits)?;
        }
        // A timer. Set again it moves.
        cx.timers().after("absent", days(7), "miss")
    }

    /// Called by the timer.
    #[action]
    fn miss(&mut self, cx: &Context) -> Result {
        cx.publish("missed-you", self.visits)
    }

    /// Reads and answers: quest-host query ada hello total
    #[query]
    fn total(&self) -> u64 {
        self.visits
    }
}

quest_sdk::module!(Visits);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, test::World};

    /// `cargo test` runs the quest natively, on the host's own engine; scenarios.toml does with the module.
    #[test]
    fn misses_who_stays_away() {
        let mut world = World::of::<super::Visits>();
        world.send("ada", "visited", ()).advance(days(7));
        assert_eq!(world.topics(), ["missed-you"]);
    }
}
