//! What an action did beyond its own variables and timers becomes entries and messages.

use super::{Partition, context::Context, outbox::BROADCAST_LOG};
use crate::{
    action::{Changes, Effect, Failure, FailureKind, Seed},
    model::{Body, Cause, Entry, partition_of},
    record::{Message, Waiting},
};

impl Partition {
    /// Why the effects of an action cannot be taken in, if they cannot.
    pub(super) fn refuses(&self, context: &Context, waiting: &Waiting, changes: &Changes) -> Option<Failure> {
        if changes.effects.is_empty() {
            return None;
        }
        let emits = changes.effects.iter().filter(|effect| !matches!(effect, Effect::Publish { .. })).count();
        if emits > 0 && hops_after(waiting) > self.limits.hops_max {
            let message = format!("{} events led one to the next: a loop between quests?", self.limits.hops_max);
            return Some(Failure { kind: FailureKind::Permanent, code: "too-many-hops".to_owned(), message });
        }
        let own = context.ready.len() + context.routed.len() + emits;
        let accepted = self.progress.as_ref().map_or(0, |progress| progress.batch.accept.len()) + emits;
        let largest = self.outboxes.values().map(super::outbox::Outbox::len).max().unwrap_or(0) + emits;
        if own > self.limits.pending_max || largest.max(accepted) > self.limits.outbox_max {
            let message = "too many events from within are waiting; tried again when there is room".to_owned();
            return Some(Failure { kind: FailureKind::Transient, code: "too-many-pending".to_owned(), message });
        }
        None
    }

    /// Takes the effects of an action in, in order.
    pub(super) fn apply_effects(&mut self, context: &mut Context, waiting: &Waiting, effects: Vec<Effect>) {
        let hops = hops_after(waiting);
        for (index, effect) in effects.into_iter().enumerate() {
            let id = child_id(waiting, index);
            let (target, body) = match effect {
                Effect::Emit { context, name, payload } => (context, Body::Emit { name, payload }),
                Effect::Send { context, quest, action, payload } => {
                    (context, Body::Send { quest, action, instance: None, name: None, payload })
                }
                Effect::Broadcast { name, payload } => {
                    let body = Body::Emit { name, payload };
                    let entry = Entry { context: String::new(), id, hops, reply: None, body };
                    self.send_out(BROADCAST_LOG, &entry);
                    continue;
                }
                Effect::Add { quest, context } => (context, Body::Add { quest }),
                Effect::Remove { quest, context } => (context, Body::Remove { quest }),
                Effect::Publish { topic, payload } => {
                    self.publish(waiting, id, topic, payload);
                    continue;
                }
            };
            let entry = Entry { context: target, id, hops, reply: None, body };
            if entry.context == waiting.entry.context {
                // Within a context a consequence inherits the stamp of its cause.
                let place = self.place();
                context.ready.insert((waiting.stamp, place), Waiting { stamp: waiting.stamp, counted: false, entry });
                continue;
            }
            match partition_of(&entry.context, self.partitions) {
                here if here == self.number => {
                    if let Some(progress) = self.progress.as_mut() {
                        progress.batch.accept.push(entry);
                    }
                }
                destination => self.send_out(destination, &entry),
            }
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
