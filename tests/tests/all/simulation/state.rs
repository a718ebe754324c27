//! What the store holds of a context, read back.

use std::collections::{BTreeMap, BTreeSet};

use quest_engine::{
    keys,
    model::{DeadLetter, Outcome, Value, partition_of},
    record::{Instance, Record as _},
};
use quest_host::store::{PartitionId, Read, Reply, Store as _};

use super::{PARTITIONS, quests::QUEST, world::World};

pub struct State {
    pub instance: Option<Instance>,
    pub variables: BTreeMap<String, Value>,
    /// Names of its timers.
    pub timers: BTreeSet<String>,
    pub dead: Vec<DeadLetter>,
    /// Ids of the commands that were carried out.
    pub carried_out: BTreeSet<String>,
}

impl State {
    pub async fn of(world: &World, context: &str) -> Self {
        let hash = |key: String| Read::Hash { key };
        let reads = vec![
            hash(keys::instances(context)),
            hash(keys::variables(context, QUEST)),
            hash(keys::timers(context)),
            hash(keys::DEAD.to_owned()),
            hash(keys::outcomes(context)),
        ];
        let [instances, variables, timers, dead, outcomes] =
            fields(world, partition_of(context, PARTITIONS), reads).await;
        let dead = dead.values().map(|bytes| DeadLetter::from_bytes(bytes).unwrap());
        let is_answered = |bytes: &Vec<u8>| matches!(Outcome::from_bytes(bytes), Ok(Outcome::Answered(_)));
        Self {
            instance: instances.get(QUEST).map(|bytes| Instance::from_bytes(bytes).unwrap()),
            variables: variables.into_iter().map(|(name, bytes)| (name, Value::decode(&bytes).unwrap())).collect(),
            timers: timers.keys().filter_map(|field| Some(field.split_once('.')?.1.to_owned())).collect(),
            dead: dead.filter(|dead| dead.entry.context == context).collect(),
            carried_out: outcomes.into_iter().filter(|(_, bytes)| is_answered(bytes)).map(|(id, _)| id).collect(),
        }
    }
}

type Fields = BTreeMap<String, Vec<u8>>;

async fn fields<const N: usize>(world: &World, partition: PartitionId, reads: Vec<Read>) -> [Fields; N] {
    let replies = world.memory.read(partition, reads).await.unwrap();
    let decoded = replies.into_iter().map(|reply| match reply {
        Reply::Fields(fields) => {
            fields.into_iter().map(|(name, bytes)| (String::from_utf8(name).unwrap(), bytes)).collect()
        }
        other => panic!("{other:?} is no hash"),
    });
    decoded.collect::<Vec<Fields>>().try_into().unwrap()
}
