//! WASI for quests: the event's clock and random numbers, printed lines for the log, and nothing of the outside.
//!
//! What wasmtime-wasi offers is linked, so that components of all languages load; then everything that would wait, read the
//! machine's time or open a socket is replaced. No files, arguments or environment are given. `wasi:http` is not linked.

mod console;
mod sockets;
mod still;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use quest_engine::{
    action::{Invocation, Seed},
    model::Millis,
};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::run::{Phase, Run};
pub(super) use console::Console;
use console::{Printed, Printer};

/// Bytes that one call for random bytes gives; asking for more traps.
const RANDOM_BYTES_MAX: u64 = 1 << 20;
/// Handles (streams, pollables) that a run holds at once; asking for more traps. Each costs the host memory.
const HANDLES_MAX: usize = 4096;

/// One run's WASI.
pub(super) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    printed: Arc<Mutex<Printed>>,
    moment: Arc<Mutex<Moment>>,
    /// Nanoseconds of the monotonic clock: from zero, so the same in each run.
    elapsed: u64,
    /// When each pollable of the clock is ready, by its handle.
    waits: BTreeMap<u32, u64>,
    /// What was denied already: each is said once.
    denied: BTreeSet<&'static str>,
}

impl Wasi {
    /// For an action: the clock stands at the event's time, random numbers are the event's and the instance's.
    pub(super) fn new(run: &Invocation) -> Self {
        Self::at(Moment::of(run))
    }

    /// For `define`: the same at each load.
    pub(super) fn for_define() -> Self {
        Self::at(Moment::at(0, &["define"]))
    }

    /// For another action, where one ran before: what the guest holds of the host goes on.
    pub(super) fn begin_again(&mut self, run: &Invocation) {
        *self.moment.lock() = Moment::of(run);
        self.denied.clear();
    }

    fn at(mut moment: Moment) -> Self {
        let printed = Arc::new(Mutex::new(Printed::default()));
        let insecure_seed =
            u128::from(moment.insecure_seed.next_u64()) << 64 | u128::from(moment.insecure_seed.next_u64());
        let moment = Arc::new(Mutex::new(moment));
        let mut builder = WasiCtx::builder();
        builder
            .wall_clock(Standing(Arc::clone(&moment)))
            .secure_random(Draw(Arc::clone(&moment), |moment| &mut moment.secure))
            .insecure_random(Draw(Arc::clone(&moment), |moment| &mut moment.insecure))
            .insecure_random_seed(insecure_seed)
            .max_random_size(RANDOM_BYTES_MAX)
            .stdout(Printer::new(Console::Out, &printed))
            .stderr(Printer::new(Console::Err, &printed))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let (waits, denied) = (BTreeMap::new(), BTreeSet::new());
        Self { ctx: builder.build(), table, printed, moment, elapsed: 0, waits, denied }
    }

    /// The printed lines since the last look; with `whole`, also unfinished ones.
    pub(super) fn take_lines(&self, whole: bool) -> Vec<(Console, String)> {
        self.printed.lock().take(whole)
    }
}

/// Links WASI for [`Run`].
pub(super) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    still::link(linker)?;
    sockets::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Run {
    /// This run's WASI, made at the first call: most runs of quests that import it never make one.
    fn wasi(&mut self) -> &mut Wasi {
        let phase = &self.phase;
        self.wasi.get_or_insert_with(|| match phase {
            Phase::Defining(_) => Wasi::for_define(),
            Phase::Running(recorder) => Wasi::new(recorder.invocation()),
        })
    }
}

impl WasiView for Run {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// What a run sees of time and chance.
struct Moment {
    now: Duration,
    secure: Seed,
    insecure: Seed,
    insecure_seed: Seed,
}

impl Moment {
    fn of(run: &Invocation) -> Self {
        Self::at(run.accepted_at, &[&run.event_id, &run.instance, &run.quest, &run.action])
    }

    fn at(now: Millis, seed: &[&str]) -> Self {
        let draw = |what| Seed::of(&[seed, &[what]].concat());
        let (secure, insecure, insecure_seed) = (draw("secure"), draw("insecure"), draw("seed"));
        Self { now: Duration::from_millis(now), secure, insecure, insecure_seed }
    }
}

/// The wall clock stands at the event's time: a run sees one moment.
struct Standing(Arc<Mutex<Moment>>);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0.lock().now
    }
}

/// One of the moment's sequences.
struct Draw(Arc<Mutex<Moment>>, fn(&mut Moment) -> &mut Seed);

impl Draw {
    fn from<T>(&self, draw: impl FnOnce(&mut Seed) -> T) -> T {
        draw(self.1(&mut self.0.lock()))
    }
}

impl rand_core::TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.from(Seed::next_u64) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.from(Seed::next_u64))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.from(|seed| seed.bytes(out.len())));
        Ok(())
    }
}
