//! Operators' commands: made by the owner, in the partition's order.

use std::sync::Arc;

use super::{Happened, Happening, Partition, context::Context};
use crate::{
    keys,
    model::{Body, Cause, Command, DeadLetter, Entry, Millis, Outcome, Value},
    record::{Timer, Waiting},
    schedule::Zone,
    write::Write,
};

impl Partition {
    /// Carries a command out and answers it.
    pub(super) fn operate(&mut self, context: &mut Context, waiting: &Waiting, command: &Command) {
        let result = match command {
            Command::Forget => {
                self.forget(context, &waiting.entry.context);
                Ok(())
            }
            Command::DeadRetry { dead } => self.retry_dead(context, &waiting.entry.context, dead),
            Command::DeadDrop { dead } => self.drop_dead(&waiting.entry.context, dead),
            Command::TimerFire { quest, timer } => self.fire_timer(context, waiting, quest, timer),
            Command::TimerMove { quest, timer, due } => self.move_timer(context, quest, timer, *due),
            Command::TimerCancel { quest, timer } => take(context, quest, timer).map(|_| ()),
            Command::PatternCancel { quest, pattern } => cancel_pattern(context, quest, pattern),
            Command::Restore { quest, before } => self.restore(context, quest, before, waiting.stamp),
            Command::ZoneSet { zone } => self.change_zone(context, zone.as_deref(), waiting.stamp),
        };
        match result {
            Ok(()) => {
                self.answer(&waiting.entry, Outcome::Answered(Value::Null));
                self.happened(Happening::of(waiting, Happened::Operated));
            }
            Err((code, message)) => {
                self.answer_failed(&waiting.entry, code, &message);
                self.happened(Happening::of(waiting, Happened::Ignored { reason: code }));
            }
        }
    }

    fn forget(&mut self, context: &mut Context, name: &str) {
        let mut waiting = context.erase();
        waiting.extend(std::mem::take(&mut context.ready).into_values());
        waiting.extend(context.routed.drain(..));
        let Some(progress) = self.progress.as_mut() else { return };
        progress.batch.dead.retain(|dead| dead.entry.context != name);
        let ids = progress.dead_of.remove(name).unwrap_or_default();
        let writes = &mut progress.batch.writes;
        for id in ids {
            erase_dead(writes, name, &id);
        }
        writes.push(Write::Delete { key: format!("{name}.ids") });
        writes.push(Write::Delete { key: keys::dead_of(name) });
        writes.push(Write::Delete { key: keys::outcomes(name) });
        for waiting in waiting {
            self.answer_failed(&waiting.entry, "forgotten", "the context was forgotten while this waited");
        }
    }

    fn retry_dead(&mut self, context: &mut Context, name: &str, id: &str) -> Result<(), Refused> {
        let progress = self.progress.as_mut().ok_or_else(no_such_dead)?;
        let dead = progress.dead.get(id).filter(|dead| dead.entry.context == name).ok_or_else(no_such_dead)?;
        let mut entry = Entry { hops: 0, left: None, reply: None, ..dead.entry.clone() };
        if let Body::Deliver { quest, instance, attempt, .. } = &mut entry.body {
            if context.living(quest, instance).is_none() {
                return Err(("instance-gone", "the instance that it was meant for was removed".to_owned()));
            }
            *attempt = 1;
        }
        progress.dead.remove(id);
        erase_dead(&mut progress.batch.writes, name, id);
        progress.batch.accept.push(entry);
        Ok(())
    }

    fn drop_dead(&mut self, name: &str, id: &str) -> Result<(), Refused> {
        let progress = self.progress.as_mut().ok_or_else(no_such_dead)?;
        progress.dead.get(id).filter(|dead| dead.entry.context == name).ok_or_else(no_such_dead)?;
        progress.dead.remove(id);
        erase_dead(&mut progress.batch.writes, name, id);
        Ok(())
    }

    /// Drops dead letters past a bound, in the batch of the turn in progress.
    pub fn drop_oldest_dead(&mut self, letters: &[DeadLetter]) {
        let Some(progress) = self.progress.as_mut() else { return };
        for letter in letters {
            progress.dead.remove(&letter.id);
            erase_dead(&mut progress.batch.writes, &letter.entry.context, &letter.id);
        }
    }

    /// Runs a timer's action now. A recurrence goes on as planned; this run is one more.
    fn fire_timer(
        &mut self,
        context: &mut Context,
        waiting: &Waiting,
        quest: &str,
        timer: &str,
    ) -> Result<(), Refused> {
        let taken = take(context, quest, timer)?;
        if taken.recurrence.is_some() {
            context.set_timer((quest.to_owned(), timer.to_owned()), Some(taken.clone()));
        }
        context.routed.push_back(fired(waiting, quest, timer, taken));
        Ok(())
    }

    fn change_zone(&mut self, context: &mut Context, zone: Option<&str>, now: Millis) -> Result<(), Refused> {
        let zone = zone.map(Zone::parse).transpose().map_err(|error| ("unknown-zone", error.to_string()))?;
        self.set_zone(context, zone, now);
        Ok(())
    }

    fn move_timer(&mut self, context: &mut Context, quest: &str, timer: &str, due: Millis) -> Result<(), Refused> {
        if due > DUE_MAX {
            return Err(("out-of-range", format!("a timer is due at {DUE_MAX} at the latest, in Unix milliseconds")));
        }
        let mut taken = take(context, quest, timer)?;
        let sequence = self.next_sequence();
        // Of a recurrence only this run is moved.
        if let Some(recurrence) = &mut taken.recurrence {
            recurrence.plan.move_to(due);
        }
        context.set_timer((quest.to_owned(), timer.to_owned()), Some(Timer { due, sequence, ..taken }));
        Ok(())
    }
}

/// Further than any clock reckons, and what every store can sort.
const DUE_MAX: Millis = (1 << 53) - 1;

pub(super) type Refused = (&'static str, String);

fn no_such_dead() -> Refused {
    ("no-such-dead-letter", "this context has no dead letter of that id".to_owned())
}

fn take(context: &mut Context, quest: &str, timer: &str) -> Result<Timer, Refused> {
    let key = (quest.to_owned(), timer.to_owned());
    if !context.timers.contains_key(&key) {
        return Err(("no-such-timer", format!("the context's quest {quest:?} has no timer {timer:?}")));
    }
    context.set_timer(key, None).ok_or_else(|| ("no-such-timer", String::new()))
}

fn cancel_pattern(context: &mut Context, quest: &str, pattern: &str) -> Result<(), Refused> {
    let key = (quest.to_owned(), pattern.to_owned());
    match context.patterns.contains_key(&key) {
        true => context.set_pattern(key, None),
        false => return Err(("no-such-pattern", format!("the context's quest {quest:?} has no pattern {pattern:?}"))),
    };
    Ok(())
}

fn fired(waiting: &Waiting, quest: &str, timer: &str, taken: Timer) -> Waiting {
    let entry = Entry {
        context: waiting.entry.context.clone(),
        id: waiting.entry.id.clone(),
        hops: 0,
        left: None,
        reply: None,
        body: Body::Deliver {
            quest: quest.to_owned(),
            action: taken.action,
            instance: taken.instance,
            cause: Cause::Timer,
            name: timer.to_owned(),
            payload: Arc::unwrap_or_clone(taken.payload),
            attempt: 1,
            missed: 0,
        },
    };
    Waiting { stamp: waiting.stamp, counted: false, entry }
}

fn erase_dead(writes: &mut Vec<Write>, context: &str, id: &str) {
    let member = id.as_bytes().to_vec();
    writes.push(Write::HashRemove { key: keys::DEAD.to_owned(), field: member.clone() });
    writes.push(Write::SortedRemove { key: keys::DEAD_ORDER.to_owned(), member: member.clone() });
    writes.push(Write::SortedRemove { key: keys::dead_of(context), member });
}
