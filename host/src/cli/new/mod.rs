//! `new`: a quest's folder from a template, with all that it needs: an installed host has no repository beside it.

mod shipped;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::json;

use super::{Outcome, client::Refused, language::Language, print::Printer, tools};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    _local: super::Local,
    /// The quest's name, or a path to it: its folder, which is made.
    name: PathBuf,
    /// The language.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Language,
    /// For Rust: depend on this quest-sdk (the folder of that name in a clone) instead of a copy in the quest's folder.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// A quest's name has at most so many letters.
const NAME_MAX: usize = 64;

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let name = checked(&args.name)?;
    let sdk = args.sdk.as_deref().map(|path| checked_sdk(path, args.lang)).transpose()?;
    let files = shipped::files(args.lang, name, sdk.as_deref())?;
    lay(&args.name, &files)?;
    tell(args, &files, printer);
    Ok(())
}

/// The name, if a quest may have it.
fn checked(path: &Path) -> anyhow::Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_good = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '_')
        && name.len() <= NAME_MAX;
    if is_good {
        return Ok(name);
    }
    let mended: String = name
        .to_lowercase()
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() || it == '_' { it } else { '-' })
        .skip_while(|it| !it.is_ascii_lowercase())
        .take(NAME_MAX)
        .collect();
    let mended = mended.trim_end_matches('-');
    let hint = match mended {
        "" => "for example daily-gift".to_owned(),
        mended => format!("{mended} would do"),
    };
    let rule =
        format!("a name has small letters, digits, - and _, begins with a letter and has at most {NAME_MAX} of them");
    Err(Refused::usage(&format!("a quest cannot be called {name:?}: {rule}"), &hint))
}

/// The library that is to be depended on.
fn checked_sdk(path: &Path, language: Language) -> anyhow::Result<PathBuf> {
    if language != Language::Rust {
        return Err(Refused::usage("--sdk is for Rust", "the others get a copy of their library"));
    }
    let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("name = \"quest-sdk\"") {
        let message = format!("{} is not quest-sdk's folder", path.display());
        return Err(Refused::usage(&message, "in a clone of quest-host it is the folder quest-sdk"));
    }
    Ok(path.canonicalize()?)
}

/// Writes all files or none. What is there is never written over: the folder is made beside its place, and moved there only if nothing is.
fn lay(folder: &Path, files: &[shipped::File]) -> Outcome {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
    let beside = tempfile::Builder::new().prefix(".quest-host-new-").tempdir_in(parent);
    let beside = beside.with_context(|| format!("cannot write in {}", parent.display()))?;
    for file in files {
        let path = beside.path().join(&file.name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            std::fs::write(&path, &file.content)?;
            make_readable(&path, file.name.ends_with(".sh"))
        };
        write().with_context(|| format!("cannot write {}", folder.join(&file.name).display()))?;
    }
    make_readable(beside.path(), true)?;
    match std::fs::rename(beside.path(), folder) {
        Ok(()) => {
            // It is not there any more, and need not be removed.
            let _ = beside.keep();
            Ok(())
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory
            ) =>
        {
            let message = format!("{} is there already, and nothing in it is written over", folder.display());
            Err(Refused::usage(&message, "choose another name, or move it away"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", folder.display())),
    }
}

/// Like any file that a program makes: a temporary folder is its owner's only.
fn make_readable(path: &Path, runs: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(if runs { 0o755 } else { 0o644 }))
}

fn tell(args: &Args, files: &[shipped::File], printer: &Printer) {
    let Args { name: folder, lang, .. } = args;
    let own: Vec<&str> =
        files.iter().map(|file| file.name.as_str()).filter(|name| !name.starts_with("quest-sdk/")).collect();
    let has_library = own.len() < files.len();
    let next = [format!("cd {}", folder.display()), "quest-host test".to_owned(), "quest-host run --watch".to_owned()];
    let needs = tools::needs(*lang);
    let install = tools::install(&needs);
    if printer.is_json() {
        let told = json!({ "folder": folder, "language": lang.id(), "files": own, "next": next, "install": install });
        return printer.json(&told);
    }
    printer.say_named("made", &format!("{}, a quest in {}", folder.display(), lang.name()));
    own.iter().for_each(|name| printer.say(&format!("           {}", folder.join(name).display())));
    if has_library {
        printer.say(&format!("           {}  its library and the contract", folder.join("quest-sdk").display()));
    }
    if let Some(install) = install {
        let missing: Vec<String> = needs.iter().filter(|tool| !tool.is_fit()).map(tools::said).collect();
        printer.warn(&format!("it cannot be built yet: {}", missing.join(", ")));
        printer.hint(&format!("this installs it: {install}"));
    }
    printer.say_named("next", "these, in turn:");
    next.iter().for_each(|command| printer.line(command));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_mended() {
        for name in ["a", "daily-gift", "a1_b", "quests/hello"] {
            assert!(checked(Path::new(name)).is_ok(), "{name}");
        }
        for (name, would_do) in
            [("Daily Gift", "daily-gift"), ("1st", "st"), ("..", "for example"), ("über", "ber"), ("a.rb", "a-rb")]
        {
            let error = checked(Path::new(name)).err().and_then(|it| it.downcast::<Refused>().ok());
            assert!(error.is_some_and(|it| it.hint.contains(would_do)), "{name}");
        }
        assert!(checked(Path::new(&"a".repeat(65))).is_err());
    }
}
