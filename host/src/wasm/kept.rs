//! Instances that are kept between actions, of quests that ask for it: few, the latest used, for the same quest of the same module only.
//!
//! Must not know: what runs in them.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use quest_engine::action::Invocation;
use wasmtime::Store;

use super::{Keep, Module, Policy, QuestLimits, border::Quest, run::Run};

/// An instance between two actions.
pub(super) struct Instance {
    pub(super) store: Store<Run>,
    pub(super) guest: Quest,
}

/// Which actions an instance is kept for.
#[derive(Clone)]
pub(super) struct Place {
    /// A version that is not served any more is gone, and its instances with it.
    module: Weak<Module>,
    quest: String,
    /// The id of the quest's instance in its context; none: any.
    instance: Option<String>,
    /// What an instance may take is settled when it is made.
    bounds: [usize; 3],
}

impl Place {
    /// Where an action may find an instance, and leave it; none if it has a fresh one for itself.
    pub(super) fn of(policy: &Policy, module: &Arc<Module>, invocation: &Invocation) -> Option<Self> {
        let instance = match policy.keep_instances {
            Keep::Never => return None,
            Keep::Context => Some(invocation.instance.clone()),
            Keep::Quest => None,
        };
        let QuestLimits { memory_bytes_max, table_elements_max, call_bytes_max, .. } = policy.limits;
        let bounds = [memory_bytes_max, table_elements_max, call_bytes_max];
        Some(Self { module: Arc::downgrade(module), quest: invocation.quest.clone(), instance, bounds })
    }

    pub(super) fn quest(&self) -> &str {
        &self.quest
    }

    fn is(&self, other: &Self) -> bool {
        self.module.ptr_eq(&other.module)
            && self.quest == other.quest
            && self.instance == other.instance
            && self.bounds == other.bounds
    }
}

/// What is kept, the latest used last.
pub(super) struct Kept {
    max: usize,
    instances: Mutex<VecDeque<(Place, Instance)>>,
}

impl Kept {
    /// At most `max`.
    pub(super) fn new(max: usize) -> Self {
        Self { max, instances: Mutex::default() }
    }

    /// Takes one out that was kept there: an instance runs one action at a time.
    pub(super) fn take(&self, place: &Place) -> Option<Instance> {
        let mut instances = self.instances.lock();
        let at = instances.iter().rposition(|(kept, _)| kept.is(place))?;
        instances.remove(at).map(|(_, instance)| instance)
    }

    /// Keeps one, in the place of the one that was unused for longest.
    pub(super) fn put(&self, place: Place, instance: Instance) {
        let mut gone = Vec::new();
        let mut instances = self.instances.lock();
        instances.push_back((place, instance));
        while instances.len() > self.max {
            gone.extend(instances.pop_front());
        }
        // Giving an instance's memory back takes its time.
        drop(instances);
        drop(gone);
    }

    /// Gives those of modules back that are not served any more.
    pub(super) fn prune(&self) {
        let mut gone = Vec::new();
        let mut instances = self.instances.lock();
        while let Some(at) = instances.iter().position(|(kept, _)| kept.module.strong_count() == 0) {
            gone.extend(instances.remove(at));
        }
        drop(instances);
        drop(gone);
    }

    /// Gives all of them back.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut *self.instances.lock());
        drop(gone);
    }
}
