//! The host functions' meaning: reads see the run's own writes, writes only record, misuse is refused with a code.

mod time;

use std::collections::BTreeMap;

use super::{Changes, Effect, Invocation, Level, LogLine, Refusal, Seed};
use crate::{
    limits::{ActionLimits, Grant, Permissions},
    model::{QuestDefinition, Value, check_context, check_event, check_name},
};

/// One run in progress.
#[derive(Debug)]
pub struct Recorder {
    invocation: Invocation,
    limits: ActionLimits,
    permissions: Permissions,
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
    pub fn new(
        invocation: Invocation,
        limits: ActionLimits,
        permissions: Permissions,
        definition: Option<&QuestDefinition>,
    ) -> Self {
        let random = Seed::of(&[&invocation.event_id, &invocation.instance, &invocation.quest, &invocation.action]);
        Self {
            variables_bytes: invocation.variables.iter().map(|(name, value)| name.len() + value.size()).sum(),
            variables_count: invocation.variables.len(),
            timers_count: invocation.timers.len(),
            actions: definition.map(|quest| quest.actions.keys().cloned().collect()),
            invocation,
            limits,
            permissions,
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

    /// Ends the run as if it had never been, to be begun anew.
    pub fn into_invocation(self) -> Invocation {
        self.invocation
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

    /// `events.emit`.
    pub fn emit<'a>(&mut self, context: &str, name: &str, payload: impl Into<Given<'a>>) -> Recorded<()> {
        self.check_writable("events.emit")?;
        self.check_reach(context)?;
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
        self.check_reach(context)?;
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
        check_granted(self.permissions.broadcast, "broadcast", "it may not broadcast")?;
        let payload = self.take(payload.into())?;
        self.effect(Effect::Broadcast { name: name.to_owned(), payload })
    }

    /// `quests.add`.
    pub fn add_quest(&mut self, quest: &str, context: &str) -> Recorded<()> {
        self.check_writable("quests.add")?;
        check_name("quest", quest).map_err(|error| refuse("invalid-name", error.to_string()))?;
        self.check_reach(context)?;
        self.effect(Effect::Add { quest: quest.to_owned(), context: context.to_owned() })
    }

    /// `quests.remove`.
    pub fn remove_quest(&mut self, quest: &str, context: &str) -> Recorded<()> {
        self.check_writable("quests.remove")?;
        check_name("quest", quest).map_err(|error| refuse("invalid-name", error.to_string()))?;
        self.check_reach(context)?;
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

    /// A context that the run may act on.
    fn check_reach(&self, context: &str) -> Recorded<()> {
        check_context(context).map_err(|error| refuse("invalid-context", error.to_string()))?;
        if context == self.invocation.context {
            return Ok(());
        }
        check_granted(self.permissions.other_contexts, "other_contexts", "it may act on its own context only")
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

fn check_granted(grant: Grant, permission: &str, refused: &str) -> Recorded<()> {
    let why = match grant {
        Grant::Granted => return Ok(()),
        Grant::Unasked => {
            format!(
                "{refused}: `{permission} = true` under [permissions] in the quest.toml beside its module asks for more"
            )
        }
        Grant::Refused => format!("{refused}: the host's setting wasm.permit.{permission} is \"never\""),
    };
    Err(refuse("not-permitted", why))
}

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
