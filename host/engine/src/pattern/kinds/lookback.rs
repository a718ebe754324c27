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

#[derive(Debug)]
struct Lookback {
    of: OneOf,
    after: OneOf,
    within: Millis,
    history: Option<String>,
    action: Option<String>,
    otherwise: Option<String>,
}

#[derive(Debug)]
struct History {
    of: OneOf,
    keep: Millis,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (of, after, within) = (fields.condition("of")?, fields.condition("after")?, fields.time("within")?);
    let history = fields.optional_text("history")?;
    let (action, otherwise) = (fields.optional_action("action")?, fields.optional_action("else")?);
    if action.is_none() && otherwise.is_none() {
        return Err(fields.wrong("action", "it calls nothing: give it an `action`, an `else`, or both"));
    }
    let actions = vec![("action", action.clone()), ("else", otherwise.clone())];
    let rules = Box::new(Lookback { of, after, within, history, action, otherwise });
    Ok(Known { kind: "lookback", rules, actions, takes_by: true, takes_once: true })
}

pub(super) fn read_history(fields: &mut Fields) -> Read<Known> {
    let rules = Box::new(History { of: fields.condition("of")?, keep: fields.time("keep")? });
    Ok(Known { kind: "history", rules, actions: Vec::new(), takes_by: true, takes_once: false })
}

fn last(unit: &Unit) -> Option<Millis> {
    if let Unit::Past(past) = unit { past.last } else { None }
}

fn shown(unit: &Unit) -> Map<String, Json> {
    Map::from_iter([("last".to_owned(), json!(last(unit)))])
}

fn forget(unit: &mut Unit) {
    *unit = Unit::Past(Past::default());
}

impl Rules for Lookback {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event) || self.after.observes(event)
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
        if self.of.is_met(seen.name, seen.payload) {
            let before = past.last.filter(|last| seen.stamp.saturating_sub(*last) <= self.within);
            let told = vec![("first", maybe(before)), ("last", whole(seen.stamp)), ("event", seen.payload.clone())];
            match before {
                Some(_) => calls.call(self.action.as_ref(), "matched", seen.stamp, told),
                None => calls.call(self.otherwise.as_ref(), "unmatched", seen.stamp, told),
            }
        }
        if self.after.is_met(seen.name, seen.payload) {
            past.last = Some(seen.stamp);
        }
    }

    fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
        last(unit).filter(|_| is_keyed).map(|last| last.saturating_add(self.within))
    }

    fn tick(&self, unit: &mut Unit, _at: Millis, _zone: &Zone, _calls: &mut Calls) {
        forget(unit);
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        last(unit).is_none()
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        shown(unit)
    }

    fn history(&self) -> Option<&str> {
        self.history.as_deref()
    }

    fn seed(&self, unit: &mut Unit, history: &Unit, at: Millis) {
        let Unit::Past(past) = unit else { return };
        let known = last(history).filter(|last| at.saturating_sub(*last) <= self.within);
        past.last = past.last.max(known);
    }
}

impl Rules for History {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event)
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Past(Past::default())
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Past(_))
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, _calls: &mut Calls) {
        let Unit::Past(past) = unit else { return };
        if self.of.is_met(seen.name, seen.payload) {
            past.last = Some(seen.stamp);
        }
    }

    fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
        last(unit).map(|last| last.saturating_add(self.keep))
    }

    fn tick(&self, unit: &mut Unit, _at: Millis, _zone: &Zone, _calls: &mut Calls) {
        forget(unit);
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        last(unit).is_none()
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        shown(unit)
    }
}
