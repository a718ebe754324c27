//! So many events in a time; or the sum, the smallest, the largest, the average or the number of distinct values of a field.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{Calls, Fields, Known, OneOf, Read, Rules, Seen, Told, Unit, keys, number, whole};
use crate::{
    model::{Millis, Value},
    schedule::Zone,
};

/// Events that a sliding window keeps, and distinct values that a tumbling one does. Past it the oldest event of a sliding window is
/// left out, and further values of a tumbling one are not told apart from those known.
const EVENTS_MAX: usize = 1_024;
/// Bytes of a distinct value's text; of a longer one the beginning and a hash of the whole are kept.
const VALUE_BYTES_MAX: usize = 64;
/// Up to it a float that is whole is an integer.
const WHOLE_END: f64 = 9_223_372_036_854_775_808.0;

/// What is measured of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Measured {
    Event,
    Number(f64),
    Text(String),
}

/// The events of the window that ends now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sliding {
    events: VecDeque<(Millis, Measured)>,
    dropped: u64,
    of: Measure,
}

/// What was measured in the window that goes on. Windows follow each other from the beginning of Unix time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tumbling {
    /// The first millisecond after the window; none while nothing was measured in it.
    ends: Option<Millis>,
    /// Whether it was judged at its last millisecond: what is shown afterwards belongs to the next.
    is_judged: bool,
    first: Millis,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    distinct: BTreeSet<String>,
    /// Whether it has called its action in this window.
    called: bool,
    of: Measure,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Measure {
    #[default]
    Count,
    Sum,
    Min,
    Max,
    Average,
    Distinct,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Threshold {
    AtLeast(f64),
    Above(f64),
    AtMost(f64),
    Below(f64),
}

#[derive(Debug)]
struct Count {
    of: OneOf,
    time: Millis,
    is_tumbling: bool,
    measure: Measure,
    field: Option<String>,
    threshold: Threshold,
    action: String,
}

pub(super) fn read(fields: &mut Fields) -> Read<Known> {
    let (of, time) = (fields.condition("of")?, fields.time("in")?);
    let is_tumbling = fields.word("window", &[("sliding", false), ("tumbling", true)])?.unwrap_or(false);
    let words = [
        ("count", Measure::Count),
        ("sum", Measure::Sum),
        ("min", Measure::Min),
        ("max", Measure::Max),
        ("average", Measure::Average),
        ("distinct", Measure::Distinct),
    ];
    let measure = fields.word("measure", &words)?.unwrap_or(Measure::Count);
    let field = fields.optional_place("field")?;
    match (measure, &field) {
        (Measure::Count, Some(_)) => {
            return Err(fields.wrong("field", "counting looks at no field: give it a `measure`"));
        }
        (Measure::Count, None) | (_, Some(_)) => {}
        (_, None) => return Err(fields.wrong("field", "this measure needs the field that it measures")),
    }
    let threshold = threshold(fields)?;
    if matches!(measure, Measure::Count | Measure::Distinct) {
        check_counted(fields, threshold, is_tumbling, measure)?;
    }
    let action = fields.action("action")?;
    let actions = vec![("action", Some(action.clone()))];
    let rules = Box::new(Count { of, time, is_tumbling, measure, field, threshold, action });
    Ok(Known { kind: "count", rules, actions, takes_by: true, takes_once: true })
}

fn threshold(fields: &mut Fields) -> Read<Threshold> {
    let given = [
        fields.optional_number("at-least")?.map(Threshold::AtLeast),
        fields.optional_number("above")?.map(Threshold::Above),
        fields.optional_number("at-most")?.map(Threshold::AtMost),
        fields.optional_number("below")?.map(Threshold::Below),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(threshold), None) => Ok(threshold),
        _ => Err(fields.wrong("at-least", "one of `at-least`, `above`, `at-most` and `below` is wanted")),
    }
}

/// What a window of counted events can come to.
fn check_counted(fields: &Fields, threshold: Threshold, is_tumbling: bool, measure: Measure) -> Read<()> {
    let (key, needed) = match threshold {
        Threshold::AtLeast(bound) => ("at-least", bound),
        Threshold::Above(bound) => ("above", bound + 1.0),
        Threshold::AtMost(_) | Threshold::Below(_) if is_tumbling => return Ok(()),
        Threshold::AtMost(_) => ("at-most", 0.0),
        Threshold::Below(_) => ("below", 0.0),
    };
    if !threshold.is_upward() {
        let hint =
            "every count begins small, and a sliding window is looked at with each event: use \"window\": \"tumbling\"";
        return Err(fields.wrong(key, hint));
    }
    if needed <= EVENTS_MAX as f64 {
        return Ok(());
    }
    match (is_tumbling, measure) {
        (true, Measure::Distinct) => Err(fields.wrong(key, format_args!("at most {EVENTS_MAX} values are told apart"))),
        (true, _) => Ok(()),
        (false, _) => {
            let message =
                format_args!("a sliding window keeps at most {EVENTS_MAX} events: use \"window\": \"tumbling\"");
            Err(fields.wrong(key, message))
        }
    }
}

impl Threshold {
    fn is_met(self, value: f64) -> bool {
        match self {
            Threshold::AtLeast(bound) => value >= bound,
            Threshold::Above(bound) => value > bound,
            Threshold::AtMost(bound) => value <= bound,
            Threshold::Below(bound) => value < bound,
        }
    }

    /// Whether more can only bring a count nearer to it; otherwise a window is judged when it is over.
    fn is_upward(self) -> bool {
        matches!(self, Threshold::AtLeast(_) | Threshold::Above(_))
    }
}

impl Count {
    /// What is measured of an event; none if it does not count.
    fn measured(&self, seen: &Seen<'_>) -> Option<Measured> {
        if !self.of.is_met(seen.name, seen.payload) {
            return None;
        }
        let Some(field) = &self.field else { return Some(Measured::Event) };
        let value = seen.payload.field(field)?;
        if self.measure == Measure::Distinct {
            let text = match value {
                Value::Null | Value::Binary(_) | Value::Structure(_) => return None,
                // As in conditions, 2 and 2.0 are the same, and no text is a number.
                Value::Number(number) if number.fract() == 0.0 && number.abs() < WHOLE_END => {
                    (number as i64).to_string()
                }
                scalar => scalar.to_json().ok()?,
            };
            return Some(Measured::Text(keys::short(text, VALUE_BYTES_MAX)));
        }
        match value {
            Value::Integer(number) => Some(Measured::Number(number as f64)),
            Value::Number(number) => Some(Measured::Number(number)),
            _ => None,
        }
    }

    fn of_sliding(&self, window: &Sliding) -> f64 {
        let numbers =
            || window.events.iter().filter_map(|(_, it)| if let Measured::Number(it) = it { Some(*it) } else { None });
        let count = window.events.len() as f64;
        match self.measure {
            Measure::Count => count,
            Measure::Sum => numbers().sum(),
            Measure::Min => numbers().fold(f64::INFINITY, f64::min),
            Measure::Max => numbers().fold(f64::NEG_INFINITY, f64::max),
            Measure::Average => numbers().sum::<f64>() / count,
            Measure::Distinct => {
                let texts = window
                    .events
                    .iter()
                    .filter_map(|(_, it)| if let Measured::Text(it) = it { Some(it) } else { None });
                texts.collect::<BTreeSet<_>>().len() as f64
            }
        }
    }

    fn of_tumbling(&self, window: &Tumbling) -> f64 {
        match self.measure {
            Measure::Count => window.count as f64,
            Measure::Sum => window.sum,
            Measure::Min => window.min,
            Measure::Max => window.max,
            Measure::Average => window.sum / window.count as f64,
            Measure::Distinct => window.distinct.len() as f64,
        }
    }

    fn slide(&self, window: &mut Sliding, seen: &Seen<'_>, measured: Measured, calls: &mut Calls) {
        let is_past = |at: Millis| seen.stamp.saturating_sub(at) > self.time;
        while window.events.front().is_some_and(|(at, _)| is_past(*at)) {
            window.events.pop_front();
        }
        if window.events.len() >= EVENTS_MAX {
            window.events.pop_front();
            window.dropped += 1;
        }
        window.events.push_back((seen.stamp, measured));
        let value = self.of_sliding(window);
        if !self.threshold.is_met(value) {
            return;
        }
        let first = window.events.front().map_or(seen.stamp, |(at, _)| *at);
        let mut told = measured_told(first, seen.stamp, window.events.len() as u64, value);
        told.push(("event", seen.payload.clone()));
        calls.call(Some(&self.action), "matched", seen.stamp, told);
        window.events.clear();
    }

    fn tumble(&self, window: &mut Tumbling, seen: &Seen<'_>, measured: Measured, calls: &mut Calls) {
        let ends = match window.ends {
            Some(ends) if seen.stamp < ends && window.is_judged => ends.saturating_add(self.time),
            Some(ends) if seen.stamp < ends => ends,
            _ => (seen.stamp / self.time).saturating_add(1).saturating_mul(self.time),
        };
        if window.ends != Some(ends) {
            *window = Tumbling { ends: Some(ends), first: seen.stamp, of: window.of, ..Tumbling::default() };
        }
        let value = if let Measured::Number(value) = measured { value } else { 0.0 };
        window.min = if window.count == 0 { value } else { window.min.min(value) };
        window.max = if window.count == 0 { value } else { window.max.max(value) };
        (window.count, window.sum) = (window.count + 1, window.sum + value);
        if let Measured::Text(text) = measured
            && window.distinct.len() < EVENTS_MAX
        {
            window.distinct.insert(text);
        }
        let value = self.of_tumbling(window);
        if window.called || !self.threshold.is_upward() || !self.threshold.is_met(value) {
            return;
        }
        window.called = true;
        let mut told = measured_told(window.first, seen.stamp, window.count, value);
        told.push(("event", seen.payload.clone()));
        calls.call(Some(&self.action), "matched", seen.stamp, told);
    }
}

fn measured_told(first: Millis, last: Millis, count: u64, value: f64) -> Told {
    vec![("first", whole(first)), ("last", whole(last)), ("count", whole(count)), ("value", number(value))]
}

impl Rules for Count {
    fn observes(&self, event: &str) -> bool {
        self.of.observes(event)
    }

    fn begin(&self, _at: Millis, _is_keyed: bool) -> Unit {
        if self.is_tumbling {
            Unit::Tumbling(Tumbling { of: self.measure, ..Tumbling::default() })
        } else {
            Unit::Sliding(Sliding { of: self.measure, ..Sliding::default() })
        }
    }

    fn fits(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Tumbling(window) => self.is_tumbling && window.of == self.measure,
            Unit::Sliding(window) => !self.is_tumbling && window.of == self.measure,
            _ => false,
        }
    }

    fn observe(&self, unit: &mut Unit, seen: &Seen<'_>, _zone: &Zone, calls: &mut Calls) {
        let Some(measured) = self.measured(seen) else { return };
        match unit {
            Unit::Sliding(window) => self.slide(window, seen, measured, calls),
            Unit::Tumbling(window) => self.tumble(window, seen, measured, calls),
            _ => {}
        }
    }

    fn due(&self, unit: &Unit, is_keyed: bool) -> Option<Millis> {
        match unit {
            Unit::Sliding(window) => {
                window.events.back().filter(|_| is_keyed).map(|(at, _)| at.saturating_add(self.time))
            }
            // The last millisecond of the window: what is accepted in it comes before.
            Unit::Tumbling(window) if !self.threshold.is_upward() && !window.is_judged => Some(window.ends? - 1),
            Unit::Tumbling(window) => window.ends.filter(|_| is_keyed),
            _ => None,
        }
    }

    fn tick(&self, unit: &mut Unit, at: Millis, _zone: &Zone, calls: &mut Calls) {
        match unit {
            Unit::Sliding(window) => window.events.clear(),
            Unit::Tumbling(window) if self.threshold.is_upward() || window.is_judged => {
                *window = Tumbling { of: window.of, ..Tumbling::default() };
            }
            Unit::Tumbling(window) => {
                let value = self.of_tumbling(window);
                if self.threshold.is_met(value) {
                    let told = measured_told(window.first, at, window.count, value);
                    calls.call(Some(&self.action), "matched", at, told);
                }
                *window = Tumbling { ends: window.ends, is_judged: true, of: window.of, ..Tumbling::default() };
            }
            _ => {}
        }
    }

    fn is_idle(&self, unit: &Unit) -> bool {
        match unit {
            Unit::Sliding(window) => window.events.is_empty(),
            Unit::Tumbling(window) => window.ends.is_none(),
            _ => true,
        }
    }

    fn inspect(&self, unit: &Unit) -> Map<String, Json> {
        let (count, value, dropped) = match unit {
            Unit::Sliding(window) => (window.events.len() as u64, self.of_sliding(window), window.dropped),
            Unit::Tumbling(window) => (window.count, self.of_tumbling(window), 0),
            _ => return Map::new(),
        };
        // Of nothing there is no smallest, and no average.
        let value = (count > 0).then_some(value);
        Map::from_iter([
            ("count".to_owned(), json!(count)),
            ("value".to_owned(), json!(value)),
            ("dropped".to_owned(), json!(dropped)),
        ])
    }
}
