//! Adoption: sealed files that no row knows are taken over.
//!
//! They come from another program that writes the same format, from another box, or from a time of
//! which the database knows nothing (an older backup). The format has no header, so the only proof
//! that a key opens a file is that something sensible comes out: a file that decrypts to a container
//! of video is recorded with key and hash, any other without both. Its row says "unverified".
//!
//! A sealed file beside a plaintext of its name is not adopted: sealing that plaintext compares the
//! two and knows more.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clip::bytes_of;
use super::records::State;
use super::{Stop, Watcher, media, printable};
use crate::event::NewEvent;
use crate::event::recording::Sealed;
use crate::event::system::Weight;
use crate::vault::admission::{self, Refusal};
use crate::vault::folder::Folder;
use crate::vault::key::Key;
use crate::vault::names;
use crate::vault::scan::{Entry, scan};
use crate::vault::unseal::{self, UnsealError};

/// Longest time spent on old files before new ones get their turn.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What one round of adoption met.
#[derive(Default)]
struct Round {
    /// Files that the round had no time for.
    left: u64,
    /// Files beside a plaintext of their name.
    passed_over: u64,
    /// Files that do not open as video under the key.
    foreign: u64,
    failure: Option<Stop>,
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
        let began = Instant::now();
        let mut round = Round::default();
        let scanned = scan(&folder, &mut |entry| {
            let Entry::Sealed { path, .. } = entry else {
                return;
            };
            if round.failure.is_some() {
            } else if began.elapsed() > AT_ONCE || self.shutdown.is_stopped() {
                round.left += 1;
            } else if let Err(stop) = self.adopt_one(&folder, &path, &key, &mut round) {
                round.failure = Some(stop);
            }
        });
        if let Some(stop) = round.failure {
            return Err(stop);
        }
        if let Err(error) = scanned {
            tracing::warn!(%error, "looking for sealed files without a row");
        }
        self.adoption_due = round.left > 0;
        if round.passed_over > 0 {
            // Looked at again after the next scan.
            self.sealed_files = None;
        }
        if round.foreign > 0 {
            let text = format!(
                "{} sealed files do not open as video under the key {}; they are recorded without \
                 a key",
                round.foreign,
                key.id()
            );
            self.note("vault", Weight::Alert, &text)?;
        }
        Ok(())
    }

    fn adopt_one(
        &mut self,
        folder: &Folder,
        path: &Path,
        key: &Key,
        round: &mut Round,
    ) -> Result<(), Stop> {
        if self.records.has_sealed(&printable(path))? || self.finishes(path)? {
            return Ok(());
        }
        if clips_of(path).iter().any(|clip| is_there(folder, clip)) {
            round.passed_over += 1;
            return Ok(());
        }
        let Ok(Ok(file)) = unseal::open_sealed(folder, path) else {
            return Ok(());
        };
        let mut head = Head::default();
        let found = match unseal::unseal(&file, key, &mut head) {
            Ok(found) => found,
            Err(error @ (UnsealError::TooShort { .. } | UnsealError::System(_))) => {
                tracing::warn!(%error, "a sealed file is not adopted");
                return Ok(());
            }
            Err(UnsealError::Output(_)) => unreachable!("memory takes the bytes"),
        };
        let container = media::container(&head.bytes);
        let original = self.original_of(path, container)?;
        let (plain_sha256, key_id) = if container.is_some() {
            (found.plain_sha256.to_vec(), key.id().0.to_vec())
        } else {
            round.foreign += 1;
            (Vec::new(), Vec::new())
        };
        let event = Sealed {
            path: bytes_of(&original),
            sealed_path: bytes_of(path),
            size_bytes: found.plain_bytes as i64,
            plain_sha256,
            key_id,
            iv: found.iv.to_vec(),
            header_tag: None,
            adopted: true,
        };
        let name = printable(&original);
        let mut event = NewEvent::own(self.clock.now(), format!("recording/{name}"), event);
        if let Some((camera, _)) = (self.options.place.0)(&name) {
            event = event.from_source(format!("camera/{camera}"));
        }
        self.store(event)?;
        self.show(|health| health.adopted += 1);
        Ok(())
    }

    /// The path that the plaintext had: that of a row which still waits to be sealed, else the
    /// likeliest.
    fn original_of(
        &mut self,
        path: &Path,
        container: Option<&'static str>,
    ) -> Result<PathBuf, Stop> {
        let clips = clips_of(path);
        for clip in &clips {
            let row = self.records.newest(&printable(clip))?;
            if row.is_some_and(|row| matches!(row.state, State::Open | State::Failed)) {
                return Ok(clip.clone());
            }
        }
        let stem = path.with_extension("");
        if stem.file_name().is_some_and(names::is_clip) {
            return Ok(stem);
        }
        Ok(with_more(&stem, container.unwrap_or("mp4")))
    }
}

/// The paths that the plaintext of a sealed file may have: `a.vge` is of `a.mp4` or another
/// container, `a.mp4.vge` is of `a.mp4`.
fn clips_of(sealed: &Path) -> Vec<PathBuf> {
    let stem = sealed.with_extension("");
    if stem.file_name().is_some_and(names::is_clip) {
        return vec![stem];
    }
    names::CLIP_EXTENSIONS
        .iter()
        .flat_map(|extension| {
            [
                with_more(&stem, extension),
                with_more(&stem, &extension.to_uppercase()),
            ]
        })
        .collect()
}

/// `stem.extension`, whatever dots the stem has.
fn with_more(stem: &Path, extension: &str) -> PathBuf {
    let name = stem.file_name().unwrap_or_default().as_bytes();
    let name = [name, b".", extension.as_bytes()].concat();
    stem.with_file_name(OsStr::from_bytes(&name))
}

fn is_there(folder: &Folder, clip: &Path) -> bool {
    !matches!(
        admission::open_source(folder, clip),
        Ok(Err(Refusal::Vanished))
    )
}

/// Keeps the first bytes of what is written to it.
#[derive(Default)]
struct Head {
    bytes: Vec<u8>,
}

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = media::HEAD_BYTES.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
