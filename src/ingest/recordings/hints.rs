//! Hints of the kernel that a file may be finished, so that nobody waits for the next scan.
//!
//! Only a hint: the kernel's queue overflows at 16,384 events and says so without a path, a folder
//! made a moment ago is not watched yet, and network file systems say nothing. Whatever may have
//! been missed asks for a scan, which is the truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Watcher, thumbnail};
use crate::vault::admission;
use crate::vault::folder::Fingerprint;
use crate::vault::names;

/// Hints that may wait; one too many asks for a scan, which finds as much as thousands of hints.
const HINTS_MAX: usize = 1_024;

/// Where hints come in; called by the thread of the kernel's watcher.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    paths: Sender<PathBuf>,
    missed: Arc<AtomicBool>,
}

/// Where hints are taken out.
#[derive(Debug)]
pub(super) struct Inlet {
    /// Whole paths of files that may be finished.
    pub(super) paths: Receiver<PathBuf>,
    missed: Arc<AtomicBool>,
}

pub(super) fn channel() -> (Outlet, Inlet) {
    let (sender, receiver) = bounded(HINTS_MAX);
    let missed = Arc::new(AtomicBool::new(false));
    (
        Outlet {
            paths: sender,
            missed: Arc::clone(&missed),
        },
        Inlet {
            paths: receiver,
            missed,
        },
    )
}

impl Inlet {
    /// Whether something may have been missed since the last time of asking.
    pub(super) fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }
}

impl Outlet {
    /// Takes what the kernel's watcher says.
    pub(super) fn take(&self, said: notify::Result<Event>) {
        let event = match said {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "watching the recordings folder; the scans go on");
                return self.miss();
            }
        };
        if event.need_rescan() {
            return self.miss();
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(CreateKind::File) => self.offer(event.paths),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => {
                // A folder that was moved in brings files that nobody announces.
                if event.paths.iter().any(|path| is_folder(path)) {
                    self.miss();
                } else {
                    self.offer(event.paths);
                }
            }
            // Files may be in it before it is watched.
            EventKind::Create(CreateKind::Folder) => self.miss(),
            // Writing, and our own reading: nothing that could mean "finished".
            _ => {}
        }
    }

    fn offer(&self, paths: Vec<PathBuf>) {
        for path in paths.into_iter().filter(|path| is_ours(path)) {
            if self.paths.try_send(path).is_err() {
                self.miss();
            }
        }
    }

    fn miss(&self) {
        self.missed.store(true, Ordering::Release);
    }
}

fn is_ours(path: &Path) -> bool {
    is_clip(path) || path.file_name().is_some_and(names::is_picture)
}

fn is_clip(path: &Path) -> bool {
    path.file_name().is_some_and(names::is_clip)
}

fn is_folder(path: &Path) -> bool {
    !is_clip(path) && path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Asks the kernel to tell of everything below `folder`, until the answer is dropped.
pub(super) fn watch(folder: &Path, outlet: Outlet) -> notify::Result<RecommendedWatcher> {
    let config = Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(move |said| outlet.take(said), config)?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

impl Watcher {
    pub(super) fn fingerprint(&self, path: &Path) -> Option<Fingerprint> {
        let folder = self.folder.as_deref()?;
        let source = admission::open_source(folder, path).ok()?.ok()?;
        Some(source.fingerprint())
    }

    /// Whether the file has one of the extensions that are asked for.
    pub(super) fn takes(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| {
            self.options
                .extensions
                .iter()
                .any(|one| extension.eq_ignore_ascii_case(one))
        })
    }

    pub(super) fn take_hint(&mut self, path: &Path, now: Instant) {
        let Ok(relative) = path.strip_prefix(&self.options.folder) else {
            return;
        };
        if !self.takes(relative) && !thumbnail::is_picture(relative) {
            return;
        }
        // What cannot be opened is for the scan to judge.
        if let Some(fingerprint) = self.fingerprint(relative) {
            let key_usable = self.key_trouble.is_none();
            self.queue.see(relative, fingerprint, now, key_usable);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use notify::event::Flag;

    use super::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn finished_files_are_hints_and_everything_else_is_not() {
        let (outlet, inlet) = channel();
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        outlet.take(Ok(event(close, "/yard/a.mp4")));
        outlet.take(Ok(event(rename, "/yard/b.mp4")));
        outlet.take(Ok(event(
            EventKind::Create(CreateKind::File),
            "/yard/c.mp4",
        )));
        for (kind, path) in [
            (close, "/yard/.nightjar-seal-00.tmp"),
            (rename, "/yard/a.vge"),
            (close, "/yard/a.txt"),
            (
                EventKind::Access(AccessKind::Open(AccessMode::Any)),
                "/yard/d.mp4",
            ),
            (EventKind::Modify(ModifyKind::Any), "/yard/d.mp4"),
        ] {
            outlet.take(Ok(event(kind, path)));
        }
        let hints: Vec<_> = inlet.paths.try_iter().collect();
        assert_eq!(
            hints,
            ["/yard/a.mp4", "/yard/b.mp4", "/yard/c.mp4"].map(PathBuf::from)
        );
        assert!(!inlet.has_missed());
    }

    #[test]
    fn whatever_may_have_been_missed_asks_for_a_scan() {
        let folder = tempfile::tempdir().unwrap();
        let (outlet, inlet) = channel();
        let rename = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for said in [
            Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)),
            Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)),
            Ok(event(EventKind::Create(CreateKind::Folder), "/yard/2031")),
            Ok(event(rename, folder.path().to_str().unwrap())),
        ] {
            outlet.take(said);
            assert!(inlet.has_missed());
            assert!(!inlet.has_missed(), "told once");
        }
        for n in 0..=HINTS_MAX {
            let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
            outlet.take(Ok(event(close, &format!("/yard/{n}.mp4"))));
        }
        assert!(inlet.has_missed());
        assert_eq!(inlet.paths.len(), HINTS_MAX);
    }
}
