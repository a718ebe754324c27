//! Events one after another within a time, with others in between or without.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Condition, Fields, Known, Read, Rules, Seen, Unit, whole};
use crate::{model::Millis, schedule::Zone};

/// For each step but the last: the latest beginning from which it was reached. A later beginning lasts longer than any earlier one,
/// so one for each step is enough to find a match if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Starts(Vec<Option<Millis>>);

#[derive(Debug)]
struct Sequence {
    steps: Vec<Condition>,
    within: Millis,
    is_strict: bool,
    action: String,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (steps, within, is_strict) = (fields.conditions("steps", 2)?, fields.time("within")?, fields.flag("strict")?);
    let action = fields.action("action")?;
    let actions = vec![("action", Some(action.clone()))];
    let rules = Box::new(Sequence { steps, within, is_strict, action });
    Ok(Known { kind: "sequence", rules, actions, takes_by: true, takes_once: true })
}

impl Sequence {
    fn is_in_time(&self, start: Millis, now: Millis) -> bool {
        now.saturating_sub(start) <= self.within
    }
}

impl Rules for Sequence {
    fn observes(&self, event: &str) -> bool {
        self.is_strict || self.steps.iter().any(|step| step.observes(event))
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Sequence(Starts(vec![None; self.steps.len() - 1]))
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Sequence(Starts(starts)) if starts.len() == self.steps.len() - 1)
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
        let Unit::Sequence(Starts(starts)) = unit else { return };
        // From the last step on: an event takes each beginning one step further only.
        for (place, step) in self.steps.iter().enumerate().rev() {
            let before = place.checked_sub(1).map(|before| starts[before]);
            let start = match before {
                _ if !step.is_met(seen.name, seen.payload) => None,
                None => Some(seen.stamp),
                Some(start) => start.filter(|start| self.is_in_time(*start, seen.stamp)),
            };
            match (start, starts.get_mut(place)) {
                (Some(start), None) => {
                    let told =
                        vec![("first", whole(start)), ("last", whole(seen.stamp)), ("event", seen.payload.clone())];
                    calls.call(Some(&self.action), "matched", seen.stamp, told);
                    starts.fill(None);
                    return;
                }
                (Some(start), Some(known)) => *known = Some(start),
                (None, Some(known)) if self.is_strict => *known = None,
                (None, _) => {}
            }
        }
    }

    fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
        let Unit::Sequence(Starts(starts)) = unit else { return None };
        let latest = starts.iter().flatten().max().filter(|_| is_keyed)?;
        Some(latest.saturating_add(self.within))
    }

    fn tick(&self, unit: &mut Unit, _at: Millis, _zone: &Zone, _calls: &mut Calls) {
        if let Unit::Sequence(Starts(starts)) = unit {
            starts.fill(None);
        }
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Sequence(Starts(starts)) if starts.iter().all(Option::is_none))
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let Unit::Sequence(Starts(starts)) = unit else { return Map::new() };
        let reached = starts.iter().rposition(Option::is_some).map_or(0, |place| place + 1);
        let since = starts.iter().flatten().max();
        Map::from_iter([
            ("reached".to_owned(), json!(reached)),
            ("steps".to_owned(), json!(self.steps.len())),
            ("since".to_owned(), json!(since)),
        ])
    }
}
