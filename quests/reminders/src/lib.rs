//! Reminders at times that a user chose: "the tea, in four minutes", "the bins, every Tuesday at 19:00". Any number at once, each by its
//! name, in the user's own time zone.

use quest_sdk::prelude::*;

/// How many have rung.
#[derive(Variables, Default)]
struct Reminders {
    rung: u64,
}

/// Sets, moves, cancels and rings reminders.
#[quest(name = "reminders", add_on = ["remind-me"])]
impl Reminders {
    /// `{"name": "tea", "seconds": 240}`, or `"at"` in Unix milliseconds, or `"every"` with a schedule such as "tuesdays at 19:00". One of
    /// the same name is moved.
    #[action(on = ["remind-me"])]
    fn remind(&mut self, cx: &Context) -> Result {
        let name = name(cx)?;
        if let Some(schedule) = cx.field::<String>("/every")? {
            return cx.timers().every(&name, &schedule, "ring");
        }
        if let Some(time) = cx.field("/at")? {
            return cx.timers().at(&name, time, "ring");
        }
        let delay: u64 =
            cx.field("/seconds")?.ok_or_else(|| fail("no-time", "a reminder needs seconds, at or every"))?;
        cx.timers().after(&name, seconds(delay), "ring")
    }

    #[action(on = ["never-mind"])]
    fn cancel(&mut self, cx: &Context) -> Result {
        cx.timers().cancel(&name(cx)?).map(|_| ())
    }

    /// `{"zone": "Europe/Berlin"}`: what comes every day comes by the clocks there.
    #[action(on = ["moved-to"])]
    fn move_to(&mut self, cx: &Context) -> Result {
        let zone: String = cx.field("/zone")?.ok_or_else(|| fail("no-zone", "a zone is named: Europe/Berlin"))?;
        cx.clock().set_zone(&zone)
    }

    #[action]
    fn ring(&mut self, cx: &Context) -> Result {
        self.rung += 1;
        cx.publish("reminder", cx.event_name())
    }

    #[query]
    fn waiting(&self, cx: &Context) -> Vec<String> {
        cx.timers().names()
    }
}

fn name(cx: &Context) -> Result<String> {
    cx.field("/name")?.ok_or_else(|| fail("no-name", "a reminder needs a name"))
}

quest_sdk::module!(Reminders);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, minutes, seconds, test::World};
    use serde_json::json;

    use super::Reminders;

    #[test]
    fn each_rings_at_its_time_and_a_cancelled_one_does_not() {
        let mut world = World::of::<Reminders>();
        world.send("ada", "remind-me", json!({"name": "tea", "seconds": 240}));
        world.send("ada", "remind-me", json!({"name": "bank", "seconds": 60}));
        world.send("ada", "remind-me", json!({"name": "gym", "seconds": 30})).send(
            "ada",
            "never-mind",
            json!({"name": "gym"}),
        );
        assert_eq!(
            world.query::<Vec<String>>("ada", "reminders", "waiting", ()),
            Ok(vec!["bank".into(), "tea".into()])
        );
        world.advance(seconds(61));
        assert_eq!(world.topics(), ["reminder"]);
        world.send("ada", "remind-me", json!({"name": "tea", "seconds": 600})).advance(minutes(5));
        assert_eq!(world.variable::<u64>("ada", "reminders", "rung"), Some(1), "it was moved");
        world.advance(minutes(6));
        assert_eq!(world.variable::<u64>("ada", "reminders", "rung"), Some(2));
    }

    #[test]
    fn every_tuesday_is_by_the_users_own_clock() {
        let mut world = World::of::<Reminders>();
        world.send("ada", "remind-me", json!({"name": "bins", "every": "tuesdays at 19:00"}));
        let before = world.timers("ada")[0].due;
        world.send("ada", "moved-to", json!({"zone": "Asia/Tokyo"}));
        assert_eq!(before - world.timers("ada")[0].due, 9 * 3_600_000, "clocks there are nine hours ahead");
        world.advance(days(28));
        assert_eq!(world.variable::<u64>("ada", "reminders", "rung"), Some(4));
        world.send("ada", "remind-me", json!({"name": "bins", "every": "tuesdays at 25:00"}));
        assert_eq!(world.dead()[0].code, "invalid-schedule");
    }

    #[test]
    fn one_without_a_time_is_a_dead_letter() {
        let mut world = World::of::<Reminders>();
        world.send("ada", "remind-me", json!({"name": "tea"}));
        assert_eq!(world.dead()[0].code, "no-time");
    }
}
