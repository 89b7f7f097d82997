//! The program `nightjar`; all of it is in the library.

use std::process::ExitCode;

use clap::Parser as _;

/// The writer frees what other threads made, event by event: glibc's allocator then waits for locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match nightjar::cli::run(&nightjar::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
