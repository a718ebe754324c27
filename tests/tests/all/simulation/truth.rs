//! What the store accepted and still has: from it follows what must have come of it. It is put back together with the store.

use std::collections::{BTreeMap, BTreeSet};

use quest_engine::model::{Body, Command, Entry, Millis, Value, partition_of};
use quest_host::store::PartitionId;

use super::PARTITIONS;

#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// What came from outside, by context, in order.
    contexts: BTreeMap<String, Vec<Accepted>>,
    /// What each entry of the broadcast log says: the id of whoever shouted.
    pub log: Vec<String>,
    /// What arrived in each partition from others.
    arrived: BTreeMap<PartitionId, BTreeSet<String>>,
    /// The commits that each partition's state consists of.
    applied: BTreeMap<PartitionId, BTreeSet<String>>,
}

/// One entry from outside.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub stamp: Millis,
    pub id: String,
    pub body: Body,
}

/// A life of the quest in a context: from one `Add` to the end of it.
#[derive(Debug, Clone, Default)]
pub struct Life<'a> {
    /// The id of the entry that began it.
    pub born: String,
    /// What it is to handle, in order.
    pub events: Vec<&'a Accepted>,
}

impl Accepted {
    /// The event's name; empty where it is none.
    pub fn name(&self) -> &str {
        match &self.body {
            Body::Emit { name, .. } => name,
            _ => "",
        }
    }

    /// Whether it leaves its id behind, so that whoever comes next knows that it came.
    pub fn is_in_sequence(&self) -> bool {
        ["next", "planned", "send", "shout"].contains(&self.name())
    }

    /// The context that it makes the quest send to.
    pub fn sends_to(&self) -> Option<String> {
        match &self.body {
            Body::Emit { name, payload: Value::Integer(to) } if name == "send" => Some(format!("c{to}")),
            _ => None,
        }
    }
}

impl Life<'_> {
    /// The id of the last event that a predecessor of what comes next left behind; empty for none.
    pub fn last(&self) -> &str {
        self.events.iter().rev().find(|event| event.is_in_sequence()).map_or("", |event| &event.id)
    }
}

impl Truth {
    /// An entry came in. One whose id is known must not count again, so it is left out: unless the context was told to forget its ids.
    pub fn accepted(&mut self, stamp: Millis, entry: Entry) {
        let Entry { context, id, body, .. } = entry;
        let order = self.contexts.entry(context).or_default();
        let known = order.iter().rposition(|accepted| accepted.id == id);
        let forgotten = order.iter().rposition(|accepted| matches!(accepted.body, Body::Operate(Command::Forget)));
        if known.is_none() || forgotten.is_some() {
            order.push(Accepted { stamp, id, body });
        }
    }

    /// All that came to a context from outside, in order.
    pub fn of(&self, context: &str) -> &[Accepted] {
        self.contexts.get(context).map_or(&[], Vec::as_slice)
    }

    /// The place of an entry in its context's order.
    pub fn place(&self, context: &str, stamp: Millis, id: &str) -> Option<usize> {
        self.of(context).iter().position(|accepted| accepted.stamp == stamp && accepted.id == id)
    }

    /// When an entry was first accepted.
    pub fn stamp(&self, context: &str, id: &str) -> Option<Millis> {
        self.of(context).iter().find(|accepted| accepted.id == id).map(|accepted| accepted.stamp)
    }

    /// The life that a context's quest has at a place of its order.
    pub fn life(&self, context: &str, upto: usize) -> Option<Life<'_>> {
        let mut life: Option<Life<'_>> = None;
        for accepted in self.of(context).iter().take(upto) {
            match (&accepted.body, &mut life) {
                (Body::Add { .. }, None) => life = Some(Life { born: accepted.id.clone(), events: Vec::new() }),
                (Body::Remove { .. } | Body::Operate(Command::Forget), _) => life = None,
                (Body::Emit { .. }, Some(life)) => life.events.push(accepted),
                _ => {}
            }
        }
        life
    }

    /// The life that it has in the end.
    pub fn life_now(&self, context: &str) -> Option<Life<'_>> {
        self.life(context, usize::MAX)
    }

    /// Everything in the lives that go on that sends to others: with the context that it goes to.
    pub fn sends(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut sends: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for life in self.contexts.keys().filter_map(|context| self.life_now(context)) {
            for event in life.events {
                if let Some(to) = event.sends_to() {
                    sends.entry(to).or_default().insert(event.id.clone());
                }
            }
        }
        sends
    }

    /// The ids of those events of the lives that go on that all contexts are to hear of.
    pub fn shouts(&self) -> BTreeSet<String> {
        let lives = self.contexts.keys().filter_map(|context| self.life_now(context));
        let shouts = lives.flat_map(|life| life.events).filter(|event| event.name() == "shout");
        shouts.map(|event| event.id.clone()).collect()
    }

    /// Something came to a partition from another one.
    pub fn arrived(&mut self, partition: PartitionId, what: String) {
        self.arrived.entry(partition).or_default().insert(what);
    }

    /// A commit was applied; whether it is the first time.
    pub fn applied(&mut self, partition: PartitionId, id: &str) -> bool {
        self.applied.entry(partition).or_default().insert(id.to_owned())
    }

    /// One partition is again as it was. Gives what had come to it from others since.
    pub fn restore_partition(&mut self, partition: PartitionId, before: &Truth) -> BTreeSet<String> {
        let is_there = |context: &String| partition_of(context, PARTITIONS) == partition;
        self.contexts.retain(|context, _| !is_there(context));
        let restored = before.contexts.iter().filter(|(context, _)| is_there(context));
        self.contexts.extend(restored.map(|(context, order)| (context.clone(), order.clone())));
        let of = |all: &BTreeMap<PartitionId, BTreeSet<String>>| all.get(&partition).cloned().unwrap_or_default();
        self.applied.insert(partition, of(&before.applied));
        let arrived = self.arrived.insert(partition, of(&before.arrived)).unwrap_or_default();
        arrived.difference(&of(&before.arrived)).cloned().collect()
    }

    /// What has come to partitions from others since another truth.
    pub fn arrived_since(&self, before: &Truth) -> BTreeSet<String> {
        let was: BTreeSet<&String> = before.arrived.values().flatten().collect();
        self.arrived.values().flatten().filter(|what| !was.contains(what)).cloned().collect()
    }
}
