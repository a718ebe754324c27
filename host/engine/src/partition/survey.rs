//! Under new code, every context with a quest whose definition changed is looked at, a chunk a turn: what the code declares anew takes
//! effect where nothing happens, too.
//!
//! How far that is stands with the partition, so that whoever owns it next goes on; a definition that changes meanwhile begins anew.

use std::sync::Arc;

use super::{Partition, context::Context};
use crate::{
    keys,
    model::{Catalog, Millis},
    record::{Surveyed, Surveying},
};

/// A part of a survey, as the owner read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The quest that [`Partition::survey_wanted`] named.
    pub quest: String,
    /// The next contexts of that quest.
    pub contexts: Vec<String>,
    /// Whether the quest has more behind them.
    pub more: bool,
}

impl Partition {
    /// Whose contexts must be looked at next, since its definition is another than they met: a quest, and the context to begin after.
    pub fn survey_wanted(&mut self, catalog: &Arc<Catalog>) -> Option<(String, Option<String>)> {
        if self.all_met.as_ref().is_some_and(|met| Arc::ptr_eq(met, catalog)) {
            return None;
        }
        let mut wanted = None;
        for quest in &self.quests {
            // Nobody knows what a quest declares that is not served; it shows when it is.
            let Some(digest) = catalog.digest(quest) else { continue };
            let met = self.surveyed.entry(quest.clone()).or_default();
            match &met.ahead {
                None if met.digest == Some(digest) => continue,
                Some(ahead) if ahead.digest == digest => {}
                // All of them at once: what comes next may be the definition that they met before, and by then some have met this one.
                _ => {
                    met.ahead = Some(Surveying { digest, after: None });
                    self.dirty.insert(keys::SURVEYED);
                }
            }
            if wanted.is_none() {
                let after = met.ahead.as_ref().and_then(|ahead| ahead.after.clone());
                wanted = Some((quest.clone(), after));
            }
        }
        if wanted.is_none() {
            self.all_met = Some(Arc::clone(catalog));
        }
        wanted
    }

    /// A quest's first context here meets its definition by being given it.
    pub(super) fn met_by_adding(&mut self, quest: &str) {
        if let Some(digest) = self.catalog().digest(quest) {
            self.surveyed.insert(quest.to_owned(), Surveyed { digest: Some(digest), ahead: None });
            self.dirty.insert(keys::SURVEYED);
        }
    }

    /// The contexts of a chunk meet the code of the turn, and the survey goes on behind them.
    pub(super) fn survey(&mut self, survey: Option<Survey>, now: Millis) {
        let Some(Survey { quest, contexts, more }) = survey else { return };
        let Some(digest) = self.catalog().digest(&quest) else { return };
        for name in &contexts {
            let Some(mut context) = self.contexts.remove(name) else { continue };
            if context.met != self.catalogs {
                self.meet(&mut context, now);
            }
            if !context.timers.is_empty() {
                context.forget_stored_wake();
            }
            self.contexts.insert(name.clone(), context);
        }
        let after = contexts.last().filter(|_| more).cloned();
        let ahead = after.map(|after| Surveying { digest, after: Some(after) });
        let before = self.surveyed.get(&quest).and_then(|met| met.digest);
        let digest = if ahead.is_none() { Some(digest) } else { before };
        self.surveyed.insert(quest, Surveyed { digest, ahead });
        self.dirty.insert(keys::SURVEYED);
    }

    /// Marks the timers of a quest whose action its code does not have: they wait for it to come back, for a while.
    pub(super) fn mark_dangling(&self, context: &mut Context, quest: &str) {
        if self.waits_for_code(context, quest) {
            return;
        }
        let catalog = self.catalog();
        let Some(definition) = catalog.get(quest) else { return };
        let kept_ms = self.limits.dangling_kept_ms;
        context.mark_dangling(quest, |action| !definition.actions.contains_key(action), kept_ms);
    }
}
