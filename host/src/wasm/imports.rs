//! What a component may import, by name: the contract that this host has, and the WASI that it links. Everything else is refused at load.

use std::collections::BTreeSet;

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
/// WASI that quests may import. What is linked beyond clocks, random and printing is refused when it is used.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
const GUEST: &str = "quest:host/guest@";

/// What a component's imports tell of it.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// WASI is among them.
    pub(super) wasi: bool,
    /// It can start patterns.
    pub(super) patterns: bool,
}

/// Checks each import and the needed export by name; what the imports tell of the component.
pub(super) fn check(component: &Component, engine: &Engine) -> Result<Needs, LoadError> {
    let kind = component.component_type();
    let mut needs = Needs::default();
    let (mut denied, mut newer) = (BTreeSet::new(), BTreeSet::new());
    for (name, item) in kind.imports(engine) {
        if WASI.iter().any(|allowed| name.starts_with(allowed)) {
            needs.wasi = true;
        } else if let Some(interface) = name.strip_prefix("quest:host/") {
            needs.patterns |= interface.starts_with("patterns@");
            if !is_known(interface) {
                newer.insert(name);
            }
        } else if !matches!(item.ty, ComponentItem::Type(_)) {
            // A type alone is nothing that could be called.
            denied.insert(name);
        }
    }
    if !denied.is_empty() {
        return Err(denied_imports(&denied));
    }
    if !newer.is_empty() {
        return Err(newer_contract(&list(&newer)));
    }
    let mut exports = kind.exports(engine).filter_map(|(name, _)| name.strip_prefix(GUEST));
    let Some(version) = exports.next() else {
        let hint = "a quest exports the interface quest:host/guest of world quest:host/quest";
        return Err(LoadError::new("no-guest", "it exports no quest:host/guest@0.1.0", hint));
    };
    if version.starts_with(COMPATIBLE) { Ok(needs) } else { Err(newer_contract(&format!("{GUEST}{version}"))) }
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

fn denied_imports(names: &BTreeSet<&str>) -> LoadError {
    let hint = if names.iter().any(|name| name.starts_with("wasi:http/")) {
        "quests do no I/O, HTTP neither: publish a message and let its reader make the request"
    } else {
        "quests do no I/O: use the functions of quest:host, and messages for what goes outside"
    };
    LoadError::new("denied-import", format!("it imports what a quest may not have: {}", list(names)), hint)
}

fn newer_contract(what: &str) -> LoadError {
    LoadError::new(
        "newer-contract",
        format!("it was built for another version of the contract: {what}"),
        &format!("this host has quest:host {VERSION}: build against that version, or use a newer host"),
    )
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
