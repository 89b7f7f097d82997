//! Many small clips at once, as a camera that records pictures or a copied archive brings them: the
//! walk of [`super::clip`] for all of them side by side, two commits for a batch instead of two for
//! each file.
//!
//! Only what is plain goes this way: a finished file that no row and no sealed copy knows of. All
//! others go the long way, one by one.

use std::path::PathBuf;
use std::time::Instant;

use super::clip::{Clip, Verdict, beside};
use super::queue::Look;
use super::{Stop, TROUBLE_EVERY, Watcher, thumbnail};
use crate::base::ids;
use crate::vault::admission::{Admission, Source};
use crate::vault::folder::Folder;
use crate::vault::many;
use crate::vault::unseal;

/// Files of one batch: enough that a commit and a look through `/proc` cost each of them little,
/// few enough to be done within a quarter of a second.
const BATCH_MAX: usize = 64;
/// Larger files are worth a turn of their own, bytes.
const SMALL_BYTES: u64 = 1 << 20;

impl Watcher {
    /// The files whose turn it is: several small ones, or one; else when the next is due. The two
    /// take turns, so that many small ones do not hold up a large one.
    pub(super) fn take_work(
        &mut self,
        now: Instant,
    ) -> Result<Vec<(PathBuf, Look)>, Option<Instant>> {
        self.batched = !self.batched && self.folder.is_some();
        if self.batched {
            let small = self.queue.take_small(now, BATCH_MAX, SMALL_BYTES);
            if !small.is_empty() {
                return Ok(small);
            }
        }
        self.queue.take(now).map(|file| vec![file])
    }

    /// Does with each file what can be done.
    pub(super) fn work_all(
        &mut self,
        mut files: Vec<(PathBuf, Look)>,
        now: Instant,
    ) -> Result<(), Stop> {
        if files.len() == 1
            && let Some((path, look)) = files.pop()
        {
            return self.work(path, look, now);
        }
        let began = Instant::now();
        let outcome = self.seal_batch(&files);
        let now = now + began.elapsed();
        match outcome {
            Ok(verdicts) => {
                let mut outcome = Ok(());
                for ((path, look), verdict) in files.into_iter().zip(verdicts) {
                    match verdict {
                        Some(verdict) => self.conclude(path, look, verdict, now),
                        None if outcome.is_ok() => outcome = self.work(path, look, now),
                        None => {
                            let seen = look.fingerprint;
                            self.queue.again(path, look, seen, now + TROUBLE_EVERY);
                        }
                    }
                }
                outcome
            }
            Err(stop) => {
                for (path, look) in files {
                    let seen = look.fingerprint;
                    self.queue.again(path, look, seen, now + TROUBLE_EVERY);
                }
                Err(stop)
            }
        }
    }

    /// The verdict on each file; none for those that have to go the long way.
    fn seal_batch(&mut self, files: &[(PathBuf, Look)]) -> Result<Vec<Option<Verdict>>, Stop> {
        let mut verdicts: Vec<_> = files.iter().map(|_| None).collect();
        let Some(folder) = self.folder.clone() else {
            return Ok(verdicts);
        };
        let plain = self.plain_ones(&folder, files)?;
        let found: Vec<_> = plain
            .iter()
            .map(|(_, clip, source)| self.found_event(clip, source.as_ref()))
            .collect();
        let found_at = self.store_all(found)?;
        let mut full = Vec::new();
        for ((at, clip, source), found_at) in plain.into_iter().zip(found_at) {
            match source {
                Some(source) => full.push((at, clip, source, found_at)),
                // An empty file stays.
                None => verdicts[at] = Some(Verdict::Settled),
            }
        }
        if full.is_empty() {
            return Ok(verdicts);
        }
        let Some(key) = self.usable_key()? else {
            for (at, ..) in full {
                verdicts[at] = Some(Verdict::AwaitsKey);
            }
            return Ok(verdicts);
        };
        let clips: Vec<_> = full
            .iter()
            .map(|(_, _, source, _)| (source, ids::random()))
            .collect();
        let results = many::seal(&clips, &key, self.options.seal);
        drop(key);
        let mut sealed = Vec::new();
        let mut events = Vec::new();
        for ((at, clip, source, found_at), result) in full.iter().zip(results) {
            match result {
                Ok(one) => {
                    events.push(self.sealed_event(clip, &one, *found_at));
                    sealed.push((*at, clip, source, one));
                }
                Err(error) => {
                    verdicts[*at] = Some(self.not_sealed(&folder, clip, source, &error)?);
                }
            }
        }
        let count = sealed.len() as u64;
        self.sealed_files = self.sealed_files.map(|files| files + count);
        self.store_all(events)?;
        self.count_sealed(count);
        for (_, clip, ..) in &sealed {
            self.see_pictures(clip.path);
        }
        let proven: Vec<_> = sealed
            .iter()
            .map(|(_, _, source, one)| (*source, one))
            .collect();
        let unlinked = many::unlink_plaintext(&proven);
        for ((at, clip, ..), result) in sealed.iter().zip(unlinked) {
            verdicts[*at] = Some(match result {
                Ok(_) => Verdict::Done,
                Err(error) => self.not_unlinked(clip, error, None)?,
            });
        }
        Ok(verdicts)
    }

    /// The files that are finished and new in every respect, with their places in the list; without
    /// a source those that are empty.
    fn plain_ones<'a>(
        &mut self,
        folder: &Folder,
        files: &'a [(PathBuf, Look)],
    ) -> Result<Vec<(usize, Clip<'a>, Option<Source>)>, Stop> {
        let looks: Vec<_> = files
            .iter()
            .map(|(path, look)| (path.as_path(), Some(&look.fingerprint)))
            .collect();
        let admitted = many::admit(folder, &looks, &self.options.admission);
        let mut plain = Vec::new();
        for (at, ((path, look), admitted)) in files.iter().zip(admitted).enumerate() {
            let source = match admitted {
                Ok(Admission::Ready(source)) => Some(source),
                Ok(Admission::Empty(_)) => None,
                Ok(Admission::Refused(_)) | Err(_) => continue,
            };
            // A picture is no recording.
            if thumbnail::is_picture(path) {
                continue;
            }
            let clip = Clip::new(path, look);
            // A copy that cannot be opened may be one all the same.
            let is_alone =
                beside(path).all(|path| matches!(unseal::open_sealed(folder, &path), Ok(Err(_))));
            if is_alone && self.records.newest(&clip.name)?.is_none() {
                plain.push((at, clip, source));
            }
        }
        Ok(plain)
    }
}
