//! WASI for quests: the host's clock and random numbers, printed lines for the log, and nothing of the outside.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use quest_engine::{action::Seed, model::Millis};
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use super::border::Run;

/// Printed bytes that a run keeps; the rest is dropped (the log's own bounds are smaller).
const PRINTED_BYTES_MAX: usize = 1 << 20;

/// Where a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Console {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One run's WASI.
pub(super) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    printed: Arc<Mutex<Printed>>,
}

impl Wasi {
    /// With the clock standing at `now`, and random numbers of `seed`.
    pub(super) fn new(now: Millis, seed: &str) -> Self {
        let printed = Arc::new(Mutex::new(Printed::default()));
        let mut builder = WasiCtx::builder();
        builder
            .wall_clock(Standing(Duration::from_millis(now)))
            .monotonic_clock(Ticking(AtomicU64::new(0)))
            .secure_random(Draw(Seed::of(&[seed, "secure"])))
            .insecure_random(Draw(Seed::of(&[seed, "insecure"])))
            .insecure_random_seed(u128::from(Seed::of(&[seed, "seed"]).next_u64()))
            .stdout(Printer { console: Console::Out, printed: Arc::clone(&printed) })
            .stderr(Printer { console: Console::Err, printed: Arc::clone(&printed) })
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        Self { ctx: builder.build(), table: ResourceTable::new(), printed }
    }

    /// The printed lines so far; with `whole`, also an unfinished last one.
    pub(super) fn take_lines(&self, whole: bool) -> Vec<(Console, String)> {
        let mut printed = self.printed.lock();
        let mut lines = Vec::new();
        for console in [Console::Err, Console::Out] {
            let buffer = printed.buffer(console);
            let end = if whole {
                buffer.len()
            } else {
                buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
            };
            let text: Vec<u8> = buffer.drain(..end).collect();
            lines.extend(String::from_utf8_lossy(&text).lines().map(|line| (console, line.to_owned())));
        }
        lines
    }
}

impl WasiView for Run {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Only components that import WASI are linked with it, and their runs always have it.
        #[allow(clippy::expect_used)]
        let wasi = self.wasi.as_mut().expect("a run with WASI linked has it");
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

/// The wall clock stands at the event's time: a run sees one moment.
struct Standing(Duration);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// The monotonic clock begins at zero and moves by a microsecond a reading: the same in each run, and loops that wait for it end.
struct Ticking(AtomicU64);

impl HostMonotonicClock for Ticking {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }
}

struct Draw(Seed);

impl rand_core::TryRng for Draw {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u64() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.bytes(out.len()));
        Ok(())
    }
}

#[derive(Default)]
struct Printed {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Printed {
    fn buffer(&mut self, console: Console) -> &mut Vec<u8> {
        match console {
            Console::Out => &mut self.out,
            Console::Err => &mut self.err,
        }
    }
}

#[derive(Clone)]
struct Printer {
    console: Console,
    printed: Arc<Mutex<Printed>>,
}

impl Printer {
    fn print(&self, bytes: &[u8]) {
        let mut printed = self.printed.lock();
        let buffer = printed.buffer(self.console);
        let room = PRINTED_BYTES_MAX.saturating_sub(buffer.len());
        buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl IsTerminal for Printer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Printer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PRINTED_BYTES_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}
