//! Loading: from bytes to a module that is checked, compiled, and has said what its quests are.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use quest_engine::{action::Definer, model::QuestDefinition};
use wasmtime::{
    Trap,
    component::{Component, types::ComponentItem},
};

use super::{
    Runtime,
    border::{self, Phase, QuestPre, Run},
    frames, wasi,
};

/// A module that can be run.
pub struct Module {
    /// Its bytes' digest, hexadecimal.
    pub digest: String,
    /// Its bytes' length.
    pub size: usize,
    /// What it defines.
    pub quests: Vec<QuestDefinition>,
    /// How long compiling took, or reading the compiled code.
    pub compiled_in: Duration,
    /// Whether the compiled code was at hand.
    pub from_cache: bool,
    pub(super) pre: QuestPre<Run>,
    pub(super) needs_wasi: bool,
}

/// Why a module cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// A stable code (docs/errors.md).
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it; empty when there is nothing to say.
    pub hint: String,
}

impl LoadError {
    pub(super) fn new(code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.to_owned() }
    }
}

const WASM_MAGIC: &[u8] = b"\0asm";
const CORE_VERSION: &[u8] = &[1, 0, 0, 0];
/// WASI that quests may import. What is linked beyond clocks, random and printing is refused when it is used.
const WASI_ALLOWED: [&str; 6] =
    ["wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
const GUEST: &str = "quest:host/guest@0.1.";

impl Runtime {
    /// Checks, compiles and defines a module.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        check_bytes(bytes, self.settings.module_bytes_max)?;
        let digest = blake3::hash(bytes).to_hex().to_string();
        let began = Instant::now();
        let cached = self.cache.get(&self.engine, &digest);
        let from_cache = cached.is_some();
        let component = match cached {
            Some(component) => component,
            None => {
                let component = Component::new(&self.engine, bytes).map_err(|error| {
                    LoadError::new(
                        "compile",
                        format!("it does not compile: {error:#}"),
                        "build it again; a file cut short reads like this too",
                    )
                })?;
                self.cache.put(&digest, &component);
                component
            }
        };
        let compiled_in = began.elapsed();
        let needs_wasi = self.check_imports(&component)?;
        let linker = if needs_wasi { &self.with_wasi } else { &self.bare };
        let pre = linker.instantiate_pre(&component).map_err(|error| {
            LoadError::new(
                "denied-import",
                format!("{error:#}"),
                "this host has quest:host 0.1.0; build against that version",
            )
        })?;
        let pre = QuestPre::new(pre).map_err(|error| {
            LoadError::new(
                "no-guest",
                format!("its exports are not those of a quest: {error:#}"),
                "a quest exports quest:host/guest (define, init, perform)",
            )
        })?;
        let quests = self.define(&pre, needs_wasi)?;
        Ok(Arc::new(Module { digest, size: bytes.len(), quests, compiled_in, from_cache, pre, needs_wasi }))
    }

    /// Checks each import and the needed export by name; whether WASI is among them.
    fn check_imports(&self, component: &Component) -> Result<bool, LoadError> {
        let kind = component.component_type();
        let mut needs_wasi = false;
        let mut denied = BTreeSet::new();
        for (name, item) in kind.imports(&self.engine) {
            // A component that names only types imports nothing that could be refused.
            let is_type = matches!(item.ty, ComponentItem::Type(_));
            let is_wasi = WASI_ALLOWED.iter().any(|allowed| name.starts_with(allowed));
            needs_wasi |= is_wasi;
            if !is_type && !is_wasi && !name.starts_with("quest:host/") {
                denied.insert(name.to_owned());
            }
        }
        if !denied.is_empty() {
            let names: Vec<String> = denied.into_iter().collect();
            let hint = "quests do no I/O: use the functions of quest:host, and messages for what goes outside";
            return Err(LoadError::new(
                "denied-import",
                format!("it imports what a quest may not have: {}", names.join(", ")),
                hint,
            ));
        }
        if !kind.exports(&self.engine).any(|(name, _)| name.starts_with(GUEST)) {
            let hint = "a quest exports the interface quest:host/guest of world quest:host/quest";
            return Err(LoadError::new("no-guest", "it exports no quest:host/guest@0.1.0", hint));
        }
        Ok(needs_wasi)
    }

    /// Runs `define` and collects what it says.
    fn define(&self, pre: &QuestPre<Run>, needs_wasi: bool) -> Result<Vec<QuestDefinition>, LoadError> {
        let wasi = needs_wasi.then(|| wasi::Wasi::new(0, "define"));
        let wall_ms = self.settings.define_ms_max;
        let mut store = self.store(Phase::Defining(Definer::default()), wasi, wall_ms);
        let result =
            pre.instantiate(&mut store).and_then(|instance| instance.quest_host_guest().call_define(&mut store));
        store.data_mut().take_printed(true);
        let refused = store.data_mut().limiter.refused.take();
        let Run { phase, define_log, .. } = store.into_data();
        let said = define_log.last().map(|line| format!(" ({line})")).unwrap_or_default();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(border::GuestError { code, message })) => {
                return Err(LoadError::new("define-failed", format!("its define failed with {code}: {message}"), ""));
            }
            Err(error) if matches!(error.downcast_ref(), Some(Trap::Interrupt)) => {
                let message = format!("its define ran longer than {wall_ms} ms{said}");
                return Err(LoadError::new(
                    "define-timeout",
                    message,
                    "define only says what the quests are (limit define_ms_max)",
                ));
            }
            Err(error) => {
                let why = refused.unwrap_or_else(|| format!("{}{}", error.root_cause(), frames(&error)));
                return Err(LoadError::new("define-trapped", format!("its define trapped: {why}{said}"), ""));
            }
        }
        let Phase::Defining(definer) = phase else { return Ok(Vec::new()) };
        definer.finish().map_err(|refusal| LoadError::new(refusal.code, refusal.message, ""))
    }
}

fn check_bytes(bytes: &[u8], max: usize) -> Result<(), LoadError> {
    if bytes.len() > max {
        let message = format!("it has {} bytes, a module may have {max}", bytes.len());
        return Err(LoadError::new("too-large", message, "raise the limit module_bytes_max if it must be that large"));
    }
    let Some(version) = bytes.strip_prefix(WASM_MAGIC) else {
        return Err(LoadError::new(
            "not-wasm",
            "it is not WebAssembly",
            "a quest is a wasm component, built e.g. for wasm32-wasip2",
        ));
    };
    if version.starts_with(CORE_VERSION) {
        let hint = "build for wasm32-wasip2, or make a component of it with `wasm-tools component new`";
        return Err(LoadError::new("core-module", "it is a core wasm module, not a component", hint));
    }
    Ok(())
}
