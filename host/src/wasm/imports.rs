//! What a component may import, by name: the contract that this host has, and the WASI that it links. Everything else is refused at load.

use serde::Serialize;
use wasmtime::{
    Engine,
    component::{Component, types::ComponentItem},
};

use super::LoadError;

/// The contract's interfaces. Its versions 0.1.x differ only in what they add.
const CONTRACT: [&str; 14] = [
    "types",
    "definition",
    "current",
    "variables",
    "timers",
    "patterns",
    "clock",
    "events",
    "quests",
    "messages",
    "reply",
    "config",
    "log",
    "random",
];
const VERSION: &str = "0.1.0";
const COMPATIBLE: &str = "0.1.";
/// WASI that quests may import, and what it is good for.
const WASI: [(&str, Access); 6] = [
    ("wasi:cli/", Access::Still),
    ("wasi:io/", Access::Still),
    ("wasi:clocks/", Access::Still),
    ("wasi:random/", Access::Still),
    ("wasi:filesystem/", Access::Refused),
    ("wasi:sockets/", Access::Refused),
];
const GUEST: &str = "quest:host/guest@";

/// What a component asks for, and what is wrong with that.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// WASI is among its imports.
    pub(super) wasi: bool,
    /// It can start patterns.
    pub(super) patterns: bool,
    /// All imports but types, in order of name.
    pub(super) imports: Vec<Import>,
    /// All exports, in the component's order.
    pub(super) exports: Vec<String>,
    /// What it cannot be served with.
    pub(super) faults: Vec<LoadError>,
}

/// An import of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The interface, or the function where it stands in none.
    pub name: String,
    /// What becomes of it.
    pub access: Access,
}

/// What becomes of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// The contract with quests.
    Contract,
    /// WASI that stands still: the clock is the action's, random numbers repeat, what is printed is logged.
    Still,
    /// It loads, and each use is refused.
    Refused,
    /// A module that needs it is not served.
    Denied,
    /// It is of a version of the contract that this host does not have.
    Unknown,
}

/// Looks at each import and at the needed export by name.
pub(super) fn look(component: &Component, engine: &Engine) -> Found {
    let kind = component.component_type();
    let mut found = Found::default();
    for (name, item) in kind.imports(engine) {
        // A type alone is nothing that could be called.
        if matches!(item.ty, ComponentItem::Type(_)) {
            continue;
        }
        let access = access(name);
        found.wasi |= matches!(access, Access::Still | Access::Refused);
        found.patterns |= name.starts_with("quest:host/patterns@");
        found.imports.push(Import { name: name.to_owned(), access });
    }
    found.imports.sort_by(|one, other| one.name.cmp(&other.name));
    let denied = names_of(&found.imports, Access::Denied);
    if !denied.is_empty() {
        found.faults.push(denied_imports(&denied));
    }
    let newer = names_of(&found.imports, Access::Unknown);
    if !newer.is_empty() {
        found.faults.push(newer_contract(&newer.join(", ")));
    }
    found.exports.extend(kind.exports(engine).map(|(name, _)| name.to_owned()));
    match found.exports.iter().find_map(|name| name.strip_prefix(GUEST)) {
        None => {
            let hint = "a quest exports the interface quest:host/guest of world quest:host/quest";
            found.faults.push(LoadError::new("no-guest", "it exports no quest:host/guest@0.1.0", hint));
        }
        Some(version) if !version.starts_with(COMPATIBLE) => {
            found.faults.push(newer_contract(&format!("{GUEST}{version}")));
        }
        Some(_) => {}
    }
    found
}

fn access(name: &str) -> Access {
    if let Some(interface) = name.strip_prefix("quest:host/") {
        return if is_known(interface) { Access::Contract } else { Access::Unknown };
    }
    match WASI.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        Some((_, access)) => *access,
        None => Access::Denied,
    }
}

/// An import whose interface is known, but not what the component wants of it.
pub(super) fn unlinkable(error: &wasmtime::Error) -> LoadError {
    let said = format!("{error:#}");
    if said.contains("quest:host/") {
        return newer_contract(&said);
    }
    let hint = "this host has WASI 0.2; build against that";
    LoadError::new("denied-import", format!("it imports what this host does not have: {said}"), hint)
}

fn is_known(interface: &str) -> bool {
    interface.split_once('@').is_some_and(|(name, version)| CONTRACT.contains(&name) && version.starts_with(COMPATIBLE))
}

fn denied_imports(names: &[&str]) -> LoadError {
    let hint = if names.iter().any(|name| name.starts_with("wasi:http/")) {
        "quests do no I/O, HTTP neither: publish a message and let its reader make the request"
    } else {
        "quests do no I/O: use the functions of quest:host, and messages for what goes outside"
    };
    LoadError::new("denied-import", format!("it imports what a quest may not have: {}", names.join(", ")), hint)
}

fn newer_contract(what: &str) -> LoadError {
    LoadError::new(
        "newer-contract",
        format!("it was built for another version of the contract: {what}"),
        &format!("this host has quest:host {VERSION}: build against that version, or use a newer host"),
    )
}

fn names_of(imports: &[Import], access: Access) -> Vec<&str> {
    imports.iter().filter(|import| import.access == access).map(|import| import.name.as_str()).collect()
}
