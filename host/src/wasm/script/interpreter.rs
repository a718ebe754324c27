//! The interpreters: each compiled once, when the first script of its language is loaded.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use wasmtime::component::{Component, Linker};

use super::{Language, Statement, snapshot::Instrumented};
use crate::wasm::{LoadError, Runtime, border::QuestPre, module::ready, run::Run};

/// Statements of a script that are kept.
const STATEMENTS_MAX: usize = 1_000;

/// An interpreter, ready to run scripts.
pub(in crate::wasm) struct Interpreter {
    /// Its bytes' digest, hexadecimal.
    pub(super) digest: String,
    /// It as it is: every instance loads its script first.
    pub(super) pre: QuestPre<Run>,
    /// It as snapshots are taken of it. Made when the first one is wanted.
    pub(super) instrumented: OnceLock<Option<Instrumented>>,
    pub(super) language: Language,
}

/// The interpreters in use.
#[derive(Default)]
pub(in crate::wasm) struct Interpreters(Mutex<BTreeMap<Language, Arc<Interpreter>>>);

impl Interpreters {
    /// The interpreter of a language. The first one takes about as long as compiling a module, unless its code is in the cache.
    pub(super) fn get(&self, runtime: &Runtime, language: Language) -> Result<Arc<Interpreter>, LoadError> {
        // Languages that are run by one interpreter share it.
        let language = language.run_as();
        let mut made = self.0.lock();
        if let Some(interpreter) = made.get(&language) {
            return Ok(Arc::clone(interpreter));
        }
        let bytes = language.interpreter();
        let digest = blake3::hash(bytes).to_hex().to_string();
        let (component, _) = runtime.compiled(&digest, bytes)?;
        let pre = prepare(runtime, &component)?;
        let interpreter = Arc::new(Interpreter { digest, pre, instrumented: OnceLock::new(), language });
        made.insert(language, Arc::clone(&interpreter));
        Ok(interpreter)
    }
}

/// An interpreter's component, or a snapshot of one, with all that it imports.
pub(super) fn prepare(runtime: &Runtime, component: &Component) -> Result<QuestPre<Run>, LoadError> {
    ready(&runtime.scripts, component)
}

/// Links what an interpreter asks for beside the contract.
pub(in crate::wasm) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    let mut script = linker.instance("quest:host/script@0.1.0")?;
    script.func_wrap("name", |store, ()| {
        Ok((store.data().script.as_ref().map_or_else(String::new, |script| script.name.clone()),))
    })?;
    script.func_wrap("source", |store, ()| {
        Ok((store.data().script.as_ref().map_or_else(String::new, |script| script.source.clone()),))
    })?;
    script.func_wrap("position", |mut store, (line,): (u32,)| {
        store.data_mut().told.line = line;
        Ok(())
    })?;
    script.func_wrap(
        "statement",
        |mut store, (kind, quest, action, context, payload): (String, String, String, String, String)| {
            let statements = &mut store.data_mut().told.statements;
            if statements.len() < STATEMENTS_MAX {
                statements.push(Statement { kind, quest, action, context, payload });
            }
            Ok(())
        },
    )
}
