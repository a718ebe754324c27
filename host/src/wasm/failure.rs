//! What a run that did not return means: the guest's trap, a limit, or a bug of the host are three different things.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use quest_engine::action::{Failure, FailureKind};
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::{QuestLimits, RuntimeSettings};

/// What ended a run from outside of the guest's own code.
pub(super) fn of_run(
    error: &wasmtime::Error,
    refused: Option<String>,
    settings: &RuntimeSettings,
    limits: &QuestLimits,
) -> Failure {
    let limit = |message: String| Failure { code: "limit".to_owned(), ..Failure::trap(message) };
    if is_busy(error) {
        let message = format!("all {} instances are in use (limit instances_max)", settings.instances_max);
        return Failure { kind: FailureKind::Transient, code: "busy".to_owned(), message };
    }
    if is_too_long(error) {
        return Failure::timeout(too_long(limits.action_ms_max));
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        return limit(overflow(settings));
    }
    // A guest that was refused memory usually aborts: what it was refused is the reason, the trap only how it ended.
    match refused {
        Some(refused) => limit(format!("{refused}; then a trap: {}", reason(error))),
        None if hands_over_too_much(error) => limit(handed_over(limits.call_bytes_max)),
        None => Failure::trap(format!("a trap: {}", reason(error))),
    }
}

/// The host's own panic, caught at its border.
pub(super) fn of_host(panic: &str) -> Failure {
    Failure::host_bug(format!("the host panicked while this ran: {panic}"))
}

/// Runs what may panic: a bug in a host function ends one action, not the process.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
        tracing::error!(panic = text, "a bug of the host: please report it");
        text
    })
}

/// Whether it was ended for the time that it took.
pub(super) fn is_too_long(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref::<Trap>(), Some(Trap::Interrupt))
}

/// The text for it.
pub(super) fn too_long(ms_max: u64) -> String {
    format!("it ran longer than {ms_max} ms (limit action_ms_max)")
}

/// Whether the pool had no instance left.
pub(super) fn is_busy(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<PoolConcurrencyLimitError>().is_some()
}

/// The text for a stack that overflowed.
pub(super) fn overflow(settings: &RuntimeSettings) -> String {
    let max = settings.stack_bytes_max;
    format!("its stack grew above {max} bytes: endless recursion? (limit stack_bytes_max)")
}

/// Whether the guest handed a host function more than it may; wasmtime says so as text only.
pub(super) fn hands_over_too_much(error: &wasmtime::Error) -> bool {
    // Not the whole error: that names the guest's functions, and what it takes to show those is the guest's to choose.
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

/// The text for it.
pub(super) fn handed_over(max: usize) -> String {
    format!("it handed more than {max} bytes to one call of the host (limit call_bytes_max)")
}

/// Why it trapped, and in which functions, innermost first.
pub(super) fn reason(error: &wasmtime::Error) -> String {
    let place = frames(error);
    if let Some(I32Exit(code)) = error.downcast_ref() {
        let how = if *code == 0 { "success" } else { "failure" };
        return format!("it exited with {how}, where an action returns{place}");
    }
    match error.downcast_ref::<Trap>() {
        // A stack in linear memory runs off its end when it overflows.
        Some(Trap::MemoryOutOfBounds) => {
            format!("it reached outside of its memory{place}; endless recursion can end like this")
        }
        Some(Trap::UnreachableCodeReached) => {
            format!("it aborted (wasm `unreachable`){place}; what it printed before is in the log")
        }
        Some(trap) => format!("{trap}{place}"),
        None => format!("{:#}{place}", error.root_cause()),
    }
}

/// The innermost functions' names, with their places in the source: as much of both as the component has.
fn frames(error: &wasmtime::Error) -> String {
    const FRAMES: usize = 4;
    const FRAMES_READ: usize = 32;
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    // No more than are ever passed over and shown.
    let names: Vec<String> = backtrace.frames().iter().take(FRAMES_READ).flat_map(names).collect();
    // A language's way into a panic says nothing about the quest.
    let machinery = names.iter().take_while(|name| is_machinery(name)).count();
    let own = if machinery < names.len() { &names[machinery..] } else { &names[..] };
    let shown = own[..own.len().min(FRAMES)].join(" < ");
    if shown.is_empty() { shown } else { format!(" in {shown}") }
}

/// The functions of one frame, those inlined into it first.
fn names(frame: &wasmtime::FrameInfo) -> Vec<String> {
    let symbols = frame.symbols().iter();
    let named: Vec<String> = symbols.filter_map(|symbol| Some(readable(symbol.name()?) + &place(symbol))).collect();
    if named.is_empty() { frame.func_name().map(readable).into_iter().collect() } else { named }
}

/// A function's name as its author wrote it, in Rust and in C++; as it is, if it is of another language. A few letters of a mangled name may stand
/// for any number, so there is a bound to what is read and to what is written.
fn readable(name: &str) -> String {
    const BYTES_MAX: usize = 512;
    let cut = &name[..name.floor_char_boundary(BYTES_MAX)];
    if cut.len() < name.len() {
        return cut.to_owned();
    }
    let mut shown = Bounded { text: String::new(), room: BYTES_MAX };
    let is_shown = if let Ok(demangled) = rustc_demangle::try_demangle(name) {
        write!(shown, "{demangled:#}").is_ok()
    } else if name.starts_with("_Z") {
        cpp_demangle::Symbol::new(name)
            .is_ok_and(|symbol| symbol.structured_demangle(&mut shown, &Default::default()).is_ok())
    } else {
        false
    };
    if is_shown { shown.text } else { name.to_owned() }
}

/// A text that ends what writes to it when it is full.
struct Bounded {
    text: String,
    room: usize,
}

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        self.room = self.room.checked_sub(part.len()).ok_or(std::fmt::Error)?;
        self.text.push_str(part);
        Ok(())
    }
}

/// A place in the source, in brackets; empty where it is not known.
fn place(symbol: &wasmtime::FrameSymbol) -> String {
    // The machine that it was built on is of no interest.
    const FOLDERS: usize = 3;
    let (Some(file), Some(line)) = (symbol.file(), symbol.line()) else { return String::new() };
    let mut parts: Vec<&str> = file.rsplit('/').take(FOLDERS).collect();
    parts.reverse();
    format!(" ({}:{line})", parts.join("/"))
}

fn is_machinery(name: &str) -> bool {
    let name = name.trim_start_matches('<');
    ["std::", "core::", "alloc::", "__rust", "rust_panic", "rust_begin_unwind", "abort", "__abort"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_their_authors_wrote_them() {
        for (name, expected) in [
            ("_RNvNtCshXfaRvt2tfW_3std7process5abort", "std::process::abort"),
            ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
            ("_ZN5Quest3runEi", "Quest::run(int)"),
            ("main.(*Quest).Run", "main.(*Quest).Run"),
            ("f", "f"),
        ] {
            assert_eq!(readable(name), expected);
        }
        // Each level names the one before four times over.
        let levels: String = (0..20).map(|n| format!("S_IS{n}_S{n}_S{n}_S{n}_E")).collect();
        let bomb = format!("_Z1f1AIiiE{levels}");
        assert!(readable(&bomb).len() <= 512);
        assert!(readable(&format!("_Z1f{}", "1A".repeat(4_000))).len() <= 512);
    }

    #[test]
    fn a_panic_is_caught_with_its_text() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(guarded(|| panic!("number {}", 7)), Err::<(), _>("number 7".to_owned()));
        let failure = of_host("number 7");
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "host-bug"));
    }
}
