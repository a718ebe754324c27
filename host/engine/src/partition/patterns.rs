//! Patterns of an instance: which events they are shown, when their deadlines pass, and what they call.
//!
//! What a pattern means stands in [`crate::pattern`]. Here it is a matter of order: a pattern sees an event in the order of its
//! instance's deliveries, before the actions that are on the event, and what it calls comes after them.

use std::sync::Arc;

use super::{
    Partition,
    context::{Context, Observer},
    timers::read_once,
};
use crate::{
    action::{Seed, plans},
    model::{Body, Cause, Entry, Millis},
    pattern::{self, Fire, Seen, Spec},
    planted::{self, Bug},
    record::{Pattern, Waiting},
    schedule::Zone,
};

/// What a step counts for in a turn's bytes, beside the state: the record is written whole.
const STEP_BYTES: usize = 512;

/// The step that led to calls: what their ids and their hops come from.
struct Step<'a> {
    context: &'a str,
    id: String,
    hops: u16,
    left: Option<u32>,
}

impl Partition {
    /// Whether an event of that name concerns a pattern of the instance; also one that a delivery which waits may start.
    pub(super) fn is_observed(&self, context: &Context, quest: &str, event: &str) -> bool {
        let Some(live) = context.instances.get(quest) else { return false };
        let waits = live.record.held.is_some() || live.record.starting;
        if !waits && context.patterns.is_empty() {
            return false;
        }
        let may_start = || self.served.get(quest).is_some_and(|definition| definition.starts_patterns);
        match waits {
            true => may_start() || self.is_looked_for(context, quest, event),
            false => context.patterns_on(quest, event).next().is_some(),
        }
    }

    /// Whether an event of that name concerns a pattern that is live, or that the quest declares.
    pub(super) fn is_looked_for(&self, context: &Context, quest: &str, event: &str) -> bool {
        let declared = self.served.declared(quest);
        let is_declared = declared.is_some_and(|declared| declared.patterns.values().any(|spec| spec.observes(event)));
        is_declared || context.patterns_on(quest, event).next().is_some()
    }

    /// Shows an event to the patterns of an instance.
    pub(super) fn observe(&mut self, context_name: &str, context: &mut Context, waiting: Waiting) {
        let Body::Observe { quest, instance, name, payload } = &waiting.entry.body else { return };
        let Some(live) = context.living(quest, instance) else { return };
        if live.record.held.is_some() {
            let quest = quest.clone();
            return self.hold(context, &quest, waiting);
        }
        self.spend();
        let keys: Vec<_> = context.patterns_on(quest, name).cloned().collect();
        let zone = self.zone_of(context);
        let now = self.progress.as_ref().map_or(0, |progress| progress.now);
        let stamp = if planted::is(Bug::ProcessingTime) { now } else { waiting.stamp };
        for key in keys {
            let Some(mut observer) = context.set_pattern(key.clone(), None) else { continue };
            let Some(spec) = observer.spec.clone() else { continue };
            let seen = Seen { name, payload, stamp };
            let fires = pattern::observe(&spec, &mut Arc::make_mut(&mut observer.record).state, &seen, &zone);
            let id = Seed::of(&[&waiting.entry.id, instance, &key.1]).hex(8);
            let step = Step { context: context_name, id, hops: waiting.entry.hops, left: waiting.entry.left };
            self.stepped(context, key, observer, &spec, fires, &step);
        }
    }

    /// A deadline of a pattern has passed.
    pub(super) fn tick(&mut self, name: &str, context: &mut Context, key: (String, String), due: Millis) {
        self.spend();
        let Some(mut observer) = context.set_pattern(key.clone(), None) else { return };
        let Some(spec) = observer.spec.clone() else {
            context.set_pattern(key.clone(), Some(observer));
            // Nobody here knows what the deadline means.
            return self.hold_for_code(context, &key.0, "quest-not-served", "no module serves this quest now");
        };
        let zone = self.zone_of(context);
        let record = Arc::make_mut(&mut observer.record);
        let fires = pattern::tick(&spec, &mut record.state, due, &zone);
        let parts = [record.instance.as_str(), &key.1, &record.sequence.to_string(), &due.to_string()];
        let step = Step { context: name, id: Seed::of(&parts).hex(8), hops: 0, left: None };
        self.stepped(context, key.clone(), observer, &spec, fires, &step);
        // Whatever a pattern says: time goes on.
        if let Some(observer) = context.patterns.get_mut(&key)
            && observer.record.due.is_some_and(|next| next <= due)
        {
            Arc::make_mut(&mut observer.record).due = Some(due + 1);
        }
    }

    /// Puts a pattern back as a step left it, and routes what it calls.
    fn stepped(
        &mut self,
        context: &mut Context,
        key: (String, String),
        mut observer: Observer,
        spec: &Spec,
        fires: Vec<Fire>,
        step: &Step<'_>,
    ) {
        let record = Arc::make_mut(&mut observer.record);
        record.due = pattern::due(spec, &record.state);
        let instance = record.instance.clone();
        let is_over = pattern::is_over(&record.state);
        let bytes = STEP_BYTES + record.state.size();
        context.set_pattern(key.clone(), (!is_over).then_some(observer));
        if let Some(progress) = self.progress.as_mut() {
            progress.changed_bytes += bytes;
        }
        for (index, fire) in fires.into_iter().enumerate() {
            let entry = Entry {
                context: step.context.to_owned(),
                id: Seed::of(&[&step.id, &index.to_string()]).hex(8),
                hops: step.hops,
                left: step.left,
                reply: None,
                body: Body::Deliver {
                    quest: key.0.clone(),
                    action: fire.action,
                    instance: instance.clone(),
                    cause: Cause::Pattern,
                    name: key.1.clone(),
                    payload: fire.payload,
                    attempt: 1,
                    missed: 0,
                },
            };
            context.routed.push_back(Waiting { stamp: fire.stamp, counted: false, entry });
        }
    }

    /// Starts a pattern, or begins it anew; without a spec it is cancelled.
    pub(super) fn change_pattern(
        &mut self,
        context: &mut Context,
        key: (String, String),
        spec: Option<String>,
        instance: &str,
        stamp: Millis,
    ) {
        let Some(text) = spec else {
            context.set_pattern(key, None);
            return;
        };
        // The recorder has checked it.
        if let Some(spec) = self.spec(&text) {
            self.start_pattern(context, key, (Some(text), spec), instance, stamp);
        }
    }

    /// Starts a pattern with a spec of its own, or (without the text) with the one that its quest declares.
    pub(super) fn start_pattern(
        &mut self,
        context: &mut Context,
        key: (String, String),
        (text, spec): (Option<String>, Arc<Spec>),
        instance: &str,
        stamp: Millis,
    ) {
        let mut state = pattern::start(&spec, stamp);
        let remembered = spec.history().and_then(|name| context.patterns.get(&(key.0.clone(), name.to_owned())));
        if let Some(remembered) = remembered {
            pattern::seed(&spec, &mut state, &remembered.record.state);
        }
        let due = pattern::due(&spec, &state);
        let sequence = self.next_sequence();
        let record = Arc::new(Pattern { instance: instance.to_owned(), spec: text, sequence, due, state });
        context.set_pattern(key, Some(Observer { record, spec: Some(spec) }));
    }

    /// The civil days of a streak end at other times now.
    pub(super) fn rezone_patterns(&mut self, context: &mut Context, zone: &Zone, now: Millis) {
        let keys: Vec<_> = context.patterns.keys().cloned().collect();
        for key in keys {
            let Some(observer) = context.patterns.get_mut(&key) else { continue };
            let Some(spec) = observer.spec.clone() else { continue };
            let record = Arc::make_mut(&mut observer.record);
            if !pattern::rezone(&spec, &mut record.state, now, zone) {
                continue;
            }
            record.due = pattern::due(&spec, &record.state);
            let changed = observer.clone();
            context.set_pattern(key, Some(changed));
        }
    }

    /// A spec that was checked when it was stored; none if only a newer version of the host reads it.
    pub(super) fn spec(&mut self, text: &str) -> Option<Arc<Spec>> {
        read_once(&mut self.specs, text, |text| plans::known_pattern(text).ok())
    }
}
