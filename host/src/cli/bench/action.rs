//! What one action costs by itself, and what loading its module does: on one thread, with nothing stored and nothing beside it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{
    PATIENCE,
    ceilings::{action_on, call},
    load::Spread,
};
use crate::{
    settings::Settings,
    wasm::{Keep, Module, Policy, Runtime},
};

/// What was measured.
pub(super) struct Action {
    /// Bytes of the module's file.
    pub size: usize,
    /// Until it could be served, all of it compiled; of a script its interpreter, too.
    pub compiled: Duration,
    /// The same with its compiled code at hand.
    pub cached: Duration,
    /// Of a script: from the load to its snapshot.
    pub snapshot: Option<Duration>,
    /// An action in a fresh instance, in microseconds.
    pub fresh: Spread,
    /// In one that is kept.
    pub kept: Spread,
}

/// Measures the quest's action on `event`, `calls` times; on a slow one for as long as that is bearable.
pub(super) fn measure(
    settings: &Settings,
    file: &Path,
    (quest, event): (&str, &str),
    calls: usize,
) -> anyhow::Result<Action> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let cache = tempfile::tempdir()?;
    let settings = Settings { cache: cache.path().join("cache"), ..settings.clone() };
    let runtime = || Ok::<_, anyhow::Error>(Arc::new(Runtime::new(settings.runtime())?));
    let first = runtime()?;
    let began = Instant::now();
    let module = first.load_as(file, &bytes)?;
    let compiled = began.elapsed();
    let snapshot = until_snapshot(&module, file, began)?;
    let again = runtime()?;
    let began = Instant::now();
    let module_again = again.load_as(file, &bytes)?;
    let cached = began.elapsed();
    let action = action_on(module_again.quests.iter().find(|it| it.name == quest), (quest, event))?;
    let mut policy = again.plain().of(quest).clone();
    let fresh = spread(&again, &module_again, &policy, (quest, &action, event), calls)?;
    policy.keep_instances = Keep::Quest;
    let kept = spread(&again, &module_again, &policy, (quest, &action, event), calls)?;
    Ok(Action { size: bytes.len(), compiled, cached, snapshot, fresh, kept })
}

fn until_snapshot(module: &Module, file: &Path, began: Instant) -> anyhow::Result<Option<Duration>> {
    if crate::wasm::Language::of(file).is_none() {
        return Ok(None);
    }
    while !module.runs_from_snapshot() {
        if began.elapsed() > PATIENCE {
            bail!("{}: no snapshot was made", file.display());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(Some(began.elapsed()))
}

fn spread(
    runtime: &Runtime,
    module: &Arc<Module>,
    policy: &Policy,
    (quest, action, event): (&str, &str, &str),
    calls: usize,
) -> anyhow::Result<Spread> {
    const BEARABLE: Duration = Duration::from_secs(5);
    // The first ones bring pages and caches in.
    let warm = calls / 10;
    let began = Instant::now();
    let mut times = Vec::with_capacity(calls);
    for n in 0..warm + calls.max(1) {
        if began.elapsed() > BEARABLE && !times.is_empty() {
            break;
        }
        let invocation = call(quest, action, event);
        let one = Instant::now();
        runtime.invoke(module, policy, invocation).result.map_err(|failure| anyhow::anyhow!(failure.message))?;
        if n >= warm {
            // A spread is of milliseconds: here of microseconds.
            times.push(one.elapsed() * 1_000);
        }
    }
    Ok(Spread::of(times))
}
