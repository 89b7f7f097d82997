//! The files that the configuration is read from.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::load::Sources;
use super::origin::Problem;

/// Most files in `conf.d`; more are a mistake.
const FILES_MAX: usize = 256;

/// The files in their order. Those of the system may be missing.
pub(super) fn files(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut trouble = |path: &Path, e: &io::Error| problems.push(unreadable(path, e));
    if let Some(folder) = &sources.system_dir {
        let main = folder.join("nightjar.toml");
        match main.symlink_metadata() {
            Ok(_) => files.push(main),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => trouble(&main, &e),
        }
        let more = folder.join("conf.d");
        match conf_d(&more) {
            Ok(found) => files.extend(found),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => trouble(&more, &e),
        }
    }
    files.extend(sources.explicit.clone());
    files
}

/// The `*.toml` in `folder`, sorted by name; hidden files are what editors leave behind.
fn conf_d(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && Path::new(&name).extension() == Some(OsStr::new("toml")) {
            names.push(name);
        }
        if names.len() > FILES_MAX {
            let message = format!("more than {FILES_MAX} files");
            return Err(io::Error::other(message));
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The file or folder `path` cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let message = format!("cannot read {}: {error}", path.display());
    Problem::new(None, &message)
}

/// The text of a file of at most `bytes_max` bytes, and its mode.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> io::Result<(String, u32)> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    let mut text = String::new();
    file.take(bytes_max + 1)
        .read_to_string(&mut text)
        .map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => io::Error::other("it is not UTF-8 text"),
            _ => e,
        })?;
    if text.len() as u64 > bytes_max {
        let message = format!("it is larger than {bytes_max} bytes");
        return Err(io::Error::other(message));
    }
    Ok((text, metadata.permissions().mode() & 0o7777))
}
