//! Alerts by rules that users write themselves: "when the balance was below 10 three times in a day", "when nothing was delivered within
//! three days after I ordered". Each is a pattern that is started while the quest runs.

use std::collections::BTreeMap;

use quest_sdk::prelude::*;
use serde_json::{Map, Value, json};

/// How many alerts were given.
#[derive(Variables, Default)]
struct Alerts {
    given: u64,
}

/// A rule, as a user writes it.
#[derive(Deserialize)]
struct Rule {
    /// Which outcome is told: `met` unless it is said, or `missed` for what did not come in time.
    #[serde(default)]
    tell: Outcome,
    /// A pattern's spec without its actions (docs/patterns.md).
    #[serde(flatten)]
    spec: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    #[default]
    Met,
    Missed,
}

/// Starts, lists and ends alerts.
#[quest(name = "alerts", add_on = ["alert-me"])]
impl Alerts {
    /// `{"low": {"kind": "count", "of": "balance where amount < 10", "at-least": 3, "in": "1 day"}}`: any number of rules, each by its name.
    /// One of the same name begins anew; null ends it.
    #[action(on = ["alert-me"])]
    fn change(&mut self, cx: &Context, rules: BTreeMap<String, Option<Rule>>) -> Result {
        for (name, rule) in rules {
            let Some(Rule { tell, mut spec }) = rule else {
                cx.patterns().cancel(&name)?;
                continue;
            };
            // Users choose what is looked for, not what this quest does then.
            spec.retain(|key, _| !["action", "else", "broken"].contains(&key.as_str()));
            let outcome = match tell {
                Outcome::Met => "action",
                Outcome::Missed => "else",
            };
            spec.insert(outcome.to_owned(), json!("give"));
            cx.patterns().start(&name, spec)?;
        }
        Ok(())
    }

    #[action]
    fn give(&mut self, cx: &Context, told: Value) -> Result {
        self.given += 1;
        cx.publish("alert", json!({ "rule": cx.event_name(), "told": told }))
    }

    /// What each rule has seen.
    #[query]
    fn rules(&self, cx: &Context) -> Result<BTreeMap<String, Option<Value>>> {
        cx.patterns().names().into_iter().map(|name| Ok((name.clone(), cx.patterns().state(&name)?))).collect()
    }
}

quest_sdk::module!(Alerts);

#[cfg(test)]
mod tests {
    use quest_sdk::{days, hours, test::World};
    use serde_json::{Value, json};

    use super::Alerts;

    #[test]
    fn a_rule_is_a_users_own_and_another_of_its_name_takes_its_place() {
        let mut world = World::of::<Alerts>();
        let rule = |below: u32| json!({"low": {"kind": "count", "of": format!("balance where amount < {below}"), "at-least": 2, "in": "1 day"}});
        world.send("ada", "alert-me", rule(10)).send("bob", "alert-me", rule(100));
        for _ in 0..2 {
            for user in ["ada", "bob"] {
                world.send(user, "balance", json!({"amount": 50})).advance(hours(1));
            }
        }
        let told = |world: &World| world.messages().iter().map(|it| it.context.clone()).collect::<Vec<_>>();
        assert_eq!(told(&world), ["bob"]);
        world.send("ada", "alert-me", rule(60)).send("bob", "alert-me", json!({"low": null}));
        for _ in 0..2 {
            world.send("ada", "balance", json!({"amount": 50})).send("bob", "balance", json!({"amount": 50}));
        }
        assert_eq!(told(&world), ["bob", "ada"]);
        assert_eq!(world.query::<Value>("bob", "alerts", "rules", ()), Ok(json!({})));
    }

    #[test]
    fn what_does_not_come_is_told_too() {
        let mut world = World::of::<Alerts>();
        let rule = json!({"kind": "within", "after": "ordered", "expect": "delivered", "within": "3 days", "by": "order", "tell": "missed"});
        world.send("ada", "alert-me", json!({"late": rule}));
        world.send("ada", "ordered", json!({"order": 1})).send("ada", "ordered", json!({"order": 2})).advance(days(2));
        world.send("ada", "delivered", json!({"order": 2})).advance(days(2));
        assert_eq!(world.messages().len(), 1);
        let told = world.messages()[0].payload::<Value>();
        assert_eq!((&told["rule"], &told["told"]["key"]), (&json!("late"), &json!("1")));
    }

    #[test]
    fn a_wrong_rule_is_refused_whole_and_changes_no_other() {
        let mut world = World::of::<Alerts>();
        let good = json!({"kind": "absence", "of": "login", "for": "90 days"});
        world.send("ada", "alert-me", json!({"good": good, "wrong": {"kind": "absence", "for": "90 days"}}));
        assert_eq!(world.dead()[0].code, "invalid-pattern");
        assert_eq!(world.query::<Value>("ada", "alerts", "rules", ()), Ok(json!({})));
    }

    #[test]
    fn users_do_not_choose_what_the_quest_does() {
        let mut world = World::of::<Alerts>();
        let sly = json!({"kind": "absence", "of": "login", "for": "1 day", "action": "change"});
        world.send("ada", "alert-me", json!({ "sly": sly })).advance(days(2));
        assert_eq!(world.topics(), ["alert"]);
    }
}
