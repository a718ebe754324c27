//! What a host carries for new quests: the templates, and the libraries of languages that are compiled (`build.rs` gathers them).

use anyhow::{Context as _, anyhow};
use toml::{Table, Value};

use crate::cli::language::Language;

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// What the templates call their quest.
const NAME: &str = "hello";
/// Where a quest's folder has what it is built with.
const SDK: &str = "quest-sdk";

/// A file of a new quest.
pub(super) struct File {
    /// Its path in the quest's folder.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// All files of a new quest. `sdk` is where Rust's library lies, if it is not to be a copy.
pub(super) fn files(language: Language, name: &str, sdk: Option<&std::path::Path>) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for (path, content) in under(&format!("templates/{}/", language.id())).chain(under("templates/all/")) {
        let text = std::str::from_utf8(content).context("a template is text")?;
        let text = text.replace("LANGUAGE", language.name()).replace("FILE", &format!("`{}`", source(language)));
        let path = if path == "gitignore" { ".gitignore" } else { path };
        files.push(File { name: path.replace(NAME, name), content: text.replace(NAME, name).into_bytes() });
    }
    match language {
        Language::JavaScript | Language::TypeScript => copy("sdk/quest.d.ts", "quest.d.ts", &mut files),
        Language::C | Language::Cpp => library(&["c", "wit"], &mut files),
        Language::Zig => library(&["zig", "c", "wit"], &mut files),
        Language::Go => library(&["go", "wit"], &mut files),
        Language::Python => library(&["python", "wit"], &mut files),
        Language::Rust => match sdk {
            None => rust(&mut files)?,
            Some(sdk) => depend_on(sdk, &mut files)?,
        },
        Language::Ruby | Language::Lua => {}
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// The file that an author begins with.
fn source(language: Language) -> &'static str {
    match language {
        Language::Rust => "src/lib.rs",
        Language::Ruby => "hello.rb",
        Language::JavaScript => "hello.js",
        Language::TypeScript => "hello.ts",
        Language::Lua => "hello.lua",
        Language::Python => "quest.py",
        Language::Go => "main.go",
        Language::C => "quest.c",
        Language::Cpp => "quest.cpp",
        Language::Zig => "quest.zig",
    }
}

/// What is shipped under a path, with what follows it.
fn under(prefix: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, content)| Some((path.strip_prefix(prefix)?, *content)))
}

fn copy(from: &str, to: &str, files: &mut Vec<File>) {
    let found = FILES.iter().filter(|(path, _)| *path == from);
    files.extend(found.map(|(_, content)| File { name: to.to_owned(), content: content.to_vec() }));
}

/// Folders of the libraries, under their names.
fn library(folders: &[&str], files: &mut Vec<File>) {
    for folder in folders {
        for (path, content) in under(&format!("sdk/{folder}/")) {
            files.push(File { name: format!("{SDK}/{folder}/{path}"), content: content.to_vec() });
        }
    }
}

/// Rust's library with the engine that its tests run on, in a workspace of their own.
fn rust(files: &mut Vec<File>) -> anyhow::Result<()> {
    for (path, content) in under("rust/") {
        let content = match path {
            "Cargo.toml" => workspace(std::str::from_utf8(content)?)?.into_bytes(),
            // The versions that the host was tested with are the quest's own.
            "Cargo.lock" => {
                files.push(File { name: path.to_owned(), content: content.to_vec() });
                continue;
            }
            _ => content.to_vec(),
        };
        files.push(File { name: format!("{SDK}/{path}"), content });
    }
    library(&["wit"], files);
    Ok(())
}

/// The manifest of that workspace, from this repository's.
fn workspace(manifest: &str) -> anyhow::Result<String> {
    let mut manifest: Table = toml::from_str(manifest).map_err(|error| anyhow!("the workspace's manifest: {error}"))?;
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut).context("it has a workspace")?;
    let members = ["quest-sdk", "quest-sdk/macros", "engine"];
    workspace.insert("members".to_owned(), members.map(Value::from).to_vec().into());
    workspace.remove("default-members");
    let dependencies =
        workspace.get_mut("dependencies").and_then(Value::as_table_mut).context("it has dependencies")?;
    dependencies
        .insert("quest-engine".to_owned(), Table::from_iter([("path".to_owned(), Value::from("engine"))]).into());
    let kept = Table::from_iter([("workspace".to_owned(), workspace.clone().into())]);
    let note = "# A copy of quest-host's libraries for Rust, as the host that made this quest has them.\n\n";
    Ok(note.to_owned() + &toml::to_string(&kept)?)
}

/// Depends on a library that lies elsewhere.
fn depend_on(sdk: &std::path::Path, files: &mut [File]) -> anyhow::Result<()> {
    let manifest = files.iter_mut().find(|file| file.name == "Cargo.toml").context("the template has a Cargo.toml")?;
    let text = std::str::from_utf8(&manifest.content)?;
    let path = Value::from(sdk.to_str().context("the path of --sdk is text")?).to_string();
    let text = text.replace("\"quest-sdk/quest-sdk\"", &path).replace("exclude = [\"quest-sdk\"]\n", "");
    manifest.content = text.into_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_language_has_a_template_in_which_only_its_own_name_stands() {
        for language in Language::value_variants() {
            let files = files(*language, "another", None).unwrap_or_default();
            let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            let source = source(*language).replace(NAME, "another");
            for needed in [source.as_str(), "README.md", "scenarios.toml", ".gitignore"] {
                assert!(names.contains(&needed), "{}: {needed}: {names:?}", language.id());
            }
            for file in files.iter().filter(|file| !file.name.starts_with("quest-sdk/") && file.name != "Cargo.lock") {
                let text = String::from_utf8_lossy(&file.content);
                assert!(!text.contains(NAME) && !text.contains("LANGUAGE"), "{}: {}", language.id(), file.name);
            }
        }
    }
}
