//! MJPEG cut into its pictures: each JPEG verbatim, from its SOI to its EOI.
//!
//! The cut follows the JPEG's own structure, so one cutter serves `multipart/x-mixed-replace` and
//! bare JPEGs in a row, a thumbnail inside of an EXIF segment ends nothing, and no `Content-Length`
//! is believed. With a known boundary, a frame that was torn is given up where the next part begins.
//!
//! Invariants: no frame is longer than [`FRAME_BYTES_MAX`]; memory is bounded by one frame; whatever
//! comes, every byte is in a frame, or counted as skipped.

use super::sniff::{is_frame_header, sof_size};

/// Longest frame: a 4K JPEG of the highest quality has about 10 MiB.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest boundary (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// What became of the stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames cut.
    pub frames: u64,
    /// Frames given up: torn, longer than [`FRAME_BYTES_MAX`], or no JPEG inside.
    pub broken: u64,
    /// Bytes that are in no frame: part headers, what lies between, and broken frames.
    pub skipped_bytes: u64,
}

/// Where in a frame the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the next SOI; so many of its bytes (FF, D8, FF) were seen.
    Outside(usize),
    /// Behind the FF of a marker.
    Marker,
    /// Where the FF of a marker has to be.
    BetweenSegments,
    /// At the first or second byte of a segment's length.
    Length(Option<u8>),
    /// So many bytes of a segment are missing.
    Segment(usize),
    /// Among entropy-coded bytes.
    Scan,
    /// Behind an FF among entropy-coded bytes.
    ScanMarker,
}

/// Cuts a stream that comes in pieces of any size.
#[derive(Debug)]
pub struct Cutter {
    /// `--` and the boundary; empty in a bare stream.
    delimiter: Vec<u8>,
    frame: Vec<u8>,
    at: At,
    /// Code of the segment that is being read, and where its body begins in the frame.
    segment: (u8, usize),
    has_size: bool,
    has_scan: bool,
    counts: Counts,
}

/// The boundary in the value of a `Content-Type` header of type `multipart/x-mixed-replace`.
pub fn boundary(content_type: &str) -> Option<&str> {
    let mut parts = content_type.split(';');
    let media = parts.next()?.trim();
    if !media.eq_ignore_ascii_case("multipart/x-mixed-replace") {
        return None;
    }
    let value = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("boundary")).then_some(value.trim().trim_matches('"'))
    })?;
    // Many cameras put the dashes of the delimiter into the parameter.
    let bare = value.strip_prefix("--").unwrap_or(value);
    (1..=BOUNDARY_BYTES_MAX)
        .contains(&bare.len())
        .then_some(bare)
}

impl Cutter {
    /// One for JPEGs in a row.
    pub fn bare() -> Self {
        Self::with_delimiter(Vec::new())
    }

    /// One for the parts of a multipart stream with this boundary (see [`boundary`]).
    pub fn multipart(boundary: &str) -> Self {
        Self::with_delimiter([b"--", boundary.as_bytes()].concat())
    }

    fn with_delimiter(delimiter: Vec<u8>) -> Self {
        Self {
            delimiter,
            frame: Vec::new(),
            at: At::Outside(0),
            segment: (0, 0),
            has_size: false,
            has_scan: false,
            counts: Counts::default(),
        }
    }

    /// What became of the stream so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes the next bytes; the frames that they complete, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for &byte in bytes {
            frames.extend(self.take(byte));
        }
        frames
    }

    /// Ends the stream: a frame that is still open is broken.
    pub fn finish(mut self) -> Counts {
        match self.at {
            At::Outside(seen) => self.counts.skipped_bytes += seen as u64,
            _ => self.give_up(),
        }
        self.counts
    }

    fn take(&mut self, byte: u8) -> Option<Vec<u8>> {
        if let At::Outside(seen) = self.at {
            self.look_for_start(seen, byte);
            return None;
        }
        self.frame.push(byte);
        if self.is_torn(byte) {
            self.give_up();
            return None;
        }
        match self.next(byte) {
            Some(at) => self.at = at,
            None if self.has_scan && self.is_end(byte) => return Some(self.cut()),
            None => self.restart(),
        }
        None
    }

    fn look_for_start(&mut self, seen: usize, byte: u8) {
        self.at = match (seen, byte) {
            (0, 0xFF) => At::Outside(1),
            (1, 0xD8) => At::Outside(2),
            (2, 0xFF) => {
                self.frame.extend([0xFF, 0xD8, 0xFF]);
                At::Marker
            }
            // The byte may be the first of the SOI itself.
            (1, 0xFF) => {
                self.counts.skipped_bytes += 1;
                At::Outside(1)
            }
            _ => {
                self.counts.skipped_bytes += seen as u64 + 1;
                At::Outside(0)
            }
        };
    }

    /// Where the byte leads; nothing when the frame is over, well or badly.
    fn next(&mut self, byte: u8) -> Option<At> {
        match self.at {
            At::Outside(_) => None,
            At::BetweenSegments => (byte == 0xFF).then_some(At::Marker),
            At::Marker => self.marker(byte),
            At::Length(None) => Some(At::Length(Some(byte))),
            At::Length(Some(high)) => {
                let length = usize::from(u16::from_be_bytes([high, byte]));
                self.segment.1 = self.frame.len();
                match length.checked_sub(2)? {
                    0 => self.segment_ends(),
                    left => Some(At::Segment(left)),
                }
            }
            At::Segment(1) => self.segment_ends(),
            At::Segment(left) => Some(At::Segment(left - 1)),
            At::Scan if byte == 0xFF => Some(At::ScanMarker),
            At::Scan => Some(At::Scan),
            At::ScanMarker => match byte {
                0x00 | 0xD0..=0xD7 => Some(At::Scan),
                0xFF => Some(At::ScanMarker),
                _ => self.marker(byte),
            },
        }
    }

    fn marker(&mut self, code: u8) -> Option<At> {
        match code {
            0xFF => Some(At::Marker),
            0x01 => Some(At::BetweenSegments),
            // A second SOI, a restart out of place, a stuffed zero, or the end.
            0x00 | 0xD0..=0xD9 => None,
            _ => {
                self.segment.0 = code;
                Some(At::Length(None))
            }
        }
    }

    fn segment_ends(&mut self) -> Option<At> {
        let (code, begin) = self.segment;
        if is_frame_header(code) {
            let (width, height) = sof_size(&self.frame[begin..])?;
            if width == 0 || height == 0 {
                return None;
            }
            self.has_size = true;
        }
        if code == 0xDA {
            self.has_scan = self.has_size;
            return self.has_scan.then_some(At::Scan);
        }
        Some(At::BetweenSegments)
    }

    fn is_end(&self, byte: u8) -> bool {
        byte == 0xD9 && matches!(self.at, At::Marker | At::ScanMarker)
    }

    /// Too long, or the next part begins inside of the frame. The delimiter is ASCII and so cannot
    /// be part of a marker; in a scan its letters in a row do not come by chance.
    fn is_torn(&self, byte: u8) -> bool {
        self.frame.len() > FRAME_BYTES_MAX
            || (self.delimiter.last() == Some(&byte) && self.frame.ends_with(&self.delimiter))
    }

    fn cut(&mut self) -> Vec<u8> {
        self.counts.frames += 1;
        self.reset();
        std::mem::take(&mut self.frame)
    }

    fn give_up(&mut self) {
        self.counts.broken += 1;
        self.counts.skipped_bytes += self.frame.len() as u64;
        self.frame.clear();
        self.reset();
    }

    /// Gives the frame up; its last bytes may begin the next one (a lost end, then SOI).
    fn restart(&mut self) {
        let starts = self.frame.len() > 2 && self.frame.ends_with(&[0xFF, 0xD8]);
        self.give_up();
        if starts {
            self.counts.skipped_bytes -= 2;
            self.at = At::Outside(2);
        }
    }

    fn reset(&mut self) {
        self.at = At::Outside(0);
        self.has_size = false;
        self.has_scan = false;
    }
}

#[cfg(test)]
mod tests;
