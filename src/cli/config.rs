//! `nightjar config`: what is set, where it comes from, and what can be set.


use clap::Subcommand;

use super::exit::CliError;
use super::{Context, setup};
use crate::config;

/// Options of `config`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar config show             what is in force, secrets redacted
  nightjar config show --origin    and which file, variable or flag says so
  nightjar config schema           every key, as JSON Schema")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Print what is in force
    Show {
        /// Says where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print the JSON Schema of the configuration
    Schema,
}

/// Runs the verb.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match args.act {
        Act::Show { origin } => {
            let loaded = setup::load(context)?;
            setup::warn(context, &loaded);
            write!(context.out, "{}", config::render(&loaded, origin))?;
        }
        Act::Schema => writeln!(context.out, "{:#}", config::schema())?,
    }
    Ok(())
}
