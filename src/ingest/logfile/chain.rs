//! Which files of a log are to be read, from where, and in which order.
//!
//! A log is a chain of files: the rotated ones, oldest first, and the one that has its name. Where a
//! chain goes on is told by the place of the file that was read last: everything behind it was not
//! read yet.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::names;
use super::place::{FilePlace, Place};
use super::reading::{head_of, modified_at};

/// Files are dated by the kernel's last tick, which may lie this far back.
const TIME_GRAIN_NS: i64 = 20_000_000;

/// A file of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) path: PathBuf,
    pub(super) packed: bool,
    pub(super) inode: u64,
    pub(super) device: u64,
    pub(super) bytes: u64,
    pub(super) modified_at: i64,
}

/// Inode, bytes, time of the last change: a file that has the same was not written to.
pub(super) type Stamp = (u64, u64, i64);

/// The chain of a log as it is in its folder.
#[derive(Debug)]
pub(super) struct Chain {
    /// Oldest first.
    pub(super) rotated: Vec<Link>,
    /// The file that has the log's name; none while there is none.
    pub(super) current: Option<Link>,
    /// Rotated files that are packed in a way that is not read.
    pub(super) unread: Vec<String>,
}

impl Chain {
    /// Looks into the folder of the log `path`.
    pub(super) fn look(path: &Path) -> io::Result<Self> {
        let current = match Link::of(path, false) {
            Ok(link) => Some(link),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let base = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut found = Vec::new();
        let mut unread = Vec::new();
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if names::is_unread(&base, name) {
                unread.push(name.to_owned());
            }
            // One that goes away meanwhile was renamed, and is seen at the next look.
            if let Some(rotated) = names::rotated(&base, name)
                && let Ok(link) = Link::of(&entry.path(), rotated.packed)
            {
                found.push((rotated, link));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        // While a file is being packed it is there twice; the plain one sorts first and is whole.
        found.dedup_by(|b, a| a.0.age == b.0.age);
        Ok(Self {
            rotated: found.into_iter().map(|(_, link)| link).collect(),
            current,
            unread,
        })
    }

    fn links(&self) -> impl DoubleEndedIterator<Item = &Link> {
        self.rotated.iter().chain(&self.current)
    }
}

impl Link {
    pub(super) fn of(path: &Path, packed: bool) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(Self {
            path: path.to_owned(),
            packed,
            inode: metadata.ino(),
            device: metadata.dev(),
            bytes: metadata.len(),
            modified_at: modified_at(&metadata),
        })
    }

    pub(super) const fn stamp(&self) -> Stamp {
        (self.inode, self.bytes, self.modified_at)
    }

    /// Whether this is the file that `place` tells of, or a copy of it.
    fn is(&self, place: &FilePlace) -> bool {
        let same_inode = self.inode == place.inode;
        if !self.packed && self.bytes < place.offset {
            return false;
        }
        if place.head_bytes == 0 {
            return same_inode && self.device == place.device && !self.packed;
        }
        (same_inode || place.is_telling())
            && head_of(&self.path, self.packed, place.head_bytes)
                .is_ok_and(|head| place.begins_with(&head))
    }
}

/// A file to read and where it was left; at its beginning if none.
pub(super) type Start = (Link, Option<FilePlace>);

/// What is to be read.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// The file before the one that was read last: somebody may have written to it late.
    pub(super) before: Option<Start>,
    /// In this order.
    pub(super) starts: Vec<Start>,
    /// The file that was read last cannot be found: what it held beyond its place was not read.
    pub(super) lost: Option<FilePlace>,
}

/// The whole chain, for a log that was never read.
pub(super) fn from_the_beginning(chain: &Chain) -> Route {
    let starts = chain.links().map(|link| (link.clone(), None)).collect();
    Route {
        starts,
        ..Route::default()
    }
}

/// The file that has the log's name and what comes after it; from the file `begun` on if it is there,
/// which had the name before.
pub(super) fn from_the_current(chain: &Chain, begun: Option<u64>) -> Route {
    let links: Vec<&Link> = chain.links().collect();
    let is_begun = |link: &&Link| !link.packed && Some(link.inode) == begun;
    let from = links.iter().position(is_begun);
    let from = from.unwrap_or(chain.rotated.len());
    let starts = links[from..].iter().map(|link| ((*link).clone(), None));
    Route {
        starts: starts.collect(),
        ..Route::default()
    }
}

/// How a log is read on.
pub(super) fn onwards(place: &Place, chain: &Chain) -> Route {
    let links: Vec<&Link> = chain.links().collect();
    let Some((last, before)) = place.files.split_last() else {
        return from_the_beginning(chain);
    };
    let anchor = find(last, &links);
    let mut starts: Vec<Start> = Vec::new();
    let upto = anchor.unwrap_or(links.len());
    let earlier = before.last();
    let taken = earlier.and_then(|earlier| find(earlier, &links[..upto]));
    let before = taken.map(|at| (links[at].clone(), earlier.cloned()));
    // Rotated files that nobody has told of are known by their times to be unread.
    let is_later = |link: &Link| link.modified_at > place.read_at - TIME_GRAIN_NS;
    let unread = |from: usize, to: usize| {
        let between = (from..to).filter(|at| Some(*at) != taken && is_later(links[*at]));
        between
            .map(|at| (links[at].clone(), None))
            .collect::<Vec<_>>()
    };
    let Some(anchor) = anchor else {
        let cut = chain
            .current
            .as_ref()
            .filter(|link| link.inode == last.inode);
        if cut.is_none() {
            starts.extend(unread(0, chain.rotated.len()));
        }
        starts.extend(chain.current.iter().map(|link| (link.clone(), None)));
        return Route {
            before,
            starts,
            lost: (last.offset > 0).then(|| last.clone()),
        };
    };
    if last.head_bytes == 0 {
        starts.extend(unread(0, anchor));
    }
    starts.push((links[anchor].clone(), Some(last.clone())));
    starts.extend(
        links[anchor + 1..]
            .iter()
            .map(|link| ((*link).clone(), None)),
    );
    Route {
        before,
        starts,
        lost: None,
    }
}

/// The file itself goes before its copies, the youngest of those before the others.
fn find(place: &FilePlace, links: &[&Link]) -> Option<usize> {
    let itself = |at: &usize| links[*at].inode == place.inode && links[*at].is(place);
    let copy = |at: &usize| links[*at].is(place);
    (0..links.len())
        .find(itself)
        .or_else(|| (0..links.len()).rev().find(copy))
}
