//! Timers that are due, those that come again, and the time zone that a context lives in.

use std::{collections::BTreeMap, sync::Arc};

use super::{Partition, context::Context};
use crate::{
    action::{Level, LogLine, Seed, plans},
    model::{Body, Cause, Entry, Millis},
    record::{Recurrence, Timer, Waiting},
    schedule::{self, CaughtUp, Schedule, Zone},
};

/// Schedules and patterns kept read.
const TEXTS_KEPT: usize = 256;
/// Runs of a recurrence that the log tells of when it begins.
const RUNS_TOLD: usize = 3;

impl Partition {
    /// The time zone that a context lives in.
    pub(super) fn zone_of(&self, context: &Context) -> Zone {
        context.zone.clone().unwrap_or_else(|| self.default_zone.clone())
    }

    /// A timer is due: its action is called, and one that comes again is set to its next run.
    pub(super) fn fire(&mut self, name: &str, context: &mut Context, key: (String, String), due: Millis) {
        let Some(mut timer) = context.timers.get(&key).cloned() else { return };
        let mut missed = 0;
        let mut next = None;
        if let Some(mut recurrence) = timer.recurrence.take()
            && let Some(schedule) = self.schedule(&recurrence.schedule)
        {
            let horizon = self.progress.as_ref().map_or(0, |progress| progress.horizon);
            let (zone, salt) = (self.zone_of(context), plans::salt(&timer.instance, &key.1));
            let caught_up = recurrence.plan.catch_up(&schedule, &zone, horizon, &salt);
            missed = recurrence.plan.missed();
            match caught_up {
                CaughtUp::RunNow => {
                    let plan = recurrence.plan.advance(&schedule, &zone, &salt);
                    next = plan.map(|plan| Recurrence { plan, ..recurrence });
                }
                CaughtUp::Moved => {
                    self.spend();
                    let due = recurrence.plan.due();
                    context.set_timer(key.clone(), Some(Timer { due, recurrence: Some(recurrence), ..timer }));
                    self.mark_dangling(context, &key.0);
                    return;
                }
                CaughtUp::Ended => {
                    context.set_timer(key, None);
                    return;
                }
            }
        }
        let next = next.map(|recurrence| Timer {
            due: recurrence.plan.due(),
            sequence: self.next_sequence(),
            recurrence: Some(recurrence),
            ..timer.clone()
        });
        context.set_timer(key.clone(), next);
        self.mark_dangling(context, &key.0);
        let (quest, timer_name) = key;
        let due_text = due.to_string();
        let parts = [timer.set_by.as_str(), &timer.instance, &quest, &timer_name, &due_text];
        let entry = Entry {
            context: name.to_owned(),
            id: Seed::of(&parts).hex(8),
            hops: 0,
            left: None,
            reply: None,
            body: Body::Deliver {
                quest,
                action: timer.action,
                instance: timer.instance,
                cause: Cause::Timer,
                name: timer_name,
                payload: Arc::unwrap_or_clone(timer.payload),
                attempt: 1,
                missed,
            },
        };
        context.routed.push_back(Waiting { stamp: due, counted: false, entry });
    }

    /// Sets a context's time zone. What recurs by it is planned anew, from now on.
    pub(super) fn set_zone(&mut self, context: &mut Context, zone: Option<Zone>, now: Millis) {
        let before = self.zone_of(context);
        context.set_zone(zone);
        let zone = self.zone_of(context);
        if zone == before {
            return;
        }
        let recurring = context.timers.iter().filter(|(_, timer)| timer.recurrence.is_some());
        for (key, mut timer) in recurring.map(|(key, timer)| (key.clone(), timer.clone())).collect::<Vec<_>>() {
            let Some(recurrence) = timer.recurrence.take() else { continue };
            let Some(schedule) = self.schedule(&recurrence.schedule).filter(|it| it.depends_on_zone()) else {
                continue;
            };
            let salt = plans::salt(&timer.instance, &key.1);
            let planned = recurrence.plan.rezone(&schedule, &zone, now, &salt);
            let planned = planned.map(|plan| Timer {
                due: plan.due(),
                recurrence: Some(Recurrence { plan, schedule: recurrence.schedule }),
                ..timer
            });
            context.set_timer(key.clone(), planned);
            self.mark_dangling(context, &key.0);
        }
        self.rezone_patterns(context, &zone, now);
    }

    /// What the log tells of an instance's recurrences when it begins.
    pub(super) fn plans_told(&mut self, context: &Context, quest: &str, now: Millis) -> Vec<LogLine> {
        let zone = self.zone_of(context);
        let recurring = context.timers.iter().filter(|((owner, _), _)| owner == quest);
        let recurring: Vec<(String, Recurrence)> =
            recurring.filter_map(|((_, name), timer)| Some((name.clone(), timer.recurrence.clone()?))).collect();
        let mut lines = Vec::new();
        for (name, recurrence) in recurring {
            let Some(schedule) = self.schedule(&recurrence.schedule) else { continue };
            let runs = schedule::describe(&schedule, now, &zone, RUNS_TOLD);
            let message = format!("{name} runs {}: {}", schedule.text(), runs.join(", "));
            lines.push(LogLine { level: Level::Debug, message });
        }
        lines
    }

    /// A schedule that was checked when it was set; none if only a newer version of the host reads it.
    pub(super) fn schedule(&mut self, text: &str) -> Option<Arc<Schedule>> {
        read_once(&mut self.schedules, text, |text| plans::schedule(text).ok().map(Arc::new))
    }

    /// Counts a step that runs no quest in what a context may do in one turn.
    pub(super) fn spend(&mut self) {
        if let Some(progress) = self.progress.as_mut() {
            progress.quota = progress.quota.saturating_sub(1);
        }
    }
}

/// What a text says, kept for the next time.
pub(super) fn read_once<T>(
    kept: &mut BTreeMap<String, Arc<T>>,
    text: &str,
    read: impl FnOnce(&str) -> Option<Arc<T>>,
) -> Option<Arc<T>> {
    if let Some(known) = kept.get(text) {
        return Some(Arc::clone(known));
    }
    let new = read(text)?;
    if kept.len() >= TEXTS_KEPT {
        kept.clear();
    }
    kept.insert(text.to_owned(), Arc::clone(&new));
    Some(new)
}
