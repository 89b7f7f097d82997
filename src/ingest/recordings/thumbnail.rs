//! Thumbnails: a picture that lies beside a clip and has its name is sealed as the clip is, after it.
//!
//! The order is that of [`super::clip`]: sealed, event `recording.thumbnail_sealed` durable, and only
//! then the picture goes. There is no event before the sealing, because the row of the recording is
//! there already. A crash before the event leaves a sealed picture that is compared and recorded; a
//! crash after it leaves a picture whose recording names its sealed copy: compared, and deleted.
//!
//! A picture that belongs to no recording, or to one that has its thumbnail, is left alone and
//! counted. No picture is decoded.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::clip::{Verdict, beside, bytes_of};
use super::queue::Look;
use super::records::Pictured;
use super::{Stop, Watcher, printable};
use crate::base::ids;
use crate::event::NewEvent;
use crate::event::recording::ThumbnailSealed;
use crate::storage::StorageError;
use crate::vault::admission::{self, Admission, AdmissionOptions, Refusal, Source};
use crate::vault::folder::Folder;
use crate::vault::key::Key;
use crate::vault::names;
use crate::vault::recovery::{self, Pairing};
use crate::vault::seal::{self, SealError, UnlinkError};
use crate::vault::sidecar;
use crate::vault::unseal::{self, SealedFile};

/// A thumbnail that is larger is something else, bytes.
const SIZE_CAP_BYTES: u64 = 16 << 20;
/// What the name of a thumbnail may have more than that of its clip.
const SUFFIX: &[u8] = b"-thumb";

/// What there is to do with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is to be sealed, or a leftover of that.
    Now,
    /// Its clip comes first.
    Later,
    /// Nothing.
    Never,
}

/// Whether the name is that of a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    path.file_name().is_some_and(names::is_picture)
}

/// The clips that a picture may be of: `a.jpg` and `a-thumb.jpg` are of `a.mp4` or another
/// container, `a.mp4.jpg` is of `a.mp4`.
pub(super) fn clips_of(picture: &Path) -> Vec<PathBuf> {
    let stem = picture.with_extension("");
    let name = stem.file_name().unwrap_or_default();
    if names::is_clip(name) {
        return vec![stem];
    }
    let shorter = name.as_bytes().strip_suffix(SUFFIX);
    let shorter = shorter.filter(|name| !name.is_empty());
    let shorter = shorter.map(|name| stem.with_file_name(OsStr::from_bytes(name)));
    let mut clips = with_each_extension(&stem);
    clips.extend(shorter.iter().flat_map(|stem| with_each_extension(stem)));
    clips
}

/// `stem.mp4` and so on, in either case.
pub(super) fn with_each_extension(stem: &Path) -> Vec<PathBuf> {
    let each = names::CLIP_EXTENSIONS.iter();
    let upper = |extension: &str| with_more(stem, &[b".", extension.to_uppercase().as_bytes()]);
    each.flat_map(|extension| {
        let lower = with_more(stem, &[b".", extension.as_bytes()]);
        [lower, upper(extension)]
    })
    .collect()
}

/// The path with these parts behind its name, whatever dots it has.
pub(super) fn with_more(stem: &Path, more: &[&[u8]]) -> PathBuf {
    let name = stem.file_name().unwrap_or_default().as_bytes();
    let name = [name, &more.concat()].concat();
    stem.with_file_name(OsStr::from_bytes(&name))
}

/// The pictures that a clip may have; extensions in lower case, the scan finds the others.
fn pictures_of(clip: &Path) -> impl Iterator<Item = PathBuf> {
    let stem = clip.with_extension("");
    let stems = [with_more(&stem, &[SUFFIX]), clip.to_owned(), stem];
    stems.into_iter().flat_map(|stem| {
        names::PICTURE_EXTENSIONS.map(|extension| with_more(&stem, &[b".", extension.as_bytes()]))
    })
}

impl Watcher {
    /// What there is to do with the picture, by what is known of recordings.
    pub(super) fn wants(&mut self, picture: &Path) -> Result<Wanted, StorageError> {
        let of = self.pictured(picture)?;
        Ok(of.map_or(Wanted::Never, |of| of.wants(picture)))
    }

    /// The recording that a picture is of.
    pub(super) fn pictured(&mut self, picture: &Path) -> Result<Option<Pictured>, StorageError> {
        let names: Vec<_> = clips_of(picture).iter().map(|p| printable(p)).collect();
        self.records.pictured(&names)
    }

    /// Takes note of the pictures beside a clip that has just been recorded as sealed.
    pub(super) fn see_pictures(&mut self, clip: &Path) {
        let now = Instant::now();
        for picture in pictures_of(clip) {
            if let Some(fingerprint) = self.fingerprint(&picture) {
                self.queue.see(&picture, fingerprint, now, true);
            }
        }
    }

    /// Looks at a picture and does with it what can be done.
    pub(super) fn judge_picture(
        &mut self,
        folder: &Folder,
        path: &Path,
        look: &Look,
    ) -> Result<Verdict, Stop> {
        let Some(of) = self.pictured(path)? else {
            return Ok(Verdict::Done);
        };
        if of.wants(path) != Wanted::Now {
            return Ok(Verdict::Done);
        }
        let options = AdmissionOptions {
            size_cap_bytes: SIZE_CAP_BYTES.min(self.options.admission.size_cap_bytes),
            ..self.options.admission
        };
        match admission::admit(folder, path, Some(&look.fingerprint), &options) {
            Ok(Admission::Ready(source)) => self.seal_picture(folder, &source, &of),
            Ok(Admission::Empty(_)) => Ok(Verdict::Settled),
            Ok(Admission::Refused(refusal)) => Ok(match refusal {
                Refusal::NotSettled | Refusal::OpenForWriting { .. } => Verdict::Again,
                Refusal::Sparse { .. }
                | Refusal::TooLarge { .. }
                | Refusal::NoSpace { .. }
                | Refusal::NoPermission => failed(refusal, refusal.is_passing()),
                _ => Verdict::Done,
            }),
            Err(error) => Ok(failed(error, false)),
        }
    }

    fn seal_picture(
        &mut self,
        folder: &Folder,
        source: &Source,
        of: &Pictured,
    ) -> Result<Verdict, Stop> {
        let Some(key) = self.usable_key()? else {
            return Ok(Verdict::AwaitsKey);
        };
        if let Some(recorded) = &of.thumbnail_path {
            return Ok(self.left_picture(folder, source, &key, recorded));
        }
        let sealed = match self.copy_of(folder, source, &key)? {
            Some(sealed) => sealed,
            None => match seal::seal(source, &key, ids::random(), self.options.seal) {
                Ok(sealed) => {
                    self.sealed_files = self.sealed_files.map(|files| files + 1);
                    sealed
                }
                Err(error) => return Ok(not_sealed(folder, &error)),
            },
        };
        drop(key);
        self.record_thumbnail(
            of,
            ThumbnailSealed {
                recording: of.id,
                path: bytes_of(source.path()),
                sealed_path: bytes_of(&sealed.path),
                size_bytes: sealed.plain_bytes as i64,
                plain_sha256: sealed.plain_sha256.to_vec(),
                key_id: sealed.key_id.0.to_vec(),
                header_tag: Some(sealed.header_tag.0.to_vec()),
            },
        )?;
        Ok(unlink(source, &sealed))
    }

    /// Stores the event, in the stream of the recording.
    pub(super) fn record_thumbnail(
        &mut self,
        of: &Pictured,
        event: ThumbnailSealed,
    ) -> Result<(), Stop> {
        let stream = format!("recording/{}", of.name);
        let mut event = NewEvent::own(self.clock.now(), stream, event);
        if let Some((camera, _)) = (self.options.place.0)(&of.name) {
            event = event.from_source(format!("camera/{camera}"));
        }
        self.store(event.caused_by(of.id))?;
        Ok(())
    }

    /// The key that a sealed file names, which may be an earlier one; else `key`.
    fn key_of(&self, file: &SealedFile, key: &Key) -> Key {
        let named = sidecar::key_of(file).map(|id| id.to_string());
        named
            .and_then(|id| self.key_named(&id, key))
            .unwrap_or_else(|| key.duplicate())
    }

    /// A complete sealed copy of exactly this picture that no row knows: a crash came before its
    /// event.
    fn copy_of(
        &mut self,
        folder: &Folder,
        source: &Source,
        key: &Key,
    ) -> Result<Option<seal::Sealed>, Stop> {
        let plain_bytes = Some(source.fingerprint().size_bytes);
        for path in beside(source.path()) {
            let Ok(Ok(file)) = unseal::open_sealed(folder, &path) else {
                continue;
            };
            if file.plain_bytes() == plain_bytes
                && !self.records.has_sealed(&printable(&path))?
                && let Ok(Pairing::Same(sealed)) =
                    recovery::compare(source, &file, &self.key_of(&file, key))
            {
                return Ok(Some(sealed));
            }
        }
        Ok(None)
    }

    /// A picture whose sealed copy is recorded: what a crash before the deletion leaves.
    fn left_picture(&self, folder: &Folder, source: &Source, key: &Key, recorded: &str) -> Verdict {
        let sealed = beside(source.path()).find(|path| printable(path) == recorded);
        let Some(Ok(Ok(file))) = sealed.map(|path| unseal::open_sealed(folder, &path)) else {
            let reason = format!("its sealed copy {recorded} is gone; the picture stays as it is");
            return failed(reason, false);
        };
        match recovery::compare(source, &file, &self.key_of(&file, key)) {
            Ok(Pairing::Same(sealed)) => unlink(source, &sealed),
            Ok(Pairing::Different { .. }) => {
                let reason = format!("its sealed copy {recorded} holds something else; both stay");
                failed(reason, false)
            }
            Err(error) => failed(error, false),
        }
    }
}

fn not_sealed(folder: &Folder, error: &SealError) -> Verdict {
    match error {
        SealError::SourceChanged { .. } => Verdict::Again,
        SealError::TempExists { path } => {
            let relative = path.strip_prefix(folder.path()).unwrap_or(path);
            match recovery::remove_leftover(folder, relative) {
                Ok(true) => Verdict::Again,
                _ => failed(error, false),
            }
        }
        _ => failed(error, matches!(error, SealError::NoSpace { .. })),
    }
}

fn unlink(source: &Source, sealed: &seal::Sealed) -> Verdict {
    match seal::unlink_plaintext(source, sealed) {
        Ok(_) => Verdict::Done,
        Err(UnlinkError::Changed { .. } | UnlinkError::OpenForWriting { .. }) => Verdict::Again,
        Err(error) => failed(error, false),
    }
}

fn failed(reason: impl ToString, passing: bool) -> Verdict {
    let reason = reason.to_string();
    Verdict::Failed { reason, passing }
}

impl Pictured {
    /// What there is to do with this picture of the recording.
    fn wants(&self, picture: &Path) -> Wanted {
        match &self.thumbnail_path {
            _ if !self.sealed => Wanted::Later,
            None => Wanted::Now,
            Some(recorded) if beside(picture).any(|path| printable(&path) == *recorded) => {
                Wanted::Now
            }
            Some(_) => Wanted::Never,
        }
    }
}
