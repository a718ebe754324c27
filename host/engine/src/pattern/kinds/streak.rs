//! An event in each civil day, week or month, one after another, in the context's zone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Told, Unit, maybe, whole};
use crate::{
    model::Millis,
    schedule::{Zone, civil},
};

/// Units that may be bridged, by grace or by freezes.
const BRIDGED_MAX: u64 = 366;
/// Days in a row that a zone may have skipped: none has skipped more than one.
const SKIPPED_MAX: u64 = 2;

/// A streak. Units are numbered: days from 1970-01-01, weeks from the Monday before that, months from January 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Streak {
    current: u64,
    longest: u64,
    /// When the streak that goes on began.
    since: Option<Millis>,
    /// The unit of its last event; none while there is no streak.
    last: Option<i64>,
    /// Freezes that are used up. What is left is what was given and earned, less these.
    used: u64,
    earned: u64,
    /// When it breaks; none while there is no streak.
    breaks: Option<Millis>,
    /// What it counts: days, weeks or months.
    unit: Every,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Every {
    #[default]
    Day,
    Week,
    Month,
}

#[derive(Debug)]
struct Rule {
    of: OneOf,
    unit: Every,
    grace: u64,
    freezes: u64,
    /// A freeze is earned with every so many units, up to a stock.
    earn_every: Option<u64>,
    freezes_max: u64,
    /// The action is called at every so many units only.
    every: u64,
    action: Option<String>,
    broken: Option<String>,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let of = fields.condition("of")?;
    let words = [("day", Every::Day), ("week", Every::Week), ("month", Every::Month)];
    let unit = fields.word("unit", &words)?.unwrap_or(Every::Day);
    let grace = fields.optional_whole("grace", 0, BRIDGED_MAX)?.unwrap_or(0);
    let freezes = fields.optional_whole("freezes", 0, BRIDGED_MAX)?.unwrap_or(0);
    let earn_every = fields.optional_whole("earn-every", 1, 1_000_000)?;
    let freezes_max = fields.optional_whole("freezes-max", 0, BRIDGED_MAX)?;
    if freezes_max.is_some() && earn_every.is_none() {
        return Err(fields.wrong("freezes-max", "it bounds what `earn-every` adds, which is not there"));
    }
    let freezes_max = freezes_max.unwrap_or(BRIDGED_MAX).max(freezes);
    let every = fields.optional_whole("every", 1, 1_000_000)?.unwrap_or(1);
    let (action, broken) = (fields.optional_action("action")?, fields.optional_action("broken")?);
    let actions = vec![("action", action.clone()), ("broken", broken.clone())];
    let rules = Box::new(Rule { of, unit, grace, freezes, earn_every, freezes_max, every, action, broken });
    Ok(Known { kind: "streak", rules, actions, takes_by: false, takes_once: false })
}

impl Rule {
    fn left(&self, streak: &Streak) -> u64 {
        (self.freezes + streak.earned).saturating_sub(streak.used)
    }

    /// The unit that a time lies in.
    fn number(&self, at: Millis, zone: &Zone) -> i64 {
        let day = civil::day(at, zone);
        match self.unit {
            Every::Day => day,
            // 1970-01-01 was a Thursday.
            Every::Week => (day + 3).div_euclid(7),
            Every::Month => civil::month_of(day),
        }
    }

    /// The last millisecond of a unit.
    fn end(&self, number: i64, zone: &Zone) -> Millis {
        let last_day = match self.unit {
            Every::Day => number,
            Every::Week => number * 7 + 3,
            Every::Month => civil::first_day_of(number + 1) - 1,
        };
        civil::day_end(last_day, zone)
    }

    /// Units between two that passed without an event. A day that a zone has skipped could not have had one.
    fn missed(&self, last: i64, number: i64, zone: &Zone) -> u64 {
        let between = u64::try_from(number - last - 1).unwrap_or(0);
        if self.unit != Every::Day || between == 0 || between > 2 * BRIDGED_MAX + 2 {
            return between;
        }
        (last + 1..number).filter(|day| civil::has_day(*day, zone)).count() as u64
    }

    /// When a streak breaks whose last event was in this unit: at the end of the first unit that nothing bridges.
    fn breaks(&self, streak: &Streak, last: i64, zone: &Zone) -> Millis {
        let bridged = self.grace + self.left(streak);
        // Behind the end of the calendar there are no days.
        let end = last.saturating_add_unsigned(bridged + 1 + SKIPPED_MAX);
        let mut number = last;
        let mut without = 0;
        while without <= bridged && number < end {
            number += 1;
            let counts = self.unit != Every::Day || civil::has_day(number, zone);
            without += u64::from(counts);
        }
        self.end(number, zone)
    }

    fn told(&self, streak: &Streak) -> Told {
        vec![
            ("current", whole(streak.current)),
            ("longest", whole(streak.longest)),
            ("since", maybe(streak.since)),
            ("freezes", whole(self.left(streak))),
        ]
    }

    fn end_streak(&self, streak: &mut Streak, at: Millis, calls: &mut Calls) {
        calls.call(self.broken.as_ref(), "broken", at, self.told(streak));
        let Streak { longest, used, earned, unit, .. } = *streak;
        *streak = Streak { longest, used, earned, unit, ..Streak::default() };
    }
}

impl Rules for Rule {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event)
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Streak(Streak { unit: self.unit, ..Streak::default() })
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Streak(streak) if streak.unit == self.unit)
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, zone: &Zone, calls: &mut Calls) {
        let Unit::Streak(streak) = unit else { return };
        if !self.of.is_met(seen.name, seen.payload) {
            return;
        }
        let number = self.number(seen.stamp, zone);
        if let Some(last) = streak.last {
            // The same unit again; or one before it, where the context went west.
            if number <= last {
                return;
            }
            // Whatever is accepted up to the deadline is in time, also if a change of zones took a day in between.
            if streak.breaks.is_some_and(|breaks| seen.stamp > breaks) {
                self.end_streak(streak, seen.stamp, calls);
            } else {
                let frozen = self.missed(last, number, zone).saturating_sub(self.grace);
                streak.used += frozen.min(self.left(streak));
            }
        }
        streak.last = Some(number);
        streak.since.get_or_insert(seen.stamp);
        streak.current += 1;
        streak.longest = streak.longest.max(streak.current);
        let earns = self.earn_every.is_some_and(|every| streak.current.is_multiple_of(every));
        if earns && self.left(streak) < self.freezes_max {
            streak.earned += 1;
        }
        streak.breaks = Some(self.breaks(streak, number, zone));
        if streak.current.is_multiple_of(self.every) {
            let outcome = if streak.current == 1 { "begun" } else { "extended" };
            calls.call(self.action.as_ref(), outcome, seen.stamp, self.told(streak));
        }
    }

    fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
        if let Unit::Streak(streak) = unit { streak.breaks } else { None }
    }

    fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
        if let Unit::Streak(streak) = unit {
            self.end_streak(streak, at, calls);
        }
    }

    fn is_idle(&self, _unit: &Unit) -> bool {
        false
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let Unit::Streak(streak) = unit else { return Map::new() };
        Map::from_iter([
            ("current".to_owned(), json!(streak.current)),
            ("longest".to_owned(), json!(streak.longest)),
            ("since".to_owned(), json!(streak.since)),
            ("freezes".to_owned(), json!(self.left(streak))),
            ("until".to_owned(), json!(streak.breaks)),
        ])
    }

    fn rezone(&self, unit: &mut Unit, now: Millis, zone: &Zone) -> bool {
        let Unit::Streak(streak) = unit else { return false };
        let Some(last) = streak.last else { return false };
        let breaks = self.breaks(streak, last, zone);
        // Where it is past the deadline already, nobody could have met it: the one that was there before holds.
        if breaks < now {
            return false;
        }
        streak.breaks.replace(breaks) != Some(breaks)
    }
}
