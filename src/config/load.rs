//! The layers of the configuration, read and laid over each other.
//!
//! Defaults < `nightjar.toml` of the system < its `conf.d/*.toml` by name < the file given with
//! `--config` < environment < flags. A later layer replaces a key as a whole: lists are not joined.
//! Files are checked key by key, each key alone, so that everything that is wrong is told at once
//! and with its place; only what several keys say together is checked at the end.
//!
//! Relative paths in a file are relative to that file's folder; those in the environment and in
//! flags to the working directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{complaints, found, unknown_key};
use super::files::{files, read_text, unreadable};
use super::origin::{ConfigError, Origin, Problem};
use super::schema::{self, ENVIRONMENT_PREFIX, Key, Kind};
use super::sections::Config;
use super::{suggestion, tree, validate};

/// Folder of the system's configuration.
pub const SYSTEM_DIR: &str = "/etc/nightjar";

/// Largest configuration file; the reference has some 10 KiB.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Largest file with a secret: MQTT's longest password and a line end.
const SECRET_MAX_BYTES: u64 = 65_537;
/// Most syntax errors told per file; the later ones follow from the first.
const SYNTAX_ERRORS_MAX: usize = 3;

const PASSWORD: &str = "mqtt.password";
/// Secrets, and the keys of the files that hold them.
const SECRETS: [(&str, &str); 2] = [
    (PASSWORD, "mqtt.password_file"),
    ("alarm.pin_hash", "alarm.pin_hash_file"),
];
const DATA_DIR: &str = "storage.data_dir";

/// Everything that the configuration is made from. Not `Debug`: the environment holds secrets.
#[derive(Clone, Default)]
pub struct Sources {
    /// Folder with `nightjar.toml` and `conf.d`, usually [`SYSTEM_DIR`]; None leaves it out.
    pub system_dir: Option<PathBuf>,
    /// The file given with `--config`; it must exist.
    pub explicit: Option<PathBuf>,
    /// The environment: `NIGHTJAR__*`, `CREDENTIALS_DIRECTORY`, `XDG_DATA_HOME` and `HOME` count.
    pub environment: Vec<(String, String)>,
    /// Flags that set a key, in their order.
    pub overrides: Vec<Override>,
    /// Whether the process runs as root, which decides where data lies by default.
    pub as_root: bool,
}

impl Sources {
    /// A variable of the environment that is set and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }
}

/// A flag that sets a key. Not `Debug`: it may hold a secret.
#[derive(Clone)]
pub struct Override {
    /// The key, such as `mqtt.host`.
    pub key: String,
    /// Its value as text.
    pub value: String,
    /// The flag, such as `--host`, for messages.
    pub flag: String,
}

/// A configuration that is fit for use.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where each key that is set comes from; the others have no default and are not set.
    pub origins: BTreeMap<String, Origin>,
    /// What is odd but not wrong, one sentence each.
    pub warnings: Vec<String>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// Where the value of `key` comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// An error about `key`, at the place where it was set, for checks that are made elsewhere.
    pub fn refuse(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let problems = vec![Problem::at(self.origin(key), message)];
        ConfigError { problems }
    }
}

/// Reads all layers and checks them.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    for file in files(sources, &mut layers.problems) {
        layers.read_file(&file);
        layers.files.push(file);
    }
    layers.read_environment(sources);
    for Override { key, value, flag } in &sources.overrides {
        layers.read_override(key, value, flag);
    }
    layers.read_secrets(sources);
    layers.finish(sources)
}

/// The keys that are set so far. Not `Debug`: it holds secrets.
#[derive(Default)]
struct Layers {
    values: BTreeMap<&'static str, (toml::Value, Origin)>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    files: Vec<PathBuf>,
    /// Modes of the files read, for the warning about passwords in them.
    modes: BTreeMap<PathBuf, u32>,
}

impl Layers {
    fn read_file(&mut self, path: &Path) {
        let (text, mode) = match read_text(path, FILE_MAX_BYTES) {
            Ok(read) => read,
            Err(e) => return self.problems.push(unreadable(path, &e)),
        };
        self.modes.insert(path.to_owned(), mode);
        let place = |offset: usize| {
            let (line, column) = line_and_column(&text, offset);
            let path = path.to_owned();
            Origin::File { path, line, column }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in errors.iter().take(SYNTAX_ERRORS_MAX) {
            let start = error.span().map_or(0, |span| span.start);
            let message = format!("this is not TOML: {}", error.message());
            let problem = Problem::at(&place(start), message);
            if self.problems.last() != Some(&problem) {
                self.problems.push(problem);
            }
        }
        if errors.is_empty() {
            let before = self.problems.len();
            self.read_table(table.get_ref(), "", &place);
            // The parser sorts tables by name; people read from top to bottom.
            self.problems[before..].sort_by_key(|problem| match problem.origin {
                Some(Origin::File { line, column, .. }) => (line, column),
                _ => (0, 0),
            });
        }
    }

    fn read_table(&mut self, table: &DeTable<'_>, section: &str, place: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let dot = if section.is_empty() { "" } else { "." };
            // A dot inside quotes does not part a section from a key.
            let dotted = name.get_ref().contains('.');
            let quote = if dotted { "\"" } else { "" };
            let path = format!("{section}{dot}{quote}{}{quote}", name.get_ref());
            let name_at = place(name.span().start);
            let value_at = place(value.span().start);
            if let Some(key) = schema::key(&path) {
                if let Some(value) = to_value(value) {
                    self.set(key, value, &value_at, Some(&name_at));
                } else {
                    // Not shown: it may be a password without its quotes.
                    let message = format!("`{path}`: this number is too large");
                    self.problems.push(Problem::at(&value_at, message));
                }
            } else if !schema::is_section(&path) {
                let name = path.strip_prefix(section).unwrap_or(&path);
                let message = unknown_key(section, name.trim_start_matches('.'));
                self.problems.push(Problem::at(&name_at, message));
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.read_table(inner, &path, place);
            } else {
                let found = to_value(value).map_or_else(|| "a number".into(), |v| found(&v, false));
                let message = format!("`{path}` must be a section [{path}], not {found}");
                self.problems.push(Problem::at(&value_at, message));
            }
        }
    }

    fn read_environment(&mut self, sources: &Sources) {
        for (name, text) in &sources.environment {
            if !name.starts_with(ENVIRONMENT_PREFIX) {
                continue;
            }
            let origin = Origin::Environment(name.clone());
            let known = schema::keys().iter().map(Key::environment_name);
            let known: Vec<_> = known.collect();
            if let Some(index) = known.iter().position(|known| known == name) {
                let key = &schema::keys()[index];
                self.set(key, key.kind.value_of(text), &origin, None);
            } else {
                let known = known.iter().map(String::as_str);
                let hint = suggestion::did_you_mean(name, known);
                let message = format!("this environment variable sets no known key{hint}");
                self.problems.push(Problem::at(&origin, message));
            }
        }
    }

    fn read_override(&mut self, path: &str, text: &str, flag: &str) {
        let origin = Origin::Flag(flag.to_owned());
        if let Some(key) = schema::key(path) {
            self.set(key, key.kind.value_of(text), &origin, None);
        } else {
            let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
            let message = unknown_key(section, name);
            self.problems.push(Problem::at(&origin, message));
        }
    }

    /// Checks one value and lays it over what is there. `value_at` is where a wrong value is told,
    /// `origin` (by default the same) what is remembered.
    fn set(
        &mut self,
        key: &'static Key,
        mut value: toml::Value,
        value_at: &Origin,
        origin: Option<&Origin>,
    ) {
        let complaints = complaints(key, &value);
        let sound = complaints.is_empty();
        for message in complaints {
            self.problems.push(Problem::at(value_at, message));
        }
        if !sound {
            return;
        }
        if let (Kind::Path, toml::Value::String(path), Origin::File { path: file, .. }) =
            (&key.kind, &mut value, value_at)
        {
            let Some(beside) = beside(file, path) else {
                let message = format!(
                    "`{}`: this file lies in a folder whose name is not UTF-8; write the whole path",
                    key.path
                );
                return self.problems.push(Problem::at(value_at, message));
            };
            *path = beside;
        }
        let origin = origin.unwrap_or(value_at).clone();
        self.values.insert(&key.path, (value, origin));
    }

    /// Takes each secret from systemd's credential or from its file.
    fn read_secrets(&mut self, sources: &Sources) {
        for (key, file_key) in SECRETS {
            self.read_secret(key, file_key, sources);
        }
    }

    fn read_secret(&mut self, secret: &str, secret_file: &str, sources: &Sources) {
        if let Some(folder) = sources.variable("CREDENTIALS_DIRECTORY") {
            let path = Path::new(folder).join(secret);
            match read_text(&path, SECRET_MAX_BYTES) {
                // No warning about the mode: systemd grants access by an ACL, which shows up as the
                // group's read bit.
                Ok((text, _)) => return self.set_secret(secret, &path, &text),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return self.problems.push(unreadable(&path, &e)),
            }
        }
        let written = self.values.get(secret).map(|(_, origin)| origin.clone());
        let Some((toml::Value::String(path), file_origin)) = self.values.get(secret_file).cloned()
        else {
            if let Some(Origin::File { path, .. }) = &written
                && let Some(mode) = self.modes.get(path).copied()
            {
                self.warn_if_open(secret, path, mode);
            }
            return;
        };
        if let Some(origin) = written {
            let message = format!(
                "`{secret}` and `{secret_file}` ({file_origin}) are both set; leave one out"
            );
            return self.problems.push(Problem::at(&origin, message));
        }
        match read_text(Path::new(&path), SECRET_MAX_BYTES) {
            Ok((text, mode)) => {
                self.warn_if_open(secret, Path::new(&path), mode);
                self.set_secret(secret, Path::new(&path), &text);
            }
            Err(e) => {
                let message = format!("`{secret_file}`: cannot read {path}: {e}");
                self.problems.push(Problem::at(&file_origin, message));
            }
        }
    }

    fn set_secret(&mut self, secret: &str, path: &Path, text: &str) {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let key = schema::key(secret).expect("a secret is a key");
        let origin = Origin::SecretFile(path.to_owned());
        self.set(key, toml::Value::String(line.to_owned()), &origin, None);
    }

    fn warn_if_open(&mut self, secret: &str, path: &Path, mode: u32) {
        if mode & 0o077 != 0 {
            let path = path.display();
            let what = if secret == PASSWORD {
                "the broker's password"
            } else {
                "the hash of the alarm's PIN"
            };
            self.warnings.push(format!(
                "{path} holds {what} and is open to others (mode {mode:04o}); chmod 600 {path}"
            ));
        }
    }

    fn finish(mut self, sources: &Sources) -> Result<Loaded, ConfigError> {
        let mut defaults = Config::default();
        if !self.values.contains_key(DATA_DIR) {
            match default_data_dir(sources) {
                Ok(folder) => defaults.storage.data_dir = folder,
                Err(problem) => self.problems.push(problem),
            }
        }
        if !self.problems.is_empty() {
            let problems = self.problems;
            return Err(ConfigError { problems });
        }
        let mut table = toml::Table::try_from(&defaults).expect("the defaults can be written");
        let mut origins = BTreeMap::new();
        for key in schema::keys() {
            if let Some((value, origin)) = self.values.remove(key.path.as_str()) {
                tree::put(&mut table, &key.path, value);
                origins.insert(key.path.clone(), origin);
            } else if tree::get(&table, &key.path).is_some() {
                origins.insert(key.path.clone(), Origin::Default);
            }
        }
        let config = Config::deserialize(table).expect("each value was checked alone");
        let loaded = Loaded {
            config,
            origins,
            warnings: self.warnings,
            files: self.files,
        };
        let conflicts = validate::conflicts(&loaded.config);
        if conflicts.is_empty() {
            return Ok(loaded);
        }
        let problems = conflicts
            .into_iter()
            .map(|(key, message)| Problem::at(loaded.origin(key), message))
            .collect();
        Err(ConfigError { problems })
    }
}

/// None for a number that fits no type, the only thing that TOML can write and not hold.
fn to_value(value: &Spanned<DeValue<'_>>) -> Option<toml::Value> {
    toml::Value::deserialize(toml::de::ValueDeserializer::from(value.clone())).ok()
}

/// Line and column (in characters) of the byte `offset`, both from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// `path` as seen from the folder of `file`; None when TOML could not hold the result.
fn beside(file: &Path, path: &str) -> Option<String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let joined = folder.join(path);
    let tidy: PathBuf = joined
        .components()
        .filter(|part| *part != Component::CurDir)
        .collect();
    let tidy = if tidy.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &tidy
    };
    tidy.to_str().map(Into::into)
}

fn default_data_dir(sources: &Sources) -> Result<PathBuf, Problem> {
    if sources.as_root {
        return Ok(Config::default().storage.data_dir);
    }
    let absolute = |name| {
        sources
            .variable(name)
            .map(Path::new)
            .filter(|p| p.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME").map(Path::to_owned);
    data.or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|data| data.join("nightjar"))
        .ok_or_else(|| {
            let message = format!("there is no HOME to keep data in; set `{DATA_DIR}`");
            Problem::new(None, &message)
        })
}
