//! Routing: an entry becomes deliveries, each stamped with the instance that it is meant for.

use std::collections::{BTreeMap, VecDeque};

use super::{Happened, Happening, Partition, context::Context};
use crate::{
    action::Seed,
    keys,
    model::{Body, Cause, Entry, Value},
    record::{Instance, Waiting},
    write::Write,
};

impl Partition {
    /// Routes one entry of a context. Deliveries go before everything else that the context has.
    pub(super) fn route(&mut self, context: &mut Context, waiting: Waiting) {
        let Waiting { stamp, ref entry, .. } = waiting;
        match &entry.body {
            Body::Deliver { .. } | Body::Observe { .. } => {
                context.routed.push_back(Waiting { counted: false, ..waiting })
            }
            Body::Emit { name, payload } => self.route_emit(context, &waiting, name, payload),
            Body::Spread { quest, name, payload, reached } => {
                let met = context.instances.get(quest).filter(|live| live.record.added < *reached);
                if let Some(instance) = met.map(|live| live.record.id.clone()) {
                    self.deliver_on(context, &waiting, quest, &instance, name, payload);
                }
            }
            Body::Send { quest, action, instance, name, payload } => {
                let cause = if entry.reply.is_some() { Cause::Call } else { Cause::Event };
                let name = name.clone().unwrap_or_default();
                match context.instances.get(quest) {
                    None => self.ignore(&waiting, "not-active", "the context does not have this quest"),
                    Some(_) if instance.as_ref().is_some_and(|meant| context.living(quest, meant).is_none()) => {
                        self.ignore(&waiting, "instance-gone", "the instance that it was meant for was removed");
                    }
                    Some(live) => {
                        let to = (quest.as_str(), action.as_str(), live.record.id.as_str());
                        let delivery = delivery(entry, to, cause, &name, payload);
                        context.routed.push_back(Waiting { stamp, counted: false, entry: delivery });
                    }
                }
            }
            Body::Add { quest } => self.route_add(context, &waiting, quest),
            Body::Remove { quest } => self.route_remove(context, waiting.clone(), quest),
            Body::Operate(command) => self.operate(context, &waiting, command),
        }
    }

    fn route_emit(&mut self, context: &mut Context, waiting: &Waiting, name: &str, payload: &Value) {
        let catalog = self.catalog();
        for quest in catalog.added_on(name) {
            if !context.instances.contains_key(quest) {
                self.add(context, waiting, quest, None);
            }
        }
        let instances: Vec<(String, String)> =
            context.instances.iter().map(|(quest, live)| (quest.clone(), live.record.id.clone())).collect();
        let before = context.routed.len();
        let mut waits = false;
        for (quest, instance) in instances {
            waits |= catalog.get(&quest).is_none();
            self.deliver_on(context, waiting, &quest, &instance, name, payload);
        }
        // What may follow from an event is shared among all that are on it.
        let deliveries = u32::try_from(context.routed.len() - before).unwrap_or(u32::MAX);
        if deliveries > 1 {
            let share = entry_left(&waiting.entry, self.limits.following_max) / deliveries;
            context.routed.iter_mut().skip(before).for_each(|routed| routed.entry.left = Some(share));
        }
        if context.routed.len() == before && !waits {
            self.happened(Happening::of(waiting, Happened::Ignored { reason: "nobody-is-on-it" }));
        }
    }

    /// One delivery for each action of the quest that is on the event.
    fn deliver_on(
        &mut self,
        context: &mut Context,
        waiting: &Waiting,
        quest: &str,
        instance: &str,
        name: &str,
        payload: &Value,
    ) {
        let catalog = self.catalog();
        let Some(definition) = catalog.get(quest) else {
            return self.wait_for_quest(context, quest, waiting, name, payload);
        };
        if self.is_observed(context, quest, name) {
            let (quest, instance, name) = (quest.to_owned(), instance.to_owned(), name.to_owned());
            let body = Body::Observe { quest, instance, name, payload: payload.clone() };
            let entry = Entry { reply: None, body, ..waiting.entry.clone() };
            context.routed.push_back(Waiting { stamp: waiting.stamp, counted: false, entry });
        }
        for action in definition.actions_on(name) {
            let delivery = delivery(&waiting.entry, (quest, action, instance), Cause::Event, name, payload);
            context.routed.push_back(Waiting { stamp: waiting.stamp, counted: false, entry: delivery });
        }
    }

    fn route_add(&mut self, context: &mut Context, waiting: &Waiting, quest: &str) {
        if context.instances.contains_key(quest) {
            self.answer(&waiting.entry, crate::model::Outcome::Answered(Value::Boolean(false)));
            return self.happened(Happening::of(waiting, Happened::Ignored { reason: "already-active" }));
        }
        if self.catalog().get(quest).is_none() {
            return self.bury(waiting, "unknown-quest", "no module defines this quest", Vec::new());
        }
        self.add(context, waiting, quest, waiting.entry.reply.clone());
    }

    /// Adds a new instance, and routes its `init`.
    fn add(&mut self, context: &mut Context, waiting: &Waiting, quest: &str, reply: Option<crate::model::ReplyTo>) {
        let version = self.catalog().get(quest).map_or(1, |definition| definition.version);
        let added = self.next_sequence();
        // Random in effect: the owner's nonce and the place in the order name each add once.
        let parts = [self.nonce.as_str(), &added.to_string(), &waiting.entry.context, quest, &waiting.entry.id];
        let id = Seed::of(&parts).hex(8);
        if self.quests.insert(quest.to_owned())
            && let Some(progress) = self.progress.as_mut()
        {
            let member = quest.as_bytes().to_vec();
            progress.batch.writes.push(Write::SetAdd { key: keys::QUESTS.to_owned(), member });
            self.met_by_adding(quest);
        }
        context.insert_instance(
            quest,
            Instance {
                id: id.clone(),
                version,
                added,
                added_at: waiting.stamp,
                starting: true,
                held: None,
                has_timers: false,
                has_patterns: false,
                declared: BTreeMap::new(),
                kept: None,
            },
        );
        let entry = Entry { reply, ..waiting.entry.clone() };
        let delivery = delivery(&entry, (quest, "init", &id), Cause::Lifecycle, "", &Value::Null);
        context.routed.push_back(Waiting { stamp: waiting.stamp, counted: false, entry: delivery });
    }

    fn route_remove(&mut self, context: &mut Context, waiting: Waiting, quest: &str) {
        let Some(live) = context.instances.get(quest) else {
            self.answer(&waiting.entry, crate::model::Outcome::Answered(Value::Boolean(false)));
            return self.happened(Happening::of(&waiting, Happened::Ignored { reason: "not-active" }));
        };
        let catalog = self.catalog();
        let says_farewell = catalog.get(quest).is_some_and(|definition| definition.actions.contains_key("dealloc"));
        if says_farewell && !live.record.starting {
            let id = live.record.id.clone();
            let delivery = delivery(&waiting.entry, (quest, "dealloc", &id), Cause::Lifecycle, "", &Value::Null);
            context.routed.push_back(Waiting { stamp: waiting.stamp, counted: false, entry: delivery });
        } else {
            self.remove(context, &waiting, quest);
        }
    }

    /// Removes an instance with all that is its own. What it held is given up.
    pub(super) fn remove(&mut self, context: &mut Context, waiting: &Waiting, quest: &str) {
        let held = context.remove_instance(quest);
        self.bury_all(held, "removed", "the quest was removed while this waited");
        self.answer(&waiting.entry, crate::model::Outcome::Answered(Value::Boolean(true)));
        let mut happening = Happening::of(waiting, Happened::Removed);
        happening.quest = quest.to_owned();
        self.happened(happening);
    }

    /// Gives up what an instance held that is gone. Its patterns are gone too: what only they were to see is nobody's loss.
    pub(super) fn bury_all(&mut self, held: VecDeque<Waiting>, code: &str, message: &str) {
        for waiting in held.into_iter().filter(|waiting| !matches!(waiting.entry.body, Body::Observe { .. })) {
            self.bury(&waiting, code, message, Vec::new());
        }
    }

    pub(super) fn ignore(&mut self, waiting: &Waiting, reason: &'static str, message: &str) {
        self.answer_failed(&waiting.entry, reason, message);
        self.happened(Happening::of(waiting, Happened::Ignored { reason }));
    }
}

/// How many events may follow from an entry.
pub(super) fn entry_left(entry: &Entry, max: u32) -> u32 {
    entry.left.unwrap_or(max)
}

/// A delivery made of an entry: to quest, action and instance.
fn delivery(entry: &Entry, to: (&str, &str, &str), cause: Cause, name: &str, payload: &Value) -> Entry {
    let (quest, action, instance) = to;
    Entry {
        context: entry.context.clone(),
        id: entry.id.clone(),
        hops: entry.hops,
        left: entry.left,
        reply: entry.reply.clone(),
        body: Body::Deliver {
            quest: quest.to_owned(),
            action: action.to_owned(),
            instance: instance.to_owned(),
            cause,
            name: name.to_owned(),
            payload: payload.clone(),
            attempt: 1,
            missed: 0,
        },
    }
}
