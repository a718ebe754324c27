//! Enough work that the database moves its memory to tables and begins a new journal, with a fault in that.

use quest_host::store::Durability;
use quest_host_tests::{
    disk::{
        fault::{Effect, Fault, Kind},
        scene::{Met, Scene},
        work::Work,
    },
    seed, times,
};

use super::FAULTY;

/// Each entry is written twice, with its acceptance and with its commit: together more than the 64 MiB that stay in memory.
const LARGE: Work = Work { partitions: 1, rounds: 170, bytes_max: 600_000 };

/// More than the database keeps in memory while it waits for tables: four times that.
const HUGE: Work = Work { partitions: 1, rounds: 280, bytes_max: 2_000_000 };

fn meet(fault: Fault) -> (Scene, Met) {
    let scene = Scene::new(FAULTY, Durability::Everysec, LARGE);
    let met = scene.meet(Some(fault));
    (scene, met)
}

/// Faults in the second half of a kind's calls, where the tables are made; the first calls are `nth`'s.
#[test]
fn a_fault_while_tables_are_written() {
    let mut rng = fastrand::Rng::with_seed(seed("tables"));
    let effects = [Effect::Fails(libc::EIO), Effect::Fails(libc::ENOSPC), Effect::Kill];
    for kind in [Kind::Rename, Kind::Create, Kind::Sync, Kind::Write, Kind::Remove] {
        let (_, clean) = meet(Fault { kind, at: u64::MAX, effect: Effect::Kill });
        let calls = clean.calls.expect("it ends well");
        for _ in 0..times(1, 40) {
            let at = rng.u64(calls / 2..=calls).max(1);
            let fault = Fault { kind, at, effect: *rng.choice(&effects).expect("some") };
            let (scene, met) = meet(fault);
            eprintln!("{fault} of {calls}: struck {}, heard {}", met.struck, met.heard.len());
            scene.settle(&met.heard);
        }
    }
}

/// The first table cannot be made, nor any after it, and that shows only when nothing is written any more: because the work is done, or,
/// where the database has threads enough, because writers wait for tables. Then they are refused, not left without an answer.
#[test]
fn no_writer_waits_for_ever_when_no_table_can_be_made() {
    let scene = Scene::new(FAULTY, Durability::Everysec, HUGE);
    let met = scene.meet_in_tables(Fault { kind: Kind::Create, at: 1, effect: Effect::FailsLate(libc::ENOSPC) });
    assert!(met.struck, "{met:?}");
    scene.settle(&met.heard);
}
