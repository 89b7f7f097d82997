//! Retention: which recordings go, and how they go.
//!
//! The event is the decision, the folder follows: `recording.deleted` is stored durably, the fold
//! decides by the order of the log whether a star or a hold came first, and only what the row then
//! calls deleted is removed ([`removal`], the `.vge` last). A start that finds a deleted recording
//! still there, and still the same, removes it.
//!
//! Invariants: nothing is removed unless its row was read anew and said sealed, and the file is what
//! the row says; nothing with a star or a hold goes by itself, nothing with a hold at all; while the
//! clock cannot be trusted ([`clock_guard`]) only the disk and a person decide; a run takes a tenth of all
//! recordings at most.

pub mod plan;
mod rows;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::plan::{
    Acting, Candidate, Circumstances, Disk, DiskLimits, Forecast, Plan, Policies, Rule,
};
use self::rows::Row;
pub use self::watch::Desk;
pub(super) use self::watch::Keeper;
use super::Stop;
use super::records::Records;
use crate::base::clock::{Clock, UnixNanos};
use crate::base::fsutil::FsError;
use crate::event::NewEvent;
use crate::event::recording::{Deleted, printable_path};
use crate::ingest::clock_guard;
use crate::storage::StorageError;
use crate::vault::folder::Folder;
use crate::vault::hex;
use crate::vault::removal::{self, Doomed, Removed, Step};
use crate::vault::scan::{Entry, scan};
use crate::vault::unseal::open_sealed;
use crate::writer::{Handle, WriterError};

/// How often a plan is made anew without what is not there.
const SURVEYS_MAX: usize = 16;
/// Unfinished deletions that one look takes up; a crash leaves one.
const UNFINISHED_MAX: usize = 1_024;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether anything goes by itself.
    pub enabled: bool,
    /// Time between two runs.
    pub every: Duration,
    /// Limits by age and total.
    pub policies: Policies,
    /// When the disk decides.
    pub limits: DiskLimits,
    /// Where the disk's figures come from.
    pub meter: Meter,
}

impl Default for Settings {
    /// Nothing goes by itself: deleting must be asked for.
    fn default() -> Self {
        Self {
            enabled: false,
            every: Duration::from_mins(10),
            policies: Policies::default(),
            limits: DiskLimits {
                warn_percent: 85,
                critical_percent: 95,
                target_percent: 90,
            },
            meter: Meter::System,
        }
    }
}

/// Where the disk's figures come from.
#[derive(Clone, Debug)]
pub enum Meter {
    /// The file system of the recordings folder.
    System,
    /// Figures that stay until a test changes them.
    Fixed(Arc<Mutex<Disk>>),
}

impl Meter {
    fn measure(&self, folder: &Folder) -> Option<Disk> {
        match self {
            Self::Fixed(disk) => Some(*disk.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::System => match folder.space() {
                Ok((total, used)) => Some(Disk {
                    total_bytes: i64::try_from(total).unwrap_or(i64::MAX),
                    used_bytes: i64::try_from(used).unwrap_or(i64::MAX),
                }),
                Err(error) => {
                    tracing::warn!(%error, "the disk rule cannot act");
                    None
                }
            },
        }
    }
}

/// Why nothing could be planned or removed.
#[derive(Debug, Error)]
pub enum RetentionError {
    /// The database could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing can be stored.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The recordings folder cannot be opened.
    #[error(transparent)]
    Folder(#[from] FsError),
}

impl From<Stop> for RetentionError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Writer(error) => Self::Writer(error),
            Stop::Storage(error) => Self::Storage(error),
        }
    }
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "lowercase", deny_unknown_fields)]
pub enum Order {
    /// One run now, whatever the clock guard says.
    Prune,
    /// These recordings shall go.
    Delete {
        /// Their ids.
        ids: Vec<i64>,
        /// Why.
        reason: String,
    },
}

/// A recording that is gone, or would be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// Its id.
    pub id: i64,
    /// Its name: the printable path of the original.
    pub name: String,
    /// Its camera.
    pub camera: Option<String>,
    /// When it began, Unix nanoseconds.
    pub started_at: Option<UnixNanos>,
    /// What that frees, bytes.
    pub freed_bytes: i64,
    /// The rule that asks for it.
    pub rule: Rule,
    /// Which policy, and why.
    pub reason: String,
}

/// A recording that a rule or a person wants gone, and that stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its id.
    pub id: i64,
    /// Its name, if there is such a recording.
    pub name: Option<String>,
    /// Why it stays.
    pub reason: String,
}

/// What a run did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What goes, the oldest first.
    pub removals: Vec<Deletion>,
    /// What stays although it should go.
    pub kept: Vec<Kept>,
    /// How many more the rules ask for than one run may take.
    pub left_for_later: usize,
    /// Bytes that the disk rule wants and that no recording can give.
    pub unmet_bytes: i64,
    /// Sealed recordings before it.
    pub recordings: usize,
    /// What they take, bytes.
    pub recordings_bytes: i64,
    /// The disk before it.
    pub disk: Option<Disk>,
    /// What comes.
    pub forecast: Forecast,
    /// Why the daemon's own runs leave ages alone, if they do.
    pub paused: Option<String>,
}

/// What is needed to look at recordings and to remove them.
pub(super) struct Tools<'a> {
    pub(super) folder: &'a Folder,
    pub(super) records: &'a mut Records,
    pub(super) writer: &'a Handle,
    pub(super) clock: &'a Clock,
}

/// What is there, and what is to go.
pub(super) struct Survey {
    candidates: Vec<Candidate>,
    plan: Plan,
    /// The rows of the plan's recordings, in its order.
    rows: Vec<(Row, i64)>,
    kept: Vec<Kept>,
    disk: Option<Disk>,
    forecast: Forecast,
}

impl Survey {
    fn report(&self) -> Report {
        let bytes = self.candidates.iter().map(|one| one.bytes);
        Report {
            removals: Vec::new(),
            kept: self.kept.clone(),
            left_for_later: self.plan.left_for_later,
            unmet_bytes: self.plan.unmet_bytes,
            recordings: self.candidates.len(),
            recordings_bytes: bytes.fold(0, i64::saturating_add),
            disk: self.disk,
            forecast: self.forecast.clone(),
            paused: None,
        }
    }
}

/// Plans a run on what is really there: what the database knows and the folder has not would make
/// others go in its place.
pub(super) fn survey(
    folder: &Folder,
    records: &mut Records,
    settings: &Settings,
    acting: Acting,
    wanted_free_bytes: i64,
    now: UnixNanos,
) -> Result<Survey, StorageError> {
    let disk = settings.meter.measure(folder);
    let around = Circumstances {
        policies: &settings.policies,
        limits: settings.limits,
        disk,
        wanted_free_bytes,
        acting,
        now,
    };
    let mut candidates = records.ask(|session| {
        rows::candidates(session, &settings.policies, now, &|path| {
            removal::is_there(folder, path)
        })
    })?;
    let mut kept = Vec::new();
    let mut surveys = 0;
    let (plan, rows) = loop {
        surveys += 1;
        let mut plan = plan::plan(&candidates, &around);
        let mut rows = Vec::with_capacity(plan.removals.len());
        let mut absent = HashSet::new();
        for removal in &plan.removals {
            let id = removal.candidate.id;
            match standing(folder, records, id, removal.rule)? {
                Ok((row, _, bytes)) => rows.push((row, bytes)),
                Err(refused) => {
                    absent.insert(id);
                    kept.push(refused);
                }
            }
        }
        if absent.is_empty() || surveys == SURVEYS_MAX {
            plan.removals
                .retain(|one| !absent.contains(&one.candidate.id));
            break (plan, rows);
        }
        candidates.retain(|one| !absent.contains(&one.id));
    };
    Ok(Survey {
        forecast: plan::forecast(&candidates, &around),
        candidates,
        plan,
        rows,
        kept,
        disk,
    })
}

type Standing = (Row, crate::vault::folder::Fingerprint, i64);

/// The recording as row and file are this moment, with the bytes of its files; the error is why it
/// must stay.
fn standing(
    folder: &Folder,
    records: &mut Records,
    id: i64,
    rule: Rule,
) -> Result<Result<Standing, Kept>, StorageError> {
    let row = records.ask(|session| rows::by_id(session, id))?;
    let kept = |name: Option<&str>, reason: String| {
        Ok(Err(Kept {
            id,
            name: name.map(ToOwned::to_owned),
            reason,
        }))
    };
    let Some(row) = row else {
        return kept(None, "there is no such recording".to_owned());
    };
    let reason = match row.state.as_str() {
        "sealed" if row.is_held => Some("it is held; release it first".to_owned()),
        "sealed" if row.is_starred && rule != Rule::Person => Some("it has a star".to_owned()),
        "sealed" => None,
        "deleted" => Some("it is deleted already".to_owned()),
        state => Some(format!("it is {state}, not sealed")),
    };
    if let Some(reason) = reason {
        return kept(Some(&row.name), reason);
    }
    // What a crash leaves between sealing and the deletion of the plaintext, which would come back
    // as a new recording.
    if removal::is_there(folder, &row.original()) {
        return kept(
            Some(&row.name),
            "a file of its name lies there unsealed".to_owned(),
        );
    }
    if row.is_followed {
        let reason = "another recording lies under its name by now";
        return kept(Some(&row.name), reason.to_owned());
    }
    if let Some(iv) = &row.iv
        && let Ok(Ok(file)) = open_sealed(folder, &row.sealed_path())
        && let Ok(found) = file.iv()
        && hex::encode(&found) != *iv
    {
        let reason = "its file is not the one that was sealed".to_owned();
        return kept(Some(&row.name), reason);
    }
    let thumbnail = row.thumbnail();
    let found = removal::examine(folder, &row.sealed_path(), thumbnail.as_deref());
    let reason = match found {
        Ok(Ok((found, bytes))) if found.size_bytes == row.sealed_bytes() => {
            return Ok(Ok((row, found, i64::try_from(bytes).unwrap_or(i64::MAX))));
        }
        Ok(Ok((found, _))) => format!(
            "its file has {} bytes, and {} were sealed",
            found.size_bytes,
            row.sealed_bytes()
        ),
        Ok(Err(refusal)) => format!("its file {}: {refusal}", row.file_path),
        Err(error) => error.to_string(),
    };
    kept(Some(&row.name), reason)
}

/// Decides that a recording goes: durable when it returns. The error is why it stays.
pub(super) fn decide(
    tools: &mut Tools<'_>,
    id: i64,
    rule: Rule,
    reason: &str,
) -> Result<Result<(Doomed, Deletion), Kept>, Stop> {
    let (row, found, bytes) = match standing(tools.folder, tools.records, id, rule)? {
        Ok(standing) => standing,
        Err(kept) => return Ok(Err(kept)),
    };
    let event = Deleted {
        recording: id,
        sealed_path: row.sealed_path().as_os_str().as_bytes().to_vec(),
        inode: found.inode,
        changed_at: removal::changed_at(&found),
        freed_bytes: bytes,
        rule: rule.name().to_owned(),
    };
    let stream = format!("recording/{}", row.name);
    let mut event = NewEvent::own(tools.clock.now(), stream, event).with_text(reason);
    if let Some(camera) = &row.camera {
        event = event.from_source(format!("camera/{camera}"));
    }
    tools.writer.store(vec![event])?;
    let decided = tools.records.ask(|session| rows::by_id(session, id))?;
    let Some(doomed) = decided.as_ref().and_then(Row::doomed) else {
        return Ok(Err(Kept {
            id,
            name: Some(row.name),
            reason: "a star or a hold came first".to_owned(),
        }));
    };
    let entry = Deletion {
        id,
        name: row.name,
        camera: row.camera,
        started_at: row.started_at,
        freed_bytes: bytes,
        rule,
        reason: reason.to_owned(),
    };
    Ok(Ok((doomed, entry)))
}

/// What is left to do after some decisions.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    /// `.vge` files that are gone.
    sealed_files: u64,
    /// Why a decided deletion is not finished; the next look takes it up.
    unfinished: Option<String>,
}

impl Aftermath {
    fn remove(&mut self, folder: &Folder, doomed: &Doomed) {
        let all: &mut dyn FnMut(Step) -> ControlFlow<()> = &mut |_| ControlFlow::Continue(());
        match removal::remove(folder, doomed, all) {
            Ok(Removed::Gone(files)) => self.sealed_files += files,
            Ok(Removed::WasGone | Removed::Another | Removed::Interrupted) => {}
            Err(error) => {
                tracing::warn!(%error, "a deleted recording is still there");
                self.unfinished = Some(error.to_string());
            }
        }
    }
}

/// Decides and removes.
pub(super) fn remove(
    tools: &mut Tools<'_>,
    id: i64,
    rule: Rule,
    reason: &str,
    after: &mut Aftermath,
) -> Result<Result<Deletion, Kept>, Stop> {
    if let Some(trouble) = &after.unfinished {
        return Ok(Err(Kept {
            id,
            name: None,
            reason: format!("an earlier deletion could not be finished: {trouble}"),
        }));
    }
    Ok(match decide(tools, id, rule, reason)? {
        Ok((doomed, entry)) => {
            after.remove(tools.folder, &doomed);
            Ok(entry)
        }
        Err(kept) => Err(kept),
    })
}

/// Removes what is decided and still there.
pub(super) fn finish(folder: &Folder, records: &mut Records) -> Result<Aftermath, Stop> {
    let mut unfinished = Vec::new();
    let mut failure = None;
    let scanned = scan(folder, &mut |entry| {
        let Entry::Sealed { path, .. } = entry else {
            return;
        };
        if failure.is_some() || unfinished.len() >= UNFINISHED_MAX {
            return;
        }
        match still_there(records, &path) {
            Ok(doomed) => unfinished.extend(doomed),
            Err(error) => failure = Some(error),
        }
    });
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut after = Aftermath::default();
    if let Err(error) = scanned {
        after.unfinished = Some(error.to_string());
    }
    for doomed in unfinished {
        tracing::info!(path = %doomed.sealed.display(), "finishing a deletion");
        after.remove(folder, &doomed);
    }
    Ok(after)
}

/// The deletion that the file at this path is left of, if its row says so.
pub(super) fn still_there(
    records: &mut Records,
    path: &Path,
) -> Result<Option<Doomed>, StorageError> {
    let printable = printable_path(path.as_os_str().as_bytes());
    let row = records.ask(|session| rows::deleted_at(session, &printable))?;
    Ok(row.as_ref().and_then(Row::doomed))
}

/// Does what a person asks for.
pub(super) fn fulfil(
    tools: &mut Tools<'_>,
    settings: &Settings,
    order: &Order,
    after: &mut Aftermath,
) -> Result<Report, Stop> {
    let acting = Acting {
        by_time: true,
        by_disk: true,
    };
    let now = tools.clock.now();
    let survey = survey(tools.folder, tools.records, settings, acting, 0, now)?;
    let mut report = survey.report();
    let wanted: Vec<(i64, Rule, &str)> = match order {
        Order::Prune => {
            let planned = survey.plan.removals.iter();
            planned
                .map(|one| (one.candidate.id, one.rule, one.text.as_str()))
                .collect()
        }
        Order::Delete { ids, reason } => {
            report.kept.clear();
            (report.left_for_later, report.unmet_bytes) = (0, 0);
            let ids: BTreeSet<_> = ids.iter().collect();
            let ids = ids.into_iter();
            ids.map(|id| (*id, Rule::Person, reason.as_str())).collect()
        }
    };
    for (id, rule, reason) in wanted {
        match remove(tools, id, rule, reason, after)? {
            Ok(entry) => report.removals.push(entry),
            Err(kept) => report.kept.push(kept),
        }
    }
    Ok(report)
}

/// Where a verb finds what it works on.
#[derive(Clone, Debug)]
pub struct House {
    /// The recordings folder.
    pub folder: PathBuf,
    /// The main database.
    pub database: PathBuf,
    /// What is configured.
    pub settings: Settings,
}

/// What a run would do now. Changes nothing.
pub fn preview(house: &House, now: UnixNanos) -> Result<Report, RetentionError> {
    let folder = Folder::open(&house.folder)?;
    let mut records = Records::new(&house.database);
    let acting = Acting {
        by_time: true,
        by_disk: true,
    };
    let survey = survey(&folder, &mut records, &house.settings, acting, 0, now)?;
    let past = records.ask(|session| clock_guard::past(session, now))?;
    let planned = survey.plan.removals.iter().zip(&survey.rows);
    let removals = planned.map(|(one, (row, bytes))| Deletion {
        id: row.id,
        name: row.name.clone(),
        camera: row.camera.clone(),
        started_at: row.started_at,
        freed_bytes: *bytes,
        rule: one.rule,
        reason: one.text.clone(),
    });
    Ok(Report {
        removals: removals.collect(),
        paused: clock_guard::odd_start(now, past),
        ..survey.report()
    })
}

/// Does what a person asks for, with a writer of the verb's own: for data folders that no daemon
/// holds.
pub fn carry_out(
    house: &House,
    writer: &Handle,
    clock: &Clock,
    order: &Order,
) -> Result<Report, RetentionError> {
    let folder = Folder::open(&house.folder)?;
    let mut records = Records::new(&house.database);
    let mut after = finish(&folder, &mut records)?;
    let mut tools = Tools {
        folder: &folder,
        records: &mut records,
        writer,
        clock,
    };
    Ok(fulfil(&mut tools, &house.settings, order, &mut after)?)
}
