//! The command under test: the same one line as the real `main`, built with the tests.

fn main() -> std::process::ExitCode {
    quest_host::cli::main()
}
