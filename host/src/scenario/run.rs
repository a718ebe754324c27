//! Runs a scenario: a world of its own, step by step, until one does not hold.

use std::collections::{BTreeMap, BTreeSet};

use quest_engine::{
    limits::EngineLimits,
    model::{Body, Catalog, Command, Millis, Outcome, Value},
    world::{Moment, Options, Restless, Runner, Told, World, time::show},
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    Answer, Expect, Line, Scenario, Step, Verb, When,
    fit::{fit, fit_items},
    found, lines,
    toml_text::near,
};

/// What came of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// Steps done, the failed one included.
    pub steps: usize,
    /// Actions that ran.
    pub actions: u64,
    /// How much time passed in it, in milliseconds.
    pub passed_ms: Millis,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Why a scenario failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The step's number, from 1; none: at the end.
    pub step: Option<usize>,
    /// The line in the file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected beside what was found; empty where nothing was compared.
    pub diff: Vec<Line>,
    /// The zone of the timeline's times.
    pub zone: String,
    /// What happened until then, a line each.
    pub timeline: Vec<String>,
}

/// Runs a scenario with whoever runs the quests.
pub fn run<R: Runner>(scenario: &Scenario, limits: &EngineLimits, runner: R) -> Report {
    let options = Options {
        start: scenario.start,
        limits: limits.clone(),
        config: scenario.config.clone(),
        ..Options::default()
    };
    let mut running =
        Running { scenario, world: World::new(runner, options), seen: BTreeMap::new(), dead_seen: BTreeSet::new() };
    let mut steps = 0;
    let mut failed = None;
    for step in &scenario.steps {
        steps += 1;
        if let Err(wrong) = running.step(step) {
            failed = Some((Some(steps), step.line, wrong));
            break;
        }
    }
    let failed = failed.or_else(|| running.unseen_dead().map(|wrong| (None, scenario.line, wrong)));
    let world = &running.world;
    let is_run = |moment: &&Moment| match &moment.told {
        Told::Happened { happening, .. } => !happening.instance.is_empty(),
        _ => false,
    };
    Report {
        name: scenario.name.clone(),
        line: scenario.line,
        steps,
        actions: world.moments().iter().filter(is_run).count() as u64,
        passed_ms: world.now() - scenario.start,
        failure: failed.map(|(step, line, Wrong { message, diff })| Failure {
            step,
            line,
            message,
            diff,
            zone: scenario.zone.to_string(),
            timeline: world.timeline(&scenario.zone).to_string().lines().map(str::to_owned).collect(),
        }),
    }
}

/// What a step finds wrong.
struct Wrong {
    message: String,
    diff: Vec<Line>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, diff: Vec::new() }
    }
}

impl From<Restless> for Wrong {
    fn from(error: Restless) -> Self {
        error.to_string().into()
    }
}

struct Running<'a, R> {
    scenario: &'a Scenario,
    world: World<R>,
    /// How much of a kind was looked at in a context.
    seen: BTreeMap<(String, &'static str), usize>,
    /// Ids of the dead letters that a step looked at, in all contexts.
    dead_seen: BTreeSet<String>,
}

impl<R: Runner> Running<'_, R> {
    fn step(&mut self, step: &Step) -> Result<(), Wrong> {
        for _ in 0..step.repeat {
            self.pass(step)?;
            self.act(step)?;
        }
        for (expect, whole) in [(&step.expect, false), (&step.exactly, true)] {
            if let Some(expect) = expect {
                self.compare(&step.context, expect, whole)?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, step: &Step) -> Result<(), Wrong> {
        let (now, zone) = (self.world.now(), &self.scenario.zone);
        let until = match &step.when {
            None => return Ok(()),
            Some(When::After(pause)) => {
                pause.after(now, zone).ok_or_else(|| "that is past the calendar's end".to_owned())?
            }
            Some(When::At(at)) if *at < now => {
                let (at, now) = (show(*at, zone), show(now, zone));
                return Err(format!("time does not go back: it is {now} already, and the step is at {at}").into());
            }
            Some(When::At(at)) => *at,
        };
        // What is done at a time is in time for what is due then.
        let comes_in = matches!(&step.verb, Some(verb) if !matches!(verb, Verb::Query(..)));
        let passed = if comes_in { self.world.advance_before(until) } else { self.world.advance_to(until) };
        Ok(passed?)
    }

    fn act(&mut self, step: &Step) -> Result<(), Wrong> {
        let Some(verb) = &step.verb else { return Ok(()) };
        let catalog = self.world.runner().catalog();
        check_named(&catalog, verb)?;
        let payload = Value::from_json_value(&step.payload).map_err(|error| format!("the payload: {error}"))?;
        let context = step.context.as_str();
        let send = |quest: &String, action: &String| Body::Send {
            quest: quest.clone(),
            action: action.clone(),
            instance: None,
            name: None,
            payload: payload.clone(),
        };
        let dead_before = self.world.dead().len();
        let answer = match verb {
            Verb::Add(quest) => return Ok(self.world.accept(context, Body::Add { quest: quest.clone() })?),
            Verb::Remove(quest) => return Ok(self.world.accept(context, Body::Remove { quest: quest.clone() })?),
            Verb::SetZone(zone) => {
                let command = Command::ZoneSet { zone: Some(zone.clone()) };
                return Ok(self.world.accept(context, Body::Operate(command))?);
            }
            Verb::Send(name) => return Ok(self.world.accept(context, Body::Emit { name: name.clone(), payload })?),
            Verb::SendTo(quest, action) => return Ok(self.world.accept(context, send(quest, action))?),
            Verb::Broadcast(name) => return Ok(self.world.broadcast(name, payload)?),
            Verb::Call(quest, action) => match self.world.call(context, send(quest, action))? {
                Some(Outcome::Answered(value)) => Ok(value.to_json_lossy()),
                Some(Outcome::Failed { code, message }) => Err((code, message)),
                None => Err(("pending".to_owned(), "the action failed and will be tried again".to_owned())),
            },
            Verb::Query(quest, query) => match self.world.query(context, quest, query, payload) {
                Ok(value) => Ok(value.to_json_lossy()),
                Err(failure) => Err((failure.code, failure.message)),
            },
        };
        if let (Verb::Call(quest, action), Err(_)) = (verb, &answer) {
            // Whoever called was told, so the call's own dead letter is no surprise any more.
            let mut new = self.world.dead()[dead_before..].iter();
            let own = new.find(|letter| letter.entry.context == context && letter.entry.body.aim() == (quest, action));
            self.dead_seen.extend(own.map(|letter| letter.id.clone()));
        }
        answered(verb, step.answer.as_ref(), answer)
    }

    /// Compares what is expected of a context with what is there.
    fn compare(&mut self, context: &str, expect: &Expect, whole: bool) -> Result<(), Wrong> {
        let (mut wanted, mut found, mut kinds) = (String::new(), String::new(), Vec::new());
        let mut differ = |kind: &'static str, texts: Option<(String, String)>| {
            if let Some((expected, there)) = texts {
                kinds.push(kind);
                wanted.push_str(&expected);
                found.push_str(&there);
            }
        };
        let (world, zone) = (&self.world, &self.scenario.zone);
        differ("quests", expect.quests.as_ref().and_then(|it| found::quests(world, context, it, whole)));
        differ("zone", expect.zone.as_ref().and_then(|it| found::zone(world, context, it)));
        differ("variables", expect.variables.as_ref().and_then(|it| found::variables(world, context, it, whole)));
        differ("timers", expect.timers.as_ref().and_then(|it| found::timers(world, zone, context, it, whole)));
        differ("patterns", expect.patterns.as_ref().and_then(|it| found::patterns(world, context, it, whole)));
        for (kind, list) in
            [("messages", &expect.messages), ("events", &expect.events), ("dead", &expect.dead), ("log", &expect.log)]
        {
            let Some(list) = list else { continue };
            let there = self.new_items(context, kind);
            let fitted = fit_items(list, &there, whole);
            let texts = (fitted != *list).then(|| (lines::items(kind, list), lines::items(kind, &fitted)));
            differ(kind, texts);
        }
        if kinds.is_empty() {
            return Ok(());
        }
        let message = format!("not as expected: {}", kinds.join(", "));
        Err(Wrong { message, diff: lines::compare(&wanted, &found) })
    }

    /// What a context has of a kind since it was last looked at.
    fn new_items(&mut self, context: &str, kind: &'static str) -> Vec<Json> {
        let all = found::items(&self.world, context, kind);
        let seen = self.seen.entry((context.to_owned(), kind)).or_default();
        let new = all[(*seen).min(all.len())..].to_vec();
        *seen = all.len();
        if kind == "dead" {
            let own = self.world.dead().iter().filter(|letter| letter.entry.context == context);
            self.dead_seen.extend(own.map(|letter| letter.id.clone()));
        }
        new
    }

    /// What died, and no step has looked at: a delivery that was given up is a failure unless it is expected.
    fn unseen_dead(&self) -> Option<Wrong> {
        let mut unseen = self.world.dead().iter().filter(|letter| !self.dead_seen.contains(&letter.id));
        let first = unseen.next()?;
        let what = match first.entry.body.aim() {
            ("", "") => first.entry.context.clone(),
            (quest, action) => format!("{quest}.{action} in {}", first.entry.context),
        };
        let others = match unseen.count() {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        let message = format!("a dead letter that no step expects: {what}: {}: {}{others}", first.code, first.message);
        Some(message.into())
    }
}

/// Names that the modules do not have are slips of the file.
fn check_named(catalog: &Catalog, verb: &Verb) -> Result<(), String> {
    let (Verb::Add(quest)
    | Verb::Remove(quest)
    | Verb::SendTo(quest, _)
    | Verb::Call(quest, _)
    | Verb::Query(quest, _)) = verb
    else {
        return Ok(());
    };
    if catalog.get(quest).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = catalog.quests().map(|quest| quest.name.as_str()).collect();
    let near = near(quest, names.iter().copied());
    Err(format!("no module defines the quest {quest:?}{near}; there are {}", names.join(", ")))
}

/// Compares an answer, or says that there should have been one.
fn answered(verb: &Verb, expected: Option<&Answer>, answer: Result<Json, (String, String)>) -> Result<(), Wrong> {
    let what = match verb {
        Verb::Query(quest, query) => format!("the query {quest}.{query}"),
        Verb::Call(quest, action) | Verb::SendTo(quest, action) => format!("the call of {quest}.{action}"),
        _ => String::new(),
    };
    let (wanted, found) = match (expected, answer) {
        (None, Ok(_)) => return Ok(()),
        (Some(Answer::Is { value, whole }), Ok(answer)) => {
            let fitted = fit(value, Some(&answer), *whole).unwrap_or(Json::Null);
            (value.clone(), fitted)
        }
        (Some(Answer::Fails(wanted)), Err((code, message))) => {
            let fitted = fit(wanted, Some(&json!({"code": code, "message": message})), false).unwrap_or(Json::Null);
            (wanted.clone(), fitted)
        }
        (Some(Answer::Fails(wanted)), Ok(answer)) => {
            return Err(format!("{what} answers {answer}, and should fail with {wanted}").into());
        }
        (_, Err((code, message))) => return Err(format!("{what} fails with {code}: {message}").into()),
    };
    if wanted == found {
        return Ok(());
    }
    let diff = lines::compare(&lines::answer(&wanted), &lines::answer(&found));
    let how =
        if matches!(expected, Some(Answer::Fails(_))) { "fails in another way" } else { "answers something else" };
    Err(Wrong { message: format!("{what} {how}"), diff })
}
