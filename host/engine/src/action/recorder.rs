//! The host functions' meaning: reads see the run's own writes, writes only record, misuse is refused with a code.

use std::{collections::BTreeMap, sync::Arc};

use super::{Changes, Effect, Invocation, Level, LogLine, Refusal, Seed, TimerSet, plans};
use crate::{
    limits::ActionLimits,
    model::{Millis, QuestDefinition, Value, check_context, check_event, check_name},
    pattern,
    schedule::{Zone, civil},
};

/// One run in progress.
#[derive(Debug)]
pub struct Recorder {
    invocation: Invocation,
    limits: ActionLimits,
    /// Names that timers and queries may call, for refusing a typo where it is made; none when unknown.
    actions: Option<Vec<String>>,
    changes: Changes,
    effects_bytes: usize,
    variables_bytes: usize,
    variables_count: usize,
    timers_count: usize,
    logs: Vec<LogLine>,
    logs_dropped: usize,
    random: Seed,
}

type Recorded<T> = Result<T, Refusal>;

/// A value argument in either form. JSON text is parsed only after its size and the call itself were found good.
#[derive(Debug)]
pub enum Given<'a> {
    /// As a value.
    Value(Value),
    /// As JSON text.
    Json(&'a str),
}

impl From<Value> for Given<'_> {
    fn from(value: Value) -> Self {
        Given::Value(value)
    }
}

impl Recorder {
    /// A run of `invocation`. With the quest's definition, timers for actions that it lacks are refused at once.
    pub fn new(invocation: Invocation, limits: ActionLimits, definition: Option<&QuestDefinition>) -> Self {
        let random = Seed::of(&[&invocation.event_id, &invocation.instance, &invocation.quest, &invocation.action]);
        Self {
            variables_bytes: invocation.variables.iter().map(|(name, value)| name.len() + value.size()).sum(),
            variables_count: invocation.variables.len(),
            timers_count: invocation.timers.len(),
            actions: definition.map(|quest| quest.actions.keys().cloned().collect()),
            invocation,
            limits,
            changes: Changes::default(),
            effects_bytes: 0,
            logs: Vec::new(),
            logs_dropped: 0,
            random,
        }
    }

    /// What the run was given.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// Ends the run: its changes, and what it logged.
    pub fn finish(mut self) -> (Changes, Vec<LogLine>) {
        if self.logs_dropped > 0 {
            let message = format!("{} more lines were dropped (limit log_lines_max)", self.logs_dropped);
            self.logs.push(LogLine { level: Level::Warn, message });
        }
        (self.changes, self.logs)
    }

    /// `current.payload-json`.
    pub fn payload_json(&self) -> Recorded<String> {
        to_json(&self.invocation.payload)
    }

    /// `current.field`.
    pub fn field(&self, pointer: &str) -> Option<Value> {
        // Each byte of a payload takes at most two of a pointer, so a longer one names nothing.
        let payload = &self.invocation.payload;
        if pointer.len() > 2 * payload.size() { None } else { payload.field(pointer) }
    }

    /// `current.field-json`.
    pub fn field_json(&self, pointer: &str) -> Recorded<Option<String>> {
        self.field(pointer).map(|value| to_json(&value)).transpose()
    }

    /// `variables.get`.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        match self.changes.variables.get(name) {
            Some(written) => written.as_ref(),
            None => self.invocation.variables.get(name),
        }
    }

    /// `variables.get-json`.
    pub fn variable_json(&self, name: &str) -> Recorded<Option<String>> {
        self.variable(name).map(to_json).transpose()
    }

    /// `variables.set`.
    pub fn set_variable<'a>(&mut self, name: &str, value: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("variables.set")?;
        if name.is_empty() || name.len() > 256 {
            return Err(refuse("invalid-name", "a variable's name has 1 to 256 bytes"));
        }
        let value = self.take(value.into())?;
        let old = self.variable(name).map(|value| name.len() + value.size());
        let bytes = self.variables_bytes - old.unwrap_or(0) + name.len() + value.size();
        let count = self.variables_count + usize::from(old.is_none());
        if bytes > self.limits.variables_bytes_max {
            let max = self.limits.variables_bytes_max;
            return Err(refuse(
                "too-large",
                format!("an instance's variables hold at most {max} bytes, this makes {bytes}"),
            ));
        }
        if count > self.limits.variables_max {
            return Err(refuse("too-many", format!("an instance has at most {} variables", self.limits.variables_max)));
        }
        (self.variables_bytes, self.variables_count) = (bytes, count);
        if self.invocation.variables.get(name) == Some(&value) {
            self.changes.variables.remove(name);
        } else {
            self.changes.variables.insert(name.to_owned(), Some(value));
        }
        Ok(())
    }

    /// `variables.remove`: whether there was one.
    pub fn remove_variable(&mut self, name: &str) -> Recorded<bool> {
        self.check_writable("variables.remove")?;
        let Some(size) = self.variable(name).map(|value| name.len() + value.size()) else { return Ok(false) };
        self.variables_bytes -= size;
        self.variables_count -= 1;
        if self.invocation.variables.contains_key(name) {
            self.changes.variables.insert(name.to_owned(), None);
        } else {
            self.changes.variables.remove(name);
        }
        Ok(true)
    }

    /// `variables.names`, in order.
    pub fn variable_names(&self) -> Vec<String> {
        overlaid(self.invocation.variables.keys(), &self.changes.variables)
    }

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

    /// `events.emit`.
    pub fn emit<'a>(&mut self, context: &str, name: &str, payload: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("events.emit")?;
        check_context(context).map_err(|error| refuse("invalid-context", error.to_string()))?;
        check_event(name).map_err(|error| refuse("invalid-name", error.to_string()))?;
        let payload = self.take(payload.into())?;
        self.effect(Effect::Emit { context: context.to_owned(), name: name.to_owned(), payload })
    }

    /// `events.send`.
    pub fn send<'a>(
        &mut self,
        context: &str,
        quest: &str,
        action: &str,
        payload: impl Into<Given<'a>>,
    ) -> Recorded<()> {
        self.check_writable("events.send")?;
        check_context(context).map_err(|error| refuse("invalid-context", error.to_string()))?;
        check_name("quest", quest).map_err(|error| refuse("invalid-name", error.to_string()))?;
        check_name("action", action).map_err(|error| refuse("invalid-name", error.to_string()))?;
        let payload = self.take(payload.into())?;
        let (context, quest, action) = (context.to_owned(), quest.to_owned(), action.to_owned());
        self.effect(Effect::Send { context, quest, action, payload })
    }

    /// `events.broadcast`.
    pub fn broadcast<'a>(&mut self, name: &str, payload: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("events.broadcast")?;
        check_event(name).map_err(|error| refuse("invalid-name", error.to_string()))?;
        let payload = self.take(payload.into())?;
        self.effect(Effect::Broadcast { name: name.to_owned(), payload })
    }

    /// `quests.add`.
    pub fn add_quest(&mut self, quest: &str, context: &str) -> Recorded<()> {
        self.check_writable("quests.add")?;
        check_name("quest", quest).map_err(|error| refuse("invalid-name", error.to_string()))?;
        check_context(context).map_err(|error| refuse("invalid-context", error.to_string()))?;
        self.effect(Effect::Add { quest: quest.to_owned(), context: context.to_owned() })
    }

    /// `quests.remove`.
    pub fn remove_quest(&mut self, quest: &str, context: &str) -> Recorded<()> {
        self.check_writable("quests.remove")?;
        check_name("quest", quest).map_err(|error| refuse("invalid-name", error.to_string()))?;
        check_context(context).map_err(|error| refuse("invalid-context", error.to_string()))?;
        self.effect(Effect::Remove { quest: quest.to_owned(), context: context.to_owned() })
    }

    /// `messages.publish`.
    pub fn publish<'a>(&mut self, topic: &str, payload: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("messages.publish")?;
        check_event(topic).map_err(|error| refuse("invalid-name", error.to_string()))?;
        let payload = self.take(payload.into())?;
        self.effect(Effect::Publish { topic: topic.to_owned(), payload })
    }

    /// `reply.set`. The last one counts; a query may.
    pub fn reply<'a>(&mut self, value: impl Into<Given<'a>>) -> Recorded<()> {
        let value = self.take(value.into())?;
        self.changes.reply = Some(value);
        Ok(())
    }

    /// `log.write`. A line break begins a new line; what is past the bounds is cut, and said.
    pub fn log(&mut self, level: Level, message: &str) {
        let mut rest = message;
        while !rest.is_empty() {
            if self.logs.len() >= self.limits.log_lines_max {
                self.logs_dropped += count_lines(rest);
                return;
            }
            let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = tail;
            let line = line.strip_suffix('\r').unwrap_or(line);
            let kept = &line[..line.floor_char_boundary(self.limits.log_line_bytes_max)];
            let mark = if kept.len() < line.len() { "… (cut)" } else { "" };
            self.logs.push(LogLine { level, message: format!("{kept}{mark}") });
        }
    }

    /// The run's random sequence.
    pub fn random(&mut self) -> &mut Seed {
        &mut self.random
    }

    /// `random.bytes`, at most the limit's number.
    pub fn random_bytes(&mut self, count: u32) -> Vec<u8> {
        let count = (count as usize).min(self.limits.random_bytes_max);
        self.random.bytes(count)
    }

    fn effect(&mut self, effect: Effect) -> Recorded<()> {
        let bytes = self.effects_bytes + effect.size();
        if self.changes.effects.len() >= self.limits.effects_max {
            return Err(refuse("too-many", format!("an action has at most {} effects", self.limits.effects_max)));
        }
        if bytes > self.limits.effects_bytes_max {
            let max = self.limits.effects_bytes_max;
            return Err(refuse(
                "too-large",
                format!("an action's effects hold at most {max} bytes, this makes {bytes}"),
            ));
        }
        self.effects_bytes = bytes;
        self.changes.effects.push(effect);
        Ok(())
    }

    fn check_writable(&self, function: &str) -> Recorded<()> {
        if self.invocation.is_read_only() {
            return Err(refuse("read-only", format!("{function} is refused in a query: it changes nothing")));
        }
        Ok(())
    }

    /// A value argument, checked. The size comes first: what is too large costs no parsing.
    fn take(&self, given: Given<'_>) -> Recorded<Value> {
        let max = self.limits.value_bytes_max;
        let value = match given {
            Given::Value(value) => value,
            Given::Json(json) if json.len() > max.saturating_mul(JSON_PER_BYTE) => {
                let (size, max) = (json.len(), max.saturating_mul(JSON_PER_BYTE));
                return Err(refuse("too-large", format!("a value's JSON holds at most {max} bytes, this one {size}")));
            }
            Given::Json(json) => Value::from_json(json).map_err(|error| refuse("invalid-json", error.to_string()))?,
        };
        let size = value.size();
        if size > max {
            return Err(refuse("too-large", format!("a value holds at most {max} bytes, this one {size}")));
        }
        value.check().map_err(|error| refuse("invalid-value", error.to_string()))?;
        Ok(value)
    }
}

/// JSON text is at most this many times as large as a value may be: enough for numbers with all their digits, and little to parse.
const JSON_PER_BYTE: usize = 4;

/// Lines of a text, by its line breaks alone: a guest's text may be long.
fn count_lines(text: &str) -> usize {
    let breaks = text.bytes().filter(|byte| *byte == b'\n').count();
    breaks + usize::from(!text.ends_with('\n'))
}

/// A guest's text inside of a message: its beginning.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

fn overlaid<'a, T>(before: impl Iterator<Item = &'a String>, changes: &'a BTreeMap<String, Option<T>>) -> Vec<String> {
    let kept = before.filter(|name| !changes.contains_key(*name));
    let written = changes.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name);
    let mut names: Vec<String> = kept.chain(written).cloned().collect();
    names.sort_unstable();
    names
}

fn refuse(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

fn to_json(value: &Value) -> Recorded<String> {
    value.to_json().map_err(|error| refuse("not-json", error.to_string()))
}
