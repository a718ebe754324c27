//! One script for quests in every language: tests/conformance.

use std::path::Path;

use quest_host_tests::{
    guests::{conformance_c, guest, root},
    process::Setup,
};

use crate::scenarios::said;

fn passes(module: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("tests/conformance/conformance.toml");
    let mut command = Setup::new(crate::EXE, folder.path(), &[]).command();
    // A busy machine is no reason to fail; what never ends is tried twice.
    let patient = ["--set", "wasm.action_ms_max=10000", "--set", "engine.attempts_max=2"];
    let output = command.arg("test").arg(script).arg("--module").arg(module).args(patient).output().unwrap();
    assert!(output.status.success(), "{}: {}", module.display(), said(&output));
}

#[test]
fn rust() {
    passes(&guest("conformance-rust"));
}

// Zig, Go and Python: tests/languages.sh, as their compilers are large.
#[test]
fn c() {
    passes(&conformance_c());
}

#[test]
fn lua() {
    passes(&root().join("tests/conformance/quest.lua"));
}

#[test]
fn typescript() {
    passes(&root().join("tests/conformance/quest.ts"));
}

#[test]
fn javascript() {
    passes(&root().join("tests/conformance/quest.js"));
}

#[test]
fn ruby() {
    passes(&root().join("tests/conformance/quest.rb"));
}
