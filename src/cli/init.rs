//! `nightjar init`: a data folder with key and configuration.


use super::exit::{CliError, Exit};
use super::{Context, setup};

/// Options of `init`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  nightjar init --dir /var/lib/nightjar    then: nightjar run --dir /var/lib/nightjar")]
pub struct Args {}

/// Runs the verb.
pub fn run(_args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let Some(folder) = context.global.dir.clone() else {
        return Err(CliError::new(Exit::Usage, "say where: nightjar init --dir DIR"));
    };
    setup::initialise(&folder, context)?;
    setup::load_folder(&folder, context)?;
    let (folder, config) = (folder.display(), folder.join(setup::FOLDER_CONFIG));
    writeln!(context.out, "Ready in {folder}. Look through {}, then:", config.display())?;
    writeln!(context.out, "  nightjar run --dir {folder}")?;
    Ok(())
}
