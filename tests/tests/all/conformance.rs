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
    let output = command.arg("test").arg(script).arg("--module").arg(module).output().unwrap();
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
fn javascript() {
    passes(&root().join("tests/conformance/quest.js"));
}
