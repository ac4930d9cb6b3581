//! The `lmdeck` binary: arguments in, exit code out. Everything else is in the library.

use clap::Parser as _;
use lmdeck::cli::args::Cli;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A call's record is made on one thread and dropped on the ledger's. The system's allocator has one lock for both,
/// and a caller of the gateway waits for it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match lmdeck::bootstrap::run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(report) => {
            eprintln!("error: {report:#}");
            ExitCode::FAILURE
        }
    }
}
