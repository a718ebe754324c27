//! Folders that a host must leave alone: of a newer version, without permission, in use, or no folders at all.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use quest_host::store::{Durability, open};
use quest_host_tests::{
    disk::{scene::Scene, work::Heard},
    guests::guest,
    process::Setup,
};

use super::small;

/// A data folder that was used and closed.
fn used() -> Scene {
    let scene = small(Durability::Always);
    scene.meet(None);
    scene
}

/// What `quest-host run` says on a data folder on which it must not start.
fn refused(data: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    let mut command: Command = setup.command();
    let output = command.args(["run", "--listen", "127.0.0.1:0", "--data"]).arg(data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let scene = used();
    let lock = scene.data().join("lock");
    fs::write(scene.data().join("format"), "7\n").unwrap();
    let before = (scene.contents(), fs::read(&lock).unwrap());
    let said = refused(&scene.data());
    assert!(said.contains("has format 7") && said.contains("reads up to 2"), "{said}");
    assert!(said.contains(env!("CARGO_PKG_VERSION")) && said.contains("hint: use the newer quest-host"), "{said}");
    assert!((scene.contents(), fs::read(&lock).unwrap()) == before, "nothing was changed");
    fs::write(scene.data().join("format"), "2\n").unwrap();
    scene.settle(&[]);
}

#[test]
fn a_folder_without_permission_is_refused() {
    let scene = used();
    let before = scene.contents();
    let allow = |folder: u32, files: u32| {
        // For all to read, or a user without rights would not even get there.
        let root = scene.data().parent().unwrap().to_owned();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        for path in before.keys().chain([&scene.data().join("lock")]) {
            fs::set_permissions(path, fs::Permissions::from_mode(files)).unwrap();
        }
        fs::set_permissions(scene.data(), fs::Permissions::from_mode(folder)).unwrap();
    };
    allow(0o555, 0o444);
    let met = scene.meet_as_nobody();
    let [Heard::Refused(text)] = &met.heard[..] else { panic!("{met:?}") };
    let place = format!("cannot open {}", scene.data().join("lock").display());
    assert!(text.contains(&place) && text.contains("Permission denied"), "{text}");
    assert!(scene.contents() == before, "nothing was changed");
    allow(0o700, 0o600);
    scene.settle(&[]);
}

#[test]
fn a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let said = refused(&file);
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn another_process_is_kept_out_until_the_first_has_died() {
    let scene = used();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(open(&scene.settings())).unwrap();
    let met = scene.meet(None);
    let [Heard::Refused(text)] = &met.heard[..] else { panic!("{met:?}") };
    assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
    drop(store);
    // One that was killed leaves the file, but no lock.
    assert!(scene.data().join("lock").exists());
    scene.settle(&[]);
}
