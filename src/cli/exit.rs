//! How a run ends: exit codes after `sysexits.h`, and the error that carries one.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use crate::base::lock::LockError;
use crate::storage::StorageError;
use crate::writer::WriterError;

/// Exit codes, the same for every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Ok = 0,
    /// A check ran to its end and found problems.
    ProblemsFound = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The input, or something stored, cannot be understood.
    BadData = 65,
    /// There is no such file, database or row.
    NoInput = 66,
    /// The broker or the database cannot be reached.
    Unavailable = 69,
    /// A mistake in this program.
    Bug = 70,
    /// A file cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Another instance holds the lock.
    Locked = 75,
    /// A permission, or the mode of the key file.
    Forbidden = 77,
    /// The configuration is wrong.
    Config = 78,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a verb ended early: a message for people, and the exit code.
#[derive(Debug)]
pub struct CliError {
    /// The exit code.
    pub code: Exit,
    /// What failed, on what, what to do. Empty: nothing is printed.
    pub message: String,
}

impl CliError {
    /// An error with this code and message.
    pub fn new(code: Exit, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The reader of our output has gone: an end, not an error.
    const fn reader_gone() -> Self {
        Self {
            code: Exit::Ok,
            message: String::new(),
        }
    }

    /// The same, its message led by what was being done.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        if !self.message.is_empty() {
            self.message = format!("{doing}: {}", self.message);
        }
        self
    }

    /// Says it on stderr and gives the process' exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "nightjar: {}", self.printable());
        }
        ExitCode::from(self.code as u8)
    }

    // A message may quote foreign data; only its own line breaks reach the terminal.
    fn printable(&self) -> String {
        let lines: Vec<_> = self.message.lines().map(super::term::visible).collect();
        lines.join("\n")
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

/// An error of writing to stdout; other files are named where they are read.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::BrokenPipe => return Self::reader_gone(),
            ErrorKind::PermissionDenied => Exit::Forbidden,
            _ => Exit::Io,
        };
        Self::new(code, format!("cannot write the output: {error}"))
    }
}

impl From<StorageError> for CliError {
    fn from(error: StorageError) -> Self {
        let code = match &error {
            StorageError::Busy(_) => Exit::Locked,
            StorageError::Full(_) | StorageError::Io(_) => Exit::Io,
            StorageError::Corrupt(_) | StorageError::Refused(_) | StorageError::Unreadable(_) => {
                Exit::BadData
            }
            StorageError::Schema(_)
            | StorageError::Open(..)
            | StorageError::Connect(_)
            | StorageError::Unreachable(_) => Exit::Unavailable,
            StorageError::Sql(_) => Exit::Bug,
        };
        Self::new(code, error.to_string())
    }
}

impl From<WriterError> for CliError {
    fn from(error: WriterError) -> Self {
        match error {
            WriterError::Storage(error) => error.into(),
            WriterError::Stopped => Self::new(Exit::Unavailable, error.to_string()),
        }
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        let code = match &error {
            LockError::Held { .. } => Exit::Locked,
            LockError::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::Forbidden,
                std::io::ErrorKind::NotFound => Exit::NoInput,
                _ => Exit::CannotCreate,
            },
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_a_quiet_end() {
        let error = CliError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(error.code, Exit::Ok);
        assert_eq!(error.context("writing").message, "");
    }

    #[test]
    fn what_a_message_quotes_cannot_steer_the_terminal() {
        let error = CliError::new(Exit::BadData, "no view \u{1b}[31mred\nTry another");
        assert_eq!(error.printable(), "no view ␛[31mred\nTry another");
    }
}
