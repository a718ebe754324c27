//! Loading: from bytes to a module that is checked, compiled, and has said what its quests are.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use quest_engine::{action::Definer, model::QuestDefinition};
use serde::Serialize;
use wasmtime::{
    Trap,
    component::{Component, Linker},
};

use super::{
    Runtime,
    border::{self, QuestPre},
    failure, imports, limits,
    parts::{self, PARTS_MAX},
    run::{Phase, Run},
    script::{Script, Scripted, Told},
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
    pub(super) code: Code,
}

impl Module {
    /// Whether it is a script that runs from its snapshot; false while it is replayed, and for components.
    pub fn runs_from_snapshot(&self) -> bool {
        matches!(&self.code, Code::Script(scripted) if scripted.snapshot.get().is_some())
    }
}

/// What a module is made of.
pub(super) enum Code {
    /// A component of its own.
    Component(QuestPre<Run>),
    /// A script and its interpreter.
    Script(Arc<Scripted>),
}

impl Code {
    /// What to instantiate for a run; a script that it has to load first.
    pub(super) fn pre(&self) -> (&QuestPre<Run>, Option<&Scripted>) {
        match self {
            Self::Component(pre) => (pre, None),
            Self::Script(scripted) => {
                let (pre, replay) = scripted.pre();
                (pre, replay.then_some(scripted))
            }
        }
    }

    /// A message with the text of the script's line that it names.
    pub(super) fn with_line(&self, message: String) -> String {
        match self {
            Self::Component(_) => message,
            Self::Script(scripted) => scripted.with_line(&message),
        }
    }

    /// Where a script was when it was ended from outside; empty where that is not known.
    pub(super) fn place(&self, told: &Told) -> String {
        match self {
            Self::Component(_) => String::new(),
            Self::Script(scripted) => scripted.place(told),
        }
    }
}

/// Why a module cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
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
        // Parts of it are the module's text: names, or what its `define` said.
        const MESSAGE_BYTES_MAX: usize = 8 * 1024;
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        Self { code: code.to_owned(), message, hint: hint.to_owned() }
    }

    /// Another file defines a quest of that name.
    pub fn duplicate(quest: &str, other: &Path) -> Self {
        let message = format!("it defines the quest {quest:?}, which {} defines already", other.display());
        Self::new("duplicate-quest", message, "rename one of them, or remove one file")
    }

    /// A version that is wanted and not kept.
    pub(crate) fn not_kept(digest: &str) -> Self {
        let message = format!("the store does not have the version {digest} (any more)");
        Self::new(
            "version-not-kept",
            message,
            "save the file again, or roll back to a version that `quest-host versions` lists",
        )
    }

    /// A quest that the file served is in it no more.
    pub fn missing(quest: &str) -> Self {
        let message = format!("it does not define the quest {quest:?} any more, which it served");
        let hint =
            "its instances would be without code: put it back, give the file another name, or delete the file first";
        Self::new("quest-missing", message, hint)
    }
}

const WASM_MAGIC: &[u8] = b"\0asm";
const CORE_VERSION: &[u8] = &[1, 0, 0, 0];

impl Runtime {
    /// Checks, compiles and defines a module. Takes a while: not for a thread that others wait for.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        failure::guarded(|| self.load_module(bytes)).unwrap_or_else(|panic| {
            let message = format!("the host panicked while it loaded this: {panic}");
            Err(LoadError::new("host-bug", message, "please report it, with the module"))
        })
    }

    fn load_module(&self, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        check_bytes(bytes, self.settings.module_bytes_max)?;
        let digest = blake3::hash(bytes).to_hex().to_string();
        let began = Instant::now();
        let (component, from_cache) = self.compiled(&digest, bytes)?;
        let compiled_in = began.elapsed();
        let found = imports::look(&component, &self.engine);
        if let Some(fault) = found.faults.into_iter().next() {
            return Err(fault);
        }
        let linker = if found.wasi { &self.with_wasi } else { &self.bare };
        let pre = ready(linker, &component)?;
        let quests = self.define(&pre, found.patterns)?.finish();
        let quests = quests.map_err(|refusal| LoadError::new(refusal.code, refusal.message, ""))?;
        let code = Code::Component(pre);
        Ok(Arc::new(Module { digest, size: bytes.len(), quests, compiled_in, from_cache, code }))
    }

    /// The compiled component of these bytes, whose digest this is; and whether it was in the cache. Otherwise it is from now on.
    pub(super) fn compiled(&self, digest: &str, bytes: &[u8]) -> Result<(Component, bool), LoadError> {
        if let Some(component) = self.cache.get(&self.engine, digest) {
            return Ok((component, true));
        }
        let component = self.compile(bytes)?;
        self.cache.put(digest, &component);
        Ok((component, false))
    }

    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::new(&self.engine, bytes).map_err(|error| {
            limits::refusal(&error, &self.settings).unwrap_or_else(|| {
                let hint = "build it again; a file cut short reads like this too";
                LoadError::new("compile", format!("it does not compile: {error:#}"), hint)
            })
        })
    }

    /// Runs `define` and collects what it says.
    pub(super) fn define(&self, pre: &QuestPre<Run>, can_start_patterns: bool) -> Result<Definer, LoadError> {
        let (result, run) = self.run_define(pre, can_start_patterns, None);
        match result {
            Ok(Ok(())) => Ok(run.into_definer()),
            Ok(Err(border::GuestError { code, message })) => {
                Err(LoadError::new("define-failed", format!("its define failed with {code}: {message}"), ""))
            }
            Err(error) => Err(self.why_undefined(&error, &run)),
        }
    }

    /// Runs `define` in a fresh instance, for a component or for the script of an interpreter; and what is left of the run.
    pub(super) fn run_define(
        &self,
        pre: &QuestPre<Run>,
        can_start_patterns: bool,
        script: Option<Arc<Script>>,
    ) -> (wasmtime::Result<Result<(), border::GuestError>>, Run) {
        let mut definer = Definer::default();
        if can_start_patterns {
            definer.starts_patterns();
        }
        let mut store = self.store(Phase::Defining(definer), &self.defining);
        store.data_mut().script = script;
        let result =
            pre.instantiate(&mut store).and_then(|instance| instance.quest_host_guest().call_define(&mut store));
        let mut run = store.into_data();
        run.take_printed(true);
        (result, run)
    }

    /// Why `define` did not return.
    pub(super) fn why_undefined(&self, error: &wasmtime::Error, run: &Run) -> LoadError {
        const ONLY: &str = "define only says what the quests are: move work and state into actions";
        let settings = &self.settings;
        let said = last_words(&run.define_log);
        let limit = |why: &str| LoadError::new("limit", format!("its define does not end well: {why}{said}"), ONLY);
        if failure::is_busy(error) {
            let message = format!("all {} instances are in use (limit instances_max)", settings.instances_max);
            return LoadError::new("busy", message, "load it again in a moment");
        }
        if let Some(refusal) = limits::refusal(error, settings) {
            return refusal;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                let wall_ms = settings.define_ms_max;
                let message = format!("its define ran longer than {wall_ms} ms (limit define_ms_max){said}");
                return LoadError::new("define-timeout", message, ONLY);
            }
            Some(Trap::StackOverflow) => return limit(&failure::overflow(settings)),
            _ => {}
        }
        match &run.limiter.refused {
            Some(refused) => limit(refused),
            None if failure::hands_over_too_much(error) => limit(&failure::handed_over(settings.call_bytes_max)),
            None => {
                let why = failure::reason(error);
                LoadError::new("define-trapped", format!("its define trapped: {why}{said}"), ONLY)
            }
        }
    }
}

/// A component with all that it imports, its exports checked.
pub(super) fn ready(linker: &Linker<Run>, component: &Component) -> Result<QuestPre<Run>, LoadError> {
    let pre = linker.instantiate_pre(component).map_err(|error| imports::unlinkable(&error))?;
    QuestPre::new(pre).map_err(|error| {
        LoadError::new(
            "no-guest",
            format!("its exports are not those of a quest: {error:#}"),
            "a quest exports quest:host/guest (define, init, perform)",
        )
    })
}

/// The last lines that a `define` wrote, such as a panic's text.
fn last_words(log: &[String]) -> String {
    const LINES: usize = 3;
    let lines: Vec<&str> =
        log.iter().map(String::as_str).filter(|line| !line.is_empty() && !line.starts_with("note: run with")).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
    if last.is_empty() { last } else { format!("; it said: {last}") }
}

pub(super) fn check_bytes(bytes: &[u8], max: usize) -> Result<(), LoadError> {
    if bytes.len() > max {
        let message = format!("it has more than {max} bytes (limit module_bytes_max)");
        return Err(LoadError::new("too-large", message, "build it smaller, or raise the limit if it must be so"));
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
    if parts::are_too_many(bytes) {
        let message = format!("it is made of more than {PARTS_MAX} modules and components");
        return Err(LoadError::new("limit", message, "build it of fewer parts"));
    }
    Ok(())
}
