//! Onboarding: whoever completes the profile within ten minutes of signing up gets a reward; whoever does not is reminded.

use quest_sdk::prelude::*;

/// How far a new user is.
#[derive(Variables, Default)]
struct Onboarding {
    name: String,
    completed: bool,
    reminders: u32,
}

/// Rewards a profile completed within ten minutes, reminds otherwise.
#[quest(name = "onboarding", add_on = ["signed-up"])]
impl Onboarding {
    #[action(on = ["signed-up"])]
    fn begin(&mut self, cx: &Context) -> Result {
        self.name = cx.field("/name")?.unwrap_or_else(|| "there".to_owned());
        cx.timers().after("deadline", minutes(10), "remind")
    }

    #[action(on = ["profile-completed"])]
    fn complete(&mut self, cx: &Context) -> Result {
        if self.completed {
            return Ok(());
        }
        self.completed = true;
        // The deadline is still set: it was in time, even if this host was down for hours since.
        if cx.timers().cancel("deadline")? {
            cx.publish("reward", ("welcome-badge", &self.name))?;
        }
        cx.emit("onboarding-done", ())
    }

    #[action]
    fn remind(&mut self, cx: &Context) -> Result {
        self.reminders += 1;
        cx.publish("reminder", ("complete-your-profile", &self.name))
    }

    #[query]
    fn is_done(&self) -> bool {
        self.completed
    }
}

quest_sdk::module!(Onboarding);

#[cfg(test)]
mod tests {
    use quest_sdk::{minutes, test::World};

    use super::Onboarding;

    #[test]
    fn in_time_is_rewarded() {
        let mut world = World::of::<Onboarding>();
        world.send("ada", "signed-up", ()).advance(minutes(9)).send("ada", "profile-completed", ());
        world.advance(minutes(60));
        assert_eq!(world.topics(), ["reward"]);
        assert_eq!(world.query::<bool>("ada", "onboarding", "is_done", ()), Ok(true));
    }

    #[test]
    fn too_late_is_reminded_and_not_rewarded() {
        let mut world = World::of::<Onboarding>();
        world.send("ada", "signed-up", ()).advance(minutes(11)).send("ada", "profile-completed", ());
        world.send("ada", "profile-completed", ());
        assert_eq!(world.topics(), ["reminder"]);
        assert_eq!(world.variable::<u32>("ada", "onboarding", "reminders"), Some(1));
    }
}
