//! Where a value comes from, and what is wrong with it there.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Most problems that are told at once; more than a screenful is not read anyway.
const PROBLEMS_SHOWN_MAX: usize = 25;

/// Longest message; a value may be as long as its file.
const MESSAGE_MAX_LETTERS: usize = 400;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file; line and column from 1, the column in characters.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
    /// A file that holds one secret: a `*_file` twin or a systemd credential.
    SecretFile(PathBuf),
}

impl fmt::Display for Origin {
    /// `default`, `/etc/nightjar/nightjar.toml:3`, `NIGHTJAR__MQTT__HOST`, `--host` …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::SecretFile(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is; None when there is no place, such as a file that is not there.
    pub origin: Option<Origin>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// Whatever was written in a file or in a variable may be quoted in `message`: control
    /// characters are escaped, lest they reach a terminal, and the rest of a long one is cut.
    pub(super) fn new(origin: Option<Origin>, message: &str) -> Self {
        let mut shown = String::new();
        for (index, letter) in message.chars().enumerate() {
            match letter {
                _ if index == MESSAGE_MAX_LETTERS => {
                    shown.push('…');
                    break;
                }
                _ if letter.is_control() => shown.extend(letter.escape_default()),
                _ => shown.push(letter),
            }
        }
        Self {
            origin,
            message: shown,
        }
    }

    pub(super) fn at(origin: &Origin, message: impl Into<String>) -> Self {
        Self::new(Some(origin.clone()), &message.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::File { path, line, column }) => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            Some(origin) => write!(f, "{origin}: ")?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with the configuration; exit code 78.
///
/// Shown as one line per problem, in the order in which the sources are read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PROBLEMS_SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}
