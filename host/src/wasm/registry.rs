//! What is served now: modules by file, quests by name. Replaced whole, by swapping a pointer.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use quest_engine::{
    action::{Failure, FailureKind, Invocation, Ran},
    model::{Catalog, QuestDefinition},
};
use serde::Serialize;

use super::{LoadError, Module, Policies, Policy, Runtime};
use crate::quests::{Quests, Serving};

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

/// A file that is served.
#[derive(Clone)]
struct Served {
    /// The digest of the file's bytes. A script's module has another, with its interpreter's in it.
    digest: String,
    module: Arc<Module>,
    policies: Arc<Policies>,
}

/// A file that is ready to be served.
pub struct Prepared(Served);

impl Prepared {
    /// The digest of its bytes.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// What it defines.
    pub fn quests(&self) -> &[QuestDefinition] {
        &self.0.module.quests
    }
}

/// One consistent state of what is served. Never changed once others can see it.
struct Snapshot {
    runtime: Arc<Runtime>,
    modules: BTreeMap<PathBuf, Served>,
    by_quest: BTreeMap<String, Served>,
    catalog: Arc<Catalog>,
}

/// What a host serves.
pub struct Registry {
    runtime: Arc<Runtime>,
    serving: RwLock<Arc<Snapshot>>,
    problems: Mutex<BTreeMap<PathBuf, Problem>>,
    /// Folders of the sources that modules were built from, by module: where their `quest.toml` is.
    sources: RwLock<BTreeMap<PathBuf, PathBuf>>,
    /// Held by whoever makes the next snapshot. Readers never wait for it: reading what a quest declares takes its time.
    changing: Mutex<()>,
}

impl Registry {
    /// Serves nothing yet.
    pub fn new(runtime: Arc<Runtime>) -> Self {
        let empty = Arc::new(Snapshot::new(&runtime, BTreeMap::new()));
        Self {
            runtime,
            serving: RwLock::new(empty),
            problems: Mutex::default(),
            sources: RwLock::default(),
            changing: Mutex::default(),
        }
    }

    /// Loads a module file and serves it. If anything is wrong with it, what was served under its name before goes on being served.
    pub fn load_file(&self, file: &Path) -> Result<Loaded, Problem> {
        match read(file, self.runtime.settings.module_bytes_max) {
            Ok(bytes) => self.offer(file, &bytes),
            Err(error) => Err(self.refuse(file, unreadable(&error))),
        }
    }

    /// Serves what a file holds, as [`Registry::load_file`] does. Takes a while: not for a thread that others wait for.
    pub fn offer(&self, file: &Path, bytes: &[u8]) -> Result<Loaded, Problem> {
        self.load(file, bytes).map_err(|error| self.refuse(file, error))
    }

    /// Serves what a file holds; what cannot be served is the caller's to show. Takes a while, as [`Registry::offer`] does.
    pub fn load(&self, file: &Path, bytes: &[u8]) -> Result<Loaded, LoadError> {
        self.prepare(file, bytes).and_then(|prepared| self.serve(file, prepared))
    }

    /// Makes a file ready to be served, and checks that it could be now.
    pub fn prepare(&self, file: &Path, bytes: &[u8]) -> Result<Prepared, LoadError> {
        let served = self.served(file, bytes)?;
        self.serving.read().fits(file, &served)?;
        Ok(Prepared(served))
    }

    /// What a file holds, as a module: the one place where files become modules.
    pub fn module(&self, file: &Path, bytes: &[u8]) -> Result<Arc<Module>, LoadError> {
        self.runtime.load_as(file, bytes)
    }

    fn served(&self, file: &Path, bytes: &[u8]) -> Result<Served, LoadError> {
        let policies = self.read_policies(file)?;
        Ok(Served { digest: blake3::hash(bytes).to_hex().to_string(), module: self.module(file, bytes)?, policies })
    }

    fn read_policies(&self, file: &Path) -> Result<Arc<Policies>, LoadError> {
        let policies = self.policies(file)?;
        for note in &policies.notes {
            tracing::warn!(file = %file.display(), "quest.toml: {note}");
        }
        Ok(Arc::new(policies))
    }

    /// A module was built from the sources in a folder: the `quest.toml` there is its own.
    pub fn set_source(&self, file: &Path, folder: &Path) {
        self.sources.write().insert(file.to_owned(), folder.to_owned());
    }

    /// The folder with the `quest.toml` of a module, if it has one.
    pub fn policy_folder(&self, file: &Path) -> PathBuf {
        let source = self.sources.read().get(file).cloned();
        source.unwrap_or_else(|| file.parent().map_or_else(PathBuf::new, Path::to_owned))
    }

    /// What the quests of a file may do and take.
    pub fn policies(&self, file: &Path) -> Result<Policies, LoadError> {
        Policies::beside(&self.policy_folder(file), &self.runtime.settings)
    }

    /// Shows why a file is not served.
    pub fn refuse(&self, file: &Path, error: LoadError) -> Problem {
        let LoadError { code, message, hint } = error;
        let problem = Problem { file: file.to_owned(), code, message, hint };
        self.note(problem.clone());
        problem
    }

    /// Shows something that is not served beside the files that are not: a source that came to no module.
    pub fn note(&self, problem: Problem) {
        self.problems.lock().insert(problem.file.clone(), problem);
    }

    /// Nothing is wrong with it any more; whether something was.
    pub fn clear(&self, file: &Path) -> bool {
        self.problems.lock().remove(file).is_some()
    }

    /// Serves a module under a file's name. A quest that the file served before must be in it: it would leave its instances without code.
    pub fn serve(&self, file: &Path, Prepared(served): Prepared) -> Result<Loaded, LoadError> {
        let _changing = self.changing.lock();
        let current = Arc::clone(&self.serving.read());
        current.fits(file, &served)?;
        let loaded = describe(file, &served);
        let mut modules = current.modules.clone();
        modules.insert(file.to_owned(), served);
        self.swap(modules);
        self.clear(file);
        Ok(loaded)
    }

    /// Has what is served under a file's name go by the `quest.toml` that is there now; none if nothing is.
    pub fn renew(&self, file: &Path) -> Result<Option<Loaded>, LoadError> {
        let policies = self.read_policies(file)?;
        let _changing = self.changing.lock();
        let mut modules = self.serving.read().modules.clone();
        let Some(served) = modules.get_mut(file) else { return Ok(None) };
        served.policies = policies;
        let loaded = describe(file, served);
        self.swap(modules);
        Ok(Some(loaded))
    }

    /// Takes a file's quests out of service: their events wait for them. Gives their names.
    pub fn withdraw(&self, file: &Path) -> Vec<String> {
        let _changing = self.changing.lock();
        let mut modules = self.serving.read().modules.clone();
        self.clear(file);
        let Some(served) = modules.remove(file) else { return Vec::new() };
        self.swap(modules);
        served.module.quests.iter().map(|quest| quest.name.clone()).collect()
    }

    /// Serves what was served under one file's name under another's, if that has nothing of its own.
    pub fn rename(&self, from: &Path, to: &Path) {
        let _changing = self.changing.lock();
        let mut modules = self.serving.read().modules.clone();
        if let Some(served) = modules.remove(from) {
            modules.entry(to.to_owned()).or_insert(served);
            self.swap(modules);
            self.clear(from);
        }
    }

    /// The digest of what is served under a file's name.
    pub fn digest(&self, file: &Path) -> Option<String> {
        self.serving.read().modules.get(file).map(|served| served.digest.clone())
    }

    /// What would be served if a module of these bytes were the only one.
    pub fn trial(&self, file: &Path, bytes: &[u8]) -> Result<Arc<dyn Serving>, LoadError> {
        let served = self.served(file, bytes)?;
        Ok(Arc::new(Snapshot::new(&self.runtime, BTreeMap::from([(file.to_owned(), served)]))))
    }

    /// The file that a quest is served from.
    pub fn file_of(&self, quest: &str) -> Option<PathBuf> {
        let current = Arc::clone(&self.serving.read());
        let mut defining =
            current.modules.iter().filter(|(_, it)| it.module.quests.iter().any(|theirs| theirs.name == quest));
        defining.next().map(|(file, _)| file.clone())
    }

    /// Forgets what actions before left in memory, where quests ask to find it.
    pub fn forget_kept(&self) {
        self.runtime.kept.clear();
    }

    /// The modules served, in order of file.
    pub fn modules(&self) -> Vec<Loaded> {
        self.serving.read().modules.iter().map(|(file, served)| describe(file, served)).collect()
    }

    /// The files that are not served, and why.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.lock().values().cloned().collect()
    }

    fn swap(&self, modules: BTreeMap<PathBuf, Served>) {
        let next = Arc::new(Snapshot::new(&self.runtime, modules));
        let before = std::mem::replace(&mut *self.serving.write(), next);
        drop(before);
        // What a turn still runs keeps its module for as long as that takes, and its instances with it.
        self.runtime.kept.prune();
    }
}

impl Quests for Registry {
    fn serving(&self) -> Arc<dyn Serving> {
        Arc::clone(&self.serving.read()) as Arc<dyn Serving>
    }
}

impl Snapshot {
    /// Whether a file may take its place among the others, and that of what it was.
    fn fits(&self, file: &Path, served: &Served) -> Result<(), LoadError> {
        let defines = |module: &Module, name: &str| module.quests.iter().any(|quest| quest.name == name);
        for quest in &served.module.quests {
            let other = self
                .modules
                .iter()
                .find(|(path, theirs)| path.as_path() != file && defines(&theirs.module, &quest.name));
            if let Some((path, _)) = other {
                return Err(LoadError::duplicate(&quest.name, path));
            }
        }
        let before = self.modules.get(file).into_iter().flat_map(|before| &before.module.quests);
        if let Some(missing) = before.clone().find(|quest| !defines(&served.module, &quest.name)) {
            return Err(LoadError::missing(&missing.name));
        }
        Ok(())
    }

    /// What an action runs in; or what becomes of it where that is gone.
    fn code_of(&self, invocation: &Invocation) -> Result<(&Arc<Module>, &Policy), Failure> {
        let served = self.by_quest.get(&invocation.quest);
        served.map(|served| (&served.module, served.policies.of(&invocation.quest))).ok_or_else(|| {
            let message = format!("no module serves the quest {:?} now", invocation.quest);
            let code = "quest-not-served".to_owned();
            Failure { kind: FailureKind::Transient, code, message }
        })
    }

    fn new(runtime: &Arc<Runtime>, modules: BTreeMap<PathBuf, Served>) -> Self {
        let quests = modules.values().flat_map(|served| served.module.quests.iter().map(move |quest| (quest, served)));
        let by_quest = quests.clone().map(|(quest, served)| (quest.name.clone(), served.clone())).collect();
        let catalog = Arc::new(Catalog::new(quests.map(|(quest, _)| quest.clone())));
        Self { runtime: Arc::clone(runtime), modules, by_quest, catalog }
    }
}

impl Serving for Snapshot {
    fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    fn invoke(&self, invocation: Invocation) -> Ran {
        match self.code_of(&invocation) {
            Ok((module, policy)) => self.runtime.invoke(module, policy, invocation),
            Err(gone) => gone.into(),
        }
    }

    fn invoke_within(&self, invocation: Invocation, within: Duration) -> Result<Ran, Box<Invocation>> {
        match self.code_of(&invocation) {
            Ok((module, policy)) => self.runtime.invoke_within(module, policy, invocation, within.as_millis() as u64),
            Err(gone) => Ok(gone.into()),
        }
    }
}

/// Why a file could not be read.
pub(crate) fn unreadable(error: &std::io::Error) -> LoadError {
    LoadError::new("unreadable", format!("cannot read it: {error}"), "")
}

/// A file's bytes, and not many more than it may have: one that is too large is refused for it, unread.
pub fn read(file: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn describe(file: &Path, Served { digest, module, .. }: &Served) -> Loaded {
    Loaded {
        file: file.to_owned(),
        digest: digest.clone(),
        size: module.size,
        compiled_in_ms: module.compiled_in.as_millis() as u64,
        from_cache: module.from_cache,
        quests: module.quests.iter().map(|quest| quest.name.clone()).collect(),
    }
}
