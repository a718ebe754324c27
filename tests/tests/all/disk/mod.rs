//! Faults of the disk under the embedded store. Each run ends with the accounts balanced: what was accepted is applied or waits,
//! once and in order, and the work goes on to its end.

mod folder;
mod hosts;
mod nth;
mod tables;
mod tail;

use quest_host::store::Durability;
use quest_host_tests::disk::{scene::Scene, work::Work};

/// The process that meets faults.
const FAULTY: &str = env!("CARGO_BIN_EXE_quest-host-faulty");

/// A little work: enough for every kind of call, short enough to be done hundreds of times.
const SMALL: Work = Work { partitions: 2, rounds: 5, bytes_max: 12_000 };

fn small(durability: Durability) -> Scene {
    Scene::new(FAULTY, durability, SMALL)
}
