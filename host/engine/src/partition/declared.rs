//! What a quest declares that lives on in its instances: recurrences and patterns. They begin with an instance, and follow its code.

use std::{collections::BTreeMap, sync::Arc};

use super::{Partition, context::Context};
use crate::{
    action::plans,
    model::{Catalog, Declared, Millis},
    pattern,
    record::{Recurrence, Timer},
};

impl Partition {
    /// A context meets the quests that are served now: its patterns get their specs, and what its quests declare anew takes effect.
    pub(super) fn meet(&mut self, context: &mut Context, now: Millis) {
        context.met = self.catalogs;
        let catalog = self.catalog();
        let keys: Vec<_> = context.patterns.keys().cloned().collect();
        for key in keys {
            let text = context.patterns.get(&key).and_then(|observer| observer.record.spec.clone());
            let spec = match text {
                Some(text) => self.spec(&text),
                None => catalog.declared(&key.0).and_then(|declared| declared.patterns.get(&key.1)).cloned(),
            };
            if let Some(observer) = context.patterns.get_mut(&key) {
                observer.spec = spec;
            }
        }
        let quests: Vec<String> = context.instances.keys().cloned().collect();
        for quest in quests {
            let is_starting = context.instances.get(&quest).is_none_or(|live| live.record.starting);
            if !is_starting && !self.waits_for_code(context, &quest) {
                self.declare(context, &quest, now);
            }
            self.mark_dangling(context, &quest);
        }
    }

    /// Begins what the quest declares and the instance does not know yet, and ends what it declares no more. What the quest itself has
    /// moved, cancelled or replaced stays as it is, unless its declaration has changed.
    pub(super) fn declare(&mut self, context: &mut Context, quest: &str, now: Millis) {
        let catalog = self.catalog();
        let none = Declared::default();
        let declared = catalog.declared(quest).unwrap_or(&none);
        let Some(live) = context.instances.get(quest) else { return };
        if live.record.declared == declared.digests {
            return;
        }
        let (instance, before) = (live.record.id.clone(), live.record.declared.clone());
        for (label, digest) in &declared.digests {
            let was = before.get(label);
            if was == Some(digest) {
                continue;
            }
            match label.split_once(' ') {
                Some(("every", name)) => {
                    self.declare_every(context, &catalog, (quest, name), &instance, was.is_some(), now)
                }
                Some(("pattern", name)) => {
                    self.declare_pattern(context, declared, (quest, name), &instance, was.is_some(), now);
                }
                _ => {}
            }
        }
        for label in before.keys().filter(|label| !declared.digests.contains_key(*label)) {
            undeclare(context, quest, label);
        }
        let digests: BTreeMap<String, u64> = declared.digests.clone();
        context.change_record(quest, |record| record.declared = digests);
    }

    fn declare_every(
        &mut self,
        context: &mut Context,
        catalog: &Catalog,
        (quest, name): (&str, &str),
        instance: &str,
        was_declared: bool,
        now: Millis,
    ) {
        let key = (quest.to_owned(), name.to_owned());
        let Some(every) = catalog.get(quest).and_then(|definition| definition.every.get(name)) else { return };
        let known = context.timers.get(&key);
        // Set by `init` under the same name, or cancelled since.
        if known.is_some() != was_declared {
            return;
        }
        let Some(schedule) = self.schedule(&every.schedule) else { return };
        let zone = self.zone_of(context);
        let begun = match known.and_then(|timer| timer.recurrence.clone()) {
            Some(recurrence) => recurrence.plan.follow(&schedule, &zone, now, &plans::salt(instance, name)),
            None => plans::begin(&schedule, instance, name, now, &zone).map(|begun| begun.plan),
        };
        let sequence = self.next_sequence();
        let timer = begun.map(|plan| Timer {
            instance: instance.to_owned(),
            action: every.action.clone(),
            due: plan.due(),
            payload: Arc::default(),
            set_by: instance.to_owned(),
            sequence,
            recurrence: Some(Recurrence { schedule: every.schedule.clone(), plan }),
        });
        context.set_timer(key, timer);
    }

    fn declare_pattern(
        &mut self,
        context: &mut Context,
        declared: &Declared,
        (quest, name): (&str, &str),
        instance: &str,
        was_declared: bool,
        now: Millis,
    ) {
        let key = (quest.to_owned(), name.to_owned());
        let Some(spec) = declared.patterns.get(name) else { return };
        match context.patterns.get(&key) {
            None if was_declared => {}
            None => self.start_pattern(context, key, (None, spec.clone()), instance, now),
            // Started by `init` under the same name.
            Some(observer) if observer.record.spec.is_some() => {}
            Some(observer) => {
                let mut observer = observer.clone();
                let zone = self.zone_of(context);
                let record = Arc::make_mut(&mut observer.record);
                record.state = pattern::resume(spec, record.state.clone(), now);
                pattern::rezone(spec, &mut record.state, now, &zone);
                record.due = pattern::due(spec, &record.state);
                observer.spec = Some(spec.clone());
                context.set_pattern(key, Some(observer));
            }
        }
    }
}

/// Ends what is declared no more.
fn undeclare(context: &mut Context, quest: &str, label: &str) {
    let Some((kind, name)) = label.split_once(' ') else { return };
    let key = (quest.to_owned(), name.to_owned());
    if kind == "every" && context.timers.get(&key).is_some_and(|timer| timer.recurrence.is_some()) {
        context.set_timer(key, None);
    } else if kind == "pattern" && context.patterns.get(&key).is_some_and(|it| it.record.spec.is_none()) {
        context.set_pattern(key, None);
    }
}
