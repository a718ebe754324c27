//! What a run of an instance sees of committed state, read and decoded: for queries, and for upgrades that are only tried.

use std::{collections::BTreeMap, sync::Arc};

use quest_engine::{
    action::{PatternSeen, TimerSet, Variables},
    keys,
    model::Catalog,
    record::Instance,
    schedule::Zone,
};

use super::{Result, Service};
use crate::{replies::Replies, store::Read};

/// The instances of a context, and what is one instance's own.
pub(super) struct Standing {
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) variables: Arc<Variables>,
    pub(super) timers: Arc<BTreeMap<String, Arc<TimerSet>>>,
    pub(super) patterns: Arc<BTreeMap<String, PatternSeen>>,
    pub(super) zone: Zone,
    /// The operator's settings.
    pub(super) config: Arc<BTreeMap<String, String>>,
}

/// The reads that [`Service::standing`] decodes.
pub(super) fn reads(context: &str, quest: &str) -> Vec<Read> {
    vec![
        Read::Hash { key: keys::instances(context) },
        Read::Hash { key: keys::variables(context, quest) },
        Read::Hash { key: keys::timers(context) },
        Read::Hash { key: keys::patterns(context) },
    ]
}

impl Service {
    /// What was read, as `catalog` understands it.
    pub(super) fn standing(&self, mut replies: Replies, quest: &str, catalog: &Catalog) -> Result<Standing> {
        let (instances, zone) = replies.instances()?;
        let variables = Arc::new(replies.variables()?);
        let timers = replies.timers()?.into_iter().filter(|((owner, _), _)| owner == quest);
        let timers = timers.map(|((_, name), timer)| (name, Arc::new(timer.seen())));
        let patterns = replies.patterns()?.into_iter().filter(|((owner, _), _)| owner == quest);
        let patterns = patterns.filter_map(|((_, name), record)| {
            let spec = catalog.spec_of(quest, &name, &record)?;
            Some((name, PatternSeen { spec, record: Arc::new(record) }))
        });
        Ok(Standing {
            instances,
            variables,
            timers: Arc::new(timers.collect()),
            patterns: Arc::new(patterns.collect()),
            zone: zone.and_then(|name| Zone::parse(&name).ok()).unwrap_or_else(|| self.default_zone.clone()),
            config: self.config.get(quest).cloned().unwrap_or_default(),
        })
    }
}
