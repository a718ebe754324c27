//! Real components for the tests, built once a run from the crates in this repository.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// The component of a workspace package, built with the profile of quests.
pub fn guest(package: &str) -> PathBuf {
    static BUILT: OnceLock<Mutex<BTreeMap<String, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().expect("no build panicked");
    built.entry(package.to_owned()).or_insert_with(|| build(package, guests_target(), &[])).clone()
}

/// The same, with its source's lines.
pub fn guest_with_lines(package: &str) -> PathBuf {
    let lines = ["--config", "profile.quest.strip='none'", "--config", "profile.quest.debug='line-tables-only'"];
    build(package, guests_target().join("lines"), &lines)
}

// Into a folder of its own: the tests' own cargo holds the lock of the other.
fn build(package: &str, target: PathBuf, args: &[&str]) -> PathBuf {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args(["build", "--locked", "--target", "wasm32-wasip2", "--profile", "quest", "-p", package, "--target-dir"])
        .arg(&target)
        .args(args)
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "building {package} failed");
    target.join("wasm32-wasip2/quest").join(format!("{}.wasm", package.replace('-', "_")))
}

/// The module of the quest in C. Its toolchain comes with `tests/run.sh`.
///
/// # Panics
/// When it cannot be built: then nothing is known about it.
pub fn hello_c() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let output = Command::new("bash").arg(root().join("quests/hello-c/build.sh")).output().expect("bash runs");
        assert!(output.status.success(), "the quest in C: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("a path");
        root().join("quests/hello-c").join(said.lines().last().expect("its path"))
    };
    BUILT.get_or_init(build).clone()
}

/// The conformance quest in C, built with the same tools.
///
/// # Panics
/// When it cannot be built: then nothing is known about it.
pub fn conformance_c() -> PathBuf {
    let tools = root().join("quests/hello-c/target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path))).expect("a path");
    let script = root().join("tests/conformance/c/build.sh");
    let output = Command::new("bash").arg(script).env("PATH", path).output().expect("bash runs");
    assert!(output.status.success(), "the conformance quest in C: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

/// Where cargo puts the components that the tests build.
pub fn guests_target() -> PathBuf {
    target_dir().join("guests")
}

/// Where the tests' own artefacts lie.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    exe.ancestors().nth(3).expect("target/debug/deps/test").to_owned()
}

/// The modules with the ten hostile quests.
///
/// # Panics
/// When they cannot be built.
pub fn hostile() -> [PathBuf; 2] {
    let text = root().join("tests/guests/hostile/table.wat");
    let table = guests_target().join("guest_hostile_table.wasm");
    std::fs::create_dir_all(guests_target()).expect("a folder");
    std::fs::write(&table, wat::parse_file(text).expect("a component's text")).expect("written");
    [guest("guest-hostile"), table]
}

/// The probe, and beside it the hostile quests.
///
/// # Panics
/// When they cannot be built.
pub fn probe_and_hostile() -> Vec<PathBuf> {
    [vec![guest("guest-probe")], hostile().to_vec()].concat()
}

/// A version of the quest `guest-variant` that is as `plan` says (its source says how), as bytes.
///
/// # Panics
/// When the plan has no room.
pub fn variant(plan: &str) -> Vec<u8> {
    const MARK: &[u8] = b"@@PLAN@@";
    const ROOM: usize = 1024;
    let mut bytes = std::fs::read(guest("guest-variant")).expect("it was built");
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("the plan's mark");
    assert!(plan.len() <= ROOM - MARK.len(), "the plan is too long");
    let room = &mut bytes[at + MARK.len()..at + ROOM];
    room.fill(b' ');
    room[..plan.len()].copy_from_slice(plan.as_bytes());
    bytes
}
