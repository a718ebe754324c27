//! A journal that is cut short or damaged: at its tail what is whole before is kept, in its middle nothing is touched and the file named.

use std::{fs, path::Path};

use quest_host::store::{Durability, Error, open};
use quest_host_tests::{
    disk::{
        fault::{Effect, Fault, Kind},
        scene::Scene,
        work::Heard,
    },
    seed, times,
};

use super::small;

/// The furthest from the end that a tail is cut or damaged; the last groups are shorter.
const TAIL_MAX: u64 = 600;

/// Where the journal's first group has its sequence number.
const SEQUENCE: std::ops::Range<usize> = 5..13;

/// What a killed host leaves. The journal's space is made in advance; here it ends with its data, so that copies are small.
fn killed() -> (Scene, Vec<Heard>) {
    let scene = small(Durability::Always);
    let met = scene.meet(Some(Fault { kind: Kind::Sync, at: 56, effect: Effect::Kill }));
    assert!(met.struck, "{met:?}");
    let journal = scene.journal();
    let bytes = fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    change(&journal, |bytes| bytes.truncate(end));
    (scene, met.heard)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Lengths of tails: every one in the long form, some in the short one.
fn tails(rng: &mut fastrand::Rng) -> Vec<usize> {
    let count = times(12, TAIL_MAX);
    let all = 1..=TAIL_MAX as usize;
    if count == TAIL_MAX { all.collect() } else { (0..count).map(|_| rng.usize(all.clone())).collect() }
}

#[test]
fn a_tail_that_is_cut_off_costs_the_groups_in_it() {
    let mut rng = fastrand::Rng::with_seed(seed("cut_tail"));
    let (scene, _) = killed();
    let whole = scene.copy().settle(&[]);
    for tail in tails(&mut rng) {
        let copy = scene.copy();
        change(&copy.journal(), |bytes| {
            bytes.truncate(bytes.len() - tail);
            // Or zeros stand there, as in space that was made in advance.
            bytes.resize(bytes.len() + rng.usize(0..2) * tail, 0);
        });
        let found = copy.settle(&[]);
        assert!(
            found.iter().zip(&whole).all(|(found, whole)| found <= whole && found + 2 >= *whole),
            "{tail}: {found:?}"
        );
    }
}

#[test]
fn garbage_at_the_tail_costs_the_groups_under_it() {
    let mut rng = fastrand::Rng::with_seed(seed("garbage_tail"));
    let (scene, _) = killed();
    for tail in tails(&mut rng) {
        let copy = scene.copy();
        change(&copy.journal(), |bytes| {
            let from = bytes.len() - tail;
            // Over all of it, or from its middle on and past its end.
            let from = from + rng.usize(0..2) * tail / 2;
            bytes.truncate(from);
            bytes.resize_with(from + tail, || rng.u8(..));
        });
        copy.settle(&[]);
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_nothing_is_changed() {
    let mut rng = fastrand::Rng::with_seed(seed("middle"));
    let (scene, heard) = killed();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..times(25, 2_000) {
        let copy = scene.copy();
        let journal = copy.journal();
        let mut at = 0;
        change(&journal, |bytes| {
            // The last two groups are in the last fifth.
            at = rng.usize(..bytes.len() / 2);
            bytes[at] ^= 1 << rng.u8(..8);
        });
        let before = copy.contents();
        let Err(Error::Unusable(text)) = runtime.block_on(open(&copy.settings())) else {
            // The first group's own number has nothing before it that it could be held against; it costs nothing.
            assert!(SEQUENCE.contains(&at), "byte {at} is not missed");
            copy.settle(&heard);
            continue;
        };
        assert!(text.contains(&journal.display().to_string()) && text.contains("damaged"), "{text}");
        assert!(copy.contents() == before, "byte {at}: nothing was changed");
    }
}

#[test]
fn a_missing_beginning_is_no_new_store() {
    let (scene, _) = killed();
    fs::write(scene.journal(), []).unwrap();
    let opened = tokio::runtime::Runtime::new().unwrap().block_on(open(&scene.settings()));
    let Err(Error::Unusable(text)) = opened else { panic!("not refused") };
    assert!(text.contains("the store's id"), "{text}");
}
