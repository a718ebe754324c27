//! Texts of schedules and patterns, as quests give them: checked where they are said.

use std::sync::Arc;

use crate::{
    model::{Millis, Value},
    pattern::Spec,
    record::Recurrence,
    schedule::{Plan, Schedule, Zone},
};

/// Reads a schedule; the error is a text for people.
pub(crate) fn schedule(text: &str) -> Result<Schedule, String> {
    Schedule::parse(text).map_err(|error| error.to_string())
}

/// Begins a recurrence of an instance; none if its schedule has no run at all.
pub(crate) fn begin(schedule: &Schedule, instance: &str, name: &str, start: Millis, zone: &Zone) -> Option<Recurrence> {
    let plan = Plan::begin(schedule, start, zone, &salt(instance, name))?;
    Some(Recurrence { schedule: schedule.text().to_owned(), plan })
}

/// What the jitter of a recurrence is drawn from.
pub(crate) fn salt(instance: &str, name: &str) -> String {
    format!("{instance}.{name}")
}

/// Checks a pattern's spec, and gives it as JSON text.
pub(crate) fn pattern(spec: &Value, has_action: &dyn Fn(&str) -> bool) -> Result<String, String> {
    Spec::parse(spec, has_action).map_err(|error| error.to_string())?;
    spec.to_json().map_err(|error| error.to_string())
}

/// Reads a spec that was checked before.
pub(crate) fn known_pattern(text: &str) -> Result<Arc<Spec>, String> {
    let value = Value::from_json(text).map_err(|error| error.to_string())?;
    Spec::parse(&value, &|_| true).map(Arc::new).map_err(|error| error.to_string())
}
