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
mod limits;
mod module;
mod parts;
mod registry;
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
use wasmtime::{Engine, Store, component::Linker};

pub use examine::Examined;
pub use imports::{Access, Import};
pub use module::{LoadError, Module};
pub(crate) use registry::unreadable;
pub use registry::{Loaded, Prepared, Problem, Registry, read};
pub(crate) use script::serve_or_isolate;
pub use script::{Defined, Language, Statement, isolate_in};
pub use settings::RuntimeSettings;

use border::{Phase, Run};

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
    settings: RuntimeSettings,
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

    /// Runs one action to its end, in a fresh instance, on this thread.
    pub fn invoke(&self, module: &Module, invocation: Invocation) -> Ran {
        let (export, action) = (invocation.export, invocation.action.clone());
        let definition = module.quests.iter().find(|quest| quest.name == invocation.quest);
        let recorder = Box::new(Recorder::new(invocation, self.settings.action.clone(), definition));
        let (pre, replayed) = module.code.pre();
        let (phase, replay) = match replayed {
            Some(scripted) => (Phase::Defining(Definer::default()), Some((scripted, recorder))),
            None => (Phase::Running(recorder), None),
        };
        let mut store = self.store(phase, self.settings.action_ms_max);
        let result = failure::guarded(|| {
            let instance = pre.instantiate(&mut store)?;
            if let Some((scripted, recorder)) = replay
                && let Err(error) = script::replay(scripted, &instance, &mut store, recorder)?
            {
                return Ok(Err(error));
            }
            let guest = instance.quest_host_guest();
            match export {
                Export::Init => guest.call_init(&mut store),
                Export::Perform => guest.call_perform(&mut store, &action),
            }
        });
        let mut run = store.into_data();
        run.take_printed(true);
        let Run { phase, limiter, told, .. } = run;
        let Phase::Running(recorder) = phase else {
            return Ran { result: Err(failure::of_host("the run was lost")), logs: Vec::new() };
        };
        let (changes, logs) = recorder.finish();
        let result = match result {
            Ok(Ok(Ok(()))) => Ok(changes),
            Ok(Ok(Err(border::GuestError { code, message }))) => {
                Err(Failure::of_guest(code, module.code.with_line(message)))
            }
            Ok(Err(error)) => {
                let mut failure = failure::of_run(&error, limiter.refused, &self.settings);
                failure.message.push_str(&module.code.place(&told));
                Err(failure)
            }
            Err(panic) => Err(failure::of_host(&panic)),
        };
        Ran { result, logs }
    }

    fn store(&self, phase: Phase, wall_ms: u64) -> Store<Run> {
        let limiter = limits::Limiter::new(&self.settings);
        let run = Run {
            phase,
            define_log: Vec::new(),
            limiter,
            wasi: None,
            script: None,
            told: script::Told::default(),
            define_random: Seed::of(&["define"]),
        };
        let mut store = Store::new(&self.engine, run);
        store.limiter(|run| &mut run.limiter);
        store.set_hostcall_fuel(self.settings.call_bytes_max);
        // One more than it takes: the present tick is partly over.
        store.set_epoch_deadline(wall_ms.div_ceil(TICK.as_millis() as u64) + 1);
        store
    }
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
