//! The processes of this machine that have a file open for writing, as `/proc` shows them.
//!
//! A recorder that pauses longer than the settling time must not lose the rest of its clip. A read
//! lease (`F_SETLEASE`) would tell, but neither std nor rustix offers it, and this crate has no
//! unsafe code. `/proc/<pid>/fd` tells the same for every process that we may look into: all of
//! them as root, our own user's otherwise. What it cannot show (other users, clients of a network
//! share, mappings whose descriptor is closed) is left to the settling rule in `admission`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::folder::Fingerprint;

/// A process that has the file `name` open for writing.
pub(super) fn writer_of(name: &OsStr, file: &Fingerprint) -> Option<u32> {
    writers_of([(name, file)].into_iter()).remove(file)
}

/// The processes that have one of these files open for writing, found by one look at all.
///
/// Names are compared first because that is cheap: the file behind a descriptor is looked at only
/// if it is named like one that is asked for.
pub(super) fn writers_of<'a>(
    files: impl Iterator<Item = (&'a OsStr, &'a Fingerprint)>,
) -> HashMap<Fingerprint, u32> {
    let mut named = HashMap::<&[u8], Vec<&Fingerprint>>::new();
    for (name, file) in files {
        named.entry(name.as_bytes()).or_default().push(file);
    }
    let mut writers = HashMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return writers;
    };
    if named.is_empty() {
        return writers;
    }
    for process in processes.filter_map(Result::ok) {
        let pid = process.file_name();
        if let Some(pid) = pid.to_str().and_then(|pid| pid.parse().ok()) {
            look_at(&process.path(), pid, &named, &mut writers);
        }
    }
    writers
}

fn look_at(
    process: &Path,
    pid: u32,
    named: &HashMap<&[u8], Vec<&Fingerprint>>,
    writers: &mut HashMap<Fingerprint, u32>,
) {
    // A process that ended meanwhile, or that we may not look into, has no readable entries.
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else {
        return;
    };
    for descriptor in descriptors.filter_map(Result::ok) {
        let link = descriptor.path();
        let Ok(target) = std::fs::read_link(&link) else {
            continue;
        };
        let Some(files) = target.file_name().and_then(|n| named.get(n.as_bytes())) else {
            continue;
        };
        let stat = rustix::fs::statx(CWD, &link, AtFlags::empty(), StatxFlags::BASIC_STATS);
        let Ok(open) = stat.map(|stat| Fingerprint::of(&stat)) else {
            continue;
        };
        let file = files
            .iter()
            .find(|file| (open.device, open.inode) == (file.device, file.inode));
        if let Some(file) = file
            && is_open_for_writing(&process.join("fdinfo").join(descriptor.file_name()))
        {
            writers.insert(**file, pid);
        }
    }
}

fn is_open_for_writing(fdinfo: &Path) -> bool {
    let info = std::fs::read_to_string(fdinfo).unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & 0o3 != 0)
}
