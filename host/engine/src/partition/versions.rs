//! What an instance was before its last upgrade: kept for a while, and put back by a rollback.

use std::collections::BTreeMap;

use super::{Partition, context::Context, operate::Refused};
use crate::{
    model::{Millis, Value},
    record::{Before, Kept},
};

impl Partition {
    /// An action of `version` succeeded and is about to change the instance: if its code is newer than what wrote the variables, they are
    /// kept; what was kept too long ago is not any more.
    pub(super) fn keep_before(&self, context: &mut Context, quest: &str, version: u32) {
        let now = self.progress.as_ref().map_or(0, |progress| progress.now);
        let Some(live) = context.instances.get(quest) else { return };
        let record = &live.record;
        if record.version < version && !record.starting {
            let (from, variables) = (record.version, live.variables.as_ref().clone());
            let before = Before { instance: record.id.clone(), from, to: version, variables };
            context.set_before(quest, Some((before, Kept { from, at: now })));
        } else if record.kept.is_some_and(|kept| kept.at.saturating_add(self.limits.before_kept_ms) < now) {
            context.set_before(quest, None);
        }
    }

    /// Puts an instance back to what it was before its last upgrade; what waits for it runs under the code of then.
    pub(super) fn restore(
        &mut self,
        context: &mut Context,
        quest: &str,
        before: &Before,
        now: Millis,
    ) -> Result<(), Refused> {
        let live = context.living(quest, &before.instance);
        let live = live.ok_or_else(|| ("instance-gone", "the instance was removed meanwhile".to_owned()))?;
        if live.record.kept.map(|kept| kept.from) != Some(before.from) || live.record.version < before.to {
            let message = format!("nothing is kept of it from version {}", before.from);
            return Err(("nothing-kept", message));
        }
        let gone = live.variables.keys().filter(|name| !before.variables.contains_key(*name));
        let mut changes: BTreeMap<String, Option<Value>> = gone.map(|name| (name.clone(), None)).collect();
        changes.extend(before.variables.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
        context.set_variables(quest, changes);
        context.change_record(quest, |record| record.version = before.from);
        context.set_before(quest, None);
        if !self.waits_for_code(context, quest) {
            self.declare(context, quest, now);
            self.mark_dangling(context, quest);
            self.release(context, quest);
        }
        Ok(())
    }
}
