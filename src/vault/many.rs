//! Many clips at once: the same steps in the same order as for one, with what is dear done once for
//! all of them: looking through `/proc` for writers, and syncing the folder.
//!
//! Syncs of files wait for the disk and not for a processor, so a few threads seal side by side,
//! and the file system joins their syncs. Meant for clips that fit into memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use super::admission::{self, Admission, AdmissionOptions, Source, open_source};
use super::cipher::Iv;
use super::folder::{Fingerprint, Folder};
use super::key::Key;
use super::seal::{self, SealError, SealOptions, Sealed, UnlinkError, Unlinked};
use super::writers;
use crate::base::fsutil::FsError;

/// Clips that are sealed side by side.
const THREADS: usize = 4;

/// [`admission::admit`] for many files; the results are in the order of `files`.
pub fn admit(
    folder: &Folder,
    files: &[(&Path, Option<&Fingerprint>)],
    options: &AdmissionOptions,
) -> Vec<Result<Admission, FsError>> {
    let opened: Vec<_> = files
        .iter()
        .map(|(path, _)| open_source(folder, path))
        .collect();
    let sources = opened.iter().filter_map(|o| o.as_ref().ok()?.as_ref().ok());
    let writers = writers::writers_of(sources.map(|s| (&*s.place.name, &s.fingerprint)));
    opened
        .into_iter()
        .zip(files)
        .map(|(opened, (_, earlier))| match opened? {
            Ok(source) => {
                let writer = writers.get(&source.fingerprint).copied();
                admission::judge(source, *earlier, writer, options)
            }
            Err(refusal) => Ok(Admission::Refused(refusal)),
        })
        .collect()
}

/// [`seal::seal`] for many clips; the results are in the order of `clips`.
pub fn seal(
    clips: &[(&Source, Iv)],
    key: &Key,
    options: SealOptions,
) -> Vec<Result<Sealed, SealError>> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = clips.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((source, iv)) = clips.get(at) else {
                return;
            };
            let sealed = seal::seal_unsynced(source, key, *iv, options);
            *results[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(sealed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS.min(clips.len()) {
            // Without a thread more there are fewer, and this one does the rest.
            let _ = Builder::new()
                .name("seal-small".into())
                .spawn_scoped(scope, work);
        }
        work();
    });
    let mut results: Vec<_> = results
        .into_iter()
        .map(|result| {
            let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
            result.expect("each was taken by one of the threads")
        })
        .collect();
    let sources = clips.iter().map(|(source, _)| *source);
    each_folder(sources, |members| {
        if let Err(error) = seal::sync_folder(clips[members[0]].0) {
            for &at in members {
                if results[at].is_ok() {
                    results[at] = Err(error.again().into());
                }
            }
        }
    });
    results
}

/// [`seal::unlink_plaintext`] for many clips; the results are in the order of `clips`.
pub fn unlink_plaintext(clips: &[(&Source, &Sealed)]) -> Vec<Result<Unlinked, UnlinkError>> {
    let sources = clips.iter().map(|(source, _)| *source);
    let named = sources.clone().map(|s| (&*s.place.name, &s.fingerprint));
    let writers = writers::writers_of(named);
    let mut results: Vec<_> = clips
        .iter()
        .map(|(source, sealed)| {
            let writer = writers.get(&source.fingerprint).copied();
            seal::unlink_unsynced(source, sealed, writer)
        })
        .collect();
    each_folder(sources, |members| {
        if let Err(error) = seal::sync_deletion(clips[members[0]].0) {
            for &at in members {
                if results[at].is_ok() {
                    results[at] = Err(error.again().into());
                }
            }
        }
    });
    results
}

/// Calls `each` with the places of the sources of one folder in the list, for every folder.
fn each_folder<'a>(sources: impl Iterator<Item = &'a Source>, mut each: impl FnMut(&[usize])) {
    let mut folders = BTreeMap::<_, Vec<_>>::new();
    for (at, source) in sources.enumerate() {
        folders.entry(source.path().parent()).or_default().push(at);
    }
    for members in folders.values() {
        each(members);
    }
}
