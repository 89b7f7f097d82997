//! Case files: one `.agl` file holds the pictures of one incident, every step that was taken on them,
//! and who did what.
//!
//! The original is kept as it came; each other picture is a node of a tree, made from its parent by
//! one frozen step, and each branch of the tree shows the node that a person chose. One module per
//! table or subject, all of them functions over a [`Session`], so that a caller puts as many of them
//! into one transaction as belong together:
//!
//! | module | what |
//! |---|---|
//! | [`project`], [`pipelines`], [`calibrations`] | what the case is about, what was frozen |
//! | [`encode`], [`images`], [`thumbs`] | pictures, once per content |
//! | [`scans`], [`nodes`], [`branches`], [`debug`] | originals, the tree, what was chosen |
//! | [`sniff`], [`frames`], [`pipeline`] | what a picture is, frames out of a stream, the steps (pure) |
//! | [`ocr`], [`consensus`] | text read by tesseract, what readings agree on (pure) |
//! | [`ocr_runs`], [`readings`] | what was read, what readings agree on, who confirmed it |
//! | [`persister`] | the connection of one worker, opened at its first message |
//! | [`rerun`], [`slim`] | a subtree made anew, a file made small |
//! | [`sources`], [`regions`], [`timeline`] | what makes it evidence |
//! | [`custody`], [`exports`], [`seal`], [`verify`] | who did what, what left, the end, the proof |
//!
//! Invariants, kept by `0007_guards.sql` against any program: an original is never changed, deleted or
//! replaced; `is_leaf` and `is_branch_point` follow from the tree; a chosen node lies on the way from
//! the original to the end of its branch; staleness follows from content; the custody log only grows.
//! Pictures are encoded before the transaction begins. No file stays beside a closed case file.

pub mod branches;
pub mod calibrations;
pub mod consensus;
pub mod custody;
pub mod debug;
pub mod encode;
pub mod exports;
pub mod frames;
pub mod images;
pub mod nodes;
pub mod ocr;
pub mod ocr_runs;
pub mod path;
pub mod persister;
pub mod pipeline;
pub mod pipelines;
pub mod project;
pub mod readings;
pub mod regions;
pub mod rerun;
pub mod scans;
pub mod schema;
pub mod seal;
pub mod slim;
pub mod sniff;
pub mod sources;
pub mod thumbs;
pub mod timeline;
pub mod verify;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::storage::migrate::migrate;
use crate::storage::sqlite::single_file::SingleFile;
use crate::storage::sqlite::{Database, Durability};
use crate::storage::{Row, Session, StorageError, Value, first};
use path::BranchPath;
use project::{NewProject, Status};

/// Milliseconds since the Unix epoch, UTC: the unit of every time in a case file.
pub type UnixMillis = i64;

/// How often a transaction is tried that others keep out: each try waits for the busy timeout (5 s).
const LOCK_TRIES: u32 = 12;
/// Bytes of pictures in one case file; past it new ones are refused. Larger files still open.
pub const DEFAULT_MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Declares the id of a table's rows.
macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident),* $(,)?) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);

        impl From<$name> for Value<'_> {
            fn from(id: $name) -> Self {
                Self::Integer(id.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// Row of `pipeline_versions`.
    PipelineId,
    /// Row of `calibrations`.
    CalibrationId,
    /// Row of `images`.
    ImageId,
    /// Row of `scans`.
    ScanId,
    /// Row of `nodes`.
    NodeId,
    /// Row of `branches`.
    BranchId,
    /// Row of `ocr_runs`.
    RunId,
    /// Row of `readings`.
    ReadingId,
    /// Row of `source_media`.
    SourceId,
    /// Row of `clock_checks`.
    ClockCheckId,
    /// Row of `regions`.
    RegionId,
    /// Row of `exports`.
    ExportId,
}

/// SHA-256.
pub type Sha256Hash = [u8; 32];

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// A person's name, or the program's.
    pub actor: &'a str,
    /// When.
    pub at_ms: UnixMillis,
}

/// Trouble with a case file.
#[derive(Debug, Error)]
pub enum CaseError {
    /// The file or a statement.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something that a caller named is not in the file.
    #[error("there is no {what} {name} in the case; `nightjar case tree` shows what there is")]
    Unknown {
        /// Scan, node, branch …
        what: &'static str,
        /// As the caller named it.
        name: String,
    },
    /// The chosen node cannot go up: its siblings would be lost from sight.
    #[error(
        "branch {0} stands right behind a branch point with siblings; choose another branch, or trash this one"
    )]
    AtBranchPoint(BranchPath),
    /// The chosen node is the original.
    #[error("branch {0} shows the original already")]
    AtRoot(BranchPath),
    /// The chosen node is the last one.
    #[error("branch {0} shows its last step already")]
    AtEnd(BranchPath),
    /// A branch path or label that is none.
    #[error("{0:?} is no branch path; A, B and A.1 are")]
    BranchPath(String),
    /// A picture that cannot be taken.
    #[error("the picture cannot be taken: {0}")]
    Picture(String),
    /// The file has grown to its bound.
    #[error(
        "the case holds {held} of {max} bytes, {more} more are too many; export it and open another case, or raise the bound"
    )]
    Full {
        /// Bytes of the file in use.
        held: u64,
        /// Bytes to add.
        more: u64,
        /// Most bytes.
        max: u64,
    },
    /// What is asked cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
    /// The new file could not be put in its place.
    #[error(transparent)]
    File(#[from] crate::base::fsutil::FsError),
}

impl From<pipeline::CodecError> for CaseError {
    fn from(error: pipeline::CodecError) -> Self {
        Self::Picture(error.to_string())
    }
}

impl CaseError {
    /// Nothing has this name.
    pub(crate) fn unknown(what: &'static str, name: impl ToString) -> Self {
        Self::Unknown {
            what,
            name: name.to_string(),
        }
    }
}

/// An open case file: one connection.
#[derive(Debug)]
pub struct CaseFile {
    database: Database,
}

impl CaseFile {
    /// Makes a case file with its project and the first entry of its custody log. The name must be
    /// free; a file that could not be filled is taken away again.
    pub fn create(
        path: &Path,
        project: &NewProject<'_>,
        durability: Durability,
    ) -> Result<Self, CaseError> {
        let database = Database::create_single_file(path, kind(durability))?;
        let filled = fill(database, project);
        if filled.is_err() {
            // The first error is the one that is told.
            let _ = std::fs::remove_file(path);
        }
        filled
    }

    /// Opens a case file for writing, and brings its schema up to date at `now_ms`.
    pub fn open(
        path: &Path,
        durability: Durability,
        now_ms: UnixMillis,
    ) -> Result<Self, CaseError> {
        let mut database = Database::open_single_file(path, kind(durability))?;
        migrate(&mut database, schema::MIGRATIONS, now_ms)?;
        let mut case = Self { database };
        let told = case.read(project::get)?;
        // A sealed project keeps the version that it was sealed with.
        if told.schema_version != schema::newest_version() && told.status == Status::Open {
            case.write(project::set_schema_version)?;
        }
        Ok(case)
    }

    /// Opens a case file for reading; it must have been opened for writing by a program as new as
    /// this one.
    pub fn open_reader(path: &Path) -> Result<Self, CaseError> {
        let mut case = Self {
            database: Database::open_single_file_reader(path, kind(Durability::Full))?,
        };
        let version = case.read(|session| {
            first_int(session, "SELECT MAX(version) FROM schema_migrations").map_err(Into::into)
        })?;
        let newest = schema::newest_version();
        if version == newest {
            return Ok(case);
        }
        Err(CaseError::Refused(format!(
            "{} has schema {version}, this program reads {newest}; {}",
            path.display(),
            if version > newest {
                "use the program that wrote it"
            } else {
                "open it once for writing, on a copy if it must stay as it is"
            }
        )))
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// Reads one unchanging state. Writers wait for the end of it, so it should be short.
    pub fn read<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Session) -> Result<T, CaseError>,
    ) -> Result<T, CaseError> {
        work(&mut self.database.snapshot()?)
    }

    /// Does `work` in one transaction, again from its start when others kept the file locked for
    /// longer than the busy timeout. Nothing of it is there unless this returns `Ok`.
    pub fn write<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Session) -> Result<T, CaseError>,
    ) -> Result<T, CaseError> {
        let mut tries = 1;
        loop {
            match self.write_once(&mut work) {
                Err(CaseError::Storage(StorageError::Busy(_))) if tries < LOCK_TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn write_once<T>(
        &mut self,
        work: &mut impl FnMut(&mut dyn Session) -> Result<T, CaseError>,
    ) -> Result<T, CaseError> {
        let mut session = self.database.begin()?;
        let made = work(&mut session)?;
        session.commit()?;
        Ok(made)
    }
}

fn fill(mut database: Database, project: &NewProject<'_>) -> Result<CaseFile, CaseError> {
    migrate(&mut database, schema::MIGRATIONS, project.by.at_ms)?;
    let mut case = CaseFile { database };
    case.write(|session| project::insert(session, project))?;
    Ok(case)
}

fn kind(durability: Durability) -> SingleFile {
    SingleFile {
        application_id: schema::APPLICATION_ID,
        called: "a case file of Nightjar",
        durability,
    }
}

/// The path of a case file below the folder of all cases.
pub fn path_of(folder: &Path, slug: &str) -> PathBuf {
    folder.join(slug).with_added_extension("agl")
}

/// The first column of the first row, which must be there.
fn first_int(session: &mut dyn Session, sql: &'static str) -> Result<i64, StorageError> {
    first(session, sql, &[], |row| row.int(0))?
        .ok_or_else(|| StorageError::Unreadable("a query has no answer".into()))
}

/// The id of the row that this session inserted last.
fn inserted(session: &mut dyn Session) -> Result<i64, StorageError> {
    first_int(session, "SELECT last_insert_rowid()")
}

/// The hash in a column.
fn hash(row: &dyn Row, column: usize) -> Result<Sha256Hash, StorageError> {
    row.blob(column)?.try_into().map_err(|_| {
        StorageError::Unreadable(format!(
            "column {column} is no SHA-256: it has not 32 bytes"
        ))
    })
}

/// The hash in a column, or none for NULL.
fn opt_hash(row: &dyn Row, column: usize) -> Result<Option<Sha256Hash>, StorageError> {
    row.opt_blob(column)?.map(|_| hash(row, column)).transpose()
}

/// The text in a column, owned.
fn text(row: &dyn Row, column: usize) -> Result<String, StorageError> {
    row.text(column).map(ToOwned::to_owned)
}

/// The text in a column, owned, or none for NULL.
fn opt_text(row: &dyn Row, column: usize) -> Result<Option<String>, StorageError> {
    Ok(row.opt_text(column)?.map(ToOwned::to_owned))
}

/// Declares an enum whose words stand in a column.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $doc])* $variant),* }

        impl $name {
            /// The word in the file.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The variant of a word in the file, or what a person typed.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            /// The variant in a column.
            pub fn of(
                row: &dyn $crate::storage::Row,
                column: usize,
            ) -> Result<Self, $crate::storage::StorageError> {
                let word = row.text(column)?;
                Self::parse(word).ok_or_else(|| $crate::storage::StorageError::Unreadable(
                    format!(concat!("{} is no ", stringify!($name)), word),
                ))
            }
        }
    };
}
use words;
