//! The first of several events; or all of several, in any order, within a time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Condition, Fields, Known, Read, Rules, Seen, Unit, whole};
use crate::{model::Millis, schedule::Zone};

/// When the wait for the first began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    at: Millis,
    /// Whether the time has passed.
    is_over: bool,
}

/// When each was accepted last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latest(Vec<Option<Millis>>);

pub(super) mod any {
    use super::*;

    #[derive(Debug)]
    struct Any {
        of: Vec<Condition>,
        within: Option<Millis>,
        repeats: bool,
        action: String,
        otherwise: Option<String>,
    }

    pub(in super::super) fn read(fields: &mut Fields) -> Read<Known> {
        let (of, within, repeats) =
            (fields.conditions("of", 1)?, fields.optional_time("within")?, fields.flag("repeat")?);
        if let Some(within) = within.filter(|_| repeats) {
            fields.check_repeated("within", within)?;
        }
        let (action, otherwise) = (fields.action("action")?, fields.optional_action("else")?);
        if otherwise.is_some() && within.is_none() {
            return Err(fields.wrong("else", "without a `within` it never comes to that"));
        }
        let actions = vec![("action", Some(action.clone())), ("else", otherwise.clone())];
        let rules = Box::new(Any { of, within, repeats, action, otherwise });
        Ok(Known { kind: "any", rules, actions, takes_by: false, takes_once: false })
    }

    impl Rules for Any {
        fn observes(&self, event: &str) -> bool {
            self.of.iter().any(|one| one.observes(event))
        }

        fn begin(&self, at: Millis, _is_keyed: bool) -> Unit {
            Unit::Any(Began { at, is_over: false })
        }

        fn fits(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Any(_))
        }

        fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
            let Unit::Any(began) = unit else { return };
            let Some(which) = self.of.iter().position(|one| one.is_met(seen.name, seen.payload)) else { return };
            if began.is_over {
                return;
            }
            let told = vec![
                ("first", whole(began.at)),
                ("last", whole(seen.stamp)),
                ("which", whole(which as u64)),
                ("name", seen.name.into()),
                ("event", seen.payload.clone()),
            ];
            calls.call(Some(&self.action), "matched", seen.stamp, told);
            *began = Began { at: seen.stamp, is_over: false };
        }

        fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
            let Unit::Any(Began { at, is_over: false }) = unit else { return None };
            self.within.map(|within| at.saturating_add(within))
        }

        fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
            let Unit::Any(began) = unit else { return };
            calls.call(self.otherwise.as_ref(), "expired", at, vec![("first", whole(began.at)), ("last", whole(at))]);
            *began = Began { at, is_over: !self.repeats };
        }

        fn is_idle(&self, _unit: &Unit) -> bool {
            false
        }

        fn inspect(&self, unit: &Unit) -> Map<String, Json> {
            let Unit::Any(began) = unit else { return Map::new() };
            Map::from_iter([("since".to_owned(), json!(began.at)), ("until".to_owned(), json!(self.due(unit, true)))])
        }

        fn is_done(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Any(Began { is_over: true, .. }))
        }

        fn is_single(&self) -> bool {
            !self.repeats
        }
    }
}

pub(super) mod all {
    use super::*;

    #[derive(Debug)]
    struct All {
        of: Vec<Condition>,
        within: Millis,
        action: String,
    }

    pub(in super::super) fn read(fields: &mut Fields) -> Read<Known> {
        let (of, within, action) = (fields.conditions("of", 2)?, fields.time("within")?, fields.action("action")?);
        let actions = vec![("action", Some(action.clone()))];
        Ok(Known {
            kind: "all",
            rules: Box::new(All { of, within, action }),
            actions,
            takes_by: true,
            takes_once: true,
        })
    }

    impl Rules for All {
        fn observes(&self, event: &str) -> bool {
            self.of.iter().any(|one| one.observes(event))
        }

        fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
            Unit::All(Latest(vec![None; self.of.len()]))
        }

        fn fits(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::All(Latest(latest)) if latest.len() == self.of.len())
        }

        fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
            let Unit::All(Latest(latest)) = unit else { return };
            for (one, latest) in self.of.iter().zip(latest.iter_mut()) {
                if one.is_met(seen.name, seen.payload) {
                    *latest = Some(seen.stamp);
                }
            }
            let first = latest.iter().copied().collect::<Option<Vec<Millis>>>().and_then(|all| all.into_iter().min());
            if let Some(first) = first.filter(|first| seen.stamp.saturating_sub(*first) <= self.within) {
                let told = vec![("first", whole(first)), ("last", whole(seen.stamp)), ("event", seen.payload.clone())];
                calls.call(Some(&self.action), "matched", seen.stamp, told);
                latest.fill(None);
            }
        }

        fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
            let Unit::All(Latest(latest)) = unit else { return None };
            latest.iter().flatten().max().filter(|_| is_keyed).map(|last| last.saturating_add(self.within))
        }

        fn tick(&self, unit: &mut Unit, _at: Millis, _zone: &Zone, _calls: &mut Calls) {
            if let Unit::All(Latest(latest)) = unit {
                latest.fill(None);
            }
        }

        fn is_idle(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::All(Latest(latest)) if latest.iter().all(Option::is_none))
        }

        fn inspect(&self, unit: &Unit) -> Map<String, Json> {
            let Unit::All(Latest(latest)) = unit else { return Map::new() };
            Map::from_iter([("last".to_owned(), json!(latest))])
        }
    }
}
