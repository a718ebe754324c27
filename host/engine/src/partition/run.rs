//! One context's order: what runs next, and what a run's result means.

use std::sync::Arc;

use super::{
    Happened, Happening, Partition,
    context::{Context, Due},
    retry,
};
use crate::{
    action::{Changes, Export, Failure, FailureKind, Invocation, LogLine, Ran},
    model::{Body, Cause, Entry, Millis, Outcome, QuestDefinition, Value},
    planted::{self, Bug},
    record::{Held, Waiting},
};

/// The run that was given out and not completed yet.
#[derive(Debug)]
pub(super) struct Running {
    context: String,
    waiting: Waiting,
    /// The version of the code that runs.
    version: u32,
    /// Whether it is the `upgrade` before the action.
    is_upgrade: bool,
    /// What `upgrade` changed, before the action.
    upgraded: Option<Changes>,
    logs: Vec<LogLine>,
    /// A run to give out before anything else.
    following: Option<Invocation>,
}

impl Partition {
    /// The next run of this context, or none when its turn is over.
    pub(super) fn advance(&mut self, name: &str, context: &mut Context) -> Option<Invocation> {
        if let Some(following) = self.progress.as_mut()?.running.as_mut().and_then(|running| running.following.take()) {
            return Some(following);
        }
        if self.aside.contains(name) {
            return None;
        }
        let (now, horizon) = self.progress.as_ref().map(|progress| (progress.now, progress.horizon))?;
        if context.met != self.catalogs {
            self.meet(context, now);
        }
        self.release_due(context, now);
        while self.progress.as_ref()?.quota > 0 {
            if let Some(delivery) = context.routed.pop_front() {
                if let Some(invocation) = self.start(name, context, delivery) {
                    return Some(invocation);
                }
                continue;
            }
            let unread = context.backlog.is_empty() && context.has_unread_backlog();
            let due = context.next_due().filter(|(_, due)| *due < horizon && !unread);
            let entry = context.next_stamp();
            // A timer comes after every entry stamped at or before its due time; so does a pattern's deadline.
            if let Some((what, due)) = due
                && entry.is_none_or(|stamp| due < stamp || planted::is(Bug::TimerBeforeEarlierEvent))
            {
                match what {
                    Due::Timer(key) => self.fire(name, context, key, due),
                    Due::Pattern(key) => self.tick(name, context, key, due),
                }
            } else if let Some(waiting) = context.pop_next() {
                if waiting.counted {
                    *self.progress.as_mut()?.settled.entry(name.to_owned()).or_default() += 1;
                }
                self.route(context, waiting);
            } else {
                return None;
            }
        }
        None
    }

    /// Takes in the result of the run that [`Partition::next`] gave.
    pub fn complete(&mut self, ran: Ran) {
        let Some(mut running) = self.progress.as_mut().and_then(|progress| progress.running.take()) else { return };
        let name = running.context.clone();
        let Some(mut context) = self.contexts.remove(&name) else { return };
        running.logs.extend(ran.logs);
        match ran.result {
            Ok(changes) if running.is_upgrade => self.follow_upgrade(&mut context, running, changes),
            Ok(changes) => {
                let changes = match running.upgraded.take() {
                    Some(before) => merge(before, changes),
                    None => changes,
                };
                match self.refuses(&context, &running.waiting, &changes) {
                    None => self.apply(&mut context, running, changes),
                    Some(failure) => self.fail(&mut context, running, failure),
                }
            }
            Err(failure) => self.fail(&mut context, running, failure),
        }
        self.contexts.insert(name, context);
    }

    /// The run that [`Partition::next`] gave goes on beside the turns, since it takes long. Its delivery goes back to its context's backlog, and
    /// nothing of this context is given out until [`Partition::resume`]: then the same delivery is again, in its place, to be completed with
    /// what came of the run, or to be run anew by an owner that does not know of it. It is no failed try, and its instance's order is kept.
    pub fn set_aside(&mut self) {
        if let Some(name) = self.put_back() {
            self.aside.insert(name);
        }
    }

    /// Takes back the delivery that was given out, whole: whose.
    pub(super) fn put_back(&mut self) -> Option<String> {
        let Running { context: name, waiting, .. } = self.progress.as_mut()?.running.take()?;
        self.contexts.get_mut(&name)?.routed.push_front(waiting);
        Some(name)
    }

    /// A context's run that was set aside is at its end.
    pub fn resume(&mut self, name: &str) {
        self.aside.remove(name);
    }

    /// What was held until now runs again, in its place by stamp.
    fn release_due(&mut self, context: &mut Context, now: Millis) {
        let is_due = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let due: Vec<String> = context
            .instances
            .iter()
            .filter(|(_, live)| live.record.held.as_ref().is_some_and(|held| is_due(held.retry_at)))
            .map(|(quest, _)| quest.clone())
            .collect();
        for quest in due {
            if self.waits_for_code(context, &quest) {
                let at = now + self.limits.unserved_wait_ms;
                context
                    .change_record(&quest, |record| record.held.iter_mut().for_each(|held| held.retry_at = Some(at)));
            } else {
                self.release(context, &quest);
            }
        }
    }

    /// Whether no code that may run this instance is served now.
    pub(super) fn waits_for_code(&self, context: &Context, quest: &str) -> bool {
        let version = context.instances.get(quest).map_or(0, |live| live.record.version);
        self.catalog().get(quest).is_none_or(|definition| definition.version < version)
    }

    pub(super) fn release(&mut self, context: &mut Context, quest: &str) {
        for waiting in context.release(quest) {
            let place = self.place();
            context.ready.insert((waiting.stamp, place), waiting);
        }
    }

    /// A place among entries of one stamp: later than all before.
    pub(super) fn place(&mut self) -> u64 {
        self.placed += 1;
        self.placed
    }

    /// Checks a delivery and makes it a run, unless it cannot be one now.
    fn start(&mut self, name: &str, context: &mut Context, waiting: Waiting) -> Option<Invocation> {
        let Body::Deliver { quest, action, instance, cause, .. } = &waiting.entry.body else {
            match &waiting.entry.body {
                Body::Observe { .. } => self.observe(name, context, waiting),
                _ => self.route(context, waiting),
            }
            return None;
        };
        let (quest, action) = (quest.clone(), action.clone());
        let is_lifecycle = *cause == Cause::Lifecycle;
        let Some(live) = context.living(&quest, instance) else {
            self.ignore(&waiting, "instance-gone", "the instance that it was meant for was removed");
            return None;
        };
        let (is_held, version) = (live.record.held.is_some(), live.record.version);
        if is_held && is_lifecycle && action == "dealloc" {
            let held = context.release(&quest);
            self.bury_all(held, "removed", "the quest was removed while this waited");
        } else if is_held {
            self.hold(context, &quest, waiting);
            return None;
        }
        let catalog = self.catalog();
        let definition = match catalog.get(&quest) {
            Some(definition) if definition.version >= version => definition,
            Some(_) => {
                return self.wait_for_code(
                    context,
                    &quest,
                    waiting,
                    "older-code",
                    "a newer version wrote this instance",
                );
            }
            None => {
                return self.wait_for_code(
                    context,
                    &quest,
                    waiting,
                    "quest-not-served",
                    "no module serves this quest now",
                );
            }
        };
        if !may_run(definition, &action, is_lifecycle) {
            let message = format!("the quest has no action {action:?} that can be called");
            self.bury(&waiting, "unknown-action", &message, Vec::new());
            return None;
        }
        let is_upgrade = definition.version > version && definition.actions.contains_key("upgrade") && action != "init";
        let version = definition.version;
        let running = Running {
            context: name.to_owned(),
            waiting,
            version,
            is_upgrade,
            upgraded: None,
            logs: Vec::new(),
            following: None,
        };
        let invocation = self.invocation(context, &running)?;
        let progress = self.progress.as_mut()?;
        progress.quota -= 1;
        progress.running = Some(running);
        Some(invocation)
    }

    fn invocation(&self, context: &Context, running: &Running) -> Option<Invocation> {
        let Body::Deliver { quest, action, instance, cause, name, payload, attempt, missed } =
            &running.waiting.entry.body
        else {
            return None;
        };
        let progress = self.progress.as_ref()?;
        let live = context.instances.get(quest)?;
        let mut variables = Arc::clone(&live.variables);
        let mut timers = context.timers_of(quest);
        if let Some(upgraded) = &running.upgraded {
            upgraded.overlay(Arc::make_mut(&mut variables), &mut timers);
        }
        let (action, cause) = match running.is_upgrade {
            true => ("upgrade".to_owned(), Cause::Lifecycle),
            false => (action.clone(), *cause),
        };
        let is_init = action == "init" && cause == Cause::Lifecycle;
        Some(Invocation {
            export: if is_init { Export::Init } else { Export::Perform },
            quest: quest.clone(),
            action,
            context: running.context.clone(),
            instance: instance.clone(),
            event_name: name.clone(),
            event_id: running.waiting.entry.id.clone(),
            cause,
            accepted_at: running.waiting.stamp,
            processed_at: progress.now,
            attempt: *attempt,
            hops: running.waiting.entry.hops,
            payload: if running.is_upgrade { Value::Integer(i64::from(live.record.version)) } else { payload.clone() },
            variables,
            timers: Arc::new(timers),
            patterns: Arc::new(context.patterns_of(quest)),
            zone: self.zone_of(context),
            missed: *missed,
            active: Arc::new(context.instances.keys().cloned().collect()),
            config: progress.config.get(quest).cloned().unwrap_or_default(),
        })
    }

    fn follow_upgrade(&mut self, context: &mut Context, mut running: Running, changes: Changes) {
        running.is_upgrade = false;
        running.upgraded = Some(changes);
        running.following = self.invocation(context, &running);
        if let Some(progress) = self.progress.as_mut() {
            progress.running = Some(running);
        }
    }

    /// The action succeeded: its changes become the context's state.
    fn apply(&mut self, context: &mut Context, running: Running, changes: Changes) {
        let Running { waiting, version, logs, .. } = running;
        let Body::Deliver { quest, action, cause, instance, .. } = &waiting.entry.body else { return };
        let (quest, instance) = (quest.clone(), instance.clone());
        let lifecycle = (*cause == Cause::Lifecycle).then_some(action.as_str());
        if let Some(progress) = self.progress.as_mut() {
            progress.changed_bytes += changes.size();
        }
        self.keep_before(context, &quest, version);
        context.set_variables(&quest, changes.variables);
        if let Some(zone) = changes.zone {
            self.set_zone(context, Some(zone), waiting.stamp);
        }
        for (timer, set) in changes.timers {
            let timer_set = set.map(|set| crate::record::Timer {
                instance: instance.clone(),
                action: set.action,
                due: set.due,
                payload: set.payload,
                set_by: waiting.entry.id.clone(),
                sequence: self.next_sequence(),
                recurrence: set.recurrence,
            });
            context.set_timer((quest.clone(), timer), timer_set);
        }
        for (pattern, spec) in changes.patterns {
            self.change_pattern(context, (quest.clone(), pattern), spec, &instance, waiting.stamp);
        }
        let is_init = lifecycle == Some("init");
        if context.instances.get(&quest).is_some_and(|live| live.record.version != version || live.record.starting) {
            context.change_record(&quest, |record| {
                record.version = version;
                record.starting = false;
            });
        }
        let mut logs = logs;
        if is_init {
            self.declare(context, &quest, waiting.stamp);
            logs.extend(self.plans_told(context, &quest, waiting.stamp));
        }
        self.apply_effects(context, &waiting, changes.effects);
        let what = if is_init { Happened::Added } else { Happened::Done };
        let mut happening = Happening::of(&waiting, what);
        happening.logs = logs;
        self.happened(happening);
        match lifecycle {
            Some("dealloc") => self.remove(context, &waiting, &quest),
            Some(_) => self.answer(&waiting.entry, Outcome::Answered(Value::Boolean(true))),
            None => self.answer(&waiting.entry, Outcome::Answered(changes.reply.unwrap_or_default())),
        }
    }

    /// The action failed: nothing of it is kept.
    fn fail(&mut self, context: &mut Context, running: Running, failure: Failure) {
        let Running { mut waiting, is_upgrade, upgraded, logs, .. } = running;
        let now = self.progress.as_ref().map_or(0, |progress| progress.now);
        let Body::Deliver { quest, action, cause, attempt, .. } = &mut waiting.entry.body else { return };
        let (quest, lifecycle) = (quest.clone(), (*cause == Cause::Lifecycle).then(|| action.clone()));
        let attempts = *attempt;
        let failed_upgrade = is_upgrade && upgraded.is_none();
        let retry_at = match failure.kind {
            _ if failed_upgrade => Some(
                retry::next_try(
                    &self.limits,
                    &waiting.entry.id,
                    attempts.min(self.limits.attempts_max - 1).max(1),
                    now,
                )
                .unwrap_or(now + self.limits.retry_max_ms),
            ),
            FailureKind::Transient => retry::next_try(&self.limits, &waiting.entry.id, attempts, now),
            FailureKind::Permanent => None,
        };
        if lifecycle.as_deref() == Some("dealloc") {
            let silent = Waiting { entry: Entry { reply: None, ..waiting.entry.clone() }, ..waiting.clone() };
            self.bury(&silent, &failure.code, &failure.message, logs);
            return self.remove(context, &waiting, &quest);
        }
        if let Some(at) = retry_at {
            if let Body::Deliver { attempt, .. } = &mut waiting.entry.body {
                *attempt += 1;
            }
            let code = if failed_upgrade { "upgrade-failed".to_owned() } else { failure.code };
            let what = Happened::Retried { at, attempts, code: code.clone(), message: failure.message.clone() };
            let mut happening = Happening::of(&waiting, what);
            happening.logs = logs;
            self.happened(happening);
            context.change_record(&quest, |record| {
                record.held = Some(Held { retry_at: Some(at), attempts, code, message: failure.message });
            });
            return context.hold(&quest, waiting);
        }
        if lifecycle.as_deref() == Some("init") {
            // A retry of this dead letter adds the quest anew.
            waiting.entry.body = Body::Add { quest: quest.clone() };
            let held = context.remove_instance(&quest);
            self.bury_all(held, "init-failed", "the quest's init failed");
        }
        self.bury(&waiting, &failure.code, &failure.message, logs);
    }

    /// Puts a delivery behind those that its instance holds, within the bound.
    pub(super) fn hold(&mut self, context: &mut Context, quest: &str, waiting: Waiting) {
        let length = context.instances.get(quest).map_or(0, |live| live.held.len());
        if length >= self.limits.held_max {
            // It was kept for a pattern that might have been started by then.
            if let Body::Observe { name, .. } = &waiting.entry.body
                && !self.is_looked_for(context, quest, name)
            {
                return;
            }
            let message = format!("{length} deliveries wait behind one that failed already");
            return self.bury(&waiting, "held-full", &message, Vec::new());
        }
        context.hold(quest, waiting);
    }

    /// An event for an instance whose quest is not served now: which actions are on it shows when its code is back.
    pub(super) fn wait_for_quest(
        &mut self,
        context: &mut Context,
        quest: &str,
        waiting: &Waiting,
        name: &str,
        payload: &Value,
    ) {
        let reached = self.sequence + 1;
        let body = Body::Spread { quest: quest.to_owned(), name: name.to_owned(), payload: payload.clone(), reached };
        let entry = Entry { reply: None, body, ..waiting.entry.clone() };
        let waiting = Waiting { stamp: waiting.stamp, counted: false, entry };
        if context.instances.get(quest).is_some_and(|live| live.record.held.is_some()) {
            return self.hold(context, quest, waiting);
        }
        self.wait_for_code(context, quest, waiting, "quest-not-served", "no module serves this quest now");
    }

    fn wait_for_code(
        &mut self,
        context: &mut Context,
        quest: &str,
        waiting: Waiting,
        code: &str,
        message: &str,
    ) -> Option<Invocation> {
        self.hold_for_code(context, quest, code, message);
        context.hold(quest, waiting);
        None
    }

    /// From now on whatever is for the instance waits, until code that may run it is looked for again.
    pub(super) fn hold_for_code(&self, context: &mut Context, quest: &str, code: &str, message: &str) {
        let Some(progress) = &self.progress else { return };
        let at = progress.now + self.limits.unserved_wait_ms;
        context.change_record(quest, |record| {
            let (code, message) = (code.to_owned(), message.to_owned());
            record.held = Some(Held { retry_at: Some(at), attempts: 0, code, message });
        });
    }
}

impl Context {
    /// The stamp of the entry that comes next.
    fn next_stamp(&self) -> Option<Millis> {
        let ready = self.ready.first_key_value().map(|((stamp, _), _)| *stamp);
        let waiting = match self.backlog.front() {
            Some(first) => Some(first.stamp),
            None if self.has_unread_backlog() => None,
            None => self.incoming.front().map(|first| first.stamp),
        };
        [ready, waiting].into_iter().flatten().min()
    }

    /// Takes the entry that comes next: what came from within before what waits, at one stamp.
    fn pop_next(&mut self) -> Option<Waiting> {
        let waiting =
            self.backlog.front().or_else(|| (!self.has_unread_backlog()).then(|| self.incoming.front()).flatten());
        let waiting_stamp = waiting.map(|first| first.stamp);
        match self.ready.first_key_value() {
            Some(((stamp, _), _)) if waiting_stamp.is_none_or(|other| *stamp <= other) => {
                self.ready.pop_first().map(|(_, waiting)| waiting)
            }
            _ if self.backlog.is_empty() && self.has_unread_backlog() => None,
            _ if self.backlog.is_empty() => self.incoming.pop_front(),
            _ => self.pop_backlog(),
        }
    }
}

/// `init`, `dealloc` and `upgrade` run by themselves only; actions only if they are declared.
fn may_run(definition: &QuestDefinition, action: &str, is_lifecycle: bool) -> bool {
    match action {
        "init" => is_lifecycle,
        "dealloc" | "upgrade" => is_lifecycle && definition.actions.contains_key(action),
        _ => definition.actions.contains_key(action),
    }
}

fn merge(mut before: Changes, after: Changes) -> Changes {
    before.variables.extend(after.variables);
    before.timers.extend(after.timers);
    before.patterns.extend(after.patterns);
    before.zone = after.zone.or(before.zone);
    before.effects.extend(after.effects);
    before.reply = after.reply;
    before
}
