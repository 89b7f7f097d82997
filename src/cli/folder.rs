//! The data folder: which one, what lies in it, and the database opened for reading.

use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use crate::storage::StorageError;
use crate::storage::sqlite::Database;

/// The main database inside the data folder.
pub const DATABASE_FILE: &str = "nightjar.db";
/// The folder that a try-out makes in the working directory.
pub const LOCAL_FOLDER: &str = "nightjar-data";
/// Recordings inside the data folder, unless configured elsewhere.
pub const RECORDINGS_FOLDER: &str = "recordings";

/// Everything that decides where the data lies.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `--dir`.
    pub flag: Option<PathBuf>,
    /// Where the command was typed.
    pub working_dir: PathBuf,
    /// `storage.data_dir` of the configuration.
    pub configured: Option<PathBuf>,
    /// Whether the user is root.
    pub is_root: bool,
    /// `$XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
}

impl Places {
    /// The places of this process.
    pub fn of_process(flag: Option<PathBuf>, configured: Option<PathBuf>) -> Self {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Self {
            flag,
            working_dir: std::env::current_dir().unwrap_or_default(),
            configured,
            is_root: rustix::process::geteuid().is_root(),
            xdg_data_home: path("XDG_DATA_HOME"),
            home: path("HOME"),
        }
    }
}

/// THE rule for the data folder: `--dir`; `./nightjar-data` if it exists; `storage.data_dir`;
/// `/var/lib/nightjar` for root; else `$XDG_DATA_HOME/nightjar` or `~/.local/share/nightjar`.
pub fn data_folder(places: &Places) -> PathBuf {
    if let Some(flag) = &places.flag {
        return flag.clone();
    }
    let beside = places.working_dir.join(LOCAL_FOLDER);
    if beside.is_dir() {
        return beside;
    }
    if let Some(configured) = &places.configured {
        return configured.clone();
    }
    // The XDG specification calls a relative path invalid; it is to be ignored.
    let xdg = places.xdg_data_home.as_ref();
    match (xdg.filter(|path| path.is_absolute()), &places.home) {
        _ if places.is_root => PathBuf::from("/var/lib/nightjar"),
        (Some(xdg), _) => xdg.join("nightjar"),
        (None, Some(home)) => home.join(".local/share/nightjar"),
        (None, None) => beside,
    }
}

/// Opens the database in `folder` for reading, whether the daemon runs or not.
pub fn open_reader(folder: &Path) -> Result<Database, CliError> {
    try_open(folder)?.map_err(|error| refused(folder, error))
}

/// The same, for who has something to say of a database that SQLite cannot open.
pub fn try_open(folder: &Path) -> Result<Result<Database, StorageError>, CliError> {
    let path = folder.join(DATABASE_FILE);
    if let Err(error) = std::fs::metadata(&path) {
        return Err(missing(&path, &error));
    }
    let mut database = match Database::open_reader(&path) {
        Ok(database) => database,
        Err(error) => return Ok(Err(error)),
    };
    let is_ours = crate::storage::first(
        &mut database.snapshot()?,
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('event_log', 'projections', 'metadata')",
        &[],
        |row| row.int(0),
    )?;
    if is_ours != Some(3) {
        let text = format!("{} is no database of nightjar", path.display());
        return Err(CliError::new(Exit::BadData, text));
    }
    Ok(Ok(database))
}

/// Why the database in `folder` cannot be opened; SQLite's own words do not say what a person can
/// do about it.
pub fn refused(folder: &Path, error: StorageError) -> CliError {
    let path = folder.join(DATABASE_FILE);
    if let Err(error) = std::fs::File::open(&path) {
        return missing(&path, &error);
    }
    if rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_err() {
        let text = format!(
            "{} cannot be read: readers meet in a file that SQLite makes beside it, and {} is not \
             writable for this user; run this as the user nightjar, or read a copy",
            path.display(),
            folder.display()
        );
        return CliError::new(Exit::Forbidden, text);
    }
    error.into()
}

fn missing(path: &Path, error: &std::io::Error) -> CliError {
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        let text = format!("{}: {error}; run this as the user nightjar", path.display());
        return CliError::new(Exit::Forbidden, text);
    }
    CliError::new(
        Exit::NoInput,
        format!(
            "there is no database at {}\nGive the data folder with --dir, or make a first one with \
             `nightjar up`.",
            path.display()
        ),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_in_this_order() {
        let here = tempfile::tempdir().unwrap();
        let mut places = Places {
            flag: Some("/flag".into()),
            working_dir: here.path().to_owned(),
            configured: Some("/configured".into()),
            is_root: true,
            xdg_data_home: Some("/xdg".into()),
            home: Some("/home/mara".into()),
        };
        std::fs::create_dir(here.path().join(LOCAL_FOLDER)).unwrap();
        assert_eq!(data_folder(&places), Path::new("/flag"));
        places.flag = None;
        assert_eq!(data_folder(&places), here.path().join(LOCAL_FOLDER));
        std::fs::remove_dir(here.path().join(LOCAL_FOLDER)).unwrap();
        assert_eq!(data_folder(&places), Path::new("/configured"));
        places.configured = None;
        assert_eq!(data_folder(&places), Path::new("/var/lib/nightjar"));
        places.is_root = false;
        assert_eq!(data_folder(&places), Path::new("/xdg/nightjar"));
        places.xdg_data_home = Some("relative".into());
        let home = Path::new("/home/mara/.local/share/nightjar");
        assert_eq!(data_folder(&places), home);
    }

    #[test]
    fn a_file_that_is_no_database_of_ours_is_told_apart_from_a_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_reader(folder.path()).unwrap_err();
        assert_eq!(error.code, Exit::NoInput);
        assert!(error.message.contains("--dir"), "{error}");
        std::fs::File::create(folder.path().join(DATABASE_FILE)).unwrap();
        let error = open_reader(folder.path()).unwrap_err();
        assert_eq!(error.code, Exit::BadData, "{error}");
    }
}
