//! What a context has, in the words of a scenario file, beside what is expected of it.
//!
//! Must not know: steps, and what was looked at before.

use quest_engine::{
    action::{Effect, Level},
    world::{Caused, Moment, Runner, World, Zone, time::show},
};
use serde_json::{Map, Value as Json, json};

use super::{TimerExpected, expect::Due, fit::fit_fields, lines};

/// The context's quests beside those expected; none if they fit.
pub(super) fn quests<R: Runner>(
    world: &World<R>,
    context: &str,
    wanted: &[String],
    whole: bool,
) -> Option<(String, String)> {
    let there = world.quests(context);
    let mut wanted = wanted.to_vec();
    wanted.sort();
    let all = whole || wanted.is_empty();
    let shown: Vec<&String> = there.iter().filter(|quest| all || wanted.contains(quest)).collect();
    let list = |names: Vec<&String>| lines::items("quests", &names.into_iter().map(|it| json!(it)).collect::<Vec<_>>());
    (shown != wanted.iter().collect::<Vec<_>>()).then(|| (list(wanted.iter().collect()), list(shown)))
}

/// The context's variables beside those expected; none if they fit.
pub(super) fn variables<R: Runner>(
    world: &World<R>,
    context: &str,
    wanted: &Map<String, Json>,
    whole: bool,
) -> Option<(String, String)> {
    let fitted = fit_fields(wanted, &all_variables(world, context), whole);
    (fitted != *wanted).then(|| (lines::named("variables", wanted), lines::named("variables", &fitted)))
}

fn all_variables<R: Runner>(world: &World<R>, context: &str) -> Map<String, Json> {
    let mut all = Map::new();
    for quest in world.quests(context) {
        for (name, value) in world.variables(context, &quest).iter().flat_map(|it| it.iter()) {
            all.insert(format!("{quest}.{name}"), value.to_json_lossy());
        }
    }
    all
}

/// The context's timers beside those expected, with times in `zone`; none if they fit.
pub(super) fn timers<R: Runner>(
    world: &World<R>,
    zone: &Zone,
    context: &str,
    wanted: &[(String, TimerExpected)],
    whole: bool,
) -> Option<(String, String)> {
    let expected = wanted.iter().map(|(name, timer)| {
        let like = match timer {
            TimerExpected::Is(true) => json!({ "$any": true }),
            TimerExpected::Is(false) => json!({ "$absent": true }),
            TimerExpected::Like { at, fields } => {
                let due = at.as_ref().and_then(|at| match at {
                    Due::At(at) => Some(*at),
                    Due::In(pause) => pause.after(world.now(), zone),
                });
                let due = due.map(|due| ("at".to_owned(), json!(show(due, zone))));
                Json::Object(due.into_iter().chain(fields.clone()).collect())
            }
        };
        (name.clone(), like)
    });
    let there = world.timers(context).into_iter().map(|((quest, name), timer)| {
        let mut fields = Map::new();
        fields.insert("at".to_owned(), json!(show(timer.due, zone)));
        fields.insert("action".to_owned(), json!(timer.action));
        fields.insert("payload".to_owned(), timer.payload.to_json_lossy());
        if let Some(recurrence) = &timer.recurrence {
            fields.insert("schedule".to_owned(), json!(recurrence.schedule));
        }
        (format!("{quest}.{name}"), Json::Object(fields))
    });
    let (expected, there): (Map<String, Json>, Map<String, Json>) = (expected.collect(), there.collect());
    named("timers", &expected, there, whole)
}

/// The context's patterns beside those expected; none if they fit.
pub(super) fn patterns<R: Runner>(
    world: &World<R>,
    context: &str,
    wanted: &Map<String, Json>,
    whole: bool,
) -> Option<(String, String)> {
    let there = world.patterns(context).into_iter();
    let there = there.map(|((quest, name), state)| (format!("{quest}.{name}"), state.to_json_lossy())).collect();
    named("patterns", wanted, there, whole)
}

/// The context's zone beside the one expected; none if it fits.
pub(super) fn zone<R: Runner>(world: &World<R>, context: &str, wanted: &str) -> Option<(String, String)> {
    let there = world.zone(context);
    (there.name() != wanted).then(|| (format!("zone {wanted}\n"), format!("zone {}\n", there.name())))
}

/// Of each one, whole or not, only what is asked for counts; whole, there are no others.
fn named(kind: &str, expected: &Map<String, Json>, there: Map<String, Json>, whole: bool) -> Option<(String, String)> {
    let mut fitted = fit_fields(expected, &there, false);
    if whole {
        let others = there.into_iter().filter(|(name, _)| !expected.contains_key(name));
        fitted.extend(others.collect::<Vec<_>>());
    }
    (fitted != *expected).then(|| (lines::named(kind, expected), lines::named(kind, &fitted)))
}

/// All that a context ever had of a kind, in order: `messages`, `events`, `dead` or `log`.
pub(super) fn items<R: Runner>(world: &World<R>, context: &str, kind: &str) -> Vec<Json> {
    match kind {
        "messages" => {
            let own = world.messages().iter().filter(|message| message.context == context);
            own.map(|it| json!({"topic": it.topic, "payload": it.payload.to_json_lossy(), "quest": it.quest})).collect()
        }
        "events" => world.events().filter(|it| it.by.context == context).filter_map(|it| event(&it)).collect(),
        "dead" => {
            let own = world.dead().iter().filter(|letter| letter.entry.context == context);
            own.map(|letter| {
                let (quest, action) = letter.entry.body.aim();
                json!({"code": letter.code, "message": letter.message, "quest": quest, "action": action,
                    "attempts": letter.attempts})
            })
            .collect()
        }
        _ => {
            let own = world.moments().iter().filter(|moment| moment.context() == context);
            own.map(Moment::logs)
                .flat_map(|(quest, lines)| lines.iter().map(move |line| (quest, line)))
                .map(|(quest, line)| json!({"message": line.message, "level": level(line.level), "quest": quest}))
                .collect()
        }
    }
}

/// An event that an action caused, as a file describes it; none for a message, which is a kind of its own.
fn event(caused: &Caused<'_>) -> Option<Json> {
    let mut event = match caused.effect {
        Effect::Emit { context, name, payload } => {
            json!({"event": name, "to": context, "payload": payload.to_json_lossy()})
        }
        Effect::Send { context, quest, action, payload } => {
            json!({"send_to": format!("{quest}.{action}"), "to": context, "payload": payload.to_json_lossy()})
        }
        Effect::Broadcast { name, payload } => json!({"broadcast": name, "payload": payload.to_json_lossy()}),
        Effect::Add { quest, context } => json!({"add": quest, "to": context}),
        Effect::Remove { quest, context } => json!({"remove": quest, "to": context}),
        Effect::Publish { .. } => return None,
    };
    event["by"] = json!(format!("{}.{}", caused.by.quest, caused.by.action));
    Some(event)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
