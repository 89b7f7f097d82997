//! The files that were seen and not sealed yet, in two bounded parts: those that are to be looked at
//! again soon, and those that were set aside because looking again would find the same.
//!
//! Memory stays bounded however many files there are: what does not fit is left for the next scan,
//! which comes at once when the queue is half empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::vault::folder::Fingerprint;

/// Files that wait for their turn; some 300 bytes each.
pub(super) const WAITING_MAX: usize = 4_096;
/// Files that were set aside.
pub(super) const ASIDE_MAX: usize = 16_384;
/// Longest time between two looks at a file that is being written, should its end go unnoticed.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(30);
/// First and longest time until a file that could not be sealed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(1));

/// What is known of a file from earlier looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// What it was; when its turn comes, it has been for the settling time at least.
    pub(super) fingerprint: Fingerprint,
    /// Looks in a row that found it being written.
    pub(super) looks: u32,
    /// How often it could not be sealed as it is.
    pub(super) failures: u32,
    /// Why not, the last time.
    pub(super) reason: Option<String>,
}

impl Look {
    pub(super) fn first(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            looks: 0,
            failures: 0,
            reason: None,
        }
    }
}

/// Until when a file is left alone, as long as it stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// For good.
    Changed,
    /// Until there is a key.
    Key,
    /// Until then.
    Time(Instant),
}

#[derive(Debug)]
struct Aside {
    look: Look,
    until: Until,
    /// The scan that saw it last.
    scan: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    settle: Duration,
    waiting: HashMap<PathBuf, (Look, Instant)>,
    aside: HashMap<PathBuf, Aside>,
    scan: u64,
    left: bool,
}

impl Queue {
    pub(super) fn new(settle: Duration) -> Self {
        Self {
            settle,
            waiting: HashMap::new(),
            aside: HashMap::new(),
            scan: 0,
            left: false,
        }
    }

    /// Begins a scan, which shows every file that there is.
    pub(super) fn begin_scan(&mut self) {
        self.scan += 1;
        self.left = false;
    }

    /// Ends a scan that saw everything: what it did not see is forgotten.
    pub(super) fn end_scan(&mut self) {
        let scan = self.scan;
        self.aside.retain(|_, aside| aside.scan == scan);
    }

    /// Takes note of a file that is there. `key_usable` brings back those that wait for a key.
    pub(super) fn see(
        &mut self,
        path: &Path,
        fingerprint: Fingerprint,
        now: Instant,
        key_usable: bool,
    ) {
        let due = now + self.settle;
        if let Some((look, at)) = self.waiting.get_mut(path) {
            if look.fingerprint == fingerprint {
                // Seen again, perhaps because its writer closed it: no need to wait any longer.
                *at = due.min(*at);
            } else {
                (*look, *at) = (Look::first(fingerprint), due);
            }
            return;
        }
        let scan = self.scan;
        let known = self
            .aside
            .get_mut(path)
            .filter(|aside| aside.look.fingerprint == fingerprint);
        if let Some(aside) = known {
            aside.scan = scan;
            let is_due = match aside.until {
                Until::Changed => false,
                Until::Key => key_usable,
                Until::Time(at) => at <= now,
            };
            if !is_due {
                return;
            }
        }
        if self.waiting.len() >= WAITING_MAX {
            self.left = true;
            return;
        }
        let look = match self.aside.remove(path) {
            Some(aside) if aside.look.fingerprint == fingerprint => aside.look,
            _ => Look::first(fingerprint),
        };
        self.waiting.insert(path.to_owned(), (look, due));
    }

    /// The file whose turn it is, the oldest first; else when the next one is due.
    pub(super) fn take(&mut self, now: Instant) -> Result<(PathBuf, Look), Option<Instant>> {
        let next = self
            .waiting
            .iter()
            .min_by_key(|(_, (look, due))| ((*due).max(now), look.fingerprint.modified))
            .map(|(path, (_, due))| (path.clone(), *due));
        match next {
            Some((path, due)) if due <= now => {
                let (look, _) = self.waiting.remove(&path).expect("it was just found there");
                Ok((path, look))
            }
            other => Err(other.map(|(_, due)| due)),
        }
    }

    /// Up to `max` files of at most `max_bytes` whose turn it is and that never failed, the oldest
    /// first; none unless there are several, as many small files come at once or not at all.
    pub(super) fn take_small(
        &mut self,
        now: Instant,
        max: usize,
        max_bytes: u64,
    ) -> Vec<(PathBuf, Look)> {
        let mut due: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, (look, due))| {
                *due <= now && look.failures == 0 && look.fingerprint.size_bytes <= max_bytes
            })
            .map(|(path, (look, _))| (look.fingerprint.modified, path.clone()))
            .collect();
        if due.len() < 2 {
            return Vec::new();
        }
        due.sort_unstable();
        due.truncate(max);
        due.into_iter()
            .map(|(_, path)| {
                let (look, _) = self.waiting.remove(&path).expect("it was just found there");
                (path, look)
            })
            .collect()
    }

    /// Whether a file's turn has come.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.waiting.values().any(|(_, due)| *due <= now)
    }

    /// Looks at the file again soon: it is, or may be, still being written.
    pub(super) fn again(&mut self, path: PathBuf, earlier: Look, found: Fingerprint, now: Instant) {
        let looks = earlier.looks.saturating_add(1);
        let pause = self
            .settle
            .saturating_mul(1 << earlier.looks.min(16))
            .min(LOOK_AGAIN_MAX);
        let look = Look {
            fingerprint: found,
            looks,
            ..earlier
        };
        self.waiting.insert(path, (look, now + pause));
    }

    /// Leaves the file alone until it changes.
    pub(super) fn settle(&mut self, path: PathBuf, look: Look) {
        self.put_aside(path, look, Until::Changed);
    }

    /// Leaves the file alone until there is a key.
    pub(super) fn await_key(&mut self, path: PathBuf, look: Look) {
        self.put_aside(path, look, Until::Key);
    }

    /// Leaves a file that could not be sealed alone for a while, longer each time.
    pub(super) fn retry_later(&mut self, path: PathBuf, look: Look, now: Instant) {
        let pause = RETRY
            .0
            .saturating_mul(1 << look.failures.min(16))
            .min(RETRY.1);
        let failures = look.failures.saturating_add(1);
        self.put_aside(path, Look { failures, ..look }, Until::Time(now + pause));
    }

    fn put_aside(&mut self, path: PathBuf, look: Look, until: Until) {
        if !self.aside_is_full() {
            let scan = self.scan;
            self.aside.insert(path, Aside { look, until, scan });
        }
    }

    /// Whether no more can be set aside, so that a scan has to ask the database what it knows.
    pub(super) fn aside_is_full(&self) -> bool {
        self.aside.len() >= ASIDE_MAX
    }

    /// Whether the file is waiting or set aside.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.waiting.contains_key(path) || self.aside.contains_key(path)
    }

    /// Whether files were left out for want of room, and there is room now.
    pub(super) fn wants_more(&self) -> bool {
        self.left && self.waiting.len() <= WAITING_MAX / 2
    }

    /// Whether nothing waits and nothing was left out.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.left
    }

    /// Files that wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Files that could not be sealed: how many, and one with its reason.
    pub(super) fn failed(&self) -> (usize, Option<(&Path, &str)>) {
        let failed = self
            .aside
            .iter()
            .filter_map(|(path, aside)| Some((path.as_path(), aside.look.reason.as_deref()?)));
        (failed.clone().count(), failed.min())
    }

    /// Files that wait for a key.
    pub(super) fn keyless(&self) -> usize {
        self.aside
            .values()
            .filter(|aside| aside.until == Until::Key)
            .count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn print(inode: u64) -> Fingerprint {
        Fingerprint {
            device: (0, 0),
            inode,
            size_bytes: 1,
            modified: (inode as i64, 0),
            changed: (0, 0),
        }
    }

    #[test]
    fn a_file_is_due_once_it_was_the_same_for_the_settling_time() {
        let (mut queue, start) = (Queue::new(SETTLE), Instant::now());
        let path = Path::new("a.mp4");
        queue.see(path, print(1), start, true);
        assert_eq!(queue.take(start), Err(Some(start + SETTLE)));
        queue.see(path, print(2), start + SETTLE, true);
        assert_eq!(queue.take(start + SETTLE), Err(Some(start + 2 * SETTLE)));
        queue.see(path, print(2), start + 2 * SETTLE, true);
        let (taken, look) = queue.take(start + 2 * SETTLE).unwrap();
        assert_eq!((taken.as_path(), look), (path, Look::first(print(2))));
        assert_eq!(queue.take(start + 2 * SETTLE), Err(None));
    }

    #[test]
    fn a_file_that_is_written_on_and_on_is_looked_at_less_and_less_until_it_is_closed() {
        let (mut queue, start) = (Queue::new(SETTLE), Instant::now());
        let mut look = Look::first(print(1));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            queue.again("a.mp4".into(), look, print(1), start);
            pauses.push(queue.take(start).unwrap_err().unwrap() - start);
            look = queue.take(start + LOOK_AGAIN_MAX).unwrap().1;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30].map(Duration::from_secs));
        queue.again("a.mp4".into(), look, print(1), start);
        queue.see(Path::new("a.mp4"), print(1), start, true);
        assert_eq!(
            queue.take(start),
            Err(Some(start + SETTLE)),
            "the close was a hint"
        );
    }

    #[test]
    fn what_was_set_aside_comes_back_only_for_its_reason() {
        let (mut queue, start) = (Queue::new(Duration::ZERO), Instant::now());
        let [empty, keyless, failed] = ["e.mp4", "k.mp4", "f.mp4"].map(PathBuf::from);
        queue.settle(empty.clone(), Look::first(print(1)));
        queue.await_key(keyless.clone(), Look::first(print(1)));
        queue.retry_later(failed.clone(), Look::first(print(1)), start);
        let mut look = |at: Instant, key_usable, inode| {
            for path in [&empty, &keyless, &failed] {
                queue.see(path, print(inode), at, key_usable);
            }
            let mut taken = Vec::new();
            while let Ok((path, look)) = queue.take(at) {
                taken.push((path.display().to_string(), look.failures));
                match path.to_str().unwrap() {
                    "e.mp4" => queue.settle(path, look),
                    "k.mp4" => queue.await_key(path, look),
                    _ => queue.retry_later(path, look, at),
                }
            }
            taken.sort();
            taken
        };
        let named = |name: &str, failures| vec![(name.to_owned(), failures)];
        assert_eq!(look(start, false, 1), []);
        assert_eq!(look(start, true, 1), named("k.mp4", 0));
        let later = start + Duration::from_mins(1);
        assert_eq!(look(later, false, 1), named("f.mp4", 1));
        assert_eq!(look(later + Duration::from_mins(1), false, 1), []);
        assert_eq!(
            look(later + Duration::from_mins(2), false, 1),
            named("f.mp4", 2)
        );
        assert_eq!(look(later, false, 2).len(), 3, "a change brings all back");
    }

    #[test]
    fn the_queue_is_bounded_and_says_when_it_wants_more() {
        let (mut queue, now) = (Queue::new(Duration::ZERO), Instant::now());
        queue.begin_scan();
        for n in 0..=WAITING_MAX {
            queue.see(Path::new(&format!("{n}.mp4")), print(n as u64), now, true);
        }
        assert_eq!(queue.waiting(), WAITING_MAX);
        assert!(!queue.wants_more() && !queue.is_idle());
        for n in 0..WAITING_MAX / 2 {
            let (path, _) = queue.take(now).unwrap();
            assert_eq!(path, Path::new(&format!("{n}.mp4")), "the oldest first");
        }
        assert!(queue.wants_more());
        queue.begin_scan();
        assert!(!queue.wants_more());
        for n in 0..=ASIDE_MAX {
            queue.settle(format!("{n}.mkv").into(), Look::first(print(1)));
        }
        assert!(queue.aside_is_full());
        queue.begin_scan();
        queue.end_scan();
        assert!(!queue.aside_is_full(), "files that are gone are forgotten");
    }
}
