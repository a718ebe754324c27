//! What is served now: modules by file, quests by name. Replaced whole, by swapping a pointer.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use quest_engine::{
    action::{Failure, FailureKind, Invocation, Ran},
    model::Catalog,
};
use serde::Serialize;

use super::{LoadError, Module, Runtime};
use crate::quests::Quests;

/// A module file that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// A stable code (docs/errors.md).
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// A module that is served.
#[derive(Debug, Clone, Serialize)]
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// Its digest.
    pub digest: String,
    /// Its size in bytes.
    pub size: usize,
    /// How long compiling took, in milliseconds.
    pub compiled_in_ms: u64,
    /// Whether compiled code was at hand.
    pub from_cache: bool,
    /// The quests that it defines.
    pub quests: Vec<String>,
}

/// One consistent state of what is served.
#[derive(Default)]
struct Serving {
    modules: BTreeMap<PathBuf, Arc<Module>>,
    by_quest: BTreeMap<String, Arc<Module>>,
    catalog: Arc<Catalog>,
    problems: BTreeMap<PathBuf, Problem>,
}

/// What a host serves.
pub struct Registry {
    runtime: Arc<Runtime>,
    serving: RwLock<Arc<Serving>>,
}

impl Registry {
    /// Serves nothing yet.
    pub fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime, serving: RwLock::default() }
    }

    /// Loads a module file and serves it. If anything is wrong with it, what was served under its name before goes on being served.
    pub fn load_file(&self, file: &Path) -> Result<Loaded, Problem> {
        let bytes = read(file, self.runtime.settings.module_bytes_max)
            .map_err(|error| LoadError::new("unreadable", format!("cannot read it: {error}"), ""));
        let loaded = bytes.and_then(|bytes| self.runtime.load_as(file, &bytes));
        let loaded = loaded.and_then(|module| self.serve(file, module));
        loaded.map_err(|LoadError { code, message, hint }| {
            let problem = Problem { file: file.to_owned(), code, message, hint };
            self.change(|serving| serving.problems.insert(file.to_owned(), problem.clone()));
            problem
        })
    }

    /// Shows something that is not served beside the files that are not: a source that came to no module.
    pub fn note(&self, problem: Problem) {
        self.change(|serving| serving.problems.insert(problem.file.clone(), problem));
    }

    /// Serves a module under a file's name.
    pub fn serve(&self, file: &Path, module: Arc<Module>) -> Result<Loaded, LoadError> {
        let current = Arc::clone(&self.serving.read());
        for quest in &module.quests {
            let other = current.modules.iter().find(|(path, module)| {
                path.as_path() != file && module.quests.iter().any(|theirs| theirs.name == quest.name)
            });
            if let Some((path, _)) = other {
                return Err(LoadError::duplicate(&quest.name, path));
            }
        }
        let loaded = describe(file, &module);
        self.change(|serving| {
            serving.problems.remove(file);
            serving.modules.insert(file.to_owned(), module);
        });
        Ok(loaded)
    }

    /// The modules served, in order of file.
    pub fn modules(&self) -> Vec<Loaded> {
        self.serving.read().modules.iter().map(|(file, module)| describe(file, module)).collect()
    }

    /// The files that are not served, and why.
    pub fn problems(&self) -> Vec<Problem> {
        self.serving.read().problems.values().cloned().collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Serving) -> T) {
        let mut current = self.serving.write();
        let mut next =
            Serving { modules: current.modules.clone(), problems: current.problems.clone(), ..Serving::default() };
        change(&mut next);
        let quests = next.modules.values().flat_map(|module| module.quests.iter().map(move |quest| (quest, module)));
        next.by_quest = quests.clone().map(|(quest, module)| (quest.name.clone(), Arc::clone(module))).collect();
        next.catalog = Arc::new(Catalog::new(quests.map(|(quest, _)| quest.clone())));
        *current = Arc::new(next);
    }
}

impl Quests for Registry {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.serving.read().catalog)
    }

    fn invoke(&self, invocation: Invocation) -> Ran {
        let module = self.serving.read().by_quest.get(&invocation.quest).cloned();
        match module {
            Some(module) => self.runtime.invoke(&module, invocation),
            None => {
                let message = format!("no module serves the quest {:?} now", invocation.quest);
                let code = "quest-not-served".to_owned();
                Ran { result: Err(Failure { kind: FailureKind::Transient, code, message }), logs: Vec::new() }
            }
        }
    }
}

/// A file's bytes, and not many more than it may have: one that is too large is refused for it, unread.
pub fn read(file: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn describe(file: &Path, module: &Module) -> Loaded {
    Loaded {
        file: file.to_owned(),
        digest: module.digest.clone(),
        size: module.size,
        compiled_in_ms: module.compiled_in.as_millis() as u64,
        from_cache: module.from_cache,
        quests: module.quests.iter().map(|quest| quest.name.clone()).collect(),
    }
}
