//! An event counts if another was accepted before it, within a time; and the memory of such events for patterns that begin later.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Unit, maybe, whole};
use crate::{model::Millis, schedule::Zone};

/// When the latest event was accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    last: Option<Millis>,
}

/// Remembers, and judges by it if it is a `lookback`.
#[derive(Debug)]
struct Memory {
    after: OneOf,
    within: Millis,
    judges: Option<Judges>,
}

/// The events that count if one of the others came before.
#[derive(Debug)]
struct Judges {
    of: OneOf,
    history: Option<String>,
    action: Option<String>,
    otherwise: Option<String>,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (of, after, within) = (fields.condition("of")?, fields.condition("after")?, fields.time("within")?);
    let history = fields.optional_text("history")?;
    let (action, otherwise) = (fields.optional_action("action")?, fields.optional_action("else")?);
    if action.is_none() && otherwise.is_none() {
        return Err(fields.wrong("action", "it calls nothing: give it an `action`, an `else`, or both"));
    }
    let actions = vec![("action", action.clone()), ("else", otherwise.clone())];
    let judges = Some(Judges { of, history, action, otherwise });
    let rules = Box::new(Memory { after, within, judges });
    Ok(Known { kind: "lookback", rules, actions, takes_by: true, takes_once: true })
}

pub(super) fn read_history(fields: &mut Fields) -> Read<Known> {
    let (after, within) = (fields.condition("of")?, fields.time("keep")?);
    let rules = Box::new(Memory { after, within, judges: None });
    Ok(Known { kind: "history", rules, actions: Vec::new(), takes_by: true, takes_once: false })
}

fn last(unit: &Unit) -> Option<Millis> {
    if let Unit::Past(past) = unit { past.last } else { None }
}

impl Rules for Memory {
    fn observes(&self, event: &str) -> bool {
        self.after.observes(event) || self.judges.as_ref().is_some_and(|judges| judges.of.observes(event))
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Past(Past::default())
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Past(_))
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
        let Unit::Past(past) = unit else { return };
        // An event is not before itself.
        if let Some(judges) = self.judges.as_ref().filter(|judges| judges.of.is_met(seen.name, seen.payload)) {
            let before = past.last.filter(|last| seen.stamp.saturating_sub(*last) <= self.within);
            let told = vec![("first", maybe(before)), ("last", whole(seen.stamp)), ("event", seen.payload.clone())];
            match before {
                Some(_) => calls.call(judges.action.as_ref(), "matched", seen.stamp, told),
                None => calls.call(judges.otherwise.as_ref(), "unmatched", seen.stamp, told),
            }
        }
        if self.after.is_met(seen.name, seen.payload) {
            past.last = Some(seen.stamp);
        }
    }

    fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
        // A history is bounded by its time also where it is only one.
        let is_awaited = is_keyed || self.judges.is_none();
        last(unit).filter(|_| is_awaited).map(|last| last.saturating_add(self.within))
    }

    fn tick(&self, unit: &mut Unit, _at: Millis, _zone: &Zone, _calls: &mut Calls) {
        *unit = Unit::Past(Past::default());
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        last(unit).is_none()
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        Map::from_iter([("last".to_owned(), json!(last(unit)))])
    }

    fn history(&self) -> Option<&str> {
        self.judges.as_ref()?.history.as_deref()
    }

    fn seed(&self, unit: &mut Unit, history: &Unit, at: Millis) {
        let Unit::Past(past) = unit else { return };
        let known = last(history).filter(|last| at.saturating_sub(*last) <= self.within);
        past.last = past.last.max(known);
    }
}
