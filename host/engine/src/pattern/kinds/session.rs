//! Events with no more than a gap between them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Unit, whole};
use crate::{model::Millis, schedule::Zone};

/// A session that goes on, or none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    first: Millis,
    last: Millis,
    /// 0 while there is none.
    count: u64,
}

#[derive(Debug)]
struct Rule {
    of: OneOf,
    gap: Millis,
    action: String,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (of, gap, action) = (fields.condition("of")?, fields.time("gap")?, fields.action("action")?);
    let actions = vec![("action", Some(action.clone()))];
    Ok(Known { kind: "session", rules: Box::new(Rule { of, gap, action }), actions, takes_by: true, takes_once: true })
}

impl Rules for Rule {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event)
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        Unit::Session(Session::default())
    }

    fn fits(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Session(_))
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, _calls: &mut Calls) {
        let Unit::Session(session) = unit else { return };
        if self.of.is_met(seen.name, seen.payload) {
            let first = if session.count == 0 { seen.stamp } else { session.first };
            *session = Session { first, last: seen.stamp, count: session.count + 1 };
        }
    }

    fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
        let Unit::Session(session) = unit else { return None };
        (session.count > 0).then(|| session.last.saturating_add(self.gap))
    }

    fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
        let Unit::Session(session) = unit else { return };
        let Session { first, last, count } = std::mem::take(session);
        let told = vec![
            ("first", whole(first)),
            ("last", whole(last)),
            ("count", whole(count)),
            ("duration", whole(last - first)),
        ];
        calls.call(Some(&self.action), "ended", at, told);
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        matches!(unit, Unit::Session(Session { count: 0, .. }))
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let Unit::Session(session) = unit else { return Map::new() };
        let first = (session.count > 0).then_some(session.first);
        Map::from_iter([
            ("count".to_owned(), json!(session.count)),
            ("first".to_owned(), json!(first)),
            ("until".to_owned(), json!(self.due(unit, true))),
        ])
    }
}
