//! Puts the templates of `quest-host new`, and the libraries that they need, into the host: an installed host has no repository beside it.

use std::{
    fmt::Write as _,
    fs,
    io::Result,
    path::{Path, PathBuf},
};

/// Folders and files of the repository, and where they lie among what is shipped.
const SHIPPED: [(&str, &str); 13] = [
    ("host/templates", "templates"),
    ("host/engines/js/quest.d.ts", "sdk/quest.d.ts"),
    ("quest-sdk/c", "sdk/c"),
    ("quest-sdk/zig", "sdk/zig"),
    ("quest-sdk/go", "sdk/go"),
    ("quest-sdk/python", "sdk/python"),
    ("wit", "sdk/wit"),
    ("quest-sdk/Cargo.toml", "rust/quest-sdk/Cargo.toml"),
    ("quest-sdk/src", "rust/quest-sdk/src"),
    ("quest-sdk/macros", "rust/quest-sdk/macros"),
    ("host/engine", "rust/engine"),
    // What Rust's library is built with.
    ("Cargo.toml", "rust/Cargo.toml"),
    ("Cargo.lock", "rust/Cargo.lock"),
];

fn main() -> Result<()> {
    // As it is when this runs: clones that share a target folder share this program, too.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| std::io::Error::other("cargo sets it"))?;
    let root = Path::new(&own).join("..").canonicalize()?;
    let mut files = Vec::new();
    for (from, to) in &SHIPPED {
        // Seen from the crate, so that another clone's own files count.
        println!("cargo::rerun-if-changed=../{from}");
        let from = root.join(from);
        take(&from, to, &mut files)?;
    }
    files.sort();
    let mut text = String::from(
        "/// What is shipped: paths and contents, in order of path.\npub static FILES: &[(&str, &[u8])] = &[\n",
    );
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| std::io::Error::other("cargo sets OUT_DIR"))?;
    let out = Path::new(&out);
    for (name, file) in files {
        // A copy: another clone that shares this folder may be gone tomorrow.
        let copy = out.join("shipped").join(&name);
        fs::create_dir_all(copy.parent().unwrap_or(out))?;
        fs::copy(file, &copy)?;
        let _ = writeln!(text, "    ({name:?}, include_bytes!({:?})),", copy.display().to_string());
    }
    text.push_str("];\n");
    fs::write(out.join("shipped.rs"), text)
}

fn take(from: &Path, to: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    if !from.is_dir() {
        files.push((to.to_owned(), from.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What builds make, and what only the repository's own tests read.
        if !name.starts_with('.')
            && !["target", "__pycache__", "tests", "tests.rs", "bindings.sh"].contains(&name.as_str())
        {
            take(&path, &format!("{to}/{name}"), files)?;
        }
    }
    Ok(())
}
