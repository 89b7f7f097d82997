//! A program that is given a file in memory and asked for an answer, within bounds.
//!
//! The file is a memfd, so that no picture touches the disk and no pipe has to be fed while the
//! answer is read. Time, answer and complaint are bounded; whatever happens, the child is gone when
//! this returns.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Longest answer: the table of a page full of words has about 100 KiB.
pub(super) const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is kept of a complaint.
const COMPLAINT_BYTES: usize = 4 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// How the child ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) is_success: bool,
    pub(super) output: Vec<u8>,
    pub(super) complaint: Vec<u8>,
}

/// Why it was ended, or never began.
#[derive(Debug)]
pub(super) enum ChildError {
    Absent,
    Slow(Duration),
    Endless,
    Io(io::Error),
}

impl From<io::Error> for ChildError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Io(error),
        }
    }
}

/// A file without a name that holds the bytes, read from its beginning.
pub(super) fn in_memory(bytes: &[u8]) -> io::Result<Stdio> {
    let memory = rustix::fs::memfd_create("picture", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Runs the command to its end, at most for `limit`.
pub(super) fn run(
    command: &mut Command,
    input: Stdio,
    limit: Duration,
) -> Result<Ended, ChildError> {
    let deadline = Deadline::new(limit);
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let gathered = gather(&mut child, &deadline);
    if gathered.is_err() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let ended = gathered?;
    Ok(Ended {
        is_success: status.success(),
        ..ended
    })
}

/// A point in time that may be far away.
struct Deadline {
    began: Instant,
    limit: Duration,
}

impl Deadline {
    fn new(limit: Duration) -> Self {
        Self {
            began: Instant::now(),
            limit,
        }
    }

    /// Waits until one of the files says something; which of them did.
    fn wait(&self, files: &[BorrowedFd<'_>]) -> Result<Vec<bool>, ChildError> {
        let mut polled: Vec<_> = files
            .iter()
            .map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN))
            .collect();
        let slow = || ChildError::Slow(self.limit);
        let left = self
            .limit
            .checked_sub(self.began.elapsed())
            .ok_or_else(slow)?;
        let timeout = Timespec::try_from(left).map_err(|_| slow())?;
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) => Err(slow()),
            Ok(_) => Ok(polled
                .iter()
                .map(|file| !file.revents().is_empty())
                .collect()),
            Err(rustix::io::Errno::INTR) => Ok(vec![false; files.len()]),
            Err(error) => Err(ChildError::Io(error.into())),
        }
    }
}

/// Reads both pipes to their ends, and waits for the child to leave.
fn gather(child: &mut Child, deadline: &Deadline) -> Result<Ended, ChildError> {
    let mut ended = Ended::default();
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    loop {
        let open: Vec<_> = [
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ]
        .into_iter()
        .flatten()
        .collect();
        if open.is_empty() {
            break;
        }
        let mut ready = deadline.wait(&open)?.into_iter();
        let says = stdout.is_some() && ready.next() == Some(true);
        let complains = stderr.is_some() && ready.next() == Some(true);
        if says && !listen(stdout.as_mut(), &mut ended.output)? {
            stdout = None;
        }
        if ended.output.len() > OUTPUT_BYTES_MAX {
            return Err(ChildError::Endless);
        }
        if complains && !listen(stderr.as_mut(), &mut ended.complaint)? {
            stderr = None;
        }
        ended.complaint.truncate(COMPLAINT_BYTES);
    }
    let pid = Pid::from_child(child);
    let gone = pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)?;
    while !deadline.wait(&[gone.as_fd()])?[0] {}
    Ok(ended)
}

/// Takes what there is; false at the end.
fn listen(pipe: Option<&mut impl Read>, into: &mut Vec<u8>) -> io::Result<bool> {
    let Some(pipe) = pipe else {
        return Ok(false);
    };
    let before = into.len();
    into.resize(before + READ_BYTES, 0);
    let read = pipe.read(&mut into[before..]);
    into.truncate(before + *read.as_ref().unwrap_or(&0));
    read.map(|read| read > 0)
}
