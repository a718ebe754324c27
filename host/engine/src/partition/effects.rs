//! What an action did beyond its own variables and timers becomes entries and messages.

use std::collections::BTreeMap;

use super::{
    Partition,
    context::Context,
    outbox::{BROADCAST_LOG, Outbox},
    route::entry_left,
};
use crate::{
    action::{Changes, Effect, Failure, FailureKind, Seed},
    model::{Body, Cause, Entry, partition_of},
    record::{Message, Waiting},
};

impl Partition {
    /// Why the effects of an action cannot be taken in, if they cannot.
    pub(super) fn refuses(&self, context: &Context, waiting: &Waiting, changes: &Changes) -> Option<Failure> {
        let (mut within, mut nearby, mut outward) = (0, 0, BTreeMap::<u16, usize>::new());
        for effect in &changes.effects {
            match self.target(&waiting.entry.context, effect) {
                Target::World => {}
                Target::Context => within += 1,
                Target::Inbox => nearby += 1,
                Target::Outbox(destination) => *outward.entry(destination).or_default() += 1,
            }
        }
        let emits = within + nearby + outward.values().sum::<usize>();
        if emits > 0 && hops_after(waiting) > self.limits.hops_max {
            let message = format!("{} events led one to the next: a loop between quests?", self.limits.hops_max);
            return Some(Failure { kind: FailureKind::Permanent, code: "too-many-hops".to_owned(), message });
        }
        if emits > 0 && self.left_after(waiting, emits).is_none() {
            let (max, left) = (self.limits.following_max, entry_left(&waiting.entry, self.limits.following_max));
            let message = format!(
                "{max} events may follow from one that was accepted, of which {left} were left to this action: {emits} are too many: a storm of quests?"
            );
            return Some(Failure { kind: FailureKind::Permanent, code: "too-many-following".to_owned(), message });
        }
        let progress = self.progress.as_ref()?;
        let is_full = (within > 0 && context.ready.len() + context.routed.len() + within > self.limits.pending_max)
            || (nearby > 0 && (progress.inbox_full || progress.batch.accept.len() + nearby > self.limits.outbox_max))
            || outward.iter().any(|(destination, more)| {
                self.outboxes.get(destination).map_or(0, Outbox::len) + more > self.limits.outbox_max
            });
        if is_full {
            let message = "too many events from within are waiting; tried again when there is room".to_owned();
            return Some(Failure { kind: FailureKind::Transient, code: "too-many-pending".to_owned(), message });
        }
        None
    }

    /// Takes the effects of an action in, in order.
    pub(super) fn apply_effects(&mut self, context: &mut Context, waiting: &Waiting, effects: Vec<Effect>) {
        let hops = hops_after(waiting);
        let events = effects.iter().filter(|effect| !matches!(effect, Effect::Publish { .. })).count();
        let left = self.left_after(waiting, events);
        for (index, effect) in effects.into_iter().enumerate() {
            let id = child_id(waiting, index);
            let target = self.target(&waiting.entry.context, &effect);
            let (context_name, body) = match effect {
                Effect::Emit { context, name, payload } => (context, Body::Emit { name, payload }),
                Effect::Send { context, quest, action, payload } => {
                    (context, Body::Send { quest, action, instance: None, name: None, payload })
                }
                Effect::Broadcast { name, payload } => (String::new(), Body::Emit { name, payload }),
                Effect::Add { quest, context } => (context, Body::Add { quest }),
                Effect::Remove { quest, context } => (context, Body::Remove { quest }),
                Effect::Publish { topic, payload } => {
                    self.publish(waiting, id, topic, payload);
                    continue;
                }
            };
            let entry = Entry { context: context_name, id, hops, reply: None, body, left };
            match target {
                Target::World => {}
                Target::Context => {
                    // Within a context a consequence inherits the stamp of its cause.
                    let (stamp, place) = (waiting.stamp, self.place());
                    context.ready.insert((stamp, place), Waiting { stamp, counted: false, entry });
                }
                Target::Inbox => {
                    if let Some(progress) = self.progress.as_mut() {
                        progress.batch.accept.push(entry);
                    }
                }
                Target::Outbox(destination) => self.send_out(destination, &entry),
            }
        }
    }

    /// How many events may follow from each of so many that an action causes: they share what is left. None: there may not be so many.
    fn left_after(&self, waiting: &Waiting, events: usize) -> Option<u32> {
        let events = u32::try_from(events).ok()?;
        entry_left(&waiting.entry, self.limits.following_max).checked_sub(events).map(|left| left / events.max(1))
    }

    /// Where an effect of an action in the context `from` goes.
    fn target(&self, from: &str, effect: &Effect) -> Target {
        let to = match effect {
            Effect::Publish { .. } => return Target::World,
            Effect::Broadcast { .. } => return Target::Outbox(BROADCAST_LOG),
            Effect::Emit { context, .. }
            | Effect::Send { context, .. }
            | Effect::Add { context, .. }
            | Effect::Remove { context, .. } => context,
        };
        match partition_of(to, self.partitions) {
            _ if to == from => Target::Context,
            here if here == self.number => Target::Inbox,
            destination => Target::Outbox(destination),
        }
    }

    fn publish(&mut self, waiting: &Waiting, key: String, topic: String, payload: crate::model::Value) {
        let Body::Deliver { quest, instance, .. } = &waiting.entry.body else { return };
        let Some(progress) = self.progress.as_mut() else { return };
        progress.batch.messages.push(Message {
            number: self.messages_next,
            key,
            context: waiting.entry.context.clone(),
            quest: quest.clone(),
            instance: instance.clone(),
            topic,
            payload,
            at: waiting.stamp,
        });
        self.messages_next += 1;
        self.dirty.insert(crate::keys::MESSAGES_NEXT);
    }
}

/// Where an effect goes.
enum Target {
    /// To consumers.
    World,
    /// To the context that it comes from, in the same turn.
    Context,
    /// To another context of the partition, through its inbox.
    Inbox,
    /// To another partition, or the broadcast log.
    Outbox(u16),
}

/// Time passes at a timer, so what follows it is no loop.
fn hops_after(waiting: &Waiting) -> u16 {
    match &waiting.entry.body {
        Body::Deliver { cause: Cause::Timer, .. } => 1,
        _ => waiting.entry.hops.saturating_add(1),
    }
}

/// The same for each try of the same delivery.
fn child_id(waiting: &Waiting, index: usize) -> String {
    let Body::Deliver { action, instance, .. } = &waiting.entry.body else { return waiting.entry.id.clone() };
    Seed::of(&[&waiting.entry.id, instance, action, &index.to_string()]).hex(8)
}
