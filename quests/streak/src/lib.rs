//! A fitness streak: workouts on consecutive days by the user's own calendar, with one day of grace; milestones are published, a broken
//! streak too.

use quest_sdk::prelude::*;

/// A user's streak, as the pattern told of it last: for whoever looks at the variables.
#[derive(Variables, Default)]
struct Streak {
    current: u32,
    longest: u32,
}

/// How a streak stands.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Status {
    current: u32,
    longest: u32,
}

/// Counts workouts on consecutive days.
#[quest(name = "streak", add_on = ["workout"])]
impl Streak {
    /// The first workout of a day; further ones do not count. A day ends when the user's clocks say so.
    #[pattern(name = "days", kind = "streak", of = "workout", unit = "day", grace = 1, broken = "lose")]
    fn extend(&mut self, cx: &Context, told: Status) -> Result {
        self.tell(&told);
        if told.current.is_multiple_of(7) {
            cx.publish("streak-milestone", told.current)?;
        }
        Ok(())
    }

    /// Two days in a row without a workout: the streak ends with the second.
    #[action]
    fn lose(&mut self, cx: &Context, told: Status) -> Result {
        self.tell(&Status { current: 0, ..told });
        cx.publish("streak-broken", told.current)
    }

    /// `{"zone": "Asia/Tokyo"}`: from now on days are those there.
    #[action(on = ["moved-to"])]
    fn move_to(&mut self, cx: &Context) -> Result {
        let zone: String = cx.field("/zone")?.ok_or_else(|| fail("no-zone", "a zone is named: Europe/Berlin"))?;
        cx.clock().set_zone(&zone)
    }

    #[query]
    fn status(&self, cx: &Context) -> Result<Option<Status>> {
        cx.patterns().state("days")
    }
}

impl Streak {
    fn tell(&mut self, told: &Status) {
        (self.current, self.longest) = (told.current, told.longest);
    }
}

quest_sdk::module!(Streak);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, hours, test::World};
    use serde_json::json;

    use super::{Status, Streak};

    fn status(world: &mut World) -> Status {
        world.query("ada", "streak", "status", ()).expect("active")
    }

    #[test]
    fn a_week_is_a_milestone_and_a_second_workout_a_day_counts_once() {
        let mut world = World::of::<Streak>();
        for _ in 0..7 {
            world.send("ada", "workout", ()).send("ada", "workout", ()).advance(days(1));
        }
        assert_eq!(status(&mut world), Status { current: 7, longest: 7 });
        assert_eq!(world.messages().len(), 1);
    }

    #[test]
    fn one_day_off_is_forgiven_and_two_are_not() {
        let mut world = World::of::<Streak>();
        world.send("ada", "workout", ()).advance(days(2)).send("ada", "workout", ());
        assert_eq!(status(&mut world), Status { current: 2, longest: 2 });
        world.advance(days(3) + hours(1));
        assert_eq!(status(&mut world), Status { current: 0, longest: 2 });
        assert_eq!(world.messages()[0].topic, "streak-broken");
        assert_eq!(world.variable::<u32>("ada", "streak", "longest"), Some(2));
    }

    #[test]
    fn a_year_is_a_year() {
        let mut world = World::of::<Streak>();
        world.add("ada", "streak").send("ada", "moved-to", json!({"zone": "America/New_York"}));
        for _ in 0..365 {
            world.send("ada", "workout", ()).advance(days(1));
        }
        assert_eq!(status(&mut world), Status { current: 365, longest: 365 });
        assert_eq!(world.messages().len(), 52);
    }

    #[test]
    fn a_day_ends_where_the_user_is() {
        let mut world = World::of::<Streak>();
        // Midnight in UTC is nine in the morning in Tokyo, and the evening before in New York.
        world.advance_to("2026-05-01 00:00").send("ada", "workout", ());
        world.send("ada", "moved-to", json!({"zone": "Asia/Tokyo"}));
        world.advance(hours(14)).send("ada", "workout", ());
        assert_eq!(status(&mut world).current, 1, "23:00: the same day there");
        world.advance(hours(2)).send("ada", "workout", ());
        assert_eq!(status(&mut world).current, 2, "01:00: the next");
    }
}
