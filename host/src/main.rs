//! The command `quest-host`.

fn main() -> std::process::ExitCode {
    quest_host::cli::main()
}
