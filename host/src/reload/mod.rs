//! Keeps what is served as the files are: a module that is new or has changed is read once it is whole, compiled beside what runs, checked,
//! and takes its place in one step. If anything is wrong with it, what was served before goes on, and the reason is told once.
//!
//! What it serves it also brings to the store ([`vault`]), for restarts beside a broken file and for the other hosts of a cluster
//! ([`shared`]).
//!
//! Must not know: what a module holds, partitions.

mod files;
mod shared;
mod vault;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub use shared::Refusal;
pub use vault::{HostServes, Rollout, Vault, Version, Why};

use crate::{
    folders, store,
    wasm::{Loaded, POLICY_CODE, POLICY_FILE, Problem, Registry, unreadable},
    watch::{Quiet, Watch},
};
use files::{Stamp, read_whole};

/// Editors and compilers write in several steps: a file is looked at when it was left alone for so long, or changes without an end.
const QUIET: Quiet = Quiet { between: Duration::from_millis(40), at_most: Duration::from_millis(400) };
/// What is wrong with a file that was written a moment ago may be that it is half written, and one that is gone may be put in place anew
/// (cargo does that): so long it may mend itself before anybody hears of it.
const SETTLES: Duration = Duration::from_millis(600);
/// A clock of files moves in steps: what was written within one after the look has the stamp that was seen.
const STEP: Duration = Duration::from_millis(50);
/// How soon to look again at what may mend itself.
const SOON: Duration = Duration::from_millis(100);
/// How often the files are looked at without a sign: some file systems give none.
const LOOK: Duration = Duration::from_secs(2);
/// Changes that a slow reader may miss the oldest of.
const CHANGES_KEPT: usize = 256;

/// What became of a file. Told once for each content of it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It is served from now on.
    Served(Loaded),
    /// It cannot be served.
    Refused {
        /// Why.
        #[serde(flatten)]
        problem: Problem,
        /// The digest of what goes on being served in its place, if anything does.
        still: Option<String>,
    },
    /// It is gone, and with it its quests: their events wait.
    Withdrawn {
        /// The file.
        file: PathBuf,
        /// The quests that it served.
        quests: Vec<String>,
    },
}

/// What a host serves from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The folder whose modules are served, whatever comes and goes there; none: only these files.
    pub folder: Option<PathBuf>,
    /// Module files elsewhere, or that must be there.
    pub files: Vec<PathBuf>,
    /// Modules that sources were built to, each with the folder of the sources.
    pub built: BTreeMap<PathBuf, PathBuf>,
    /// Sources that could not be built.
    pub left_out: Vec<Problem>,
}

/// What is known of a file.
#[derive(Debug, Clone)]
struct Seen {
    stamp: Option<Stamp>,
    /// That of the `quest.toml` beside it.
    policy: Option<Stamp>,
    /// The digest of its bytes when they were last offered; none if they could not be read.
    digest: Option<blake3::Hash>,
    /// The code of why it is not served.
    refused: Option<String>,
    /// Since when it is not there.
    gone: Option<Instant>,
}

impl Seen {
    /// Whether the file has nothing to say that it did not say before.
    fn is_of(&self, digest: blake3::Hash) -> bool {
        // What a broken `quest.toml` kept out may be served once that is mended.
        self.digest == Some(digest) && self.refused.as_deref() != Some(POLICY_CODE)
    }
}

/// Keeps what is served as the files are. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    folder: Option<PathBuf>,
    bytes_max: usize,
    /// Files elsewhere: what sources were built to, by the folder of the sources; by none where that is not known.
    built: Mutex<BTreeMap<PathBuf, BTreeSet<PathBuf>>>,
    seen: Mutex<BTreeMap<PathBuf, Seen>>,
    /// The stamps of the `quest.toml` of modules that are served from the store alone.
    kept_policies: Mutex<BTreeMap<PathBuf, Option<Stamp>>>,
    /// Names of folders whose sources could not be built at the start.
    unbuilt: BTreeSet<String>,
    vault: Option<Vault>,
    /// What was rolled out when that was last looked at.
    followed: Mutex<BTreeMap<String, Rollout>>,
    /// What this host last said that it serves.
    said: Mutex<HostServes>,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
    changes: broadcast::Sender<Change>,
}

impl Reloader {
    /// Of what `sources` say. Nothing is loaded yet.
    pub fn new(registry: Arc<Registry>, sources: &Sources, bytes_max: usize, vault: Option<Vault>) -> Self {
        let files = sources.files.iter().cloned().collect();
        let mut built: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::from([(PathBuf::new(), files)]);
        for (module, source) in &sources.built {
            registry.set_source(module, source);
            built.entry(source.clone()).or_default().insert(module.clone());
        }
        sources.left_out.iter().for_each(|problem| registry.note(problem.clone()));
        Self(Arc::new(Inner {
            registry,
            folder: sources.folder.clone(),
            bytes_max,
            built: Mutex::new(built),
            unbuilt: sources.left_out.iter().filter_map(|problem| folders::name_of(&problem.file)).collect(),
            seen: Mutex::default(),
            kept_policies: Mutex::default(),
            vault,
            followed: Mutex::default(),
            said: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            changes: broadcast::channel(CHANGES_KEPT).0,
        }))
    }

    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// The sources in `folder` were built to these modules.
    pub fn set_built(&self, folder: &Path, modules: BTreeSet<PathBuf>) {
        self.0.registry.clear(folder);
        let mut built = self.0.built.lock();
        modules.iter().for_each(|module| self.0.registry.set_source(module, folder));
        built.entry(PathBuf::new()).or_default().retain(|file| !modules.contains(file));
        built.insert(folder.to_owned(), modules);
    }

    /// The sources in `folder` came to no module: what they were built to before goes on being served.
    pub fn set_failed(&self, problem: Problem) {
        let before = self.0.built.lock().get(&problem.file).and_then(|modules| modules.first().cloned());
        let still = before.and_then(|file| self.0.registry.digest(&file));
        self.0.registry.note(problem.clone());
        self.0.tell(Change::Refused { problem, still });
    }

    /// The sources in `folder` are gone, and what they were built to with them.
    pub fn set_gone(&self, folder: &Path) {
        self.0.registry.clear(folder);
        self.0.built.lock().remove(folder);
    }

    /// Loads everything for the first time, and says at once what is wrong.
    pub async fn begin(&self) -> anyhow::Result<(Vec<Loaded>, Vec<Problem>)> {
        self.0.begin_shared().await?;
        self.look(Duration::ZERO).await?;
        self.0.follow().await?;
        Ok((self.0.registry.modules(), self.0.registry.problems()))
    }

    /// All versions that the store has, of each file the latest first; and what is rolled out, by file.
    pub async fn versions(&self) -> store::Result<(Vec<Version>, BTreeMap<String, Rollout>)> {
        match &self.0.vault {
            Some(vault) => Ok((vault.versions().await?, vault.rollouts().await?)),
            None => Ok(Default::default()),
        }
    }

    /// What each living host serves.
    pub async fn hosts(&self) -> store::Result<BTreeMap<String, HostServes>> {
        match &self.0.vault {
            Some(vault) => vault.hosts().await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// The version that [`Reloader::roll_back`] would go to.
    pub async fn version_before(&self, quest: &str, to: Option<&str>) -> Result<Version, Refusal> {
        match &self.0.vault {
            Some(vault) => self.0.version_before(vault, quest, to).await,
            None => Err(Refusal::NotKept("this host keeps no versions".to_owned())),
        }
    }

    /// Goes back to an earlier version of the file that defines a quest, on all hosts: to the one named, or to the one before.
    pub async fn roll_back(&self, quest: &str, to: Option<&str>) -> Result<Version, Refusal> {
        let _looking = self.0.looking.lock().await;
        self.0.roll_back(quest, to).await
    }

    /// Looks at once, as after a build.
    pub async fn now(&self) -> anyhow::Result<()> {
        self.look(SETTLES).await.map(|_| ())
    }

    /// Follows the files until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut watch = Watch::start(QUIET).inspect_err(|error| tracing::warn!("{error:#}; files are looked at")).ok();
        let mut soon = false;
        loop {
            if let Some(watch) = &mut watch {
                self.watch(watch);
            }
            let sign = async {
                match &mut watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            // Cancel-safe: a token, a timer, and a watch whose lost sign the look that follows makes good.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                signed = sign => if signed.is_err() { watch = None },
                () = tokio::time::sleep(if soon { SOON } else { LOOK }) => {}
            }
            match self.look(SETTLES).await {
                Ok(again) => soon = again,
                Err(error) => tracing::warn!("the folder with quests cannot be looked at: {error:#}"),
            }
            let _looking = self.0.looking.lock().await;
            if let Err(error) = self.0.follow().await {
                tracing::debug!(%error, "cannot look at what is rolled out; tried again");
            }
        }
    }

    fn watch(&self, watch: &mut Watch) {
        let folder = self.0.folder.as_deref().and_then(|folder| folder.canonicalize().ok());
        let told = folder.map_or(Ok(()), |folder| {
            watch.flat(&folder)?;
            folders::script_folders_in(&folder)?.iter().try_for_each(|own| watch.flat(own))
        });
        let built = self.0.built.lock().clone();
        let failed = told.err().or_else(|| built.values().flatten().find_map(|file| watch.file(file).err()));
        if let Some(error) = failed {
            tracing::debug!("{error:#}; files are looked at");
        }
    }

    /// Looks at all files once; whether to look again soon.
    async fn look(&self, settles: Duration) -> anyhow::Result<bool> {
        let _looking = self.0.looking.lock().await;
        let this = self.clone();
        // Compiling takes processor time, reading a disk's: neither may hold up an I/O thread.
        tokio::task::spawn_blocking(move || this.0.look(settles)).await?
    }
}

impl Inner {
    fn look(&self, settles: Duration) -> anyhow::Result<bool> {
        let mut files: BTreeSet<PathBuf> = self.modules_in_folder()?.into_iter().collect();
        files.extend(self.built.lock().values().flatten().cloned());
        let mut again = false;
        let known: Vec<PathBuf> = self.seen.lock().keys().filter(|file| !files.contains(*file)).cloned().collect();
        for file in known {
            again |= self.gone(&file, settles);
        }
        for file in &files {
            again |= self.check(file, settles);
        }
        again |= self.check_policies_of_kept(&files, settles);
        Ok(again)
    }

    fn modules_in_folder(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.folder.as_deref().map_or(Ok(Vec::new()), folders::modules_in)
    }

    /// A file that was there is not; whether to look again soon.
    fn gone(&self, file: &Path, settles: Duration) -> bool {
        let mut seen = self.seen.lock();
        let Some(known) = seen.get_mut(file) else { return false };
        if known.gone.get_or_insert_with(Instant::now).elapsed() < settles {
            return true;
        }
        seen.remove(file);
        drop(seen);
        let quests = self.registry.withdraw(file);
        self.take_back(file);
        self.offer_kept_out();
        if !quests.is_empty() {
            self.tell(Change::Withdrawn { file: file.to_owned(), quests });
        }
        false
    }

    /// Quests are out of service: what they kept out may take their place, at the next look.
    fn offer_kept_out(&self) {
        let mut seen = self.seen.lock();
        let kept_out = seen.values_mut().filter(|it| it.refused.as_deref() == Some("duplicate-quest"));
        kept_out.for_each(|it| (it.stamp, it.digest) = (None, None));
    }

    /// Loads a file if it is another than before; whether to look again soon.
    fn check(&self, file: &Path, settles: Duration) -> bool {
        let known = self.seen.lock().get(file).cloned();
        let stamp = Stamp::of(file).ok();
        let policy = self.policy_stamp(file);
        if let Some(known) = &known
            && known.stamp == stamp
            && known.policy == policy
            && (stamp.is_some() || known.refused.is_some())
            && known.gone.is_none()
        {
            return false;
        }
        if known.is_none() {
            self.take_over(file);
        }
        let read = read_whole(file, self.bytes_max);
        let (stamp, digest, offered) = match &read {
            Ok(None) => return true,
            Ok(Some((stamp, bytes))) => {
                let digest = blake3::hash(bytes);
                if let Some(known) = known.as_ref().filter(|known| known.is_of(digest)) {
                    if known.policy != policy && !self.renew(file, policy, known.refused.is_some(), settles) {
                        return true;
                    }
                    return self.remember(file, (Some(*stamp), policy), Some(digest), known.refused.clone());
                }
                let offered = self.registry.prepare(file, bytes).and_then(|prepared| {
                    // Before it is served: what a host serves is in the store, so that a restart finds it there.
                    self.bring(file, &prepared, bytes);
                    self.registry.serve(file, prepared)
                });
                (Some(*stamp), Some(digest), offered)
            }
            // What was built and cleaned away is no less the author's: it goes with its sources.
            Err(_) if known.is_some() && is_missing(file) && self.source_of(file).is_some() => return false,
            Err(_) if known.is_some() && is_missing(file) => return self.gone(file, settles),
            Err(error) => (stamp, None, Err(unreadable(error))),
        };
        match offered {
            Ok(loaded) => {
                let again = self.remember(file, (stamp, policy), digest, None);
                self.tell(Change::Served(loaded));
                again
            }
            Err(_) if stamp.is_some_and(|stamp| stamp.is_younger_than(settles)) => true,
            Err(error) => {
                let is_busy = error.code == "busy";
                let (stamp, digest) = (stamp.filter(|_| !is_busy), digest.filter(|_| !is_busy));
                let again = self.remember(file, (stamp, policy), digest, Some(error.code.clone()));
                let problem = self.registry.refuse(file, error);
                self.tell(Change::Refused { problem, still: self.registry.digest(file) });
                again
            }
        }
    }

    /// The `quest.toml` beside a file is another, and the file the same: what is served in its place goes by the new one. False: it may be half
    /// written.
    fn renew(&self, file: &Path, policy: Option<Stamp>, is_refused: bool, settles: Duration) -> bool {
        if policy.is_some_and(|stamp| stamp.is_younger_than(settles)) {
            return false;
        }
        match self.registry.renew(file) {
            Ok(Some(loaded)) => {
                if !is_refused {
                    self.registry.clear(file);
                }
                self.tell(Change::Served(loaded));
            }
            Ok(None) => {}
            Err(error) => {
                let problem = self.registry.refuse(file, error);
                self.tell(Change::Refused { problem, still: self.registry.digest(file) });
            }
        }
        true
    }

    /// What the store had served in place of a file that was not there is that file's, wherever in the folder it has come to lie.
    fn take_over(&self, file: &Path) {
        let is_kept = |other: &PathBuf| other != file && is_missing(other) && self.name_of(other) == self.name_of(file);
        let kept = self.registry.modules().into_iter().map(|module| module.file).find(is_kept);
        if let Some(kept) = kept
            && !self.seen.lock().contains_key(&kept)
        {
            self.registry.rename(&kept, file);
        }
    }

    /// What is served from the store alone goes by the `quest.toml` that is there as well; whether to look again soon.
    fn check_policies_of_kept(&self, files: &BTreeSet<PathBuf>, settles: Duration) -> bool {
        let mut again = false;
        let mut before = self.kept_policies.lock();
        let kept = self.registry.modules().into_iter().map(|module| module.file).filter(|file| !files.contains(file));
        let now: BTreeMap<PathBuf, Option<Stamp>> = kept.map(|file| (file.clone(), self.policy_stamp(&file))).collect();
        let mut seen = now.clone();
        for (file, policy) in now {
            let Some(known) = before.get(&file).filter(|known| **known != policy) else { continue };
            if !self.renew(&file, policy, false, settles) {
                seen.insert(file, *known);
                again = true;
            }
        }
        *before = seen;
        again
    }

    /// Notes what became of a file; whether to look at it again soon.
    fn remember(
        &self,
        file: &Path,
        (stamp, policy): (Option<Stamp>, Option<Stamp>),
        digest: Option<blake3::Hash>,
        refused: Option<String>,
    ) -> bool {
        let is_settled = stamp.is_none_or(|stamp| !stamp.is_younger_than(STEP));
        let stamp = stamp.filter(|_| is_settled);
        self.seen.lock().insert(file.to_owned(), Seen { stamp, policy, digest, refused, gone: None });
        !is_settled
    }

    /// The stamp of the `quest.toml` that a module goes by; none where there is none.
    fn policy_stamp(&self, file: &Path) -> Option<Stamp> {
        Stamp::of(&self.registry.policy_folder(file).join(POLICY_FILE)).ok()
    }

    fn tell(&self, change: Change) {
        tracing::debug!(?change, "a module file changed");
        // Nobody need listen.
        let _ = self.changes.send(change);
    }
}

fn is_missing(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
