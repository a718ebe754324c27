//! The command `quest-host`.

/// A turn makes and drops thousands of small pieces, on several threads: this allocator does that in half the time of the system's
/// (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    quest_host::cli::main()
}
