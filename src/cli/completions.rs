//! `completions`: what a shell needs to complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::exit::CliError;
use super::{Cli, Context};

const EXAMPLES: &str = "\
Examples:
  nightjar completions bash > /etc/bash_completion.d/nightjar
  nightjar completions zsh > ~/.zfunc/_nightjar
  nightjar completions fish > ~/.config/fish/completions/nightjar.fish";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    // Into memory first: the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nightjar", &mut script);
    Ok(context.out.write_all(&script)?)
}
