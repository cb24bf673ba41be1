//! The program: arguments, signals, exit code. Everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    openrouter_monitor::cli::main()
}
