//! One script for quests in every language: tests/conformance.

use std::path::Path;

use quest_host_tests::{
    guests::{conformance_c, guest, root},
    process::Setup,
};

use crate::scenarios::said;

/// With fresh instances, then with kept ones: they are faster and change nothing but what the program finds in its own memory.
fn passes(module: &Path) {
    runs("conformance.toml", module, "");
    runs("fresh.toml", module, "");
    runs("conformance.toml", module, "keep_instances = 'quest'");
    runs("kept.toml", module, "keep_instances = 'context'");
}

fn runs(script: &str, module: &Path, policy: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("tests/conformance").join(script);
    let copied = folder.path().join(module.file_name().unwrap());
    std::fs::copy(module, &copied).unwrap();
    std::fs::write(folder.path().join("quest.toml"), policy).unwrap();
    let mut command = Setup::new(crate::EXE, folder.path(), &[]).command();
    // A busy machine is no reason to fail; what never ends is tried twice.
    let patient = ["--set", "wasm.action_ms_max=5000", "--set", "engine.attempts_max=2"];
    // What quests may do by themselves is tested elsewhere: permissions.rs.
    let permitted = ["--set", "wasm.permit.other_contexts=always", "--set", "wasm.permit.broadcast=always"];
    command.arg("test").arg(script).arg("--module").arg(&copied).args(patient).args(permitted);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{} {policy}: {}", module.display(), said(&output));
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
