//! One open log file, read line by line from where it was left.
//!
//! A line without an end stays in the file until its end comes, or until nobody writes to the file
//! any more. A line that is too long is handed out in pieces.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::chain::Stamp;
use super::place::{FilePlace, HEAD_BYTES, digest};

/// Longest piece of a line, bytes; longer ones come in several.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// What is looked at behind the end of a piece, bytes, and before it: a secret is not cut in two.
const AHEAD_BYTES: usize = 512;
const BEHIND_BYTES: usize = 4 * 1024;
/// Ends of a piece that are tried.
const CUTS_MAX: usize = 64;
/// Bytes asked for at once.
const READ_BYTES: usize = 128 * 1024;

/// A line, or a piece of one, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// Which piece of a long line, from 1; 0 for a whole line.
    pub(super) piece: u32,
    /// The file ended before the line did.
    pub(super) is_unended: bool,
}

/// How much is taken at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
enum Input {
    Plain(File),
    Packed(Box<MultiGzDecoder<BufReader<File>>>),
    /// A packed file that is broken from here on.
    Broken,
}

/// An open file.
#[derive(Debug)]
pub(super) struct Reading {
    path: PathBuf,
    input: Input,
    place: FilePlace,
    /// The first bytes that were read.
    head: Vec<u8>,
    /// Read from the file, and not yet handed out: what follows `place.offset`.
    pending: Vec<u8>,
    /// As it was opened.
    stamp: Stamp,
}

impl Reading {
    /// Opens a file at its beginning, or where it was left.
    pub(super) fn open(path: &Path, packed: bool, from: Option<&FilePlace>) -> io::Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        let mut input = if packed {
            Input::Packed(Box::new(MultiGzDecoder::new(BufReader::new(file))))
        } else {
            Input::Plain(file)
        };
        let mut place = FilePlace {
            device: metadata.dev(),
            inode: metadata.ino(),
            head: digest(&[]),
            ..FilePlace::default()
        };
        let mut head = Vec::new();
        if let Some(from) = from {
            head = input.head(from.head_bytes)?;
            input.skip(from.offset, head.len())?;
            place = FilePlace {
                device: place.device,
                inode: place.inode,
                ..from.clone()
            };
        }
        Ok(Self {
            path: path.to_owned(),
            input,
            place,
            head,
            pending: Vec::new(),
            stamp: stamp(&metadata),
        })
    }

    /// Opens a plain file behind its last whole line.
    pub(super) fn open_at_end(path: &Path) -> io::Result<Self> {
        let mut reading = Self::open(path, false, None)?;
        let Input::Plain(file) = &reading.input else {
            return Ok(reading);
        };
        let size = file.metadata()?.len();
        let from = size.saturating_sub(PIECE_BYTES as u64);
        let end = read_at(file, from, PIECE_BYTES)?;
        let whole = end.iter().rposition(|&byte| byte == b'\n');
        let offset = whole.map_or(from, |at| from + at as u64 + 1);
        reading.head = read_at(file, 0, HEAD_BYTES.min(offset as usize))?;
        reading.place.offset = offset;
        reading.tell_head();
        Ok(reading)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn place(&self) -> &FilePlace {
        &self.place
    }

    /// When the file was written last, Unix nanoseconds.
    pub(super) fn modified_at(&self) -> i64 {
        self.stamp().unwrap_or(self.stamp).2
    }

    /// Whether there is more to read than the beginning of a line.
    pub(super) fn has_unread(&self) -> bool {
        let read = self.place.offset + self.pending.len() as u64;
        let is_longer = match &self.input {
            Input::Plain(file) => file.metadata().is_ok_and(|now| now.len() > read),
            Input::Packed(_) | Input::Broken => false,
        };
        is_longer || self.pending.contains(&b'\n')
    }

    /// The file as it is now.
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        match &self.input {
            Input::Plain(file) => Ok(stamp(&file.metadata()?)),
            Input::Packed(_) | Input::Broken => Ok(self.stamp),
        }
    }

    pub(super) const fn is_packed(&self) -> bool {
        !matches!(self.input, Input::Plain(_))
    }

    /// Whether the open file was cut, or written anew, since it was read.
    pub(super) fn is_cut(&self) -> io::Result<bool> {
        let Input::Plain(file) = &self.input else {
            return Ok(false);
        };
        if file.metadata()?.len() < self.place.offset + self.pending.len() as u64 {
            return Ok(true);
        }
        Ok(read_at(file, 0, self.head.len())? != self.head)
    }

    /// Hands out lines to `lines` until the bounds are reached or the file ends; whether it has
    /// ended. With `to_the_end` a last line without an end counts as a line. What was handed out
    /// before an error is good.
    pub(super) fn take(
        &mut self,
        bounds: Bounds,
        to_the_end: bool,
        lines: &mut Vec<Line>,
    ) -> io::Result<bool> {
        let (mut at, mut searched) = (0, 0);
        let outcome = loop {
            if lines.len() >= bounds.lines || at >= bounds.bytes {
                break Ok(false);
            }
            let waiting = &self.pending[at..];
            let end = waiting[searched..].iter().position(|&byte| byte == b'\n');
            let end = end.map(|end| end + searched);
            match end {
                Some(end) if end <= PIECE_BYTES => {
                    let bytes = without_return(&waiting[..end]).to_vec();
                    lines.push(self.place.line(bytes, true));
                    at += end + 1;
                    searched = 0;
                    continue;
                }
                _ if waiting.len() >= PIECE_BYTES + AHEAD_BYTES || end.is_some() => {
                    let piece = piece_of(&waiting[..end.unwrap_or(waiting.len())]);
                    lines.push(self.place.line(piece.to_vec(), false));
                    at += piece.len();
                    searched = 0;
                    continue;
                }
                _ => searched = waiting.len(),
            }
            match self.input.read_on(self.place.offset, &mut self.pending) {
                Ok(0) if to_the_end && at < self.pending.len() => {
                    let bytes = without_return(&self.pending[at..]).to_vec();
                    let line = self.place.line(bytes, true);
                    lines.push(Line {
                        is_unended: true,
                        ..line
                    });
                    at = self.pending.len();
                    searched = 0;
                }
                Ok(0) => break Ok(true),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.consume(at);
        outcome
    }

    /// Hands out what is left of a file that cannot be read further.
    pub(super) fn give_up(&mut self) -> Option<Line> {
        self.input = Input::Broken;
        let left = self.pending.len();
        let bytes = without_return(&self.pending).to_vec();
        self.consume(left);
        (left > 0).then(|| {
            let line = self.place.line(bytes, true);
            Line {
                is_unended: true,
                ..line
            }
        })
    }

    fn consume(&mut self, bytes: usize) {
        let wanted = HEAD_BYTES - self.head.len().min(HEAD_BYTES);
        if wanted > 0 && bytes > 0 {
            self.head.extend(&self.pending[..bytes.min(wanted)]);
            self.tell_head();
        }
        self.pending.drain(..bytes);
        self.place.offset += bytes as u64;
    }

    fn tell_head(&mut self) {
        self.place.head_bytes = self.head.len();
        self.place.head = digest(&self.head);
    }
}

impl FilePlace {
    fn line(&mut self, bytes: Vec<u8>, ends: bool) -> Line {
        let piece = if ends && self.pieces == 0 {
            0
        } else {
            self.pieces + 1
        };
        self.pieces = if ends { 0 } else { piece };
        Line {
            bytes,
            piece,
            is_unended: false,
        }
    }
}

impl Input {
    /// The first bytes, fewer if there are no more. A packed file is read on from there.
    fn head(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(file) => read_at(file, 0, bytes),
            Self::Packed(unpacked) => {
                let mut head = Vec::with_capacity(bytes);
                unpacked.take(bytes as u64).read_to_end(&mut head)?;
                Ok(head)
            }
            Self::Broken => Ok(Vec::new()),
        }
    }

    /// Goes to `offset`, of which `read` bytes were read.
    fn skip(&mut self, offset: u64, read: usize) -> io::Result<()> {
        if let Self::Packed(unpacked) = self {
            let ahead = offset.saturating_sub(read as u64);
            io::copy(&mut unpacked.take(ahead), &mut io::sink())?;
        }
        Ok(())
    }

    /// Reads on behind `pending`, which begins at `offset` of the file.
    fn read_on(&mut self, offset: u64, pending: &mut Vec<u8>) -> io::Result<usize> {
        let before = pending.len();
        pending.resize(before + READ_BYTES, 0);
        let room = &mut pending[before..];
        let read = match self {
            Self::Plain(file) => file.read_at(room, offset + before as u64),
            Self::Packed(unpacked) => unpacked.read(room),
            Self::Broken => Ok(0),
        };
        pending.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }
}

/// The first bytes of a file, unpacked, fewer if there are no more.
pub(super) fn head_of(path: &Path, packed: bool, bytes: usize) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut head = Vec::with_capacity(bytes);
    if packed {
        MultiGzDecoder::new(BufReader::new(file))
            .take(bytes as u64)
            .read_to_end(&mut head)?;
    } else {
        file.take(bytes as u64).read_to_end(&mut head)?;
    }
    Ok(head)
}

/// A pipe in the place of a log must not make its reader wait for ever.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (metadata.ino(), metadata.len(), modified_at(metadata))
}

pub(super) fn modified_at(metadata: &std::fs::Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

fn read_at(file: &File, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    let mut filled = 0;
    while filled < bytes {
        match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The first piece of a line that is too long: both parts have to keep the secrets that the whole line
/// keeps, of which some are told by the word before.
fn piece_of(line: &[u8]) -> &[u8] {
    let longest = whole_characters(&line[..PIECE_BYTES]);
    let start = longest.len() - BEHIND_BYTES;
    let window = &line[start..line.len().min(longest.len() + AHEAD_BYTES)];
    let ends_word = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'&');
    let words = (1..=BEHIND_BYTES)
        .rev()
        .filter(|&at| ends_word(window[at - 1]));
    let whole = masked(window);
    std::iter::once(BEHIND_BYTES)
        .chain(words)
        .take(CUTS_MAX)
        .find(|&at| masked(&window[..at]) + &masked(&window[at..]) == whole)
        .map_or(longest, |at| &line[..start + at])
}

fn masked(part: &[u8]) -> String {
    crate::decode::redacted(&String::from_utf8_lossy(part))
}

/// Up to the last whole character, if the last bytes are the beginning of one (RFC 3629 §3).
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let begins = |byte: &u8| *byte >= 0xc0;
    let goes_on = |byte: &u8| (0x80..0xc0).contains(byte);
    let tail = bytes
        .iter()
        .rev()
        .take(3)
        .take_while(|byte| goes_on(byte))
        .count();
    let first = bytes.len() - 1 - tail;
    if begins(&bytes[first]) {
        &bytes[..first]
    } else {
        bytes
    }
}
