//! After one event, another within a time; or else.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Unit, maybe, whole};
use crate::{
    model::{Millis, Value},
    schedule::Zone,
};

/// A payload of the opening event that is kept, in bytes; of a larger one nothing is.
const KEPT_BYTES_MAX: usize = 1_024;

/// An open window, or none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Open {
    since: Option<Millis>,
    /// The payload of the event that opened it.
    by: Value,
}

#[derive(Debug)]
struct Within {
    after: OneOf,
    expect: OneOf,
    within: Millis,
    restart: bool,
    action: Option<String>,
    otherwise: Option<String>,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (after, expect) = (fields.condition("after")?, fields.condition("expect")?);
    let (within, restart) = (fields.time("within")?, fields.flag("restart")?);
    let (action, otherwise) = (fields.optional_action("action")?, fields.optional_action("else")?);
    if action.is_none() && otherwise.is_none() {
        return Err(fields.wrong("action", "it calls nothing: give it an `action`, an `else`, or both"));
    }
    let actions = vec![("action", action.clone()), ("else", otherwise.clone())];
    let rules = Box::new(Within { after, expect, within, restart, action, otherwise });
    Ok(Known { kind: "within", rules, actions, takes_by: true, takes_once: true })
}

impl Within {
    fn open(&self, open: &mut Open, seen: &Seen<'_>) {
        let is_small = seen.payload.size() <= KEPT_BYTES_MAX;
        *open = Open { since: Some(seen.stamp), by: if is_small { seen.payload.clone() } else { Value::Null } };
    }
}

impl Rules for Within {
    fn observes(&self, event: &str) -> bool {
        self.after.observes(event) || self.expect.observes(event)
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Within(Open::default())
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Within(_))
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
        let Unit::Within(open) = unit else { return };
        let closes = self.expect.is_met(seen.name, seen.payload);
        if let Some(since) = open.since
            && closes
        {
            let told = vec![
                ("first", whole(since)),
                ("last", whole(seen.stamp)),
                ("opened", open.by.clone()),
                ("event", seen.payload.clone()),
            ];
            calls.call(self.action.as_ref(), "matched", seen.stamp, told);
            *open = Open::default();
        } else if open.since.is_some() && !self.restart {
            return;
        }
        // What ends one may begin the next.
        if self.after.is_met(seen.name, seen.payload) {
            self.open(open, seen);
        }
    }

    fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
        let Unit::Within(Open { since: Some(since), .. }) = unit else { return None };
        Some(since.saturating_add(self.within))
    }

    fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
        let Unit::Within(open) = unit else { return };
        let told = vec![("first", maybe(open.since)), ("last", whole(at)), ("opened", open.by.clone())];
        calls.call(self.otherwise.as_ref(), "expired", at, told);
        *open = Open::default();
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Within(Open { since: None, .. }))
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let since = if let Unit::Within(open) = unit { open.since } else { None };
        let until = self.due(unit, true);
        Map::from_iter([("since".to_owned(), json!(since)), ("until".to_owned(), json!(until))])
    }
}
