//! How a PIN is typed: from a file, without an echo at a terminal, else as the first line of stdin.
//! Never as an argument, which everybody on the machine could read.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::super::Context;
use super::super::exit::{CliError, Exit};

/// Longest line that is read, bytes: more than the longest PIN takes.
const LINE_BYTES_MAX: usize = 256;

/// Where the PIN comes from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// File whose first line is the PIN; else it is asked for, or read from stdin
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

impl Args {
    /// Whether somebody says where it is.
    pub(super) const fn is_given(&self) -> bool {
        self.pin_file.is_some()
    }
}

/// The PIN as it was typed, wiped when dropped.
pub(super) fn read(
    args: &Args,
    context: &mut Context<'_>,
    prompt: &str,
) -> Result<Zeroizing<String>, CliError> {
    context.forbid_core_dumps();
    if let Some(path) = &args.pin_file {
        let unreadable = |error: std::io::Error| {
            CliError::new(
                Exit::NoInput,
                format!("cannot read {}: {error}", path.display()),
            )
        };
        let mut file = std::fs::File::open(path).map_err(unreadable)?;
        return line(&mut file).map_err(unreadable);
    }
    let stdin = std::io::stdin();
    if !(context.screen.live && stdin.is_terminal()) {
        return Ok(line(context.input)?);
    }
    write!(context.messages, "{prompt}: ")?;
    context.messages.flush()?;
    let shown = tcgetattr(&stdin).map_err(std::io::Error::from)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(std::io::Error::from)?;
    let typed = line(context.input);
    // Whatever came, the terminal must show again what is typed.
    tcsetattr(&stdin, OptionalActions::Flush, &shown).map_err(std::io::Error::from)?;
    writeln!(context.messages)?;
    Ok(typed?)
}

/// One line, byte by byte, so that nothing behind it is taken.
fn line(input: &mut dyn std::io::Read) -> std::io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut byte = [0];
    while bytes.len() < LINE_BYTES_MAX && input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        bytes.push(byte[0]);
    }
    let text = str::from_utf8(&bytes).map_err(std::io::Error::other)?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}
