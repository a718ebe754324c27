//! Carries a plan out: starts hosts, sends what is sent, does what operators do, and lets happen what happens to hosts and to the store.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use quest_engine::{
    limits::EngineLimits,
    model::{Body, Command, DeadLetter, Entry, ReplyTo, Value, partition_of},
    record::Record as _,
};
use quest_host::{
    dispatcher::{Dispatcher, Options, Pace},
    store::{Accept, Acceptance, Store},
};
use tokio::task::JoinSet;

use super::{
    CONTEXTS, PARTITIONS, STEADY, TURN_ENTRIES_MAX,
    plan::{Act, Event, Plan, Step, TimerCommand},
    quests::{BEAT, Probe, QUEST, Served},
    state::State,
    store::Link,
    world::World,
};

/// Hosts that live at once, at most.
const HOSTS_MAX: usize = 4;
/// Simulated time within which an entry must be accepted, however full everything is.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(900);

pub struct Run {
    pub world: Arc<World>,
    quests: Arc<Probe>,
    /// The way of all producers to the store.
    outside: Arc<Link>,
    hosts: Vec<(Arc<Link>, Dispatcher)>,
    started: u64,
    producers: JoinSet<()>,
    /// The instances that each context was seen to have.
    seen: BTreeMap<u64, Vec<String>>,
}

impl Run {
    pub fn new(plan: &Plan, is_told: bool) -> Self {
        let world = World::new(plan, is_told);
        let (quests, outside) = (Probe::new(&world), Link::new(&world, "producer".to_owned()));
        let (hosts, producers, seen) = (Vec::new(), JoinSet::new(), BTreeMap::new());
        Self { world, quests, outside, hosts, started: 0, producers, seen }
    }

    /// The phase in which things go wrong.
    pub async fn carry_out(&mut self, plan: &Plan) {
        self.start_host();
        self.start_host();
        // The steady contexts have the quest before anything else happens: broadcasts reach those who have it.
        for context in 0..STEADY {
            self.send(format!("c{context}"), format!("begin{context}"), Body::Add { quest: QUEST.to_owned() });
        }
        self.answered().await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        self.world.goes_wrong.store(true, Ordering::SeqCst);
        for step in &plan.steps {
            self.world.tell("step", || format!("{step:?}"));
            self.replace_dead();
            self.act(step).await;
            tokio::time::sleep(Duration::from_millis(step.then_ms)).await;
        }
        self.world.tell("step", || "nothing goes wrong any more".to_owned());
        self.world.goes_wrong.store(false, Ordering::SeqCst);
        self.replace_dead();
        self.answered().await;
    }

    /// Waits for all producers.
    async fn answered(&mut self) {
        while let Some(ended) = self.producers.join_next().await {
            ended.unwrap();
        }
    }

    async fn act(&mut self, step: &Step) {
        match step.act.clone() {
            Act::Event { context, event } => self.send(name(context), format!("e{}", step.id), body(event)),
            Act::Twice { context, event, other } => {
                let id = format!("e{}", step.id);
                self.send(name(context), id.clone(), body(event));
                self.send(name(context), id, body(other));
            }
            Act::Broadcast => {
                let id = format!("e{}", step.id);
                let body = Body::Emit { name: "all".to_owned(), payload: Value::Text(id.clone()) };
                self.send(String::new(), id, body);
            }
            Act::Add { context } => {
                self.send(name(context), format!("e{}", step.id), Body::Add { quest: QUEST.to_owned() });
            }
            Act::Remove { context } => {
                self.send(name(context), format!("e{}", step.id), Body::Remove { quest: QUEST.to_owned() });
            }
            Act::Forget { context } => self.operate(context, step.id, Command::Forget),
            Act::Aim { context, seen } => self.aim(context, step.id, seen).await,
            Act::Timer { context, command } => self.command_timer(context, step.id, command).await,
            Act::Dead { context, retries } => self.command_dead(context, step.id, retries).await,
            Act::Kill { .. } | Act::Hang { .. } | Act::Drain { .. } | Act::Start => self.happen_to_host(&step.act),
            Act::Copy => self.world.copy(),
            Act::RollBack { partition, revokes } => self.world.put_back(partition, revokes),
            Act::Relapse { ms } => self.world.relapse(ms),
            Act::Clock { ms } => self.world.jump(ms),
        }
    }

    fn happen_to_host(&mut self, act: &Act) {
        let count = self.hosts.len();
        match act {
            Act::Kill { host } => self.hosts[host % count].0.kill(),
            Act::Hang { host, ms } => self.hosts[host % count].0.hang(Duration::from_millis(*ms)),
            Act::Drain { host } => {
                let (_, dispatcher) = self.hosts.swap_remove(host % count);
                tokio::spawn(dispatcher.drain());
                self.start_host();
            }
            Act::Start if count < HOSTS_MAX => self.start_host(),
            _ => {}
        }
        self.replace_dead();
    }

    /// Somebody starts a host for each that died.
    fn replace_dead(&mut self) {
        let before = self.hosts.len();
        self.hosts.retain(|(link, _)| !link.is_dead());
        (self.hosts.len()..before).for_each(|_| self.start_host());
    }

    fn start_host(&mut self) {
        self.started += 1;
        let name = format!("host-{}", self.started);
        let link = Link::new(&self.world, name.clone());
        let shape = &self.world.shape;
        // Small bounds, so that every path is walked. What finds no room is tried until there is some.
        let limits = EngineLimits {
            context_turn_max: 4,
            backlogs_turn_max: 2,
            contexts_cached_max: 2,
            wakes_cached_max: 2,
            retry_base_ms: 200,
            retry_max_ms: 5_000,
            attempts_max: 1_000,
            outbox_max: shape.outbox_max,
            ..EngineLimits::default()
        };
        let pace = Pace {
            lease_ms: 2_000,
            turn_entries_max: TURN_ENTRIES_MAX,
            turn_due_max: 3,
            // Measured by the machine's clock, which is no part of a simulation.
            turn_ms_max: 3_600_000,
            broadcast_chunk: 2,
            relay_chunk: 3,
            tidy_ms: shape.tidy_ms,
            ..Pace::default()
        };
        let options = Options {
            host: name,
            partitions: PARTITIONS,
            limits: Arc::new(limits),
            accept: shape.bounds,
            pace,
            config: BTreeMap::new(),
            runs_in_place: true,
        };
        let store: Arc<dyn Store> = Arc::clone(&link) as Arc<dyn Store>;
        let dispatcher =
            Dispatcher::start(store, Arc::new(Served(Arc::clone(&self.quests))), options, Arc::new(|_, _| {}));
        self.hosts.push((link, dispatcher));
    }

    /// Somebody sends an entry, and goes on until there is an answer.
    fn send(&mut self, context: String, id: String, body: Body) {
        // Commands are asked for by somebody who waits for their outcome.
        let reply = matches!(body, Body::Operate(_)).then(|| ReplyTo { host: "operator".to_owned() });
        let digest = format!("{body:?}").into_bytes();
        let entry = Entry { context: context.clone(), id: id.clone(), hops: 0, reply, body, left: None };
        let accept = Accept { context, id: Some(id), digest, from_outside: true, bytes: entry.to_bytes() };
        self.producers.spawn(produce(Arc::clone(&self.outside), Arc::clone(&self.world), accept));
    }

    fn operate(&mut self, context: u64, id: usize, command: Command) {
        self.send(name(context), format!("e{id}"), Body::Operate(command));
    }

    async fn aim(&mut self, context: u64, id: usize, seen: usize) {
        let now = State::of(&self.world, &name(context)).await.instance;
        let known = self.seen.entry(context).or_default();
        known.extend(now.filter(|instance| !known.contains(&instance.id)).map(|instance| instance.id));
        let Some(instance) = known.iter().rev().cycle().nth(seen).cloned() else { return };
        let payload = Value::Text(instance.clone());
        let (quest, action, instance) = (QUEST.to_owned(), "aimed".to_owned(), Some(instance));
        self.send(name(context), format!("e{id}"), Body::Send { quest, action, instance, name: None, payload });
    }

    async fn command_timer(&mut self, context: u64, id: usize, command: TimerCommand) {
        let timers = State::of(&self.world, &name(context)).await.timers;
        let Some(timer) = timers.into_iter().find(|timer| timer != BEAT) else { return };
        let quest = QUEST.to_owned();
        let command = match command {
            TimerCommand::Fire => Command::TimerFire { quest, timer },
            TimerCommand::Move { in_ms } => Command::TimerMove { quest, timer, due: self.world.now() + in_ms },
            TimerCommand::Cancel => Command::TimerCancel { quest, timer },
        };
        self.operate(context, id, command);
    }

    async fn command_dead(&mut self, context: u64, id: usize, retries: bool) {
        let dead = State::of(&self.world, &name(context)).await.dead;
        let Some(DeadLetter { id: dead, .. }) = dead.into_iter().next() else { return };
        let command = if retries { Command::DeadRetry { dead } } else { Command::DeadDrop { dead } };
        self.operate(context, id, command);
    }
}

/// Sends until there is an answer, always with the same id, as a good producer does.
async fn produce(link: Arc<Link>, world: Arc<World>, accept: Accept) {
    let (until, bounds) = (tokio::time::Instant::now() + ACCEPTED_WITHIN, world.shape.bounds);
    loop {
        let answer = match accept.context.is_empty() {
            true => link.broadcast(accept.clone(), bounds).await,
            false => {
                let partition = partition_of(&accept.context, PARTITIONS);
                link.accept(partition, vec![accept.clone()], bounds).await.map(|answers| answers[0])
            }
        };
        match answer {
            // A conflict: another producer was first.
            Ok(Acceptance::Accepted { .. } | Acceptance::Duplicate { .. } | Acceptance::Conflict) => return,
            Ok(Acceptance::Full(_)) | Err(_) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            refused => {
                return world.violated(format!("{:?} was refused for {ACCEPTED_WITHIN:?}: {refused:?}", accept.id));
            }
        }
    }
}

fn name(context: u64) -> String {
    debug_assert!(context < CONTEXTS);
    format!("c{context}")
}

fn body(event: Event) -> Body {
    let (name, payload) = match event {
        Event::Next => ("next", Value::Null),
        Event::Planned { in_ms } => ("planned", Value::Integer(in_ms as i64)),
        Event::Send { to } => ("send", Value::Integer(to as i64)),
        Event::Shout => ("shout", Value::Null),
        Event::Stumble => ("stumble", Value::Null),
    };
    Body::Emit { name: name.to_owned(), payload }
}
