//! Re-encryption: after `nightjar vault rotate --reencrypt`, what earlier keys sealed is sealed anew
//! under the current one, when nothing else is to be done, a short while at a time.
//!
//! For each file: a complete and proven copy beside the old one; event `recording.resealed`, durable;
//! then the copy takes the place of the old file. The event is the decision and the folder follows:
//! a scan that finds the copy still beside a file finishes the exchange if the log says that it is to
//! be there, and else deletes the copy.
//!
//! What cannot be encrypted anew stays as it is and is told once: a file that is gone or not what was
//! sealed by `recording.checked`, a key that is not in the keyring by a note.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clip::bytes_of;
use super::records::{Records, Reencryptable};
use super::{Options, Stop, Watcher, printable};
use crate::base::clock::Clock;
use crate::base::ids;
use crate::event::recording::{Checked, Integrity, Part, Resealed, path_of};
use crate::event::system::{Noted, Weight};
use crate::event::{Event, NewEvent};
use crate::vault::auth::HeaderTag;
use crate::vault::folder::Folder;
use crate::vault::key::{Key, KeyId};
use crate::vault::keyring::{KeyRing, Keyring};
use crate::vault::reseal::{self, Known, Order, ResealError};
use crate::vault::seal::SealOptions;
use crate::writer::Handle;

/// Longest time spent on old files before new ones get their turn.
const AT_ONCE: Duration = Duration::from_secs(2);
/// When files that could not be encrypted anew are tried again.
const AGAIN_AFTER: Duration = Duration::from_mins(10);
/// Rows that are read at once.
const PAGE: i64 = 64;

/// How far a re-encryption has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that have the current key now.
    pub done: u64,
    /// Files that were left as they are.
    pub left: u64,
}

/// What became of one file.
enum Outcome {
    Done,
    Left,
    /// The disk is full: no use in going on.
    NoSpace(String),
}

/// Where a pass over all files is, by the ids of the recordings.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    video: i64,
    thumbnail: i64,
}

/// What re-encryption works with.
struct Work<'a> {
    folder: &'a Folder,
    ring: &'a KeyRing,
    records: &'a mut Records,
    writer: &'a Handle,
    clock: &'a Clock,
    seal: SealOptions,
    reserve_bytes: u64,
}

impl Work<'_> {
    /// Encrypts files anew from `cursor` on, as long as `go_on` says; true once it came to the end.
    fn pass(
        &mut self,
        cursor: &mut Cursor,
        tally: &mut Tally,
        go_on: &mut dyn FnMut(Tally) -> bool,
    ) -> Result<bool, Stop> {
        let current = self.ring.current().id().to_string();
        for part in [Part::Video, Part::Thumbnail] {
            loop {
                let after = match part {
                    Part::Video => &mut cursor.video,
                    Part::Thumbnail => &mut cursor.thumbnail,
                };
                let page = self.records.reencryptable(part, &current, *after, PAGE)?;
                if page.is_empty() {
                    break;
                }
                for file in page {
                    if !go_on(*tally) {
                        return Ok(false);
                    }
                    match self.one(&file)? {
                        Outcome::Done => tally.done += 1,
                        Outcome::Left => tally.left += 1,
                        Outcome::NoSpace(reason) => {
                            self.note_once(&reason)?;
                            tally.left += 1;
                            return Ok(true);
                        }
                    }
                    match part {
                        Part::Video => cursor.video = file.id,
                        Part::Thumbnail => cursor.thumbnail = file.id,
                    }
                }
            }
        }
        Ok(true)
    }

    fn one(&mut self, file: &Reencryptable) -> Result<Outcome, Stop> {
        let path = &path_of(&file.file_path);
        let id: Option<KeyId> = file.key_id.parse().ok();
        let Some(old) = id.and_then(|id| self.ring.get(&id)) else {
            return self.without_key(&file.key_id, id);
        };
        let header_tag = file.header_tag.as_deref().and_then(digest_of);
        let order = Order {
            known: Known {
                plain_sha256: file.plain_sha256.as_deref().and_then(digest_of),
                header_tag: header_tag.map(HeaderTag),
            },
            old,
            new: self.ring.current(),
            iv: ids::random(),
            seal: self.seal,
            reserve_bytes: self.reserve_bytes,
        };
        let settled = reseal::settle(self.folder, path, order.known.header_tag);
        let resealed = settled
            .map_err(ResealError::System)
            .and_then(|_| reseal::reseal(self.folder, path, &order));
        let resealed = match resealed {
            Ok(resealed) => resealed,
            Err(error) => return self.not_resealed(file, &error),
        };
        let event = Resealed {
            recording: file.id,
            part: file.part,
            sealed_path: bytes_of(&resealed.path),
            plain_sha256: resealed.plain_sha256.to_vec(),
            key_id: resealed.key_id.0.to_vec(),
            iv: resealed.iv.to_vec(),
            header_tag: resealed.header_tag.0.to_vec(),
        };
        self.store(file, event, None)?;
        match reseal::exchange(self.folder, &resealed) {
            Ok(()) => Ok(Outcome::Done),
            Err(error) => {
                // It is decided; the next scan finishes it.
                tracing::warn!(%error, "a re-encryption is to be finished by the next scan");
                Ok(Outcome::Left)
            }
        }
    }

    fn without_key(&self, shown: &str, id: Option<KeyId>) -> Result<Outcome, Stop> {
        let unfit = id.and_then(|id| self.ring.unfit(&id));
        let why = match unfit.or(self.ring.trouble()) {
            Some(error) => error.to_string(),
            None => format!("put {shown}.key into the keyring"),
        };
        self.note_once(&format!(
            "recordings under the key {shown} cannot be encrypted anew without that key: {why}"
        ))?;
        Ok(Outcome::Left)
    }

    fn not_resealed(&self, file: &Reencryptable, error: &ResealError) -> Result<Outcome, Stop> {
        let text = error.to_string();
        let integrity = match error {
            ResealError::NoSpace { .. } => return Ok(Outcome::NoSpace(text)),
            ResealError::Tampered { .. } => Some(Integrity::Tampered),
            // An empty mount point would make all of them missing; a verification tells.
            ResealError::Refused { .. }
            | ResealError::Unproven { .. }
            | ResealError::ReadBack { .. }
            | ResealError::System(_) => None,
        };
        match integrity.filter(|_| file.part == Part::Video) {
            Some(integrity) => {
                let checked = Checked {
                    recording: file.id,
                    integrity,
                    bad_chunks: Vec::new(),
                };
                self.store(file, checked, Some(text))?;
            }
            None => self.note_once(&text)?,
        }
        Ok(Outcome::Left)
    }

    fn store(
        &self,
        file: &Reencryptable,
        event: impl Into<Event>,
        text: Option<String>,
    ) -> Result<(), Stop> {
        let stream = format!("recording/{}", file.name);
        let event = NewEvent::own(self.clock.now(), stream, event);
        let event = match text {
            Some(text) => event.with_text(text),
            None => event,
        };
        self.writer.store(vec![event])?;
        Ok(())
    }

    /// Says something that was not said before.
    fn note_once(&self, text: &str) -> Result<(), Stop> {
        let mut records = Records::new(self.records.path());
        if records.was_noted("vault", text)? {
            return Ok(());
        }
        let noted = Noted {
            component: "vault".into(),
            level: Weight::Alert,
        };
        let event = NewEvent::own(self.clock.now(), "system/vault", noted).with_text(text);
        self.writer.store(vec![event])?;
        Ok(())
    }
}

/// The bytes of a digest in hex.
fn digest_of(hex: &str) -> Option<[u8; 32]> {
    crate::vault::hex::decode(hex)
}

/// Encrypts anew all that is marked for it; `go_on` is told how far it is, and may stop it.
///
/// For who holds the lock of the data folder; a running daemon does the same by itself.
pub fn reencrypt(
    options: &Options,
    current: Key,
    writer: &Handle,
    clock: &Clock,
    go_on: &mut dyn FnMut(Tally) -> bool,
) -> Result<Tally, ReencryptError> {
    let folder = Folder::open(&options.folder)?;
    let ring = KeyRing::load(current, &Keyring::of(&options.key));
    let mut records = Records::new(&options.database);
    settle_all(&folder, &mut records)?;
    let mut tally = Tally::default();
    let mut work = Work {
        folder: &folder,
        ring: &ring,
        records: &mut records,
        writer,
        clock,
        seal: options.seal,
        reserve_bytes: options.admission.reserve_bytes,
    };
    work.pass(&mut Cursor::default(), &mut tally, go_on)?;
    Ok(tally)
}

/// Why a re-encryption ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReencryptError {
    /// The database or its writer.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The recordings folder.
    #[error(transparent)]
    Folder(#[from] crate::base::fsutil::FsError),
}

fn settle_all(folder: &Folder, records: &mut Records) -> Result<(), ReencryptError> {
    let mut temps = Vec::new();
    crate::vault::scan::scan(folder, &mut |entry| {
        if let crate::vault::scan::Entry::Reseal { path } = entry {
            temps.push(path);
        }
    })?;
    settle(folder, records, &temps)?;
    Ok(())
}

/// Finishes or undoes the re-encryptions that left these temp files. Call it only while none is at
/// work.
pub(super) fn settle(
    folder: &Folder,
    records: &mut Records,
    temps: &[PathBuf],
) -> Result<(), Stop> {
    for temp in temps {
        let beside = reseal::belongs_to(folder, temp, &[]);
        let settled = match beside {
            Ok(Some(path)) => {
                let tag = records.header_tag(&printable(&path))?;
                reseal::settle(folder, &path, tag.map(HeaderTag)).map(|_| ())
            }
            Ok(None) => {
                let parent = printable(temp.parent().unwrap_or(Path::new("")));
                let recorded: Vec<PathBuf> = records
                    .sealed_in(&parent)?
                    .iter()
                    .map(|path| path_of(path))
                    .collect();
                match reseal::belongs_to(folder, temp, &recorded) {
                    Ok(Some(path)) => {
                        let tag = records.header_tag(&printable(&path))?;
                        reseal::settle(folder, &path, tag.map(HeaderTag)).map(|_| ())
                    }
                    Ok(None) => reseal::discard(folder, temp),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            tracing::warn!(%error, "a re-encryption that was cut short is not settled");
        }
    }
    Ok(())
}

/// What the watcher remembers of re-encryption.
#[derive(Debug, Default)]
pub(super) struct Reencryption {
    /// Whether there may be something to do.
    due: bool,
    cursor: Cursor,
    tally: Tally,
    /// What was to be done, with which keys, when the last pass ended.
    ended_at: Option<(u64, Vec<KeyId>)>,
    again_at: Option<Instant>,
}

impl Watcher {
    /// Looks whether there is anything to encrypt anew that an earlier pass did not leave.
    pub(super) fn plan_reencryption(&mut self, now: Instant) -> Result<(), Stop> {
        let pending = self.records.pending_reencryption()?;
        self.show(|health| health.to_reencrypt = pending);
        let state = &mut self.reencryption;
        if pending == 0 || state.due {
            return Ok(());
        }
        let keys = Keyring::of(&self.options.key).ids().unwrap_or_default();
        let is_news = state.ended_at.as_ref() != Some(&(pending, keys));
        if is_news || state.again_at.is_some_and(|at| at <= now) {
            (state.due, state.cursor, state.tally) = (true, Cursor::default(), Tally::default());
        }
        Ok(())
    }

    pub(super) fn is_reencryption_due(&self) -> bool {
        self.reencryption.due
    }

    /// Encrypts files anew for a short while.
    pub(super) fn reencrypt(&mut self, now: Instant) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let Some(current) = self.usable_key()? else {
            return Ok(());
        };
        let keyring = self.keyring();
        let ring = KeyRing::load(current, &keyring);
        let (began, shutdown) = (Instant::now(), self.shutdown.clone());
        let mut work = Work {
            folder: &folder,
            ring: &ring,
            records: &mut self.records,
            writer: &self.writer,
            clock: &self.clock,
            seal: self.options.seal,
            reserve_bytes: self.options.admission.reserve_bytes,
        };
        let state = &mut self.reencryption;
        let ended = work.pass(&mut state.cursor, &mut state.tally, &mut |_| {
            began.elapsed() <= AT_ONCE && !shutdown.is_stopped()
        })?;
        if ended {
            state.due = false;
            state.again_at = Some(now + AGAIN_AFTER);
            let tally = state.tally;
            let pending = self.records.pending_reencryption()?;
            self.reencryption.ended_at = Some((pending, keyring.ids().unwrap_or_default()));
            self.show(|health| health.to_reencrypt = pending);
            if tally.done > 0 {
                let text = format!(
                    "{} files are encrypted anew under the key {}, {} were left as they are",
                    tally.done,
                    ring.current().id(),
                    tally.left
                );
                self.note("vault", Weight::Info, &text)?;
            }
        }
        Ok(())
    }
}
