//! The Nth call of a kind fails, for N = 1, 2, 3 … until a run is clean.

use quest_host::store::Durability;
use quest_host_tests::{
    disk::{
        fault::{Effect, Fault, Kind},
        scene::{Met, Scene},
        work::Heard,
    },
    seed, times,
};

use super::small;

/// Up to this N each one is tried, also in the short form: the folder is made in the first calls.
const EACH: u64 = 12;

/// N = 1, 2, 3 … until the fault does not strike; the short form leaves some out after the first.
fn until_clean(test: &str, durability: Durability, kind: Kind, effect: Effect) {
    let mut rng = fastrand::Rng::with_seed(seed(test));
    let mut at = 1;
    loop {
        let fault = Fault { kind, at, effect };
        let scene = small(durability);
        let met = scene.meet(Some(fault));
        eprintln!("{fault}: struck {}, heard {}", met.struck, met.heard.len());
        refused_for_good(&met, &scene, effect);
        // A power cut takes what `everysec` had not synced yet: then what is left must be whole, in order and without gaps.
        let may_lose = durability == Durability::Everysec && effect == Effect::PowerCut;
        scene.settle(if may_lose { &[] } else { &met.heard });
        if !met.struck {
            return;
        }
        at += if at < EACH { 1 } else { rng.u64(1..=times(8, 1)) };
    }
}

/// After a refusal nothing more is taken until a restart, and each refusal says where or what to do.
fn refused_for_good(met: &Met, scene: &Scene, effect: Effect) {
    let is_fatal = met.struck && matches!(effect, Effect::Kill | Effect::PowerCut);
    assert_eq!(met.status.success(), !is_fatal, "{met:?}");
    let mut refused = met.heard.iter().skip_while(|heard| !matches!(heard, Heard::Refused(_))).peekable();
    assert!(met.struck || refused.peek().is_none(), "{met:?}");
    let data = scene.data().display().to_string();
    for heard in refused {
        let Heard::Refused(text) = heard else { panic!("taken after a refusal: {met:?}") };
        assert!(text.contains("restart the host") || text.contains(&data), "{text}");
    }
}

#[test]
fn the_nth_write_fails() {
    until_clean("nth_write", Durability::Always, Kind::Write, Effect::Fails(libc::EIO));
}

#[test]
fn the_nth_write_is_half_done_and_the_disk_full() {
    until_clean("nth_half", Durability::Always, Kind::Write, Effect::Half);
}

#[test]
fn the_nth_sync_fails() {
    until_clean("nth_sync", Durability::Always, Kind::Sync, Effect::Fails(libc::EIO));
    until_clean("nth_sync_everysec", Durability::Everysec, Kind::Sync, Effect::Fails(libc::EIO));
}

#[test]
fn all_syncs_fail_from_the_nth_on() {
    until_clean("nth_sync_on", Durability::Always, Kind::Sync, Effect::FailsOn(libc::EIO));
}

#[test]
fn the_nth_rename_creation_or_resizing_fails() {
    for (kind, error) in [
        (Kind::Rename, libc::EIO),
        (Kind::Create, libc::ENOSPC),
        (Kind::Create, libc::EROFS),
        (Kind::Resize, libc::ENOSPC),
        (Kind::Remove, libc::EIO),
    ] {
        until_clean("nth_rename", Durability::Always, kind, Effect::Fails(error));
    }
}

#[test]
fn killed_in_the_nth_call() {
    until_clean("nth_kill", Durability::Always, Kind::Any, Effect::Kill);
    until_clean("nth_kill_everysec", Durability::Everysec, Kind::Any, Effect::Kill);
}

#[test]
fn the_power_is_cut_at_the_nth_call() {
    until_clean("nth_power_cut", Durability::Always, Kind::Any, Effect::PowerCut);
    until_clean("nth_power_cut_everysec", Durability::Everysec, Kind::Any, Effect::PowerCut);
}
