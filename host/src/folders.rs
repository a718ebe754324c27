//! What of a folder with quests is a quest: the one rule that `run`, its watch, `test`, `check`, `inspect` and `build` go by.
//!
//! In a folder with quests, a module is a `.wasm` file or a script. A folder in it is a quest's own if it holds the sources of one (a
//! `Cargo.toml`, or a `build.sh`), or else scripts: the one that is named as the folder, or where none is, each of them. The folder named may itself be a
//! quest's own.
//!
//! Must not know: how sources are built, what a module holds.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{wasm::Language, watch::is_made};

/// Whether a folder has the sources of a quest that is built.
pub fn is_source(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file() || folder.join("build.sh").is_file()
}

/// The modules that lie in a folder with quests as they are, in order of name; of a folder that is not there, none.
pub fn modules_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.exists() || is_source(folder) {
        return Ok(Vec::new());
    }
    let entries = read(folder)?;
    if let Some(own) = named_as(folder, &entries) {
        return Ok(vec![own]);
    }
    let mut modules: BTreeSet<PathBuf> = BTreeSet::new();
    for path in entries {
        if is_module(&path) {
            modules.insert(path);
        } else if is_followed(&path) {
            // Between the two looks at it, it may have gone.
            modules.extend(scripts_in(&path).unwrap_or_default());
        }
    }
    Ok(modules.into_iter().collect())
}

/// The folders in a folder with quests whose sources are built, in order of name; itself, if it has sources.
pub fn sources_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if is_source(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    Ok(folders_in(folder)?.into_iter().filter(|folder| is_source(folder)).collect())
}

/// The folders in a folder with quests in which a script is, or would be, a module.
pub fn script_folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if is_source(folder) {
        return Ok(Vec::new());
    }
    Ok(folders_in(folder)?.into_iter().filter(|folder| !is_source(folder)).collect())
}

/// Whether a folder is a quest's own, by what lies in it: sources, or a script named as it is.
pub fn is_quest(folder: &Path) -> bool {
    is_source(folder) || read(folder).is_ok_and(|entries| named_as(folder, &entries).is_some())
}

/// A folder's name, by which people and other hosts know the sources in it; of `.`, that of the folder that it is.
pub fn name_of(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Some(whole.file_name()?.to_str()?.to_owned())
}

/// What a module of a folder with quests is known by, wherever the folder lies: its name; of a script in a folder of its own that is named otherwise,
/// with that folder's before it.
pub fn name_in(folder: &Path, file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let inner: Vec<_> = file.strip_prefix(folder).ok().into_iter().flat_map(Path::iter).collect();
    match inner[..] {
        [own, _] if is_script(file) && Some(own) != file.file_stem() => Some(format!("{}/{name}", own.to_str()?)),
        _ => Some(name.to_owned()),
    }
}

/// Where in a folder with quests a module of that name lies, or would.
pub fn place_in(folder: &Path, name: &str) -> PathBuf {
    let flat = folder.join(name);
    let own = folder.join(Path::new(name).file_stem().unwrap_or_default()).join(name);
    if is_script(&flat) && !flat.exists() && own.exists() { own } else { flat }
}

fn scripts_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if is_source(folder) {
        return Ok(Vec::new());
    }
    let scripts: Vec<PathBuf> = read(folder)?.into_iter().filter(|path| is_script(path)).collect();
    Ok(named_as(folder, &scripts).map_or(scripts, |own| vec![own]))
}

/// The script among these that has its folder's name.
fn named_as(folder: &Path, files: &[PathBuf]) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let named = |path: &&PathBuf| path.file_stem() == folder.file_name() && is_script(path) && path.is_file();
    files.iter().find(named).cloned()
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(read(folder)?.into_iter().filter(|path| is_followed(path)).collect())
}

/// What lies in a folder, in order of name.
fn read(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(cannot)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().with_context(cannot)?;
    paths.sort();
    Ok(paths)
}

/// Whether it is a folder that somebody writes, rather than a tool.
fn is_followed(path: &Path) -> bool {
    path.is_dir() && !is_made(path.file_name().unwrap_or_default().as_ref())
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm") || is_script(path)
}

fn is_script(path: &Path) -> bool {
    Language::of(path).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn laid(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(folder: &Path, paths: Vec<PathBuf>) -> Vec<String> {
        paths.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn each_folder_is_what_it_holds() {
        let laid = laid(&[
            "flat.rb",
            "flat.wasm",
            "quest.d.ts",
            "notes.txt",
            "crate/Cargo.toml",
            "crate/helper.js",
            "c/build.sh",
            "c/quest.c",
            "one/main.lua",
            "one/scenarios.toml",
            "named/helper.js",
            "named/named.js",
            "named/deeper/named.js",
            "two/a.rb",
            "two/b.ts",
            "two/b.d.ts",
            "node_modules/x.js",
            ".git/x.js",
            "target/x.js",
            "empty/README.md",
        ]);
        let folder = laid.path();
        let modules = names(folder, modules_in(folder).unwrap());
        assert_eq!(modules, ["flat.rb", "flat.wasm", "named/named.js", "one/main.lua", "two/a.rb", "two/b.ts"]);
        assert_eq!(names(folder, sources_in(folder).unwrap()), ["c", "crate"]);
        assert_eq!(names(folder, script_folders_in(folder).unwrap()), ["empty", "named", "one", "two"]);
        let named = folder.join("named");
        assert_eq!(names(folder, modules_in(&named).unwrap()), ["named/named.js"]);
        assert_eq!(modules_in(&folder.join("crate")).unwrap(), [] as [PathBuf; 0]);
        assert_eq!(sources_in(&folder.join("crate")).unwrap(), [folder.join("crate")]);
        assert!(is_quest(&named) && is_quest(&folder.join("c")) && !is_quest(folder) && !is_quest(&folder.join("one")));
        assert_eq!(modules_in(&folder.join("nowhere")).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_name_is_that_of_one_place() {
        let laid = laid(&["a.rb", "named/named.js", "one/main.lua"]);
        let folder = laid.path();
        for (file, name) in [
            ("a.rb", "a.rb"),
            ("x.wasm", "x.wasm"),
            ("named/named.js", "named.js"),
            ("one/main.lua", "one/main.lua"),
            ("c/target/quest.wasm", "quest.wasm"),
        ] {
            assert_eq!(name_in(folder, &folder.join(file)).as_deref(), Some(name));
        }
        assert_eq!(name_in(folder, Path::new("/elsewhere/target/quest.wasm")).as_deref(), Some("quest.wasm"));
        for (name, file) in [
            ("a.rb", "a.rb"),
            ("named.js", "named/named.js"),
            ("one/main.lua", "one/main.lua"),
            ("new.rb", "new.rb"),
            ("x.wasm", "x.wasm"),
        ] {
            assert_eq!(place_in(folder, name), folder.join(file));
        }
    }
}
