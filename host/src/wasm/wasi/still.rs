//! Nothing of WASI waits: time passes for a run only when it asks for it, and every stream is ready.
//!
//! A wait for the clock moves the run's monotonic clock on and returns at once. A real wait would hold a thread, past the
//! limit of wall time too, since only running code meets that; and it would differ from try to try.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::{
    DynPollable, Pollable, StreamError, StreamResult,
    bindings::{
        clocks::monotonic_clock,
        sync::io::{
            poll,
            streams::{self, HostInputStream, HostOutputStream, InputStream, OutputStream},
        },
    },
    subscribe,
};

use super::{super::run::Run, Wasi};

/// What one reading of the clock takes, in nanoseconds: loops that wait for it end.
const READING_NS: u64 = 1_000;
/// The contract's own bound for the blocking writes.
const BLOCKING_BYTES_MAX: u64 = 4096;

pub(super) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    monotonic_clock::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)?;
    poll::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)?;
    streams::add_to_linker::<Run, HasSelf<Run>>(linker, |run| run)
}

/// What is behind a pollable of the clock; its time stands in [`Wasi::waits`].
struct Wait;

#[async_trait::async_trait]
impl Pollable for Wait {
    async fn ready(&mut self) {}
}

impl Wasi {
    fn read_clock(&mut self) -> u64 {
        let now = self.elapsed;
        self.elapsed = now.saturating_add(READING_NS);
        now
    }

    /// When a pollable is ready: at once, unless it waits for the clock.
    fn ready_at(&self, pollable: &Resource<DynPollable>) -> u64 {
        self.waits.get(&pollable.rep()).copied().unwrap_or(0)
    }

    fn wait_until(&mut self, at: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wait = self.table.push(Wait)?;
        let pollable = subscribe(&mut self.table, wait)?;
        self.waits.insert(pollable.rep(), at);
        Ok(pollable)
    }
}

impl monotonic_clock::Host for Run {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi().read_clock())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(READING_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.wasi().wait_until(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wasi = self.wasi();
        wasi.wait_until(wasi.elapsed.saturating_add(duration))
    }
}

impl poll::Host for Run {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let wasi = self.wasi();
        for pollable in &pollables {
            wasi.table.get(pollable)?;
        }
        let Some(first) = pollables.iter().map(|pollable| wasi.ready_at(pollable)).min() else {
            return Err(wasmtime::Error::msg("a poll of nothing would wait for ever"));
        };
        wasi.elapsed = wasi.elapsed.max(first);
        let ready = (0u32..).zip(&pollables).filter(|(_, pollable)| wasi.ready_at(pollable) <= wasi.elapsed);
        Ok(ready.map(|(index, _)| index).collect())
    }
}

impl poll::HostPollable for Run {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let wasi = self.wasi();
        wasi.table.get(&pollable)?;
        Ok(wasi.ready_at(&pollable) <= wasi.read_clock())
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let wasi = self.wasi();
        wasi.table.get(&pollable)?;
        wasi.elapsed = wasi.elapsed.max(wasi.ready_at(&pollable));
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let wasi = self.wasi();
        wasi.waits.remove(&pollable.rep());
        poll::HostPollable::drop(&mut wasi.table, pollable)
    }
}

// The blocking forms are the others: a stream of the log takes everything, and stdin is at its end.

impl streams::Host for Run {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<streams::StreamError> {
        streams::Host::convert_stream_error(&mut self.wasi().table, error)
    }
}

impl HostOutputStream for Run {
    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        self.wasi().table.delete(stream)?;
        Ok(())
    }

    fn check_write(&mut self, stream: Resource<OutputStream>) -> StreamResult<u64> {
        HostOutputStream::check_write(&mut self.wasi().table, stream)
    }

    fn write(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        HostOutputStream::write(&mut self.wasi().table, stream, bytes)
    }

    fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        check_blocking(bytes.len() as u64)?;
        HostOutputStream::write(self, stream, bytes)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> StreamResult<()> {
        HostOutputStream::write_zeroes(&mut self.wasi().table, stream, len)
    }

    fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, len: u64) -> StreamResult<()> {
        check_blocking(len)?;
        HostOutputStream::write_zeroes(self, stream, len)
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> StreamResult<()> {
        HostOutputStream::flush(&mut self.wasi().table, stream)
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> StreamResult<()> {
        HostOutputStream::flush(self, stream)
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        HostOutputStream::subscribe(&mut self.wasi().table, stream)
    }

    fn splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, len: u64) -> StreamResult<u64> {
        HostOutputStream::splice(&mut self.wasi().table, to, from, len)
    }

    fn blocking_splice(
        &mut self,
        to: Resource<OutputStream>,
        from: Resource<InputStream>,
        len: u64,
    ) -> StreamResult<u64> {
        HostOutputStream::splice(self, to, from, len)
    }
}

impl HostInputStream for Run {
    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        self.wasi().table.delete(stream)?;
        Ok(())
    }

    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> StreamResult<Vec<u8>> {
        HostInputStream::read(&mut self.wasi().table, stream, len)
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> StreamResult<Vec<u8>> {
        HostInputStream::read(self, stream, len)
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> StreamResult<u64> {
        HostInputStream::skip(&mut self.wasi().table, stream, len)
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> StreamResult<u64> {
        HostInputStream::skip(self, stream, len)
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        HostInputStream::subscribe(&mut self.wasi().table, stream)
    }
}

fn check_blocking(len: u64) -> StreamResult<()> {
    if len > BLOCKING_BYTES_MAX {
        return Err(StreamError::trap("a blocking write has at most 4096 bytes"));
    }
    Ok(())
}
