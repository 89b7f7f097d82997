//! The recordings folder itself: opened, watched, and opened again when another one is mounted in
//! its place.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::{Stop, Watcher, hints};
use crate::event::system::Weight;
use crate::vault::folder::Folder;

impl Watcher {
    /// Opens the folder; again if another one lies at its path by now.
    pub(super) fn open_folder(&mut self) -> Result<Option<Arc<Folder>>, Stop> {
        let path = self.options.folder.clone();
        let opened = std::fs::metadata(&path)
            .map_err(|error| {
                format!(
                    "cannot open the recordings folder {}: {error}",
                    path.display()
                )
            })
            .map(|found| (found.dev(), found.ino()))
            .and_then(|id| match &self.folder {
                Some(folder) if self.folder_id == Some(id) => Ok((Arc::clone(folder), id)),
                _ => Folder::open(&path)
                    .map(|folder| (Arc::new(folder), id))
                    .map_err(|error| error.to_string()),
            });
        match opened {
            Ok((folder, id)) => {
                if self.folder_id.replace(id) != Some(id) {
                    self.watch_folder();
                }
                self.folder = Some(Arc::clone(&folder));
                self.note_folder(None)?;
                Ok(Some(folder))
            }
            Err(trouble) => {
                (self.folder, self.folder_id, self.watch) = (None, None, None);
                self.note_folder(Some(trouble))?;
                Ok(None)
            }
        }
    }

    /// Before the scan that follows, so that no file falls between the two.
    fn watch_folder(&mut self) {
        self.watch = None;
        if self.options.use_inotify {
            match hints::watch(&self.options.folder, self.outlet.clone()) {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => {
                    tracing::warn!(%error, "no hints from the kernel; the scans find new files");
                }
            }
        }
    }

    pub(super) fn note_folder(&mut self, trouble: Option<String>) -> Result<(), Stop> {
        if let Some(text) = trouble.as_ref().filter(|_| self.folder_trouble != trouble) {
            self.note("recordings", Weight::Alert, text)?;
        }
        self.folder_trouble = trouble;
        Ok(())
    }
}
