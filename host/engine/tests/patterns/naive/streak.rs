//! Streaks, by going through the calendar unit after unit.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use quest_engine::model::Millis;
use serde_json::{Value as Json, json};

use super::{Call, deadline};
use crate::history::Event;

/// What a streak of the events `a` says.
#[derive(Debug, Clone)]
pub struct Streak {
    pub unit: &'static str,
    pub grace: i64,
    pub freezes: i64,
    pub earn_every: Option<i64>,
    pub freezes_max: i64,
    pub every: i64,
}

impl Streak {
    pub fn spec(&self) -> Json {
        let mut spec = json!({
            "kind": "streak", "of": "a", "unit": self.unit, "grace": self.grace, "freezes": self.freezes, "every": self.every,
            "action": "act", "broken": "otherwise",
        });
        if let Some(earn_every) = self.earn_every {
            (spec["earn-every"], spec["freezes-max"]) = (json!(earn_every), json!(self.freezes_max));
        }
        spec
    }

    /// The first day of the unit that a day lies in.
    fn first(&self, day: Date) -> Date {
        match self.unit {
            "day" => day,
            "week" if day.weekday() == Weekday::Monday => day,
            "week" => day.nth_weekday(-1, Weekday::Monday).expect("it is there"),
            "month" => day.first_of_month(),
            other => panic!("{other}"),
        }
    }

    fn next(&self, first: Date) -> Date {
        match self.unit {
            "day" => first.tomorrow().expect("it is there"),
            "week" => first + 1.week(),
            _ => first + 1.month(),
        }
    }

    pub fn expected(&self, events: &[Event], zone: &TimeZone, end: Millis) -> Vec<Call> {
        let day = |at: Millis| zone.to_datetime(Timestamp::from_millisecond(at as i64).expect("it is there")).date();
        let unit = |event: &Event| self.first(day(event.stamp));
        let events: Vec<(usize, &Event)> = events.iter().enumerate().filter(|(_, event)| event.name == "a").collect();
        let Some((_, opening)) = events.first() else { return Vec::new() };
        let (mut number, mut calls) = (unit(opening), Vec::new());
        let (mut current, mut longest, mut left, mut missed, mut since) = (0i64, 0i64, self.freezes, 0i64, None);
        let limit = day(end);
        while number <= limit {
            let next = self.next(number);
            // A day that a zone has left out begins where the next one does.
            let begins =
                |day: Date| zone.to_timestamp(day.at(0, 0, 0, 0)).expect("it is there").as_millisecond() as Millis;
            let has = self.unit != "day" || begins(number) < begins(next);
            let told = |current: i64, longest: i64, since: Option<Millis>, left: i64, outcome: &str| {
                json!({
                    "kind": "streak", "outcome": outcome, "current": current, "longest": longest, "since": since,
                    "freezes": left,
                })
            };
            if let Some((place, event)) = events.iter().find(|(_, event)| unit(event) == number) {
                left -= (missed - self.grace).max(0);
                missed = 0;
                (current, since) = (current + 1, since.or(Some(event.stamp)));
                longest = longest.max(current);
                if self.earn_every.is_some_and(|every| current % every == 0) && left < self.freezes_max {
                    left += 1;
                }
                if current % self.every == 0 {
                    let outcome = if current == 1 { "begun" } else { "extended" };
                    let told = told(current, longest, since, left, outcome);
                    calls.push(Call { at: event.stamp, by: *place, action: "act", told });
                }
            } else if current > 0 && has {
                missed += 1;
                let over = begins(next) - 1;
                if missed > self.grace + left && over <= end {
                    calls.push(deadline(over, "otherwise", told(current, longest, since, left, "broken")));
                    (current, missed, since) = (0, 0, None);
                }
            }
            number = next;
        }
        calls
    }
}
