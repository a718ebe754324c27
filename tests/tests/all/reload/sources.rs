//! `run --watch`: sources are built again when they are saved, and what comes of it is served; what does not build is said.

use quest_host_tests::{
    eventually,
    guests::variant,
    process::{Setup, Speaking},
};

use super::Place;

/// A folder whose `build.sh` makes a module of the version that stands in `plan`; as quick as no compiler.
fn source(place: &Place, label: &str) {
    let folder = place.file("source");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("made.bin"), variant(&format!("name=variant;label={label};query=label"))).unwrap();
    std::fs::write(folder.join("build.sh"), "set -e\nmkdir -p target\ncp made.bin target/new\nmv target/new target/variant.wasm\necho built >> log.txt\necho target/variant.wasm\n").unwrap();
}

fn list(setup: &Setup, url: &str) -> serde_json::Value {
    let output = setup.command().args(["list", "--format", "json", "--url", url]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_saved_source_is_built_and_served_and_a_broken_one_is_not() {
    let place = Place::new("embedded");
    let setup = place.setup();
    source(&place, "first");
    let mut host = Speaking::start(setup.command().args(["run", "--watch", "--listen", "127.0.0.1:0"]));
    let said = host.said_until("watching sources").to_owned();
    let url = said.lines().find_map(|line| line.split_once("listening ")).unwrap().1.to_owned();
    let digest = || list(&setup, &url)["modules"][0]["digest"].as_str().map(str::to_owned);
    let first = digest().unwrap();
    source(&place, "second");
    host.said_until("reloaded variant");
    let second = eventually("it is served", || digest().filter(|digest| *digest != first));
    std::fs::write(place.file("source/build.sh"), "echo line 7: a word too many >&2\nexit 1\n").unwrap();
    host.said_until("build.sh failed: line 7: a word too many; version");
    let listed = list(&setup, &url);
    assert_eq!(listed["problems"][0]["code"], "build-failed");
    assert_eq!(digest().unwrap(), second, "what was built before is served");
    source(&place, "third");
    eventually("mended", || digest().filter(|digest| *digest != second));
    assert!(list(&setup, &url)["problems"].as_array().unwrap().is_empty());
    // A folder that was not there before; and one that goes.
    // (A build that runs may write into it meanwhile.)
    eventually("the folder goes", || std::fs::remove_dir_all(place.file("source")).ok());
    host.said_until("variant is not served any more");
    let (status, said) = host.end(libc::SIGTERM);
    assert!(status.success());
    assert!(said.matches("building source").count() < 12, "a build does not call itself: {said}");
}
