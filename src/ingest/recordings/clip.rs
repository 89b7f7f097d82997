//! One clip on its way into the vault, in the order that keeps one complete copy at every instant:
//!
//! 1. event `recording.found`, durable (again only if the file is not the one that was found before);
//! 2. admitted: a finished regular file with one name; the key is there and may be used;
//! 3. to 10. sealed into a temp file, read back, compared, renamed, durable (`vault::seal`); or the
//!    complete copy of an earlier try is found beside it and compared byte by byte;
//! 11. event `recording.sealed`, durable;
//! 12. the plaintext goes, if name and file are still the same.
//!
//! A crash at any point leaves a state that the same walk brings to its end, so there is no recovery
//! apart from it: before 11 the row says "found" and the walk goes on with 3; after 11 it says
//! "sealed", and a plaintext of the same size and time is compared with the sealed file and deleted
//! if both are equal. A plaintext of another size or time is a new recording of the same name.

use std::path::Path;

use super::queue::Look;
use super::records::{Row, State, modified_at};
use super::{Stop, Watcher, media, printable, thumbnail};
use crate::base::ids;
use crate::event::recording::{Failed, Found, Media, Sealed};
use crate::event::{Event, NewEvent};
use crate::vault::admission::{self, Admission, Refusal, Source};
use crate::vault::folder::Folder;
use crate::vault::key::Key;
use crate::vault::names;
use crate::vault::recovery::{self, Pairing};
use crate::vault::seal::{self, SealError, UnlinkError};
use crate::vault::sidecar;
use crate::vault::unseal::{self, UnsealError};

/// What becomes of a file after one look at it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing more to do: sealed, gone, or none of ours.
    Done,
    /// It is, or may be, still being written.
    Again,
    /// It stays as it is, and that is in order.
    Settled,
    /// There is no key to seal it under.
    AwaitsKey,
    /// It could not be sealed; the reason has been told.
    Failed {
        /// The reason, for people.
        reason: String,
        /// Whether it may pass without anybody doing anything.
        passing: bool,
    },
}

/// The file in question.
pub(super) struct Clip<'a> {
    pub(super) path: &'a Path,
    /// Its printable path: the recording's name.
    pub(super) name: String,
    look: &'a Look,
}

impl<'a> Clip<'a> {
    pub(super) fn new(path: &'a Path, look: &'a Look) -> Self {
        Self {
            path,
            name: printable(path),
            look,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        self.path.as_os_str().as_bytes().to_vec()
    }
}

impl Watcher {
    /// Looks at a file and does with it what can be done.
    pub(super) fn judge(&mut self, path: &Path, look: &Look) -> Result<Verdict, Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(Verdict::Again);
        };
        if thumbnail::is_picture(path) {
            return self.judge_picture(&folder, path, look);
        }
        let clip = Clip::new(path, look);
        let earlier = Some(&look.fingerprint);
        match admission::admit(&folder, path, earlier, &self.options.admission) {
            Ok(Admission::Ready(source)) => self.seal(&folder, &clip, &source),
            Ok(Admission::Empty(_)) => {
                let row = self.records.newest(&clip.name)?;
                self.ensure_found(&clip, row.as_ref(), None)?;
                Ok(Verdict::Settled)
            }
            Ok(Admission::Refused(refusal)) => self.refused(&folder, &clip, refusal),
            Err(error) => self.fail(&clip, None, error.to_string(), false),
        }
    }

    fn refused(
        &mut self,
        folder: &Folder,
        clip: &Clip<'_>,
        refusal: Refusal,
    ) -> Result<Verdict, Stop> {
        match refusal {
            Refusal::NotSettled | Refusal::OpenForWriting { .. } => Ok(Verdict::Again),
            // The scan counts them.
            Refusal::Symlink
            | Refusal::NotRegular
            | Refusal::HardLinked { .. }
            | Refusal::DotName
            | Refusal::Outside
            | Refusal::Vanished => Ok(Verdict::Done),
            Refusal::Sparse { .. }
            | Refusal::TooLarge { .. }
            | Refusal::NoSpace { .. }
            | Refusal::NoPermission => {
                if let Refusal::NoSpace { needed_bytes, .. } = refusal {
                    self.keeper.want(needed_bytes);
                }
                let source = admission::open_source(folder, clip.path)
                    .ok()
                    .and_then(Result::ok);
                let reason = refusal.to_string();
                self.fail(clip, source.as_ref(), reason, refusal.is_passing())
            }
        }
    }

    fn seal(&mut self, folder: &Folder, clip: &Clip<'_>, source: &Source) -> Result<Verdict, Stop> {
        let row = self.records.newest(&clip.name)?;
        if let Some(row) = row.as_ref().filter(|row| row.state == State::Sealed)
            && let Some(verdict) = self.leftover(folder, clip, source, row)?
        {
            return Ok(verdict);
        }
        let found_at = self.ensure_found(clip, row.as_ref(), Some(source))?;
        let Some(key) = self.usable_key()? else {
            return Ok(Verdict::AwaitsKey);
        };
        let sealed = match self.unrecorded_copy(folder, source, &key)? {
            Ok(Some(sealed)) => sealed,
            Err(error) => {
                let passing = error.is_no_space();
                return self.fail(clip, Some(source), error.to_string(), passing);
            }
            Ok(None) => match seal::seal(source, &key, ids::random(), self.options.seal) {
                Ok(sealed) => {
                    self.sealed_files = self.sealed_files.map(|files| files + 1);
                    sealed
                }
                Err(error) => return self.not_sealed(folder, clip, source, &error),
            },
        };
        drop(key);
        self.store(self.sealed_event(clip, &sealed, found_at))?;
        self.count_sealed(1);
        self.see_pictures(clip.path);
        self.unlink(clip, source, &sealed, None)
    }

    /// The event `recording.sealed`.
    pub(super) fn sealed_event(
        &self,
        clip: &Clip<'_>,
        sealed: &seal::Sealed,
        found_at: i64,
    ) -> NewEvent {
        let event = Sealed {
            path: clip.bytes(),
            sealed_path: bytes_of(&sealed.path),
            size_bytes: sealed.plain_bytes as i64,
            plain_sha256: sealed.plain_sha256.to_vec(),
            key_id: sealed.key_id.0.to_vec(),
            iv: sealed.iv.to_vec(),
            header_tag: Some(sealed.header_tag.0.to_vec()),
            adopted: false,
        };
        self.about(clip, event).caused_by(found_at)
    }

    pub(super) fn count_sealed(&self, recordings: u64) {
        self.telemetry.recordings_sealed.add(recordings);
        self.show(|health| health.sealed += recordings);
    }

    /// A plaintext whose recording is sealed: what a crash before the deletion leaves. None if it is
    /// a new recording of the same name.
    fn leftover(
        &mut self,
        folder: &Folder,
        clip: &Clip<'_>,
        source: &Source,
        row: &Row,
    ) -> Result<Option<Verdict>, Stop> {
        let Some(found) = row.found.filter(|found| found.is(&clip.look.fingerprint)) else {
            return Ok(None);
        };
        let sealed_path = beside(clip.path).find(|path| printable(path) == row.file_path);
        let Some(Ok(Ok(file))) = sealed_path.map(|path| unseal::open_sealed(folder, &path)) else {
            // The sealed file is gone: the plaintext is the only copy, to be sealed anew.
            return Ok(None);
        };
        let Some(key) = self.usable_key()? else {
            return Ok(Some(Verdict::AwaitsKey));
        };
        let sealed_under = row.key_id.as_deref().unwrap_or_default();
        let reason = if let Some(key) = self.key_named(sealed_under, &key) {
            match recovery::compare(source, &file, &key) {
                Ok(Pairing::Same(sealed)) => {
                    return self.unlink(clip, source, &sealed, Some(row)).map(Some);
                }
                Ok(Pairing::Different { .. }) => format!(
                    "its sealed copy {} holds something else; both are kept, compare them",
                    row.file_path
                ),
                Err(error) => error.to_string(),
            }
        } else {
            format!(
                "its sealed copy {} was sealed under the key {sealed_under}, which is not here, so \
                 the two cannot be compared; both are kept",
                row.file_path
            )
        };
        self.tell_failure(clip, Some(row), found.position, &reason)?;
        Ok(Some(Verdict::Failed {
            reason,
            passing: false,
        }))
    }

    /// A complete sealed copy of exactly this plaintext that no row knows: a crash came before its
    /// event.
    ///
    /// Fails if there may be one that cannot be looked at now: sealing the plaintext once more would
    /// make a second copy.
    fn unrecorded_copy(
        &mut self,
        folder: &Folder,
        source: &Source,
        key: &Key,
    ) -> Result<Result<Option<seal::Sealed>, UnsealError>, Stop> {
        let plain_bytes = Some(source.fingerprint().size_bytes);
        for path in beside(source.path()) {
            let file = match unseal::open_sealed(folder, &path) {
                Ok(Ok(file)) => file,
                Ok(Err(_)) => continue,
                Err(error) => return Ok(Err(error.into())),
            };
            if file.plain_bytes() != plain_bytes || self.records.has_sealed(&printable(&path))? {
                continue;
            }
            // Another key may seal by now.
            let named = sidecar::key_of(&file).map(|id| id.to_string());
            let named = named.and_then(|id| self.key_named(&id, key));
            match recovery::compare(source, &file, named.as_ref().unwrap_or(key)) {
                Ok(Pairing::Same(sealed)) => return Ok(Ok(Some(sealed))),
                Ok(Pairing::Different { .. }) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(None))
    }

    pub(super) fn not_sealed(
        &mut self,
        folder: &Folder,
        clip: &Clip<'_>,
        source: &Source,
        error: &SealError,
    ) -> Result<Verdict, Stop> {
        let passing = match error {
            SealError::SourceChanged { .. } => return Ok(Verdict::Again),
            SealError::TempExists { path } => {
                let relative = path.strip_prefix(folder.path()).unwrap_or(path);
                if recovery::remove_leftover(folder, relative).is_ok_and(|removed| removed) {
                    return Ok(Verdict::Again);
                }
                false
            }
            SealError::NoSpace { .. } => {
                let reserve = self.options.admission.reserve_bytes;
                let needed = source.fingerprint().size_bytes.saturating_add(reserve);
                self.keeper.want(needed);
                true
            }
            SealError::NameTaken { .. }
            | SealError::ReadBack { .. }
            | SealError::Displaced { .. }
            | SealError::System(_) => false,
        };
        self.fail(clip, Some(source), error.to_string(), passing)
    }

    fn unlink(
        &mut self,
        clip: &Clip<'_>,
        source: &Source,
        sealed: &seal::Sealed,
        row: Option<&Row>,
    ) -> Result<Verdict, Stop> {
        match seal::unlink_plaintext(source, sealed) {
            Ok(_) => Ok(Verdict::Done),
            Err(error) => self.not_unlinked(clip, error, row),
        }
    }

    pub(super) fn not_unlinked(
        &mut self,
        clip: &Clip<'_>,
        error: UnlinkError,
        row: Option<&Row>,
    ) -> Result<Verdict, Stop> {
        match error {
            UnlinkError::Changed { .. } | UnlinkError::OpenForWriting { .. } => Ok(Verdict::Again),
            UnlinkError::NotProven { .. }
            | UnlinkError::SealedGone { .. }
            | UnlinkError::System(_) => {
                let reason = error.to_string();
                let known = self.records.newest(&clip.name)?;
                let found = known
                    .as_ref()
                    .and_then(|row| row.found)
                    .map_or(0, |f| f.position);
                self.tell_failure(clip, row, found, &reason)?;
                Ok(Verdict::Failed {
                    reason,
                    passing: false,
                })
            }
        }
    }

    /// Tells that the file could not be sealed, after telling that it is there.
    fn fail(
        &mut self,
        clip: &Clip<'_>,
        source: Option<&Source>,
        reason: String,
        passing: bool,
    ) -> Result<Verdict, Stop> {
        let row = self.records.newest(&clip.name)?;
        let found_at = self.ensure_found(clip, row.as_ref(), source)?;
        self.tell_failure(clip, row.as_ref(), found_at, &reason)?;
        Ok(Verdict::Failed { reason, passing })
    }

    /// Stores `recording.failed`, unless the same was said about the same file before.
    fn tell_failure(
        &mut self,
        clip: &Clip<'_>,
        row: Option<&Row>,
        found_at: i64,
        reason: &str,
    ) -> Result<(), Stop> {
        let same = |said: &str| same_but_for_numbers(said, reason);
        let told_now = clip.look.reason.as_deref().is_some_and(same);
        let told_before = row.is_some_and(|row| {
            row.state == State::Failed
                && row
                    .found
                    .is_some_and(|found| found.is(&clip.look.fingerprint))
                && row.failure.as_deref().is_some_and(same)
        });
        if !told_now && !told_before {
            let event = self
                .about(clip, Failed { path: clip.bytes() })
                .with_text(reason);
            self.store(event.caused_by(found_at))?;
            self.telemetry.recordings_failed.add_one();
        }
        Ok(())
    }

    /// Stores `recording.found`, unless this very file was found before; returns its position.
    fn ensure_found(
        &mut self,
        clip: &Clip<'_>,
        row: Option<&Row>,
        source: Option<&Source>,
    ) -> Result<i64, Stop> {
        let known = row
            .filter(|row| matches!(row.state, State::Open | State::Failed))
            .and_then(|row| row.found)
            .filter(|found| found.is(&clip.look.fingerprint));
        if let Some(found) = known {
            return Ok(found.position);
        }
        Ok(self.store(self.found_event(clip, source))?)
    }

    /// The event `recording.found`.
    pub(super) fn found_event(&self, clip: &Clip<'_>, source: Option<&Source>) -> NewEvent {
        let media = source.map_or_else(Media::default, |source| {
            let read_at = |buffer: &mut [u8], at| source.read_at(buffer, at);
            media::media(&read_at, source.fingerprint().size_bytes)
        });
        let (camera, started_at) = (self.options.place.0)(&clip.name).unzip();
        let found = Found {
            path: clip.bytes(),
            size_bytes: i64::try_from(clip.look.fingerprint.size_bytes).unwrap_or(i64::MAX),
            modified_at: modified_at(&clip.look.fingerprint),
            camera,
            started_at,
            media,
        };
        self.about(clip, found)
    }

    /// An event of this recording's stream.
    fn about(&self, clip: &Clip<'_>, event: impl Into<Event>) -> NewEvent {
        let event = NewEvent::own(self.clock.now(), format!("recording/{}", clip.name), event);
        match (self.options.place.0)(&clip.name) {
            Some((camera, _)) => event.from_source(format!("camera/{camera}")),
            None => event,
        }
    }
}

/// The paths that the sealed copy of `clip` may have.
pub(super) fn beside(clip: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let names = clip
        .file_name()
        .map(names::sealed_names)
        .unwrap_or_default();
    names.into_iter().map(|name| clip.with_file_name(name))
}

pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// Free bytes and process ids differ from one try to the next; the reason is still the same.
fn same_but_for_numbers(a: &str, b: &str) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    letters(a) == letters(b)
}
