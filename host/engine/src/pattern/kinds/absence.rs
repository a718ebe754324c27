//! No event for a time: once until the next event, or again and again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Unit, whole};
use crate::{model::Millis, schedule::Zone};

/// Since when nothing came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    since: Millis,
    /// From when on the time runs: since then, or since it passed last.
    from: Millis,
    /// How often the time has passed since.
    passed: u64,
    /// Whether it waits: not after it has called its action once, and for a key not before its first event.
    waits: bool,
}

#[derive(Debug)]
struct Absence {
    of: OneOf,
    time: Millis,
    repeats: bool,
    action: String,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (of, time, repeats) = (fields.condition("of")?, fields.time("for")?, fields.flag("repeat")?);
    if repeats {
        fields.check_repeated("for", time)?;
    }
    let action = fields.action("action")?;
    let actions = vec![("action", Some(action.clone()))];
    let rules = Box::new(Absence { of, time, repeats, action });
    Ok(Known { kind: "absence", rules, actions, takes_by: true, takes_once: true })
}

impl Rules for Absence {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event)
    }

    fn begin(&self, at: Millis, is_keyed: bool) -> Unit {
        Unit::Absence(Waits { since: at, from: at, passed: 0, waits: !is_keyed })
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Absence(_))
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, _calls: &mut Calls) {
        let Unit::Absence(waits) = unit else { return };
        if self.of.is_met(seen.name, seen.payload) {
            *waits = Waits { since: seen.stamp, from: seen.stamp, passed: 0, waits: true };
        }
    }

    fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
        let Unit::Absence(Waits { from, waits: true, .. }) = unit else { return None };
        Some(from.saturating_add(self.time))
    }

    fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
        let Unit::Absence(waits) = unit else { return };
        (waits.from, waits.passed) = (at, waits.passed + 1);
        waits.waits = self.repeats;
        calls.call(
            Some(&self.action),
            "absent",
            at,
            vec![("since", whole(waits.since)), ("times", whole(waits.passed))],
        );
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Absence(Waits { waits: false, .. }))
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let Unit::Absence(waits) = unit else { return Map::new() };
        Map::from_iter([
            ("since".to_owned(), json!(waits.since)),
            ("times".to_owned(), json!(waits.passed)),
            ("until".to_owned(), json!(self.due(unit, true))),
        ])
    }
}
