//! What a quest prints: whole lines of stdout and stderr, in the order that they were finished, within a bound.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// Printed bytes that a run keeps until the log takes them; the log's own bounds are smaller.
const PRINTED_BYTES_MAX: usize = 1 << 20;
/// Bytes of one write.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Where a line was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) enum Console {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Lines that were printed and not taken yet.
#[derive(Default)]
pub(super) struct Printed {
    lines: Vec<(Console, Vec<u8>)>,
    unfinished: [Vec<u8>; 2],
    bytes: usize,
    dropped: usize,
}

impl Printed {
    fn print(&mut self, console: Console, bytes: &[u8]) {
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.bytes + chunk.len() > PRINTED_BYTES_MAX {
                self.dropped += chunk.len();
                continue;
            }
            self.bytes += chunk.len();
            let unfinished = &mut self.unfinished[console as usize];
            unfinished.extend_from_slice(chunk);
            if unfinished.ends_with(b"\n") {
                self.lines.push((console, std::mem::take(unfinished)));
            }
        }
    }

    /// The lines; with `whole`, also the unfinished ones, and how much was dropped.
    pub(super) fn take(&mut self, whole: bool) -> Vec<(Console, String)> {
        let mut lines = std::mem::take(&mut self.lines);
        if whole {
            let unfinished = std::mem::take(&mut self.unfinished).into_iter();
            lines.extend([Console::Out, Console::Err].into_iter().zip(unfinished).filter(|(_, text)| !text.is_empty()));
        }
        self.bytes = self.unfinished.iter().map(Vec::len).sum();
        let mut lines: Vec<_> =
            lines.iter().map(|(console, text)| (*console, String::from_utf8_lossy(text).into_owned())).collect();
        if whole && self.dropped > 0 {
            lines.push((Console::Err, format!("{} printed bytes were dropped", self.dropped)));
        }
        lines
    }
}

/// One of a run's two output streams.
#[derive(Clone)]
pub(super) struct Printer {
    console: Console,
    printed: Arc<Mutex<Printed>>,
}

impl Printer {
    pub(super) fn new(console: Console, printed: &Arc<Mutex<Printed>>) -> Self {
        Self { console, printed: Arc::clone(printed) }
    }

    fn print(&self, bytes: &[u8]) {
        self.printed.lock().print(self.console, bytes);
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
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_order_and_what_is_past_the_bound_is_said() {
        let mut printed = Printed::default();
        printed.print(Console::Out, b"be");
        printed.print(Console::Err, b"oops\n");
        printed.print(Console::Out, b"gun\nrest");
        let taken = |printed: &mut Printed, whole| {
            let lines = printed.take(whole).into_iter();
            lines.map(|(_, text)| text.trim_end().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(taken(&mut printed, false), ["oops", "begun"]);
        printed.print(Console::Out, &vec![b'x'; PRINTED_BYTES_MAX]);
        printed.print(Console::Err, b"last");
        assert_eq!(taken(&mut printed, true), ["rest", "last", "1048576 printed bytes were dropped"]);
    }
}
