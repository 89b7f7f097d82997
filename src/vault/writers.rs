//! The processes of this machine that have a file open for writing, as `/proc` shows them.
//!
//! A recorder that pauses longer than the settling time must not lose the rest of its clip. A read
//! lease (`F_SETLEASE`) would tell, but neither std nor rustix offers it, and this crate has no
//! unsafe code. `/proc/<pid>/fd` tells the same for every process that we may look into: all of
//! them as root, our own user's otherwise. What it cannot show (other users, clients of a network
//! share, mappings whose descriptor is closed) is left to the settling rule in `admission`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::folder::Fingerprint;

/// The id of a process that has the file of this name and fingerprint open for writing.
///
/// Only descriptors whose link ends in `name` are examined further: that needs no I/O on the file
/// systems that they belong to, of which one may hang.
pub(super) fn writer_of(name: &OsStr, file: &Fingerprint) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(Result::ok).find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        writes(&process.path(), name, file).then_some(pid)
    })
}

fn writes(process: &Path, name: &OsStr, file: &Fingerprint) -> bool {
    // A process that ended meanwhile, or that we may not look into, has no readable entries.
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        let link = descriptor.path();
        let named = std::fs::read_link(&link).is_ok_and(|target| {
            target
                .file_name()
                .is_some_and(|n| n.as_bytes() == name.as_bytes())
        });
        named
            && rustix::fs::statx(CWD, &link, AtFlags::empty(), StatxFlags::BASIC_STATS).is_ok_and(
                |stat| {
                    let open = Fingerprint::of(&stat);
                    (open.device, open.inode) == (file.device, file.inode)
                },
            )
            && is_open_for_writing(&process.join("fdinfo").join(descriptor.file_name()))
    })
}

/// `fdinfo` has a line `flags:` with the open flags in octal; the last two bits are the access.
fn is_open_for_writing(fdinfo: &Path) -> bool {
    let info = std::fs::read_to_string(fdinfo).unwrap_or_default();
    info.lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & 0o3 != 0)
}
