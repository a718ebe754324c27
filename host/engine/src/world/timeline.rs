//! What happened in a world as lines for people, in civil time.

use std::fmt;

use super::{Moment, Told, time::Zone};
use crate::{
    action::{Changes, Effect, Failure, Level, LogLine},
    model::{Body, Command, Entry, Millis, Value},
    partition::{Happened, Happening},
};

/// What happened, for people: a line for each thing, and under it what it changed.
#[derive(Debug, Clone)]
pub struct Timeline<'a> {
    moments: &'a [Moment],
    zone: Zone,
}

impl<'a> Timeline<'a> {
    /// The lines of `moments`, with times in `zone`.
    pub fn new(moments: &'a [Moment], zone: Zone) -> Self {
        Self { moments, zone }
    }
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for moment in self.moments {
            let at = super::time::show(moment.at, &self.zone);
            let time = |time: Millis| super::time::show(time, &self.zone);
            match &moment.told {
                Told::Accepted(entry) => writeln!(out, "{at}  {}", accepted(entry))?,
                Told::Happened { happening, changes } => {
                    writeln!(out, "{at}  {}", happened(happening, time))?;
                    happening.logs.iter().try_for_each(|line| writeln!(out, "    | {}", log(line)))?;
                    if let Some(changes) = changes {
                        changed(out, happening, changes, time)?;
                    }
                }
                Told::Asked { context, quest, query, result, logs } => {
                    let answer = match result {
                        Ok(value) => json(value),
                        Err(Failure { code, message, .. }) => format!("{code}: {}", plain(message)),
                    };
                    writeln!(out, "{at}  {context}  query {quest}.{query}  {answer}")?;
                    logs.iter().try_for_each(|line| writeln!(out, "    | {}", log(line)))?;
                }
            }
        }
        Ok(())
    }
}

/// What came from outside.
fn accepted(entry: &Entry) -> String {
    let context = if entry.context.is_empty() { "every context" } else { &entry.context };
    let how = if entry.reply.is_some() { "call" } else { "send" };
    let what = match &entry.body {
        Body::Emit { name, payload } => format!("send {name}{}", beside(payload)),
        Body::Send { quest, action, payload, .. } => format!("{how} {quest}.{action}{}", beside(payload)),
        Body::Observe { quest, name, payload, .. } | Body::Spread { quest, name, payload, .. } => {
            format!("send {name} to {quest}{}", beside(payload))
        }
        Body::Deliver { quest, action, payload, .. } => format!("{how} {quest}.{action}{}", beside(payload)),
        Body::Add { quest } => format!("add {quest}"),
        Body::Remove { quest } => format!("remove {quest}"),
        Body::Operate(Command::ZoneSet { zone: Some(zone) }) => format!("zone-set {zone}"),
        Body::Operate(command) => command.name().to_owned(),
    };
    format!("{context}  ← {what}")
}

/// What became of a delivery or an entry.
fn happened(happening: &Happening, time: impl Fn(Millis) -> String) -> String {
    let Happening { context, quest, action, event_name, cause, .. } = happening;
    let why = if event_name.is_empty() { cause.as_str() } else { event_name };
    let what = match (quest.as_str(), action.as_str()) {
        ("", action) => action.to_owned(),
        (quest, "") => quest.to_owned(),
        (quest, action) => format!("{quest}.{action}"),
    };
    let outcome = match &happening.what {
        Happened::Done => "done".to_owned(),
        Happened::Added => "added".to_owned(),
        Happened::Removed => "removed".to_owned(),
        Happened::Operated => "operated".to_owned(),
        Happened::Ignored { reason } => format!("ignored: {reason}"),
        Happened::Retried { at, code, message, .. } => {
            format!("failed, tried again at {}: {code}: {}", time(*at), plain(message))
        }
        Happened::Dead { code, message } => format!("dead: {code}: {}", plain(message)),
    };
    match what.as_str() {
        "" => format!("{context}  {why}  {outcome}"),
        what => format!("{context}  {why} → {what}  {outcome}"),
    }
}

fn changed(
    out: &mut fmt::Formatter<'_>,
    by: &Happening,
    changes: &Changes,
    time: impl Fn(Millis) -> String,
) -> fmt::Result {
    for (name, value) in &changes.variables {
        match value {
            Some(value) => writeln!(out, "    {}.{name} = {}", by.quest, json(value))?,
            None => writeln!(out, "    {}.{name} removed", by.quest)?,
        }
    }
    for (name, set) in &changes.timers {
        match set {
            Some(set) => {
                let again = set.recurrence.as_ref().map_or(String::new(), |it| format!(", {}", it.schedule));
                let (due, payload) = (time(set.due), beside(&set.payload));
                writeln!(out, "    timer {name} → {} at {due}{again}{payload}", set.action)?;
            }
            None => writeln!(out, "    timer {name} cancelled")?,
        }
    }
    for (name, spec) in &changes.patterns {
        match spec {
            Some(spec) => writeln!(out, "    pattern {name}: {}", plain(spec))?,
            None => writeln!(out, "    pattern {name} cancelled")?,
        }
    }
    if let Some(zone) = &changes.zone {
        writeln!(out, "    time zone {zone}")?;
    }
    changes.effects.iter().try_for_each(|effect| writeln!(out, "    {}", caused(&by.context, effect)))
}

/// What an action of the context `from` caused.
pub(super) fn caused(from: &str, effect: &Effect) -> String {
    let elsewhere = |context: &str| if context == from { String::new() } else { format!(" to {context}") };
    match effect {
        Effect::Emit { context, name, payload } => format!("event {name}{}{}", elsewhere(context), beside(payload)),
        Effect::Send { context, quest, action, payload } => {
            format!("send {quest}.{action}{}{}", elsewhere(context), beside(payload))
        }
        Effect::Broadcast { name, payload } => format!("broadcast {name}{}", beside(payload)),
        Effect::Add { quest, context } => format!("add {quest}{}", elsewhere(context)),
        Effect::Remove { quest, context } => format!("remove {quest}{}", elsewhere(context)),
        Effect::Publish { topic, payload } => format!("message {topic}{}", beside(payload)),
    }
}

/// A line of a quest's log.
pub(super) fn log(line: &LogLine) -> String {
    let level = match line.level {
        Level::Debug => "debug: ",
        Level::Info => "",
        Level::Warn => "warn: ",
        Level::Error => "error: ",
    };
    format!("{level}{}", plain(&line.message))
}

/// A value as JSON.
pub(super) fn json(value: &Value) -> String {
    value.to_json_lossy().to_string()
}

/// A payload behind something else; nothing if there is none.
pub(super) fn beside(payload: &Value) -> String {
    if *payload == Value::Null { String::new() } else { format!(" {}", json(payload)) }
}

/// A text on one line: quests may write anything.
pub(super) fn plain(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
