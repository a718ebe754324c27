//! A fitness streak: workouts on consecutive days (UTC), with one day of grace; milestones are published, a broken streak too.

use quest_sdk::prelude::*;

const DAY_MS: u64 = 86_400_000;
/// Days without a workout that do not break a streak.
const GRACE: u64 = 1;

/// A user's streak.
#[derive(Variables, Default)]
struct Streak {
    current: u32,
    longest: u32,
    last_day: Option<u64>,
}

/// How a streak stands, for a profile page.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Status {
    current: u32,
    longest: u32,
}

/// Counts workouts on consecutive days.
#[quest(name = "streak", add_on = ["workout"])]
impl Streak {
    #[action(on = ["workout"])]
    fn work_out(&mut self, cx: &Context) -> Result {
        let today = cx.accepted_at() / DAY_MS;
        if self.last_day == Some(today) {
            return Ok(());
        }
        self.last_day = Some(today);
        self.current += 1;
        self.longest = self.longest.max(self.current);
        if self.current.is_multiple_of(7) {
            cx.publish("streak-milestone", self.current)?;
        }
        // Set anew with each workout: it fires only when none came until the grace is over. A timer comes after what is accepted in its
        // own millisecond, so it is set to the last one of the last day.
        cx.timers().at("deadline", (today + 2 + GRACE) * DAY_MS - 1, "lose")
    }

    #[action]
    fn lose(&mut self, cx: &Context) -> Result {
        cx.publish("streak-broken", self.current)?;
        self.current = 0;
        Ok(())
    }

    #[query]
    fn status(&self) -> Status {
        Status { current: self.current, longest: self.longest }
    }
}

quest_sdk::module!(Streak);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, hours, test::World};

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
    }
}
