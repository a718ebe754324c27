//! How quests are run: every bound of the runtime with its reason, and what wasmtime is told of them.
//!
//! Must not know: modules, runs.

use std::path::PathBuf;

use quest_engine::limits::ActionLimits;
use serde::{Deserialize, Serialize};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use super::Permit;

/// How quests are run. Every limit is on by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeSettings {
    /// Where compiled code is kept; none: it is compiled at each start. The host's setting `cache`.
    #[serde(skip)]
    pub cache: Option<PathBuf>,
    /// Time of one action, in milliseconds: of a processor, and at most twice that by the clock. Ends endless loops; counts as a transient
    /// failure, since a machine may be busy.
    pub action_ms_max: u64,
    /// Wall time of `define`, in milliseconds: slow languages start their runtime in it.
    pub define_ms_max: u64,
    /// Bytes of linear memory of one instance, all its memories together.
    pub memory_bytes_max: usize,
    /// Elements of one table of an instance.
    pub table_elements_max: usize,
    /// Linear memories of a component: a quest has one, an adapter or an interpreter brings another.
    pub memories_max: u32,
    /// Tables of a component: one a core module.
    pub tables_max: u32,
    /// Core instances that a component is made of. Tools link a handful of small ones beside the quest's own.
    pub core_instances_max: u32,
    /// Bytes of stack of a run: well inside of a thread's, so that endless recursion ends the action and not the host.
    pub stack_bytes_max: usize,
    /// Bytes that one call of a host function may hand over: a run's time ends it between calls, so each must be short.
    pub call_bytes_max: usize,
    /// Instances at once: as many as turns, runs beside them and queries go on at once, and some for loading. Past it an action fails as `busy` and is tried again.
    pub instances_max: u32,
    /// Instances that are kept between actions, of quests that ask for it; 0: none. They are among `instances_max`, each with its memory.
    pub instances_kept_max: u32,
    /// Bytes of a module file: compiling takes time and memory with its size.
    pub module_bytes_max: usize,
    /// Bounds of what an action records.
    pub action: ActionLimits,
    /// What quests may do beyond their own context.
    pub permit: Permit,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            cache: None,
            action_ms_max: 1_000,
            define_ms_max: 5_000,
            memory_bytes_max: 64 << 20,
            table_elements_max: 100_000,
            memories_max: 3,
            tables_max: 8,
            core_instances_max: 16,
            stack_bytes_max: 512 << 10,
            call_bytes_max: 16 << 20,
            instances_max: 64,
            instances_kept_max: 16,
            module_bytes_max: 64 << 20,
            action: ActionLimits::default(),
            permit: Permit::default(),
        }
    }
}

/// A run's stack is part of a thread's, which has 2 MiB, and the host's functions need some of it.
const STACK_BYTES_MAX: usize = 1 << 20;

impl RuntimeSettings {
    /// How many instances are kept: fresh ones need room beside them.
    pub(super) fn kept(&self) -> usize {
        self.instances_kept_max.min(self.instances_max.saturating_sub(1)) as usize
    }

    /// Whether a host can run like this.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let max = STACK_BYTES_MAX;
        anyhow::ensure!(
            self.stack_bytes_max <= max,
            "stack_bytes_max is {}, and at most {max}: past it a quest could bring the host down",
            self.stack_bytes_max
        );
        anyhow::ensure!(self.instances_max > 0, "instances_max is 0: no quest could run");
        Ok(())
    }
}

/// What wasmtime is told; `pooled` with room for all instances made beforehand.
pub(super) fn config(settings: &RuntimeSettings, pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Interpreters are built with them: how C unwinds.
        .wasm_exceptions(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(settings.stack_bytes_max)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if pooled {
        let count = settings.instances_max;
        let mut pool = PoolingAllocationConfig::default();
        // The totals have room for `count` components of the largest shape, so only `total_component_instances` can run out.
        // The guest's touched pages are most of an action's cost: keeping them resident, and resetting only the touched ones,
        // halves it (docs/performance.md).
        pool.total_component_instances(count)
            .total_core_instances(count.saturating_mul(settings.core_instances_max))
            .total_memories(count.saturating_mul(settings.memories_max))
            .total_tables(count.saturating_mul(settings.tables_max))
            .max_memories_per_component(settings.memories_max)
            .max_tables_per_component(settings.tables_max)
            .max_core_instances_per_component(settings.core_instances_max)
            .max_core_instance_size(16 << 20)
            .max_component_instance_size(16 << 20)
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
