//! Runs wasm: the only part that knows wasmtime.
//!
//! [`Runtime`] compiles and runs modules under limits, a fresh instance for each action, so that no state leaks from one
//! user to another. [`Registry`] is what is served now.
//!
//! Must not know: stores, the dispatcher, how a partition works. Of the engine it uses the model and `action`.

mod border;
mod cache;
mod examine;
mod failure;
mod imports;
mod kept;
mod limits;
mod module;
mod parts;
mod policy;
mod registry;
mod run;
mod script;
mod settings;
#[cfg(test)]
mod tests;
mod wasi;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use quest_engine::action::{Definer, Export, Failure, Invocation, Ran, Recorder, Seed};
use wasmtime::{Engine, Store, UpdateDeadline, component::Linker};

pub use examine::Examined;
pub use imports::{Access, Import};
pub use module::{LoadError, Module};
pub use policy::{Allowed, CODE as POLICY_CODE, FILE as POLICY_FILE, Keep, Permit, Policies, Policy, QuestLimits};
pub(crate) use registry::unreadable;
pub use registry::{Loaded, Prepared, Problem, Registry, read};
pub(crate) use script::serve_or_isolate;
pub use script::{Defined, Language, Statement, isolate_in};
pub use settings::RuntimeSettings;

use run::{Patience, Phase, Run};

/// The period of the ticker that ends what runs too long.
const TICK: Duration = Duration::from_millis(5);

/// Compiles and runs modules.
pub struct Runtime {
    engine: Engine,
    /// With the contract only, and with WASI beside it: most quests need none, and making it costs each of their actions.
    bare: Linker<Run>,
    with_wasi: Linker<Run>,
    /// With the contract and what interpreters ask for beside it.
    scripts: Linker<Run>,
    interpreters: script::Interpreters,
    snapshots: script::Snapshots,
    kept: kept::Kept,
    settings: RuntimeSettings,
    /// What a `define` may take.
    defining: QuestLimits,
    cache: cache::Cache,
    fallback: Option<String>,
    _ticker: Ticker,
}

impl Runtime {
    /// Makes the engine. Where the machine does not allow a pool of instances, they are made one by one: slower, and said in [`Runtime::fallback`].
    pub fn new(settings: RuntimeSettings) -> anyhow::Result<Self> {
        settings.check()?;
        let (engine, fallback) = match Engine::new(&settings::config(&settings, true)) {
            Ok(engine) => (engine, None),
            Err(error) => {
                let engine = Engine::new(&settings::config(&settings, false)).map_err(|error| anyhow!("{error:#}"));
                (engine.context("cannot make a wasm engine")?, Some(format!("no pool of instances: {error:#}")))
            }
        };
        let mut bare = Linker::new(&engine);
        border::link(&mut bare).map_err(|error| anyhow!("cannot link the contract: {error:#}"))?;
        let mut with_wasi = bare.clone();
        wasi::link(&mut with_wasi).map_err(|error| anyhow!("cannot link WASI: {error:#}"))?;
        let mut scripts = bare.clone();
        script::link(&mut scripts).map_err(|error| anyhow!("cannot link scripts: {error:#}"))?;
        let cache = cache::Cache::new(settings.cache.clone(), &engine);
        let ticker = Ticker::start(engine.clone()).context("cannot start the ticker thread")?;
        let (interpreters, snapshots) = (script::Interpreters::default(), script::Snapshots::default());
        Ok(Self {
            engine,
            bare,
            with_wasi,
            scripts,
            interpreters,
            snapshots,
            kept: kept::Kept::new(settings.kept()),
            defining: QuestLimits::of_define(&settings),
            settings,
            cache,
            fallback,
            _ticker: ticker,
        })
    }

    /// Why instances are not pooled, if they are not.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// What quests may do and take without a `quest.toml`.
    pub fn plain(&self) -> Policies {
        Policies::plain(&self.settings)
    }

    /// Runs one action to its end, on this thread: in a fresh instance, or in one that was kept, where its quest asks for that.
    pub fn invoke(&self, module: &Arc<Module>, policy: &Policy, invocation: Invocation) -> Ran {
        let wall_ms = policy.limits.action_ms_max;
        let ran = self.invoke_within(module, policy, invocation, wall_ms);
        ran.unwrap_or_else(|_| Failure::timeout(failure::too_long(wall_ms)).into())
    }

    /// The same, unless it takes longer than that, which is less than it may: then it is ended, and what was to be run is given back.
    pub fn invoke_within(
        &self,
        module: &Arc<Module>,
        policy: &Policy,
        mut invocation: Invocation,
        wall_ms: u64,
    ) -> Result<Ran, Box<Invocation>> {
        let place = kept::Place::of(policy, module, &invocation);
        if let Some(place) = &place
            && let Some(instance) = self.kept.take(place)
        {
            match self.invoke_kept(module, policy, invocation, wall_ms, place, instance) {
                InKept::Ran(ran) => return Ok(ran),
                InKept::Longer(invocation) => return Err(invocation),
                InKept::Failed(again) => invocation = *again,
            }
        }
        let (export, action) = (invocation.export, invocation.action.clone());
        let (pre, replayed) = module.code.pre();
        let recorder = recorder(module, policy, invocation);
        let (phase, next) = match replayed {
            Some(_) => (Phase::Defining(Definer::default()), Some(recorder)),
            None => (Phase::Running(recorder), None),
        };
        let mut store = self.store(phase, &policy.limits);
        store.data_mut().next = next;
        set_deadline_of(&mut store, wall_ms, policy);
        let mut guest = None;
        let outcome = failure::guarded(|| {
            let instance = pre.instantiate(&mut store)?;
            if let Some(scripted) = replayed
                && let Err(error) = script::replay(scripted, &instance, &mut store)?
            {
                return Ok(Err(error));
            }
            call(guest.insert(instance), &mut store, export, &action)
        });
        if let Some(invocation) = cut_short(&outcome, wall_ms, policy, &mut store) {
            return Err(invocation);
        }
        let ran = self.end(module, policy, outcome, &mut store);
        if let (Some(place), Some(guest), true) = (place, guest, ran.result.is_ok()) {
            self.kept.put(place, kept::Instance { store, guest });
        }
        Ok(ran)
    }

    /// Runs one action in an instance that earlier ones ran in. It is only ever a way to be faster: what fails in it runs again in a fresh one
    /// (what was to be run is given back then), since what others left may be why. Not so what took too long: it is tried again anyway, later.
    fn invoke_kept(
        &self,
        module: &Arc<Module>,
        policy: &Policy,
        invocation: Invocation,
        wall_ms: u64,
        place: &kept::Place,
        mut instance: kept::Instance,
    ) -> InKept {
        let (export, action) = (invocation.export, invocation.action.clone());
        let kept::Instance { store, guest } = &mut instance;
        store.data_mut().begin_again(recorder(module, policy, invocation));
        set_deadline_of(store, wall_ms, policy);
        let outcome = failure::guarded(|| call(guest, store, export, &action));
        if let Some(invocation) = cut_short(&outcome, wall_ms, policy, store) {
            return InKept::Longer(invocation);
        }
        let succeeded = matches!(outcome, Ok(Ok(Ok(()))));
        if !succeeded
            && !matches!(&outcome, Ok(Err(error)) if failure::is_too_long(error))
            && let Some(invocation) = given_back(store)
        {
            tracing::debug!(quest = place.quest(), "an action failed in a kept instance; run afresh");
            return InKept::Failed(invocation);
        }
        let ran = self.end(module, policy, outcome, store);
        if succeeded {
            self.kept.put(place.clone(), instance);
        }
        InKept::Ran(ran)
    }

    /// What came of a run.
    fn end(&self, module: &Module, policy: &Policy, outcome: Outcome, store: &mut Store<Run>) -> Ran {
        let run = store.data_mut();
        run.take_printed(true);
        let Some(recorder) = run.take_recorder() else {
            return failure::of_host("the run was lost").into();
        };
        let (changes, logs) = recorder.finish();
        let result = match outcome {
            Ok(Ok(Ok(()))) => Ok(changes),
            Ok(Ok(Err(border::GuestError { code, message }))) => {
                Err(Failure::of_guest(code, module.code.with_line(message)))
            }
            Ok(Err(error)) => {
                let refused = run.limiter.refused.take();
                let mut failure = failure::of_run(&error, refused, &self.settings, &policy.limits);
                failure.message.push_str(&module.code.place(&run.told));
                if failure::is_busy(&error) {
                    // It is tried again, and finds room.
                    self.kept.clear();
                }
                Err(failure)
            }
            Err(panic) => Err(failure::of_host(&panic)),
        };
        Ran { result, logs }
    }

    fn store(&self, phase: Phase, limits: &QuestLimits) -> Store<Run> {
        let limiter = limits::Limiter::new(&self.settings, limits);
        let run = Run {
            phase,
            patience: None,
            next: None,
            define_log: Vec::new(),
            limiter,
            wasi: None,
            script: None,
            told: script::Told::default(),
            define_random: Seed::of(&["define"]),
        };
        let mut store = Store::new(&self.engine, run);
        store.limiter(|run| &mut run.limiter);
        store.set_hostcall_fuel(limits.call_bytes_max);
        store.epoch_deadline_callback(|store| {
            let left = store.data().patience.as_ref().and_then(Patience::left);
            Ok(left.map_or(UpdateDeadline::Interrupt, |left| UpdateDeadline::Continue(ticks(left))))
        });
        set_deadline(&mut store, limits.action_ms_max);
        store
    }
}

fn recorder(module: &Module, policy: &Policy, invocation: Invocation) -> Box<Recorder> {
    let definition = module.quests.iter().find(|quest| quest.name == invocation.quest);
    Box::new(Recorder::new(invocation, policy.limits.action.clone(), policy.permissions, definition))
}

fn call(
    guest: &border::Quest,
    store: &mut Store<Run>,
    export: Export,
    action: &str,
) -> wasmtime::Result<Result<(), border::GuestError>> {
    let guest = guest.quest_host_guest();
    match export {
        Export::Init => guest.call_init(store),
        Export::Perform => guest.call_perform(store, action),
    }
}

/// How a guest's call ended; an outer error is the host's panic.
type Outcome = Result<wasmtime::Result<Result<(), border::GuestError>>, String>;

/// What came of an action in a kept instance.
enum InKept {
    Ran(Ran),
    /// It takes longer than it was given.
    Longer(Box<Invocation>),
    /// It is to be run afresh.
    Failed(Box<Invocation>),
}

/// What was to be run, if it was ended for having taken longer than it was given, though it may take more.
fn cut_short(outcome: &Outcome, wall_ms: u64, policy: &Policy, store: &mut Store<Run>) -> Option<Box<Invocation>> {
    match outcome {
        Ok(Err(error)) if wall_ms < policy.limits.action_ms_max && failure::is_too_long(error) => given_back(store),
        _ => None,
    }
}

/// What was to be run, as if it had never been begun.
fn given_back(store: &mut Store<Run>) -> Option<Box<Invocation>> {
    store.data_mut().take_recorder().map(|recorder| Box::new(recorder.into_invocation()))
}

/// For an action that is given this much by the clock, or all that it may take: then so much of a processor.
fn set_deadline_of(store: &mut Store<Run>, wall_ms: u64, policy: &Policy) {
    let all_ms = policy.limits.action_ms_max;
    store.data_mut().patience = (wall_ms >= all_ms).then(|| Patience::of(Duration::from_millis(all_ms)));
    set_deadline(store, wall_ms.min(all_ms));
}

fn set_deadline(store: &mut Store<Run>, wall_ms: u64) {
    store.set_epoch_deadline(ticks(Duration::from_millis(wall_ms)));
}

/// The ticks that are over when so much time is.
fn ticks(time: Duration) -> u64 {
    // One more than it takes: the present tick is partly over.
    time.as_nanos().div_ceil(TICK.as_nanos()) as u64 + 1
}

/// Moves the engine's epoch on, on a thread of its own: a busy async runtime must not delay it.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("wasm-ticker".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
