//! TypeScript: its types become blanks, so that JavaScript is left and every line is where it was.
//!
//! The parser is not ours, and its recursion and its backtracking are the text's to choose: some 2,000 brackets in each other are more than a thread's stack,
//! and 30 of `<a>(` take it minutes. So a command of ours reads it in a process of its own, which may end badly or be ended.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use parking_lot::Mutex;
use swc_common::{
    SourceMap, Spanned as _,
    errors::{DiagnosticBuilder, Emitter, Handler},
    sync::Lrc,
};
use swc_ts_fast_strip::{Mode, Options, operate};

use super::{SYNTAX_CODE, lines};
use crate::wasm::LoadError;

/// What the parser makes of a text is a hundred times as large.
const TEXT_BYTES_MAX: usize = 2 << 20;
/// The stack of the process's thread: for any nesting that somebody would write, or generate.
const STACK_BYTES: usize = 256 << 20;
/// The argument that makes a process of the command line one that reads a script.
const ARGUMENT: &str = "strip-types-of";

/// The command that can be started for it.
static COMMAND: OnceLock<PathBuf> = OnceLock::new();

/// From now on this process has TypeScript read by processes of `command`, which is a quest-host. Without, a text is read on the thread that
/// asks for it: for programs that know their texts.
pub fn isolate_in(command: PathBuf) {
    let _ = COMMAND.set(command);
}

/// Does what a process that was started for it is for; none in one that was not, which is the command for it from then on.
pub(crate) fn serve_or_isolate() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != ARGUMENT) {
        // The file may be replaced while this runs; Linux knows the one that this was started from.
        let started_from = PathBuf::from("/proc/self/exe");
        let command = if started_from.exists() { Ok(started_from) } else { std::env::current_exe() };
        command.into_iter().for_each(isolate_in);
        return None;
    }
    let name = arguments.next().unwrap_or_default().to_string_lossy().into_owned();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
        strip(&name, &text)
    });
    let (code, answer) = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(script))) => (ExitCode::SUCCESS, script),
        Ok(Ok(Err(wrong))) => (ExitCode::FAILURE, wrong),
        // A panic of the parser: as a process that ended badly.
        Ok(Err(_)) | Err(_) => return Some(ExitCode::from(2)),
    };
    match std::io::stdout().write_all(answer.as_bytes()) {
        Ok(()) => Some(code),
        Err(_) => Some(ExitCode::from(2)),
    }
}

/// The text without its types; or why it cannot be had.
pub(super) fn without_types(name: &str, text: &str, wall_ms: u64) -> Result<String, LoadError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("it has {} bytes, and TypeScript at most {TEXT_BYTES_MAX}", text.len());
        return Err(LoadError::new(
            "too-large",
            message,
            "have a bundler make JavaScript of it: that is not read by the host",
        ));
    }
    let stripped = match COMMAND.get() {
        Some(command) => isolated(command, name, text, Duration::from_millis(wall_ms))?,
        None => strip(name, text),
    };
    stripped.map_err(|wrong| {
        let hint = "only types are taken out of TypeScript: no enum, no namespace";
        LoadError::new(SYNTAX_CODE, lines::with_text(&wrong, name, text), hint)
    })
}

/// As [`strip`], in a process of its own that may take so long.
fn isolated(command: &PathBuf, name: &str, text: &str, wall: Duration) -> Result<Result<String, String>, LoadError> {
    const SIMPLER: &str = "write it simpler, or have a compiler make JavaScript of it";
    let unread = |why: String| LoadError::new("limit", format!("its types cannot be taken out: {why}"), SIMPLER);
    let mut process = Command::new(command);
    process.arg(ARGUMENT).arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = process.spawn().map_err(|error| unread(format!("no process to read it in: {error}")))?;
    let mut child = Ended(child);
    let (input, output) = (child.0.stdin.take(), child.0.stdout.take());
    let (send, answer) = mpsc::channel();
    let mut answered = std::thread::scope(|scope| {
        scope.spawn(move || input.is_some_and(|mut input| input.write_all(text.as_bytes()).is_ok()));
        scope.spawn(move || {
            let mut bytes = Vec::new();
            let read = output.is_some_and(|mut output| output.read_to_end(&mut bytes).is_ok());
            let _ = send.send(read.then_some(bytes));
        });
        let answered = answer.recv_timeout(wall);
        if answered.is_err() {
            // Both threads end with it.
            let _ = child.0.kill();
        }
        answered.map_err(|_| unread(format!("that took longer than {} ms (limit define_ms_max)", wall.as_millis())))
    })?;
    let status = child.0.wait().map_err(|error| unread(error.to_string()))?;
    let answered = answered.take().and_then(|bytes| String::from_utf8(bytes).ok());
    match (answered, status.code()) {
        (Some(script), Some(0)) => Ok(Ok(script)),
        (Some(wrong), Some(1)) => Ok(Err(wrong)),
        _ => Err(unread("it is nested too deeply".to_owned())),
    }
}

/// A process that is ended, and waited for, however this one is left.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The text without its types; or what is wrong with it, as `NAME:LINE: …`.
fn strip(name: &str, text: &str) -> Result<String, String> {
    let map: Lrc<SourceMap> = Lrc::default();
    let told = Arc::new(Mutex::new(None));
    let collect = Collect { map: map.clone(), name: name.to_owned(), told: Arc::clone(&told) };
    let handler = Handler::with_emitter(true, false, Box::new(collect));
    let options = Options { mode: Mode::StripOnly, ..Options::default() };
    operate(&map, &handler, text.to_owned(), options)
        .map(|done| done.code)
        .map_err(|error| told.lock().take().unwrap_or_else(|| format!("{name}: {}", error.message)))
}

/// Keeps the first complaint.
struct Collect {
    map: Lrc<SourceMap>,
    name: String,
    told: Arc<Mutex<Option<String>>>,
}

impl Emitter for Collect {
    fn emit(&mut self, complaint: &mut DiagnosticBuilder<'_>) {
        let line = complaint.span.primary_span().map(|span| self.map.lookup_char_pos(span.span().lo).line);
        let place = line.map_or_else(|| self.name.clone(), |line| format!("{}:{line}", self.name));
        self.told.lock().get_or_insert_with(|| format!("{place}: {}", complaint.message()));
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn types_become_blanks_and_lines_stay() {
        let text = "type A = { n: number };\nconst f = (a: A, b?: string): number =>\n  a.n as number;\nlet x = f!({ n: 1 })<2;\n";
        let stripped = strip("a.ts", text).expect("it is TypeScript");
        assert_eq!(stripped.lines().count(), text.lines().count());
        assert!(stripped.lines().nth(2).is_some_and(|line| line.trim_start().starts_with("a.n")), "{stripped}");
        assert!(!stripped.contains("number") && !stripped.contains("type A"), "{stripped}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = |text: &str| strip("a.ts", text).expect_err(text);
        assert!(
            wrong("const a = 1;\nconst b: = 2;").starts_with("a.ts:2: "),
            "{}",
            wrong("const a = 1;\nconst b: = 2;")
        );
        // What is more than types cannot be blanked out.
        assert!(wrong("enum Colour { Red }").starts_with("a.ts:1: "), "{}", wrong("enum Colour { Red }"));
    }
}
