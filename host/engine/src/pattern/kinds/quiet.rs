//! Many events become few calls: once things are quiet, at most once in a time, or so many at a time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Unit, array, whole};
use crate::{
    model::{Millis, Value},
    schedule::Zone,
};

/// A payload that is kept, in bytes; of a larger one nothing is.
const KEPT_BYTES_MAX: usize = 4_096;
/// Payloads of a batch together, in bytes: past it the batch is called early.
const BATCH_BYTES_MAX: usize = 64 * 1_024;
/// Events of a batch.
const BATCH_MAX: u64 = 1_000;

/// Events that are not over yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Restless {
    first: Millis,
    last: Millis,
    /// 0 while it is quiet.
    count: u64,
    event: Value,
}

/// When it called last, and what it has kept back since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Throttled {
    called: Option<Millis>,
    kept_back: u64,
    event: Value,
}

/// Events of the batch that fills.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    first: Millis,
    last: Millis,
    events: Vec<Value>,
    bytes: usize,
}

fn kept(payload: &Value) -> Value {
    if payload.size() <= KEPT_BYTES_MAX { payload.clone() } else { Value::Null }
}

pub(super) mod debounce {
    use super::*;

    #[derive(Debug)]
    struct Debounce {
        of: OneOf,
        quiet: Millis,
        max_wait: Option<Millis>,
        action: String,
    }

    pub(in super::super) fn read(fields: &mut Fields) -> Read<Known> {
        let (of, quiet, max_wait) = (fields.condition("of")?, fields.time("quiet")?, fields.optional_time("max-wait")?);
        if max_wait.is_some_and(|max| max < quiet) {
            return Err(fields.wrong("max-wait", "it is not shorter than `quiet`"));
        }
        let action = fields.action("action")?;
        let actions = vec![("action", Some(action.clone()))];
        let rules = Box::new(Debounce { of, quiet, max_wait, action });
        Ok(Known { kind: "debounce", rules, actions, takes_by: true, takes_once: true })
    }

    impl Rules for Debounce {
        fn observes(&self, event: &str) -> bool {
            self.of.observes(event)
        }

        fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
            Unit::Debounce(Restless::default())
        }

        fn fits(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Debounce(_))
        }

        fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, _calls: &mut Calls) {
            let Unit::Debounce(restless) = unit else { return };
            if self.of.is_met(seen.name, seen.payload) {
                let first = if restless.count == 0 { seen.stamp } else { restless.first };
                let (count, event) = (restless.count + 1, kept(seen.payload));
                *restless = Restless { first, last: seen.stamp, count, event };
            }
        }

        fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
            let Unit::Debounce(restless) = unit else { return None };
            let quiet = restless.last.saturating_add(self.quiet);
            let latest = self.max_wait.map_or(Millis::MAX, |max| restless.first.saturating_add(max));
            (restless.count > 0).then(|| quiet.min(latest))
        }

        fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
            let Unit::Debounce(restless) = unit else { return };
            let Restless { first, last, count, event } = std::mem::take(restless);
            let told = vec![("first", whole(first)), ("last", whole(last)), ("count", whole(count)), ("event", event)];
            calls.call(Some(&self.action), "quiet", at, told);
        }

        fn is_idle(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Debounce(Restless { count: 0, .. }))
        }

        fn inspect(&self, unit: &Unit) -> Map<String, Json> {
            let Unit::Debounce(restless) = unit else { return Map::new() };
            Map::from_iter([
                ("count".to_owned(), json!(restless.count)),
                ("until".to_owned(), json!(self.due(unit, true))),
            ])
        }
    }
}

pub(super) mod throttle {
    use super::*;

    #[derive(Debug)]
    struct Throttle {
        of: OneOf,
        per: Millis,
        trailing: bool,
        action: String,
    }

    pub(in super::super) fn read(fields: &mut Fields) -> Read<Known> {
        let (of, per, trailing) = (fields.condition("of")?, fields.time("per")?, fields.flag("trailing")?);
        let action = fields.action("action")?;
        let actions = vec![("action", Some(action.clone()))];
        let rules = Box::new(Throttle { of, per, trailing, action });
        Ok(Known { kind: "throttle", rules, actions, takes_by: true, takes_once: false })
    }

    impl Rules for Throttle {
        fn observes(&self, event: &str) -> bool {
            self.of.observes(event)
        }

        fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
            Unit::Throttle(Throttled::default())
        }

        fn fits(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Throttle(_))
        }

        fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
            let Unit::Throttle(throttled) = unit else { return };
            if !self.of.is_met(seen.name, seen.payload) {
                return;
            }
            if throttled.called.is_some_and(|called| seen.stamp.saturating_sub(called) < self.per) {
                throttled.kept_back += 1;
                if self.trailing {
                    throttled.event = kept(seen.payload);
                }
                return;
            }
            let told = vec![("kept-back", whole(throttled.kept_back)), ("event", seen.payload.clone())];
            calls.call(Some(&self.action), "passed", seen.stamp, told);
            *throttled = Throttled { called: Some(seen.stamp), ..Throttled::default() };
        }

        fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
            let Unit::Throttle(throttled) = unit else { return None };
            let is_awaited = is_keyed || (self.trailing && throttled.kept_back > 0);
            throttled.called.filter(|_| is_awaited).map(|called| called.saturating_add(self.per))
        }

        fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
            let Unit::Throttle(throttled) = unit else { return };
            let Throttled { kept_back, event, .. } = std::mem::take(throttled);
            if self.trailing && kept_back > 0 {
                let told = vec![("kept-back", whole(kept_back)), ("event", event)];
                calls.call(Some(&self.action), "trailing", at, told);
                throttled.called = Some(at);
            }
        }

        fn is_idle(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Throttle(Throttled { called: None, .. }))
        }

        fn inspect(&self, unit: &Unit) -> Map<String, Json> {
            let Unit::Throttle(throttled) = unit else { return Map::new() };
            Map::from_iter([
                ("called".to_owned(), json!(throttled.called)),
                ("kept-back".to_owned(), json!(throttled.kept_back)),
            ])
        }
    }
}

pub(super) mod batch {
    use super::*;

    #[derive(Debug)]
    struct Batch {
        of: OneOf,
        size: u64,
        within: Option<Millis>,
        action: String,
    }

    pub(in super::super) fn read(fields: &mut Fields) -> Read<Known> {
        let (of, size) = (fields.condition("of")?, fields.whole("size", 1, BATCH_MAX)?);
        let (within, action) = (fields.optional_time("within")?, fields.action("action")?);
        let actions = vec![("action", Some(action.clone()))];
        let rules = Box::new(Batch { of, size, within, action });
        Ok(Known { kind: "batch", rules, actions, takes_by: true, takes_once: true })
    }

    impl Batch {
        fn call(&self, items: &mut Items, outcome: &'static str, at: Millis, calls: &mut Calls) {
            let Items { first, last, events, .. } = std::mem::take(items);
            let count = whole(events.len() as u64);
            let told =
                vec![("first", whole(first)), ("last", whole(last)), ("count", count), ("events", array(&events))];
            calls.call(Some(&self.action), outcome, at, told);
        }
    }

    impl Rules for Batch {
        fn observes(&self, event: &str) -> bool {
            self.of.observes(event)
        }

        fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
            Unit::Batch(Items::default())
        }

        fn fits(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Batch(_))
        }

        fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
            let Unit::Batch(items) = unit else { return };
            if !self.of.is_met(seen.name, seen.payload) {
                return;
            }
            if !items.events.is_empty() && items.bytes + seen.payload.size() > BATCH_BYTES_MAX {
                self.call(items, "full", seen.stamp, calls);
            }
            if items.events.is_empty() {
                items.first = seen.stamp;
            }
            (items.last, items.bytes) = (seen.stamp, items.bytes + seen.payload.size());
            items.events.push(seen.payload.clone());
            // One that fills a batch alone is not kept.
            if items.events.len() as u64 >= self.size || items.bytes > BATCH_BYTES_MAX {
                self.call(items, "full", seen.stamp, calls);
            }
        }

        fn due(&self, unit: &Unit, _is_keyed: bool) -> Option<Millis> {
            let Unit::Batch(items) = unit else { return None };
            self.within.filter(|_| !items.events.is_empty()).map(|within| items.first.saturating_add(within))
        }

        fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
            if let Unit::Batch(items) = unit {
                self.call(items, "expired", at, calls);
            }
        }

        fn is_idle(&self, unit: &Unit) -> bool {
            matches!(unit, Unit::Batch(items) if items.events.is_empty())
        }

        fn inspect(&self, unit: &Unit) -> Map<String, Json> {
            let Unit::Batch(items) = unit else { return Map::new() };
            Map::from_iter([
                ("count".to_owned(), json!(items.events.len())),
                ("until".to_owned(), json!(self.due(unit, true))),
            ])
        }
    }
}
