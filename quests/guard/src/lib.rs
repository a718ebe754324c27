//! Watches over an account: what matters are patterns over events, and each is a line.

use quest_sdk::prelude::*;

/// Whether the account is locked.
#[derive(Variables, Default)]
struct Guard {
    locked: bool,
}

/// What a pattern tells of the events that met it.
#[derive(Deserialize)]
struct Told {
    count: u64,
}

/// Locks, warns and tells.
#[quest(name = "guard", add_on = ["signed-up"])]
impl Guard {
    /// Five wrong passwords within ten minutes.
    #[pattern(kind = "count", of = "failed-login", at_least = 5, r#in = "10 minutes")]
    fn lock(&mut self, cx: &Context) -> Result {
        self.locked = true;
        cx.publish("account-locked", cx.accepted_at())
    }

    /// What somebody does who has taken an account over; each step may be harmless alone.
    #[pattern(kind = "sequence", steps = ["password-reset", "email-changed", "data-exported"], within = "1 hour")]
    fn alarm(&mut self, cx: &Context) -> Result {
        self.locked = true;
        cx.publish("takeover-suspected", cx.accepted_at())
    }

    /// Large purchases of a day, together.
    #[pattern(
        kind = "count",
        of = "purchase where amount >= 100 and currency == \"EUR\"",
        measure = "sum",
        field = "amount",
        at_least = 1000,
        r#in = "1 day"
    )]
    fn confirm(&mut self, cx: &Context) -> Result {
        cx.publish("purchases-to-confirm", cx.field::<f64>("/value")?)
    }

    /// Nobody was there for 90 days.
    #[pattern(kind = "absence", of = "login", r#for = "90 days")]
    fn miss(&mut self, cx: &Context) -> Result {
        cx.publish("account-unused", cx.context())
    }

    /// Many changes are one letter.
    #[pattern(kind = "debounce", of = ["email-changed", "address-changed", "name-changed"], quiet = "2 minutes")]
    fn digest(&mut self, cx: &Context, told: Told) -> Result {
        cx.publish("changes", told.count)
    }

    /// The user has proved who it is.
    #[action(on = ["identity-proved"])]
    fn unlock(&mut self) {
        self.locked = false;
    }

    #[query]
    fn locked(&self) -> bool {
        self.locked
    }
}

quest_sdk::module!(Guard);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, minutes, seconds, test::World};
    use serde_json::json;

    use super::Guard;

    fn world() -> World {
        let mut world = World::of::<Guard>();
        world.send("ada", "signed-up", ());
        world
    }

    fn locked(world: &mut World) -> bool {
        world.query("ada", "guard", "locked", ()).expect("active")
    }

    #[test]
    fn five_wrong_passwords_lock_it_only_if_they_come_together() {
        let mut world = world();
        for _ in 0..10 {
            world.send("ada", "failed-login", ()).advance(minutes(3));
        }
        assert!(!locked(&mut world), "never five in ten minutes");
        for _ in 0..4 {
            world.send("ada", "failed-login", ()).advance(seconds(1));
        }
        assert!(locked(&mut world));
        world.send("ada", "identity-proved", ());
        assert!(!locked(&mut world));
        assert_eq!(world.topics(), ["account-locked"]);
    }

    #[test]
    fn a_takeover_is_an_alarm_and_its_steps_alone_are_not() {
        let mut world = world();
        world.send("ada", "password-reset", ()).send("ada", "data-exported", ()).advance(minutes(61));
        world.send("ada", "email-changed", ()).send("ada", "data-exported", ());
        assert!(!locked(&mut world));
        world.send("ada", "password-reset", ()).advance(minutes(30)).send("ada", "email-changed", ());
        world.send("ada", "login", ()).advance(minutes(30)).send("ada", "data-exported", ());
        assert!(locked(&mut world), "an hour to the millisecond is in time");
    }

    #[test]
    fn large_purchases_of_a_day_are_added_up() {
        let mut world = world();
        let buy = |amount: f64, currency: &str| json!({"amount": amount, "currency": currency});
        world.send("ada", "purchase", buy(600.0, "EUR")).send("ada", "purchase", buy(900.0, "USD"));
        world.send("ada", "purchase", buy(99.9, "EUR")).send("ada", "purchase", buy(399.0, "EUR"));
        assert_eq!(world.topics(), [""; 0]);
        world.send("ada", "purchase", buy(250.5, "EUR"));
        assert_eq!(world.messages()[0].payload::<f64>(), 1_249.5);
    }

    #[test]
    fn whoever_is_gone_is_missed_once_and_changes_are_one_letter() {
        let mut world = world();
        world.send("ada", "name-changed", ()).send("ada", "email-changed", ()).advance(minutes(1));
        world.send("ada", "address-changed", ()).advance(minutes(2) - seconds(1));
        assert_eq!(world.topics(), [""; 0]);
        world.advance(seconds(1));
        assert_eq!(world.messages()[0].payload::<u64>(), 3);
        world.advance(days(60)).send("ada", "login", ()).advance(days(89));
        assert_eq!(world.topics().len(), 1);
        world.advance(days(1));
        assert_eq!(world.topics(), ["changes", "account-unused"]);
        world.advance(days(500));
        assert_eq!(world.topics().len(), 2, "once, until there is a login again");
    }
}
