//! The program `nightjar`; all of it is in the library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match nightjar::cli::run(&nightjar::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
