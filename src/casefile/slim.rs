//! A small copy of a case file: all rows, but only the pictures of originals and of chosen nodes.
//!
//! The copy is written beside its name, flushed, and renamed: it is there whole or not at all. It is
//! made row by row, not by deleting from a full copy: what is dropped is then never written, and the
//! file has no holes. Thumbs and debug pictures are left out; they can be made again. Every node stays
//! with hashes and parameters, so the copy still says how each picture came about, and its seal holds.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{CaseError, CaseFile, ImageId, UnixMillis, first_int, kind, schema};
use crate::base::fsutil::{self, FsError};
use crate::storage::all;
use crate::storage::migrate::migrate;
use crate::storage::sqlite::{Database, Durability};

const SCRIPT: &str = include_str!("slim.sql");

/// What a copy kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slimmed {
    /// Pictures in the copy.
    pub images: i64,
    /// Pictures in the case file.
    pub images_before: i64,
    /// Length of the copy, bytes.
    pub bytes: u64,
}

/// Writes a slim copy of the case file at `source` to `target`, whose name must be free.
pub fn slim(source: &Path, target: &Path, now_ms: UnixMillis) -> Result<Slimmed, CaseError> {
    // Also proves that the schema is this program's, and rolls back what a killed writer left.
    let images_before = CaseFile::open_reader(source)?
        .read(|session| Ok(first_int(session, "SELECT COUNT(*) FROM images")?))?;
    if target.exists() {
        return Err(CaseError::Refused(format!(
            "{} is there already; choose another name",
            target.display()
        )));
    }
    let partial = Partial(partial_name(target));
    // Left by a copy that was killed; nobody else uses the name.
    let _ = std::fs::remove_file(&partial.0);
    let mut copy = Database::create_single_file(&partial.0, kind(Durability::Scratch))?;
    migrate(&mut copy, schema::MIGRATIONS, now_ms)?;
    copy.fill_from(source, SCRIPT)?;
    let images = first_int(&mut copy.snapshot()?, "SELECT COUNT(*) FROM images")?;
    drop(copy);
    let file = File::open(&partial.0).map_err(|e| FsError::new("open", &partial.0, e))?;
    file.sync_all()
        .map_err(|e| FsError::new("make durable", &partial.0, e))?;
    let bytes = file
        .metadata()
        .map_err(|e| FsError::new("measure", &partial.0, e))?
        .len();
    fsutil::rename_new(&partial.0, target)?;
    fsutil::fsync_dir(folder_of(target))?;
    Ok(Slimmed {
        images,
        images_before,
        bytes,
    })
}

/// Pictures that nothing in the case refers to; a store that works leaves none.
pub fn orphans(case: &mut CaseFile) -> Result<Vec<ImageId>, CaseError> {
    case.read(|session| {
        Ok(all(
            session,
            "SELECT id FROM images i
              WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE image_id = i.id)
                AND NOT EXISTS (SELECT 1 FROM debug_artifacts WHERE image_id = i.id)",
            &[],
            |row| row.int(0).map(ImageId),
        )?)
    })
}

/// A file that is deleted, with its journal, unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let mut journal = OsString::from(&self.0);
        journal.push("-journal");
        for path in [self.0.as_os_str(), &journal] {
            // Gone already when all went well.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn partial_name(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".partial");
    target.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
