//! Runs wasm: the only part that knows wasmtime.
//!
//! [`Runtime`] compiles and runs modules under limits, a fresh instance for each action, so that no state leaks from one
//! user to another. [`Registry`] is what is served now.
//!
//! Must not know: stores, the dispatcher, how a partition works. Of the engine it uses the model and `action`.

mod border;
mod cache;
mod limits;
mod module;
mod registry;
mod wasi;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use quest_engine::{
    action::{Export, Failure, Invocation, Ran, Recorder},
    limits::ActionLimits,
};
use serde::{Deserialize, Serialize};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, Trap, WasmBacktraceDetails,
    component::Linker,
};

pub use module::{LoadError, Module};
pub use registry::{Loaded, Problem, Registry};

use border::{Phase, Run};

/// How quests are run. Every limit is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeSettings {
    /// Where compiled code is kept; none: it is compiled at each start.
    pub cache: Option<PathBuf>,
    /// Wall time of one action, in milliseconds. Ends endless loops; counts as a transient failure, since a machine may be busy.
    pub action_ms_max: u64,
    /// Wall time of `define`, in milliseconds: slow languages start their runtime in it.
    pub define_ms_max: u64,
    /// Bytes of linear memory of one instance.
    pub memory_bytes_max: usize,
    /// Elements of one table of an instance.
    pub table_elements_max: usize,
    /// Instances at once: as many as turns run at once, and some for loading.
    pub instances_max: u32,
    /// Bytes of a module file.
    pub module_bytes_max: usize,
    /// Bounds of what an action records.
    pub action: ActionLimits,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            cache: None,
            action_ms_max: 1_000,
            define_ms_max: 5_000,
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            instances_max: 64,
            module_bytes_max: 64 << 20,
            action: ActionLimits::default(),
        }
    }
}

/// The period of the ticker that ends what runs too long.
const TICK: Duration = Duration::from_millis(5);

/// Compiles and runs modules.
pub struct Runtime {
    engine: Engine,
    /// With the contract only, and with WASI beside it: most quests need none, and making it costs each of their actions.
    bare: Linker<Run>,
    with_wasi: Linker<Run>,
    settings: RuntimeSettings,
    cache: cache::Cache,
    fallback: Option<String>,
    _ticker: Ticker,
}

impl Runtime {
    /// Makes the engine. Where the machine does not allow a pool of instances, they are made one by one: slower, and said in [`Runtime::fallback`].
    pub fn new(settings: RuntimeSettings) -> anyhow::Result<Self> {
        let (engine, fallback) = match Engine::new(&config(&settings, true)) {
            Ok(engine) => (engine, None),
            Err(error) => {
                let engine = Engine::new(&config(&settings, false)).map_err(|error| anyhow!("{error:#}"));
                (engine.context("cannot make a wasm engine")?, Some(format!("no pool of instances: {error:#}")))
            }
        };
        let mut bare = Linker::new(&engine);
        border::link(&mut bare).map_err(|error| anyhow!("cannot link the contract: {error:#}"))?;
        let mut with_wasi = bare.clone();
        wasmtime_wasi::p2::add_to_linker_sync(&mut with_wasi)
            .map_err(|error| anyhow!("cannot link WASI: {error:#}"))?;
        let cache = cache::Cache::new(settings.cache.clone(), &engine);
        let ticker = Ticker::start(engine.clone()).context("cannot start the ticker thread")?;
        Ok(Self { engine, bare, with_wasi, settings, cache, fallback, _ticker: ticker })
    }

    /// Why instances are not pooled, if they are not.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// Runs one action to its end, in a fresh instance, on this thread.
    pub fn invoke(&self, module: &Module, invocation: Invocation) -> Ran {
        let wasi = module.needs_wasi.then(|| wasi::Wasi::new(invocation.accepted_at, &invocation.event_id));
        let (export, action) = (invocation.export, invocation.action.clone());
        let definition = module.quests.iter().find(|quest| quest.name == invocation.quest);
        let recorder = Recorder::new(invocation, self.settings.action.clone(), definition);
        let mut store = self.store(Phase::Running(Box::new(recorder)), wasi, self.settings.action_ms_max);
        let result = module.pre.instantiate(&mut store).and_then(|instance| {
            let guest = instance.quest_host_guest();
            match export {
                Export::Init => guest.call_init(&mut store),
                Export::Perform => guest.call_perform(&mut store, &action),
            }
        });
        let refused = store.data_mut().limiter.refused.take();
        store.data_mut().take_printed(true);
        let Run { phase, .. } = store.into_data();
        let Phase::Running(recorder) = phase else {
            return Ran { result: Err(Failure::trap("the host lost the run".to_owned())), logs: Vec::new() };
        };
        let (changes, logs) = recorder.finish();
        let result = match result {
            Ok(Ok(())) => Ok(changes),
            Ok(Err(border::GuestError { code, message })) => Err(Failure::of_guest(code, message)),
            Err(error) => Err(failure(&error, refused, self.settings.action_ms_max)),
        };
        Ran { result, logs }
    }

    fn store(&self, phase: Phase, wasi: Option<wasi::Wasi>, wall_ms: u64) -> Store<Run> {
        let limiter = limits::Limiter::new(self.settings.memory_bytes_max, self.settings.table_elements_max);
        let mut store = Store::new(&self.engine, Run { phase, define_log: Vec::new(), limiter, wasi });
        store.limiter(|run| &mut run.limiter);
        // One more than it takes: the present tick is partly over.
        store.set_epoch_deadline(wall_ms.div_ceil(TICK.as_millis() as u64) + 1);
        store
    }
}

fn config(settings: &RuntimeSettings, pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooled {
        let count = settings.instances_max;
        let mut pool = PoolingAllocationConfig::default();
        // A component has up to 3 memories and several core instances. The guest's touched pages are most of an action's
        // cost: keeping them resident, and resetting only the touched ones, halves it (docs/performance.md).
        pool.total_component_instances(count)
            .total_core_instances(count * 8)
            .total_memories(count * 3)
            .total_tables(count * 8)
            .max_memories_per_component(3)
            .max_tables_per_component(8)
            .max_core_instances_per_component(16)
            .max_core_instance_size(16 << 20)
            .max_memory_size(settings.memory_bytes_max)
            .table_elements(settings.table_elements_max)
            .linear_memory_keep_resident(4 << 20)
            .table_keep_resident(1 << 16)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config.memory_reservation(settings.memory_bytes_max as u64).memory_guard_size(1 << 16);
    }
    config
}

/// What a run that did not return means.
fn failure(error: &wasmtime::Error, refused: Option<String>, wall_ms: u64) -> Failure {
    if let Some(refused) = refused {
        return Failure { code: "limit".to_owned(), ..Failure::trap(refused) };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::timeout(format!("it ran longer than {wall_ms} ms (limit action_ms_max)")),
        Some(Trap::StackOverflow) => {
            Failure { code: "limit".to_owned(), ..Failure::trap("its stack overflowed: endless recursion?".to_owned()) }
        }
        // A stack in linear memory runs off its end when it overflows.
        Some(Trap::MemoryOutOfBounds) => Failure::trap(format!(
            "it reached outside of its memory{}: endless recursion overflows the stack like this",
            frames(error)
        )),
        Some(trap) => Failure::trap(format!("{trap}{}", frames(error))),
        None => Failure::trap(format!("{:#}", error.root_cause())),
    }
}

/// The innermost functions' names, where the component has them.
fn frames(error: &wasmtime::Error) -> String {
    const FRAMES: usize = 4;
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    let names = backtrace.frames().iter().filter_map(|frame| {
        let symbol = frame.symbols().first().and_then(|symbol| symbol.name().map(str::to_owned));
        symbol.or_else(|| frame.func_name().map(str::to_owned))
    });
    let names: Vec<String> = names.take(FRAMES).collect();
    if names.is_empty() { String::new() } else { format!(" in {}", names.join(" < ")) }
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
