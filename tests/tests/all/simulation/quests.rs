//! The quest that is simulated: it leaves behind what reached it, and notices by itself what comes twice, out of order, too early or to the
//! wrong instance.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quest_engine::{
    action::{Changes, Effect, Export, Failure, FailureKind, Invocation, Ran, Seed, TimerSet},
    model::{Body, Catalog, Command, Every, QuestDefinition, Value},
};
use quest_host::quests::{Quests, Serving};

use super::{truth::Truth, world::World};

/// The quest's name.
pub const QUEST: &str = "probe";
/// The code of what fails as it is meant to.
pub const STUMBLED: &str = "stumbled";

/// What the quest does again and again, by clocks that are changed while it does.
pub const BEAT: &str = "beat";
/// How long there is between two beats, in milliseconds. By each clock they come at whole multiples of it.
pub const BEAT_MS: u64 = 20_000;
const BEATS: &str = "cron */20 * * * * *; zone America/New_York; missed all 1000";

/// After `send`, `next` within a time: `met` is called, or else `unmet`.
const PAIR: &str =
    r#"{"kind": "within", "after": "send", "expect": "next", "within": 2000, "action": "met", "else": "unmet"}"#;
/// That time, in milliseconds.
pub const PAIR_MS: u64 = 2_000;

/// A sentence about what must not be.
type Wrong = String;

pub struct Probe {
    world: Arc<World>,
    /// How many runs were asked for.
    asked: AtomicU64,
    catalog: Arc<Catalog>,
}

impl Probe {
    pub fn new(world: &Arc<World>) -> Arc<Self> {
        let events = ["next", "planned", "send", "shout", "stumble", "poked", "all"];
        let mut actions: BTreeMap<String, Vec<String>> =
            events.iter().map(|event| ((*event).to_owned(), vec![(*event).to_owned()])).collect();
        actions.extend(["tick", "aimed"].map(|action| (action.to_owned(), Vec::new())));
        actions.insert(BEAT.to_owned(), Vec::new());
        actions.extend(["met", "unmet"].map(|action| (action.to_owned(), Vec::new())));
        let patterns = BTreeMap::from([("pair".to_owned(), PAIR.to_owned())]);
        let beat = (BEAT.to_owned(), Every { action: BEAT.to_owned(), schedule: BEATS.to_owned() });
        let every = world.shape.beats.then_some(beat).into_iter().collect();
        let quest = QuestDefinition {
            name: QUEST.to_owned(),
            version: 1,
            actions,
            every,
            patterns,
            ..QuestDefinition::default()
        };
        let catalog = Arc::new(Catalog::new([quest]));
        Arc::new(Self { world: Arc::clone(world), asked: AtomicU64::new(0), catalog })
    }

    fn run(&self, run: &Invocation) -> Result<Changes, Failure> {
        // Some first tries fail, and come again. In the end beats still come, but nothing is to wait then.
        if run.attempt < 3
            && (run.action != BEAT || self.world.goes_wrong.load(Ordering::SeqCst))
            && Seed::of(&[&run.event_id, &run.action, &run.attempt.to_string()]).next_u64().is_multiple_of(8)
        {
            return Err(Failure { kind: FailureKind::Transient, code: "transient".into(), message: "again".into() });
        }
        if run.action == "stumble" && self.world.truth().stamp(&run.context, &run.event_id) == Some(run.accepted_at) {
            return Err(permanent(STUMBLED, "as it was meant to".to_owned()));
        }
        // A dead letter, if it is committed. An owner that hung may run an event on state that is past it: its commit is refused.
        self.handle(run).map_err(|message| permanent("wrong", message))
    }

    fn handle(&self, run: &Invocation) -> Result<Changes, Wrong> {
        if run.export == Export::Init {
            return Ok(set("born", Value::Text(run.event_id.clone())));
        }
        match run.action.as_str() {
            "next" => self.follow(run),
            "planned" => {
                let due = run.accepted_at + integer(&run.payload) as u64;
                let payload = Arc::new(Value::Integer(due as i64));
                let timer = TimerSet { action: "tick".to_owned(), due, payload, recurrence: None };
                let timers = BTreeMap::from([(run.event_id.clone(), Some(timer))]);
                Ok(Changes { timers, ..self.follow(run)? })
            }
            "send" => {
                let (context, payload) = (format!("c{}", integer(&run.payload)), Value::Text(run.event_id.clone()));
                let effects = vec![Effect::Emit { context, name: "poked".to_owned(), payload }];
                Ok(Changes { effects, ..self.follow(run)? })
            }
            "shout" => {
                let payload = Value::Text(run.event_id.clone());
                let effects = vec![Effect::Broadcast { name: "all".to_owned(), payload }];
                Ok(Changes { effects, ..self.follow(run)? })
            }
            "tick" => self.tick(run),
            BEAT => self.beat(run),
            // Whether it is the right one follows from what was accepted when, and is looked at in the end.
            "met" | "unmet" => {
                let first = run.payload.field("/first").map_or(0, |first| integer(&first));
                if run.action == "unmet" {
                    if run.accepted_at != first as u64 + PAIR_MS || run.accepted_at > self.world.latest() {
                        return Err(format!("the pair of {first} was over at {}", run.accepted_at));
                    }
                    self.comes_last(&self.world.truth(), run, &format!("the end of the pair of {first}"))?;
                }
                once(run, &format!("{}.{first}", run.action), true)
            }
            "stumble" => once(run, &format!("stood.{}", run.event_id), false),
            // What a store that was put back lost may come once more from those who kept it.
            "poked" | "all" => once(run, &format!("{}.{}", run.action, text(&run.payload)), self.world.was_put_back()),
            "aimed" if text(&run.payload) == run.instance => Ok(Changes::default()),
            "aimed" => Err(format!("what was meant for {} reached {}", text(&run.payload), run.instance)),
            other => Err(format!("nobody calls {other}")),
        }
    }

    /// The event must be the one behind the last that this instance handled.
    fn follow(&self, run: &Invocation) -> Result<Changes, Wrong> {
        let truth = self.world.truth();
        let place = truth
            .place(&run.context, run.accepted_at, &run.event_id)
            .ok_or_else(|| format!("{} was not accepted at {}", run.event_id, run.accepted_at))?;
        lives(&truth, run, place, &run.event_id)?;
        Ok(set("last", Value::Text(run.event_id.clone())))
    }

    /// Each beat comes, whatever clocks show and however long nobody was there, and after what was accepted by then.
    fn beat(&self, run: &Invocation) -> Result<Changes, Wrong> {
        let (truth, latest) = (self.world.truth(), self.world.latest());
        let (at, last) = (run.accepted_at, run.variables.get(BEAT).map_or(0, integer) as u64);
        if at > latest {
            return Err(format!("the beat of {at} at {latest}"));
        }
        let born = truth.stamp(&run.context, variable(run, "born")).unwrap_or(0);
        let expected = if last == 0 { born - born % BEAT_MS } else { last } + BEAT_MS;
        if at != expected || run.missed > 0 {
            return Err(format!("the beat of {at} came instead of that of {expected}, {} left out", run.missed));
        }
        self.comes_last(&truth, run, &format!("the beat of {at}"))?;
        Ok(set(BEAT, Value::Integer(at as i64)))
    }

    /// Everything that was accepted by a time comes before what happens then.
    fn comes_last(&self, truth: &Truth, run: &Invocation, what: &str) -> Result<(), Wrong> {
        let order = truth.of(&run.context);
        let upto = order.partition_point(|accepted| accepted.stamp <= run.accepted_at);
        let last = variable(run, "last");
        let handled = order.iter().rposition(|accepted| accepted.id == last).map_or(0, |place| place + 1);
        if handled < upto { lives(truth, run, upto, what) } else { Ok(()) }
    }

    fn tick(&self, run: &Invocation) -> Result<Changes, Wrong> {
        let (truth, timer, latest) = (self.world.truth(), &run.event_name, self.world.latest());
        if run.accepted_at > latest {
            return Err(format!("the timer {timer} of {} at {latest}", run.accepted_at));
        }
        let order = truth.of(&run.context);
        let fired = order.iter().position(|accepted| {
            let fires =
                matches!(&accepted.body, Body::Operate(Command::TimerFire { timer: name, .. }) if name == timer);
            fires && accepted.id == run.event_id
        });
        let is_moved = order.iter().any(|accepted| {
            let Body::Operate(Command::TimerMove { timer: name, due, .. }) = &accepted.body else { return false };
            name == timer && *due == run.accepted_at
        });
        if fired.is_none() && !is_moved && run.accepted_at != integer(&run.payload) as u64 {
            return Err(format!("the timer {timer} of {} at {}", integer(&run.payload), run.accepted_at));
        }
        let planned = order.iter().rposition(|accepted| accepted.id == *timer).unwrap_or(0);
        let (life, born) = (truth.life(&run.context, planned), variable(run, "born"));
        if life.is_none_or(|life| life.born != born) {
            return Err(format!("the timer {timer} came to the life of {born}"));
        }
        // Everything that was accepted by then comes before it.
        let upto = fired.unwrap_or_else(|| order.partition_point(|accepted| accepted.stamp <= run.accepted_at));
        let last = variable(run, "last");
        let handled = order.iter().rposition(|accepted| accepted.id == last).map_or(0, |place| place + 1);
        if handled < upto {
            lives(&truth, run, upto, &format!("the timer {timer}"))?;
        }
        once(run, &format!("tick.{timer}"), false)
    }
}

/// What happens at a place of the context's order must meet the instance that lives there, and find all before it handled.
fn lives(truth: &Truth, run: &Invocation, place: usize, what: &str) -> Result<(), Wrong> {
    let life = truth.life(&run.context, place).ok_or_else(|| format!("{what} came to a life that is none"))?;
    let (born, last) = (variable(run, "born"), variable(run, "last"));
    match (life.born == born, life.last() == last) {
        (false, _) => Err(format!("{what} was for the life that {} began, and came to that of {born}", life.born)),
        (true, false) => Err(format!("{what} came after {last:?} instead of {:?}", life.last())),
        (true, true) => Ok(()),
    }
}

/// Leaves a mark that must not be there yet.
fn once(run: &Invocation, mark: &str, may_repeat: bool) -> Result<Changes, Wrong> {
    let times = run.variables.get(mark).map_or(0, integer);
    if times > 0 && !may_repeat { Err(format!("{mark} twice")) } else { Ok(set(mark, Value::Integer(times + 1))) }
}

fn set(name: &str, value: Value) -> Changes {
    Changes { variables: BTreeMap::from([(name.to_owned(), Some(value))]), ..Changes::default() }
}

fn variable<'a>(run: &'a Invocation, name: &str) -> &'a str {
    run.variables.get(name).map_or("", text)
}

/// A value's text; empty where it has none.
pub fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        _ => 0,
    }
}

fn permanent(code: &str, message: String) -> Failure {
    Failure { kind: FailureKind::Permanent, code: code.to_owned(), message }
}

/// The probe, as a dispatcher takes it: what is served never changes.
pub struct Served(pub Arc<Probe>);

impl Quests for Served {
    fn serving(&self) -> Arc<dyn Serving> {
        Arc::clone(&self.0) as Arc<dyn Serving>
    }
}

impl Serving for Probe {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    fn invoke(&self, invocation: Invocation) -> Ran {
        Ran { result: self.run(&invocation), logs: Vec::new() }
    }

    /// Now and then it takes long, and its delivery is set aside.
    fn invoke_within(&self, invocation: Invocation, _: Duration) -> Result<Ran, Box<Invocation>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst).to_string();
        let roll = Seed::of(&[&invocation.event_id, &asked]).next_u64();
        let takes_long = self.world.goes_wrong.load(Ordering::SeqCst) && roll.is_multiple_of(8);
        if takes_long { Err(Box::new(invocation)) } else { Ok(self.invoke(invocation)) }
    }
}
