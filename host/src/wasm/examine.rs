//! Looks at a component without serving it: what it is, what it asks for, and all that is wrong with it at once.

use std::path::Path;

use quest_engine::model::QuestDefinition;
use serde::Serialize;
use wasmtime::component::{
    Component, Linker, LinkerInstance,
    types::{ComponentInstance, ComponentItem},
};

use super::{
    Language, LoadError, Runtime, failure,
    imports::{self, Access, Import},
    module::{check_bytes, ready},
    run::Run,
};

/// What a component is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Examined {
    /// Its bytes' digest, hexadecimal.
    pub digest: String,
    /// Its bytes' length.
    pub size: usize,
    /// The language that it is a script of; none for a component.
    pub language: Option<Language>,
    /// All that it imports, in order of name.
    pub imports: Vec<Import>,
    /// All that it exports.
    pub exports: Vec<String>,
    /// What it defines, as far as that could be learnt.
    pub quests: Vec<QuestDefinition>,
    /// Why it is not served: all that could be found. None: it is served.
    pub faults: Vec<LoadError>,
}

impl Runtime {
    /// Examines what a file holds: a script, or else a component.
    pub fn examine_as(&self, file: &Path, bytes: &[u8]) -> Examined {
        match Language::of(file) {
            None => self.examine(bytes),
            Some(language) => self.examine_with(bytes, |examined| {
                examined.language = Some(language);
                examined.quests = self.define_only(file, bytes)?.quests;
                Ok(())
            }),
        }
    }

    /// Examines a component. Takes as long as loading it.
    pub fn examine(&self, bytes: &[u8]) -> Examined {
        self.examine_with(bytes, |examined| self.examine_into(bytes, examined))
    }

    fn examine_with(&self, bytes: &[u8], look: impl FnOnce(&mut Examined) -> Result<(), LoadError>) -> Examined {
        let mut examined =
            Examined { digest: blake3::hash(bytes).to_hex().to_string(), size: bytes.len(), ..Examined::default() };
        let done = failure::guarded(|| look(&mut examined));
        let fault = match done {
            Ok(done) => done.err(),
            Err(panic) => {
                let message = format!("the host panicked while it examined this: {panic}");
                Some(LoadError::new("host-bug", message, "please report it, with the module"))
            }
        };
        examined.faults.extend(fault);
        examined
    }

    /// An error is what nothing can be found behind.
    fn examine_into(&self, bytes: &[u8], examined: &mut Examined) -> Result<(), LoadError> {
        check_bytes(bytes, self.settings.module_bytes_max)?;
        let (component, _) = self.compiled(&examined.digest, bytes)?;
        let found = imports::look(&component, &self.engine);
        let has_guest = !found.faults.iter().any(|fault| fault.code == "no-guest");
        (examined.imports, examined.exports, examined.faults) = (found.imports, found.exports, found.faults);
        if !has_guest {
            return Ok(());
        }
        let mut linker = if found.wasi { self.with_wasi.clone() } else { self.bare.clone() };
        // What it may not have does nothing, so that its `define` can be heard nevertheless.
        let is_missing = |import: &&Import| matches!(import.access, Access::Denied | Access::Unknown);
        let missing: Vec<&str> =
            examined.imports.iter().filter(is_missing).map(|import| import.name.as_str()).collect();
        if stand_in(&mut linker, &component, &self.engine, &missing).is_err() {
            return Ok(());
        }
        let pre = match ready(&linker, &component) {
            Ok(pre) => pre,
            // It follows from what was found before.
            Err(_) if !missing.is_empty() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let (quests, refused) = self.define(&pre, found.patterns)?.finish_whole();
        examined.quests = quests;
        let faults = refused.into_iter().map(|refused| LoadError::new(refused.code, refused.message, ""));
        examined.faults.extend(faults);
        Ok(())
    }
}

/// Links functions that trap in the place of the imports named.
fn stand_in(
    linker: &mut Linker<Run>,
    component: &Component,
    engine: &wasmtime::Engine,
    names: &[&str],
) -> wasmtime::Result<()> {
    for (name, item) in component.component_type().imports(engine) {
        if !names.contains(&name) {
            continue;
        }
        match item.ty {
            ComponentItem::ComponentFunc(_) => trap(&mut linker.root(), name)?,
            ComponentItem::ComponentInstance(interface) => {
                traps(&mut linker.instance(name)?, &interface, engine)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn traps(
    linker: &mut LinkerInstance<'_, Run>,
    of: &ComponentInstance,
    engine: &wasmtime::Engine,
) -> wasmtime::Result<()> {
    for (name, item) in of.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => trap(linker, name)?,
            ComponentItem::Resource(_) => {
                linker.resource(name, wasmtime::component::ResourceType::host::<()>(), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn trap(linker: &mut LinkerInstance<'_, Run>, name: &str) -> wasmtime::Result<()> {
    let text = format!("{name} is not there");
    linker.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(text.clone())))
}
