//! `inspect` and `check`: what a module is, and all that is wrong with it, before a host serves it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use quest_engine::{
    limits::{Grant, Permissions},
    model::QuestDefinition,
    schedule::{Schedule, Zone, civil, upcoming},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    client::Refused,
    print::{Printer, plain},
};
use crate::{
    reload::modules_in,
    wasm::{Access, Examined, Keep, LoadError, POLICY_FILE, Policies, Policy, Runtime},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    _local: super::Local,
    /// The modules, or folders of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The settings file (quest-host.toml in this folder, if there is one): its limits count.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A setting, as `quest-host config` names it, e.g. --set wasm.memory_bytes_max=1048576.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
}

/// Shows what each module is.
pub(crate) fn inspect(args: &Args, printer: &Printer) -> Outcome {
    let mut is_first = true;
    each(args, printer, |file, examined, policies| {
        if printer.is_json() {
            printer.json(&of_file(file, examined, policies));
        } else {
            if !std::mem::take(&mut is_first) {
                printer.line("");
            }
            show(file, examined, policies, printer);
        }
    })?;
    Ok(())
}

/// Says all that is wrong with each module; fails if anything is.
pub(crate) fn check(args: &Args, printer: &Printer) -> Outcome {
    let mut wrong = 0;
    let mut files = 0;
    each(args, printer, |file, examined, _| {
        files += 1;
        wrong += usize::from(!examined.faults.is_empty());
        if printer.is_json() {
            printer.json(&json!({ "file": file, "ok": examined.faults.is_empty(), "faults": examined.faults }));
            return;
        }
        let verdict = match examined.faults.len() {
            0 => {
                let quests: Vec<&str> = examined.quests.iter().map(|quest| quest.name.as_str()).collect();
                format!("ok: {}", quests.join(", "))
            }
            1 => "1 fault".to_owned(),
            count => format!("{count} faults"),
        };
        printer.line(&format!("{}: {verdict}", file.display()));
        faults(examined, printer);
    })?;
    if wrong > 0 {
        bail!("{wrong} of {files} modules cannot be served");
    }
    Ok(())
}

/// Examines each file in turn. What several define is a fault of the later ones.
fn each(args: &Args, printer: &Printer, mut tell: impl FnMut(&Path, &Examined, &Policies)) -> Outcome {
    let resolved = crate::settings::resolve(&super::pairs(&args.sets)?, args.config.as_deref())?;
    resolved.warnings.iter().for_each(|warning| printer.warn(warning));
    let settings = resolved.settings.runtime();
    let bytes_max = settings.module_bytes_max;
    let plain = Policies::plain(&settings);
    let runtime = Runtime::new(settings.clone())?;
    let mut defined: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut sections: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for file in files(&args.files)? {
        let bytes = crate::wasm::read(&file, bytes_max).with_context(|| format!("cannot read {}", file.display()))?;
        let mut examined = runtime.examine_as(&file, &bytes);
        for quest in &examined.quests {
            let other = defined.entry(quest.name.clone()).or_insert_with(|| file.clone());
            if *other != file {
                examined.faults.push(LoadError::duplicate(&quest.name, other));
            }
        }
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
        let policies = Policies::beside(&folder, &settings).unwrap_or_else(|fault| {
            examined.faults.push(fault);
            plain.clone()
        });
        sections.entry(folder).or_insert_with(|| policies.sections().map(str::to_owned).collect());
        tell(&file, &examined, &policies);
    }
    for folder in args.files.iter().filter(|folder| folder.is_dir()) {
        for quest in sections.remove(folder).into_iter().flatten().filter(|quest| !defined.contains_key(quest)) {
            let file = folder.join(POLICY_FILE);
            printer.warn(&format!(
                "{} has a section for the quest {quest:?}, which no module there defines",
                file.display()
            ));
        }
    }
    Ok(())
}

fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = modules_in(path)?;
        if found.is_empty() {
            let message = format!("there is no module in {}", path.display());
            return Err(Refused::usage(
                &message,
                "a module is a .wasm file or a script; `quest-host run` builds sources",
            ));
        }
        files.extend(found);
    }
    Ok(files)
}

fn of_file(file: &Path, examined: &Examined, policies: &Policies) -> Value {
    let mut value = json!(examined);
    value["file"] = json!(file);
    let of_quests = examined.quests.iter().map(|quest| (quest.name.clone(), json!(policies.of(&quest.name))));
    value["policies"] = Value::Object(of_quests.collect());
    value["notes"] = json!(policies.notes);
    value
}

fn show(file: &Path, examined: &Examined, policies: &Policies, printer: &Printer) {
    let line = |name: &str, text: &str| printer.line(format!("  {name:9} {text}").trim_end());
    printer.line(&file.display().to_string());
    line("size", &format!("{} bytes, blake3 {}", examined.size, examined.digest));
    for (access, name, why) in [
        (Access::Contract, "contract", ""),
        (Access::Still, "wasi", "  (the clock is the event's, random numbers repeat, what is printed is logged)"),
        (Access::Refused, "refused", "  (it loads, and each use is refused: quests do no I/O)"),
        (Access::Denied, "denied", ""),
        (Access::Unknown, "unknown", ""),
    ] {
        let names: Vec<String> =
            examined.imports.iter().filter(|import| import.access == access).map(|it| short(&it.name)).collect();
        if !names.is_empty() {
            line(name, &format!("{}{why}", names.join(", ")));
        }
    }
    if let Some(language) = examined.language {
        line("language", language.name());
    }
    if !examined.exports.is_empty() {
        let exports: Vec<String> = examined.exports.iter().map(|name| short(name)).collect();
        line("exports", &exports.join(", "));
    }
    for quest in &examined.quests {
        let description = plain(&quest.description);
        line("quest", &format!("{} (version {})  {description}", quest.name, quest.version));
        let line = |name: &str, text: &str| printer.line(&format!("    {name:9} {text}"));
        parts(quest, &line);
        may(policies.of(&quest.name), &line);
    }
    policies.notes.iter().for_each(|note| line("note", &format!("{POLICY_FILE}: {}", plain(note))));
    faults(examined, printer);
}

/// What a quest declares, a line each.
fn parts(quest: &QuestDefinition, line: &dyn Fn(&str, &str)) {
    if !quest.add_on.is_empty() {
        line("added on", &quest.add_on.iter().map(|event| plain(event)).collect::<Vec<_>>().join(", "));
    }
    for (action, events) in &quest.actions {
        let on = events.iter().map(|event| plain(event)).collect::<Vec<_>>().join(", ");
        line("action", &if on.is_empty() { action.clone() } else { format!("{action}  on {on}") });
    }
    quest.queries.iter().for_each(|query| line("query", query));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    for (name, every) in &quest.every {
        let next = Schedule::parse(&every.schedule).ok().and_then(|schedule| {
            let zone = schedule.zone().cloned().unwrap_or_else(Zone::utc);
            let next = upcoming(&schedule, now, &zone, 1).into_iter().next()?;
            Some(format!("; next {}", civil::show(next.at, &zone)))
        });
        let next = next.unwrap_or_default();
        line("every", &format!("{name}: {}  calls {}{next}", plain(&every.schedule), every.action));
    }
    for (name, spec) in &quest.patterns {
        line("pattern", &format!("{name}: {}", plain(spec)));
    }
}

/// What a quest may do beyond its own context, and what it may take where that is less than all quests may.
fn may(policy: &Policy, line: &dyn Fn(&str, &str)) {
    let Permissions { other_contexts, broadcast } = policy.permissions;
    let permissions = [(other_contexts, "act on other contexts"), (broadcast, "broadcast")];
    let permitted = permissions.into_iter().filter(|(grant, _)| *grant == Grant::Granted).map(|(_, what)| what);
    let permitted = permitted.collect::<Vec<_>>().join(", ");
    line("may", if permitted.is_empty() { "act on its own context only" } else { &permitted });
    let lowered: Vec<String> = policy.lowered().map(|(name, value)| format!("{name} {value}")).collect();
    if !lowered.is_empty() {
        line("limits", &lowered.join(", "));
    }
    match policy.keep_instances {
        Keep::Never => {}
        Keep::Context => line("instances", "kept for the same context"),
        Keep::Quest => line("instances", "kept, whatever the context"),
    }
}

fn faults(examined: &Examined, printer: &Printer) {
    for LoadError { code, message, hint } in &examined.faults {
        printer.line(&format!("  fault     {} [{code}]", plain(message)));
        if !hint.is_empty() {
            printer.line(&format!("            {hint}"));
        }
    }
}

/// An interface without what all of the contract's, and all of WASI's, have in common.
fn short(name: &str) -> String {
    let name = plain(name);
    let own = |prefix: &str, version: &str| {
        let (interface, of) = name.strip_prefix(prefix)?.split_once('@')?;
        of.starts_with(version).then(|| interface.to_owned())
    };
    own("quest:host/", "0.1.").or_else(|| own("wasi:", "0.2.")).unwrap_or(name)
}
