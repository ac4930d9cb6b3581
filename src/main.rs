//! The `lmdeck` binary: arguments in, exit code out. Everything else is in the library.

use clap::Parser as _;
use lmdeck::cli::args::Cli;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
