//! Hosts on one data folder.

use quest_host_tests::{guests::guest, process::Setup};
use serde_json::json;

#[test]
fn a_second_host_on_one_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new(crate::EXE, folder.path(), &[guest("guest-probe")]);
    let host = setup.start();
    let second = setup.command().args(["run", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by process"), "{said}");
    assert_eq!(host.json(&["add", "u", "probe"])["added"], json!(true), "the first one serves on");
}
