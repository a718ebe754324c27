//! The functions about time: `timers`, `patterns` and `clock`.

use std::sync::Arc;

use super::{Given, Recorded, Recorder, overlaid, refuse, shown, to_json};
use crate::{
    action::{TimerSet, plans},
    model::{Millis, Value, check_name},
    pattern,
    schedule::{Zone, civil},
};

impl Recorder {
    /// `timers.at`. A time in the past fires at once.
    pub fn set_timer<'a>(
        &mut self,
        name: &str,
        action: &str,
        due: Millis,
        payload: impl Into<Given<'a>>,
    ) -> Recorded<()> {
        self.check_timer("timers.at", name, action)?;
        let ahead = due.saturating_sub(self.invocation.accepted_at);
        if ahead > self.limits.timer_ahead_ms_max {
            let max = self.limits.timer_ahead_ms_max;
            return Err(refuse("out-of-range", format!("a timer lies at most {max} ms ahead, this one {ahead}")));
        }
        let payload = Arc::new(self.take(payload.into())?);
        // The past is now: a timer never fires before the event that set it.
        let due = due.max(self.invocation.accepted_at);
        self.put_timer(name, TimerSet { action: action.to_owned(), due, payload, recurrence: None })
    }

    /// `timers.every`: a timer that comes again. One whose schedule has no run at all is not set.
    pub fn set_recurrence<'a>(
        &mut self,
        name: &str,
        action: &str,
        schedule: &str,
        payload: impl Into<Given<'a>>,
    ) -> Recorded<()> {
        self.check_timer("timers.every", name, action)?;
        let parsed = plans::schedule(schedule).map_err(|message| refuse("invalid-schedule", message))?;
        let payload = Arc::new(self.take(payload.into())?);
        let (start, zone) = (self.invocation.accepted_at, self.zone());
        match plans::begin(&parsed, &self.invocation.instance, name, start, zone) {
            Some(recurrence) => {
                let due = recurrence.plan.due();
                self.put_timer(name, TimerSet { action: action.to_owned(), due, payload, recurrence: Some(recurrence) })
            }
            None => self.cancel_timer(name).map(|_| ()),
        }
    }

    fn check_timer(&self, function: &str, name: &str, action: &str) -> Recorded<()> {
        self.check_writable(function)?;
        check_name("timer", name).map_err(|error| refuse("invalid-name", error.to_string()))?;
        if self.has_action(action) {
            return Ok(());
        }
        Err(refuse("unknown-action", format!("the quest has no action {:?}", shown(action))))
    }

    fn has_action(&self, action: &str) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.iter().any(|known| known == action))
    }

    fn put_timer(&mut self, name: &str, timer: TimerSet) -> Recorded<()> {
        let is_new = self.timer_due(name).is_none();
        if is_new && self.timers_count >= self.limits.timers_max {
            return Err(refuse("too-many", format!("an instance has at most {} timers", self.limits.timers_max)));
        }
        self.timers_count += usize::from(is_new);
        self.changes.timers.insert(name.to_owned(), Some(timer));
        Ok(())
    }

    /// `timers.after`: milliseconds from the event's acceptance.
    pub fn set_timer_after<'a>(
        &mut self,
        name: &str,
        action: &str,
        delay: u64,
        payload: impl Into<Given<'a>>,
    ) -> Recorded<()> {
        self.set_timer(name, action, self.invocation.accepted_at.saturating_add(delay), payload)
    }

    /// `timers.cancel`: whether there was one.
    pub fn cancel_timer(&mut self, name: &str) -> Recorded<bool> {
        self.check_writable("timers.cancel")?;
        if self.timer_due(name).is_none() {
            return Ok(false);
        }
        self.timers_count -= 1;
        if self.invocation.timers.contains_key(name) {
            self.changes.timers.insert(name.to_owned(), None);
        } else {
            self.changes.timers.remove(name);
        }
        Ok(true)
    }

    /// `timers.names`, in order.
    pub fn timer_names(&self) -> Vec<String> {
        overlaid(self.invocation.timers.keys(), &self.changes.timers)
    }

    /// `timers.due`.
    pub fn timer_due(&self, name: &str) -> Option<Millis> {
        self.timer(name).map(|timer| timer.due)
    }

    /// `timers.payload`, and whatever else there is to know of a timer.
    pub fn timer(&self, name: &str) -> Option<&TimerSet> {
        match self.changes.timers.get(name) {
            Some(set) => set.as_ref(),
            None => self.invocation.timers.get(name).map(AsRef::as_ref),
        }
    }

    /// `timers.payload-json`.
    pub fn timer_payload_json(&self, name: &str) -> Recorded<Option<String>> {
        self.timer(name).map(|timer| to_json(&timer.payload)).transpose()
    }

    /// `patterns.start`. It sees the events that are accepted after this one. One of that name begins anew.
    pub fn start_pattern<'a>(&mut self, name: &str, spec: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("patterns.start")?;
        check_name("pattern", name).map_err(|error| refuse("invalid-name", error.to_string()))?;
        let spec = self.take(spec.into())?;
        let text = plans::pattern(&spec, &|action| self.has_action(action))
            .map_err(|message| refuse("invalid-pattern", message))?;
        let names = self.pattern_names();
        if names.len() >= self.limits.patterns_max && !names.iter().any(|other| other == name) {
            return Err(refuse("too-many", format!("an instance has at most {} patterns", self.limits.patterns_max)));
        }
        self.changes.patterns.insert(name.to_owned(), Some(text));
        Ok(())
    }

    /// `patterns.cancel`: whether there was one.
    pub fn cancel_pattern(&mut self, name: &str) -> Recorded<bool> {
        self.check_writable("patterns.cancel")?;
        let is_live = match self.changes.patterns.get(name) {
            Some(started) => started.is_some(),
            None => self.invocation.patterns.contains_key(name),
        };
        if is_live {
            self.changes.patterns.insert(name.to_owned(), None);
        }
        Ok(is_live)
    }

    /// `patterns.names`, in order.
    pub fn pattern_names(&self) -> Vec<String> {
        overlaid(self.invocation.patterns.keys(), &self.changes.patterns)
    }

    /// `patterns.state`: what a pattern has seen before this action; none if there is none, or if this action started it.
    pub fn pattern_state(&self, name: &str) -> Option<Value> {
        if self.changes.patterns.contains_key(name) {
            return None;
        }
        self.invocation.patterns.get(name).map(|seen| pattern::inspect(&seen.spec, &seen.record.state))
    }

    /// `patterns.state-json`.
    pub fn pattern_state_json(&self, name: &str) -> Recorded<Option<String>> {
        self.pattern_state(name).map(|state| to_json(&state)).transpose()
    }

    /// `clock.zone`.
    pub fn zone(&self) -> &Zone {
        self.changes.zone.as_ref().unwrap_or(&self.invocation.zone)
    }

    /// `clock.set-zone`. The context's recurrences are planned anew when the action has succeeded.
    pub fn set_zone(&mut self, name: &str) -> Recorded<()> {
        self.check_writable("clock.set-zone")?;
        let zone = Zone::parse(name).map_err(|error| refuse("unknown-zone", error.to_string()))?;
        for (timer, set) in &mut self.changes.timers {
            let Some(TimerSet { recurrence: Some(recurrence), due, .. }) = set else { continue };
            let schedule = plans::schedule(&recurrence.schedule).map_err(|text| refuse("invalid-schedule", text))?;
            let (instance, start) = (&self.invocation.instance, self.invocation.accepted_at);
            if let Some(planned) = plans::begin(&schedule, instance, timer, start, &zone) {
                (*due, *recurrence) = (planned.plan.due(), planned);
            }
        }
        self.changes.zone = (zone != self.invocation.zone).then_some(zone);
        Ok(())
    }

    /// `clock.local`: a time as the context's wall clock shows it.
    pub fn local_time(&self, time: Millis) -> String {
        format!("{}[{}]", civil::rfc3339(time, self.zone()), self.zone())
    }

    /// `clock.instant`: the time at which the context's wall clock shows this.
    pub fn instant(&self, text: &str) -> Recorded<Millis> {
        civil::read(text, self.zone()).map_err(|error| refuse("invalid-time", error.to_string()))
    }
}
