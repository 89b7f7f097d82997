//! Adoption: sealed files that no row knows are taken over.
//!
//! They come from another program that writes the same format, from another box, or from a time of
//! which the database knows nothing: it was lost, or an older backup was put back. What a row holds
//! is found out again: camera and start from the path, the rest from inside the file.
//!
//! A sidecar proves a file and names its key. Without one there is no proof that a key opens a file
//! but that something sensible comes out: a file that begins as a container of video does is recorded
//! with key and hash, any other without both, and either as "unverified". A file that is not what was
//! sealed is listed too, as what it is. `clip.jpg.vge` becomes the thumbnail of `clip.vge`.
//!
//! A sealed file beside a plaintext of its name is not adopted: sealing that plaintext compares the
//! two and knows more. Nor is a second sealed copy of one recording, which an exchange of keys may
//! leave.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clip::{beside, bytes_of};
use super::records::{State, modified_at};
use super::thumbnail::{self, with_each_extension, with_more};
use super::{Stop, Watcher, media, printable};
use crate::base::ids;
use crate::event::recording::{Checked, Found, Integrity, Media, Sealed, ThumbnailSealed};
use crate::event::system::Weight;
use crate::event::{Event, NewEvent};
use crate::vault::admission::{self, Refusal};
use crate::vault::auth::HeaderTag;
use crate::vault::cipher::Iv;
use crate::vault::folder::Folder;
use crate::vault::key::{Key, KeyId};
use crate::vault::keyring::KeyRing;
use crate::vault::names;
use crate::vault::reader::{Expected, ReadError, Reader};
use crate::vault::scan::{Entry, scan};
use crate::vault::unseal::{self, SealedFile};
use crate::vault::verify::{self, Verdict};

/// Longest time spent on old files before new ones get their turn.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What one round of adoption met.
#[derive(Default)]
struct Round {
    /// Recordings that were taken over.
    adopted: u64,
    /// Files that the round had no time for.
    left: u64,
    /// Files beside a plaintext of their name.
    passed_over: u64,
    /// Pictures whose recording is not known, or not yet.
    alone: u64,
    /// Files that do not open as video under any key that is here.
    foreign: u64,
    /// Files that are not what was sealed.
    tampered: u64,
    failure: Option<Stop>,
}

/// What a sealed file without a row turned out to be.
struct Examined {
    iv: Iv,
    size_bytes: u64,
    key: Option<KeyId>,
    plain_sha256: Option<[u8; 32]>,
    header_tag: Option<HeaderTag>,
    /// What is wrong with it, in words, and the first damaged chunks.
    tampered: Option<(String, Vec<u64>)>,
}

impl Watcher {
    /// Adopts what there is to adopt, for a short while.
    pub(super) fn adopt(&mut self) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let Some(key) = self.usable_key()? else {
            return Ok(());
        };
        let keys = KeyRing::load(key, &self.keyring());
        let began = Instant::now();
        let mut round = Round::default();
        let scanned = scan(&folder, &mut |entry| {
            let Entry::Sealed { path, .. } = entry else {
                return;
            };
            if round.failure.is_some() {
            } else if began.elapsed() > AT_ONCE || self.shutdown.is_stopped() {
                round.left += 1;
            } else if let Err(stop) = self.adopt_one(&folder, &path, &keys, &mut round) {
                round.failure = Some(stop);
            }
        });
        if let Some(stop) = round.failure {
            return Err(stop);
        }
        if let Err(error) = scanned {
            tracing::warn!(%error, "looking for sealed files without a row");
        }
        // A picture may have been met before its recording.
        self.adoption_due = round.left > 0 || round.alone > 0 && round.adopted > 0;
        if round.passed_over > 0 {
            // Looked at again after the next scan.
            self.sealed_files = None;
        }
        self.tell_adoption(&round, &keys)
    }

    fn tell_adoption(&self, round: &Round, keys: &KeyRing) -> Result<(), Stop> {
        if round.foreign > 0 {
            let ids: Vec<_> = keys.all().map(|key| key.id().to_string()).collect();
            let text = format!(
                "{} sealed files do not open as video under the key {}; they are recorded without \
                 a key",
                round.foreign,
                ids.join(" or ")
            );
            self.note("vault", Weight::Alert, &text)?;
        }
        if round.tampered > 0 {
            let text = format!(
                "{} sealed files without a row are not what was sealed; they are recorded as \
                 tampered",
                round.tampered
            );
            self.note("vault", Weight::Alert, &text)?;
        }
        Ok(())
    }

    fn adopt_one(
        &mut self,
        folder: &Folder,
        path: &Path,
        keys: &KeyRing,
        round: &mut Round,
    ) -> Result<(), Stop> {
        if self.records.has_sealed(&printable(path))? || self.finishes(path)? {
            return Ok(());
        }
        let stem = path.with_extension("");
        let Ok(Ok(file)) = unseal::open_sealed(folder, path) else {
            return Ok(());
        };
        let container = begins(&file, keys, media::container);
        // `front.png.vge` may be of a clip `front.png.mp4`.
        if thumbnail::is_picture(&stem) && container.is_none() {
            return self.adopt_thumbnail(folder, &file, &stem, keys, round);
        }
        if clips_of(path).iter().any(|clip| is_there(folder, clip)) {
            round.passed_over += 1;
            return Ok(());
        }
        let key = container.map(|(key, _)| key);
        let examined = match examine(&file, keys, key) {
            Ok(examined) => examined,
            Err(error) => {
                tracing::warn!(%error, "a sealed file is not adopted");
                return Ok(());
            }
        };
        if let Some(hash) = &examined.plain_sha256
            && self.is_second_copy(folder, path, hash)?
        {
            return Ok(());
        }
        round.adopted += 1;
        round.foreign += u64::from(examined.key.is_none());
        round.tampered += u64::from(examined.tampered.is_some());
        let (key, name) = container.unzip();
        let media = key.map_or_else(Media::default, |key| Media {
            container: name.map(Into::into),
            ..media_within(folder, path, key)
        });
        self.record(path, &file, examined, media)
    }

    /// Stores what was found out, as the events that a sealing would have left.
    fn record(
        &mut self,
        path: &Path,
        file: &SealedFile,
        examined: Examined,
        media: Media,
    ) -> Result<(), Stop> {
        let (original, row) = self.original_of(path, media.container.as_deref())?;
        let name = printable(&original);
        let (camera, started_at) = (self.options.place.0)(&name).unzip();
        let stream = format!("recording/{name}");
        let (now, source) = (self.clock.now(), camera.clone());
        let about = |event: Event| {
            let event = NewEvent::own(now, stream.clone(), event);
            match &source {
                Some(camera) => event.from_source(format!("camera/{camera}")),
                None => event,
            }
        };
        let size_bytes = i64::try_from(examined.size_bytes).unwrap_or(i64::MAX);
        let mut events = Vec::new();
        if row.is_none() {
            let found = Found {
                path: bytes_of(&original),
                size_bytes,
                modified_at: modified_at(&file.fingerprint()),
                camera,
                started_at,
                media,
            };
            events.push(about(found.into()));
        }
        let sealed = Sealed {
            path: bytes_of(&original),
            sealed_path: bytes_of(path),
            size_bytes,
            plain_sha256: examined.plain_sha256.map_or_else(Vec::new, Into::into),
            key_id: examined.key.map_or_else(Vec::new, |id| id.0.to_vec()),
            iv: examined.iv.to_vec(),
            header_tag: examined.header_tag.map(|tag| tag.0.to_vec()),
            adopted: true,
        };
        let mut sealed = about(sealed.into());
        sealed.cause = row;
        events.push(sealed);
        // Both at once: no crash leaves one without the other.
        let position = self.store_all(events)?.first().copied().unwrap_or_default();
        if let Some((damage, bad_chunks)) = examined.tampered {
            let checked = Checked {
                recording: row.unwrap_or(position),
                integrity: Integrity::Tampered,
                bad_chunks: bad_chunks.into_iter().map(|n| n as i64).collect(),
            };
            self.store(about(checked.into()).with_text(damage))?;
        }
        self.show(|health| health.adopted += 1);
        self.see_pictures(&original);
        Ok(())
    }

    /// Joins a sealed picture with its recording.
    fn adopt_thumbnail(
        &mut self,
        folder: &Folder,
        file: &SealedFile,
        picture: &Path,
        keys: &KeyRing,
        round: &mut Round,
    ) -> Result<(), Stop> {
        let Some(of) = self.pictured(picture)?.filter(|of| of.sealed) else {
            round.alone += 1;
            return Ok(());
        };
        if of.thumbnail_path.is_some() {
            return Ok(());
        }
        if is_there(folder, picture) {
            round.passed_over += 1;
            return Ok(());
        }
        let looks = |head: &[u8]| media::is_picture(head).then_some(());
        let key = begins(file, keys, looks).map(|(key, ())| key);
        let examined = match examine(file, keys, key) {
            Ok(examined) => examined,
            Err(error) => {
                tracing::warn!(%error, "a sealed picture is not adopted");
                return Ok(());
            }
        };
        let event = ThumbnailSealed {
            recording: of.id,
            path: bytes_of(picture),
            sealed_path: bytes_of(file.path()),
            size_bytes: i64::try_from(examined.size_bytes).unwrap_or(i64::MAX),
            plain_sha256: examined.plain_sha256.map_or_else(Vec::new, Into::into),
            key_id: examined.key.map_or_else(Vec::new, |id| id.0.to_vec()),
            header_tag: examined.header_tag.map(|tag| tag.0.to_vec()),
        };
        self.record_thumbnail(&of, event)
    }

    /// Whether a recording of this name and content is known, whose sealed file lies beside this one.
    fn is_second_copy(
        &mut self,
        folder: &Folder,
        path: &Path,
        hash: &[u8; 32],
    ) -> Result<bool, Stop> {
        let hash = ids::hex(hash);
        for clip in clips_of(path) {
            let row = self.records.newest(&printable(&clip))?;
            let Some(row) = row.filter(|row| row.state == State::Sealed) else {
                continue;
            };
            let mut names = beside(&clip).filter(|file| printable(file) == row.file_path);
            let same = row.plain_sha256.as_deref() == Some(&*hash);
            if same && names.any(|file| matches!(unseal::open_sealed(folder, &file), Ok(Ok(_)))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The path that the plaintext had: that of a row which still waits to be sealed, and the row's
    /// id, else the likeliest.
    fn original_of(
        &mut self,
        path: &Path,
        container: Option<&str>,
    ) -> Result<(PathBuf, Option<i64>), Stop> {
        for clip in clips_of(path) {
            let row = self.records.newest(&printable(&clip))?;
            let row = row.filter(|row| matches!(row.state, State::Open | State::Failed));
            if let Some(row) = row {
                return Ok((clip, Some(row.id)));
            }
        }
        let stem = path.with_extension("");
        if stem.file_name().is_some_and(names::is_clip) {
            return Ok((stem, None));
        }
        let extension = container.unwrap_or("mp4");
        Ok((with_more(&stem, &[b".", extension.as_bytes()]), None))
    }
}

/// The key under which the file begins with something that is known, and what that is.
fn begins<'k, T>(
    file: &SealedFile,
    keys: &'k KeyRing,
    known: impl Fn(&[u8]) -> Option<T>,
) -> Option<(&'k Key, T)> {
    keys.all().find_map(|key| {
        let (_, head) = file.head(key, media::HEAD_BYTES).ok()?;
        Some((key, known(&head)?))
    })
}

/// Verifies the file, or at least reads all of it under `opens`, the key that it seems to open with.
fn examine(file: &SealedFile, keys: &KeyRing, opens: Option<&Key>) -> Result<Examined, ReadError> {
    let (iv, _) = file.head(opens.unwrap_or(keys.current()), 0)?;
    let mut examined = Examined {
        iv,
        size_bytes: file.plain_bytes().unwrap_or(0),
        key: opens.map(Key::id),
        plain_sha256: None,
        header_tag: None,
        tampered: None,
    };
    match verify::verify(file, keys, Expected::default(), &|_| {}) {
        Ok(Verdict::Verified {
            header_tag,
            key_id,
            plain_sha256,
        }) => {
            examined.key = Some(key_id);
            examined.header_tag = Some(header_tag);
            examined.plain_sha256 = Some(plain_sha256);
            return Ok(examined);
        }
        Ok(Verdict::Tampered {
            damage, bad_chunks, ..
        }) => {
            examined.tampered = Some((damage.to_string(), bad_chunks));
            return Ok(examined);
        }
        Ok(Verdict::Unverified)
        | Err(ReadError::NoKey { .. } | ReadError::Keyless { .. } | ReadError::Newer { .. }) => {}
        Err(error) => return Err(error),
    }
    if let Some(key) = opens {
        let found = unseal::unseal(file, key, &mut io::sink())?;
        examined.plain_sha256 = Some(found.plain_sha256);
    }
    Ok(examined)
}

/// What the container inside the sealed file tells.
fn media_within(folder: &Folder, path: &Path, key: &Key) -> Media {
    let Ok(reader) = Reader::open(folder, path, key, Expected::default()) else {
        return Media::default();
    };
    let size_bytes = reader.plain_bytes();
    let reader = RefCell::new(reader);
    let read_at = |buffer: &mut [u8], at: u64| -> io::Result<usize> {
        let mut reader = reader.borrow_mut();
        reader.seek(SeekFrom::Start(at))?;
        let mut got = 0;
        while got < buffer.len() {
            match reader.read(&mut buffer[got..])? {
                0 => break,
                more => got += more,
            }
        }
        Ok(got)
    };
    media::media(&read_at, size_bytes)
}

/// The paths that the plaintext of a sealed file may have: `a.vge` is of `a.mp4` or another
/// container, `a.mp4.vge` is of `a.mp4`.
fn clips_of(sealed: &Path) -> Vec<PathBuf> {
    let stem = sealed.with_extension("");
    if stem.file_name().is_some_and(names::is_clip) {
        return vec![stem];
    }
    with_each_extension(&stem)
}

fn is_there(folder: &Folder, clip: &Path) -> bool {
    !matches!(
        admission::open_source(folder, clip),
        Ok(Err(Refusal::Vanished))
    )
}
