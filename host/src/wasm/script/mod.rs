//! Scripts as modules: a file of Ruby, JavaScript, TypeScript or Lua, run by an interpreter that is a component of this host
//! (`host/engines`).
//!
//! A script is served as soon as its `define` has run: at first by **replay** (each fresh instance of the interpreter loads the script
//! again), and, as soon as that is made in the background, from a **snapshot** of the interpreter that has loaded it. An action's effects are the
//! same in both.
//!
//! Must not know: the registry, stores.

mod interpreter;
mod language;
mod lines;
mod snapshot;
mod typescript;

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Instant,
};

use quest_engine::model::QuestDefinition;
use serde::Serialize;

pub(super) use interpreter::{Interpreter, Interpreters, link};
pub use language::Language;
pub(super) use snapshot::Snapshots;
pub use typescript::isolate_in;
pub(crate) use typescript::serve_or_isolate;

use super::{
    LoadError, Module, Runtime,
    border::{GuestError, QuestPre},
    failure,
    module::Code,
    run::Run,
};

/// The code of an interpreter's own words for a script that does not parse.
const SYNTAX: &str = "syntax";
/// The code of a script that does not parse.
const SYNTAX_CODE: &str = "script-syntax";

/// A script: what an interpreter asks for.
#[derive(Debug)]
pub(super) struct Script {
    /// Its file's name, without the folder.
    pub(super) name: String,
    /// Its text, as its author wrote it.
    pub(super) text: String,
    /// Its text as the interpreter runs it.
    pub(super) source: String,
}

/// What an interpreter tells of a script while it runs.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The line that ran last, as far as that is known; 0: none.
    pub(super) line: u32,
    /// Statements at the top level that act.
    pub(super) statements: Vec<Statement>,
}

/// A statement at a script's top level that acts: for `quest-host exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// `add`, `remove` or `call`.
    pub kind: String,
    /// The quest.
    pub quest: String,
    /// The action, of a call.
    pub action: String,
    /// The context.
    pub context: String,
    /// The payload of a call, as JSON text.
    pub payload: String,
}

/// A script with its interpreter.
pub(super) struct Scripted {
    pub(super) script: Arc<Script>,
    pub(super) interpreter: Arc<Interpreter>,
    /// The interpreter with the script loaded, once that is made.
    pub(super) snapshot: OnceLock<QuestPre<Run>>,
}

/// What a script says when it is loaded.
#[derive(Debug, Clone, Default)]
pub struct Defined {
    /// Its quests.
    pub quests: Vec<QuestDefinition>,
    /// Its statements at the top level that act.
    pub statements: Vec<Statement>,
}

impl Scripted {
    /// A digest of all that its behaviour depends on, hexadecimal.
    fn digest(&self) -> String {
        let Script { name, source, .. } = &*self.script;
        blake3::hash(format!("{}\0{name}\0{source}", self.interpreter.digest).as_bytes()).to_hex().to_string()
    }

    /// What to instantiate, and whether the script has to be loaded in it first.
    pub(super) fn pre(&self) -> (&QuestPre<Run>, bool) {
        match self.snapshot.get() {
            Some(pre) => (pre, false),
            None => (&self.interpreter.pre, true),
        }
    }

    /// A message with the text of the line that it names.
    pub(super) fn with_line(&self, message: &str) -> String {
        lines::with_text(message, &self.script.name, &self.script.text)
    }

    /// Where the script was when it was ended from outside.
    pub(super) fn place(&self, told: &Told) -> String {
        match told.line {
            0 => String::new(),
            line => self.with_line(&format!("; it was last seen at {}:{line}", self.script.name)),
        }
    }
}

impl Runtime {
    /// Loads what a file holds: a script, or else a component.
    pub fn load_as(self: &Arc<Self>, file: &Path, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        match Language::of(file) {
            Some(_) => self.load_script(file, bytes),
            None => self.load(bytes),
        }
    }

    /// As [`Runtime::load`], for a script; its language is what its name ends with.
    pub fn load_script(self: &Arc<Self>, file: &Path, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        failure::guarded(|| self.load_scripted(file, bytes)).unwrap_or_else(|panic| {
            let message = format!("the host panicked while it loaded this: {panic}");
            Err(LoadError::new("host-bug", message, "please report it, with the script"))
        })
    }

    fn load_scripted(self: &Arc<Self>, file: &Path, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        let began = Instant::now();
        let scripted = Arc::new(self.read_script(file, bytes)?);
        let Defined { quests, .. } = self.define_script(&scripted)?;
        let digest = scripted.digest();
        let from_cache = match self.snapshot_in_cache(&digest) {
            Some(pre) => scripted.snapshot.set(pre).is_ok(),
            None => false,
        };
        if !from_cache {
            self.snapshots.make(self, &scripted);
        }
        Ok(Arc::new(Module {
            digest,
            size: bytes.len(),
            quests,
            compiled_in: began.elapsed(),
            from_cache,
            code: Code::Script(scripted),
        }))
    }

    /// What a script defines, and its statements at the top level that act.
    pub fn define_only(&self, file: &Path, bytes: &[u8]) -> Result<Defined, LoadError> {
        self.read_script(file, bytes).and_then(|scripted| self.define_script(&scripted))
    }

    /// A script and its interpreter; nothing of it has run.
    fn read_script(&self, file: &Path, bytes: &[u8]) -> Result<Scripted, LoadError> {
        let Some(language) = Language::of(file) else {
            return Err(LoadError::new("not-wasm", "it is neither WebAssembly nor a script", "docs/languages"));
        };
        if bytes.len() > self.settings.module_bytes_max {
            let message = format!("it has more than {} bytes (limit module_bytes_max)", self.settings.module_bytes_max);
            return Err(LoadError::new("too-large", message, "split it, or raise the limit if it must be so"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            LoadError::new("not-text", format!("line {line} is not UTF-8"), "save it as UTF-8")
        })?;
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let interpreter = self.interpreters.get(self, language)?;
        let source = match language {
            Language::TypeScript => typescript::without_types(&name, text, self.settings.define_ms_max)?,
            _ => text.to_owned(),
        };
        let script = Arc::new(Script { name, text: text.to_owned(), source });
        Ok(Scripted { script, interpreter, snapshot: OnceLock::new() })
    }

    /// Loads the script in a fresh instance and collects what it defines.
    fn define_script(&self, scripted: &Scripted) -> Result<Defined, LoadError> {
        // Not in a snapshot, which would not tell its statements again.
        let (result, mut run) = self.run_define(&scripted.interpreter.pre, true, Some(Arc::clone(&scripted.script)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(GuestError { code, message })) => return Err(wrong(scripted, &code, &message)),
            Err(error) => {
                let mut fault = self.why_undefined(&error, &run);
                fault.message.push_str(&scripted.place(&run.told));
                return Err(fault);
            }
        }
        let statements = std::mem::take(&mut run.told.statements);
        let finished = run.into_definer().finish();
        let quests = finished.map_err(|refusal| wrong(scripted, refusal.code, &refusal.message))?;
        Ok(Defined { quests, statements })
    }
}

/// Loads the script in a fresh instance before its first call, as a snapshot has it loaded. What it says then was said when it was loaded first.
pub(super) fn replay(
    scripted: &Scripted,
    instance: &super::border::Quest,
    store: &mut wasmtime::Store<Run>,
) -> wasmtime::Result<Result<(), GuestError>> {
    store.data_mut().script = Some(Arc::clone(&scripted.script));
    let loaded = instance.quest_host_guest().call_define(&mut *store)?;
    let run = store.data_mut();
    run.define_log.clear();
    run.told = Told::default();
    run.begin();
    Ok(loaded)
}

/// A script whose `define` was refused, or ended with an error of its own.
fn wrong(scripted: &Scripted, code: &str, message: &str) -> LoadError {
    let message = scripted.with_line(message);
    match code {
        SYNTAX => LoadError::new(SYNTAX_CODE, message, ""),
        "exception" => {
            LoadError::new("script-failed", message, "the top level of a script only says what its quests are")
        }
        refused => LoadError::new(refused, message, ""),
    }
}
