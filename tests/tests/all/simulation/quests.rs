//! The quest that is simulated: it counts what reaches it, and notices by itself what comes twice, out of order or too early.

use std::{collections::BTreeMap, sync::Arc};

use quest_engine::{
    action::{Changes, Effect, Failure, FailureKind, Invocation, Ran, Seed, TimerSet},
    model::{Catalog, QuestDefinition, Value},
};
use quest_host::quests::Quests;

use super::store::World;

/// The quest's name.
pub const QUEST: &str = "probe";

pub struct Probe {
    world: Arc<World>,
    catalog: Arc<Catalog>,
}

impl Probe {
    pub fn new(world: &Arc<World>) -> Arc<Self> {
        let on = [("next", "next"), ("plan", "planned"), ("send", "send"), ("poke", "poked"), ("hear", "all")];
        let mut actions: BTreeMap<String, Vec<String>> =
            on.iter().map(|(action, event)| ((*action).to_owned(), vec![(*event).to_owned()])).collect();
        actions.insert("tick".to_owned(), Vec::new());
        let quest = QuestDefinition { name: QUEST.to_owned(), version: 1, actions, ..QuestDefinition::default() };
        Arc::new(Self { world: Arc::clone(world), catalog: Arc::new(Catalog::new([quest])) })
    }

    fn run(&self, run: &Invocation) -> Result<Changes, Failure> {
        let number = |name: &str| match run.variables.get(name) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        };
        let set = |name: &str, value: i64| Changes {
            variables: BTreeMap::from([(name.to_owned(), Some(Value::Integer(value)))]),
            ..Changes::default()
        };
        let payload = match run.payload {
            Value::Integer(number) => number,
            _ => 0,
        };
        // Some first tries fail, and come again.
        if run.attempt < 3
            && Seed::of(&[&run.event_id, &run.action, &run.attempt.to_string()]).next_u64().is_multiple_of(8)
        {
            return Err(Failure { kind: FailureKind::Transient, code: "transient".into(), message: "again".into() });
        }
        Ok(match run.action.as_str() {
            "next" => {
                let last = number("last");
                if payload != last + 1 {
                    return Err(wrong(format!("{payload} after {last}")));
                }
                set("last", payload)
            }
            "plan" => {
                let due = run.accepted_at + payload as u64;
                let timer = TimerSet { action: "tick".to_owned(), due, payload: Value::Integer(due as i64) };
                Changes { timers: BTreeMap::from([(format!("t{}", run.event_id), Some(timer))]), ..Changes::default() }
            }
            "tick" => {
                let now = self.world.now();
                if run.accepted_at != payload as u64 || run.accepted_at > now {
                    return Err(wrong(format!("a timer of {payload} at {now}")));
                }
                let in_time = self.world.accepted_by(&run.context, run.accepted_at);
                if number("last") < in_time {
                    return Err(wrong(format!("a timer of {payload} before {in_time}, which was in time")));
                }
                set("ticks", number("ticks") + 1)
            }
            "send" => {
                let emit =
                    Effect::Emit { context: format!("c{payload}"), name: "poked".to_owned(), payload: Value::Null };
                Changes { effects: vec![emit], ..Changes::default() }
            }
            "poke" => set("pokes", number("pokes") + 1),
            "hear" => set("heard", number("heard") + 1),
            _ => Changes::default(),
        })
    }
}

/// A dead letter, if it is committed. An owner that hung may run an event on state that is past it: its commit is refused.
fn wrong(message: String) -> Failure {
    Failure { kind: FailureKind::Permanent, code: "wrong".to_owned(), message }
}

impl Quests for Probe {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn invoke(&self, invocation: Invocation) -> Ran {
        Ran { result: self.run(&invocation), logs: Vec::new() }
    }
}
