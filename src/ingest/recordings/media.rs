//! What a container tells of its video: codec, size, frame rate, length.
//!
//! Files come from cameras with flat batteries and from people with bad intentions, and this runs
//! before a file is sealed, in the one thread that seals. MP4 is read by `re_mp4`, Matroska by
//! [`matroska`]; of other containers no more than their name is told. `re_mp4` sees only what is
//! small: the `moov` and `moof` boxes, read into memory, through a reader that ends every endless
//! loop. Its own walk over a whole file is not used: it lists every frame, and a count in four bytes
//! of a hostile file makes that list larger than any memory. A panic of it is caught.
//!
//! Invariant: whatever the bytes are, the answer comes within bounded time and memory, and what is
//! not certain or not plausible is left out.

mod matroska;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use re_mp4::{MoofBox, MoovBox, ReadBox, StsdBoxContent};

use crate::event::recording::Media;

/// Fills the buffer from an offset on, as far as the file goes; returns how much.
pub(super) type ReadAt<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<usize>;

/// Bytes at the start that tell the container; two packets of a transport stream.
pub(super) const HEAD_BYTES: usize = 512;
/// Boxes looked at in one file: a day in fragments of one second has 172,800.
const BOXES_MAX: usize = 200_000;
/// Largest `moov`: a day at 30 frames per second has about 32 MiB.
const MOOV_BYTES_MAX: u64 = 64 << 20;
/// Largest `moof`: one fragment, some kilobytes.
const MOOF_BYTES_MAX: u64 = 1 << 20;
/// A recording that says it is longer has a broken header.
const DURATION_MAX_S: f64 = 31.0 * 86_400.0;
/// More frames per second than any camera of a house has.
const FPS_MAX: f64 = 1_000.0;

/// What the file of `size_bytes` behind `read_at` tells; nothing of what it does not.
pub(super) fn media(read_at: ReadAt<'_>, size_bytes: u64) -> Media {
    let mut head = [0; HEAD_BYTES];
    let Ok(got) = read_at(&mut head, 0) else {
        return Media::default();
    };
    let mut media = Media {
        container: container(&head[..got]).map(Into::into),
        ..Media::default()
    };
    let video = match media.container.as_deref() {
        Some("mp4" | "mov") => video,
        Some("mkv" | "webm") => matroska::video,
        _ => return media,
    };
    let video = catch_unwind(AssertUnwindSafe(|| video(read_at, size_bytes)));
    if let Ok(Some(video)) = video {
        video.describe(size_bytes, &mut media);
    }
    media
}

/// Whether these first bytes begin a picture of a kind that thumbnails have: JPEG, PNG, WebP.
pub(super) fn is_picture(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xd8\xff")
        || head.starts_with(b"\x89PNG\r\n\x1a\n")
        || head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")
}

/// The container that these first bytes begin.
pub(super) fn container(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(magic));
    if at(4, b"ftyp") {
        return Some(if at(8, b"qt  ") { "mov" } else { "mp4" });
    }
    // QuickTime files of before `ftyp`.
    if [b"moov", b"mdat", b"wide"].iter().any(|name| at(4, *name)) {
        return Some("mov");
    }
    if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
        let webm = head[..head.len().min(64)]
            .windows(4)
            .any(|word| word == b"webm");
        return Some(if webm { "webm" } else { "mkv" });
    }
    if at(0, b"RIFF") && at(8, b"AVI ") {
        return Some("avi");
    }
    // A transport stream begins each packet of 188 bytes with this one.
    (at(0, &[0x47]) && at(188, &[0x47])).then_some("ts")
}

/// The first video track, in the container's own units.
struct Video {
    codec: Option<String>,
    width: u16,
    height: u16,
    /// 0: not known.
    frames: u64,
    /// Frames per second; if none, frames and length tell.
    fps: Option<f64>,
    duration_s: Option<f64>,
}

impl Video {
    fn describe(self, size_bytes: u64, media: &mut Media) {
        let side = |pixels: u16| (pixels > 0).then_some(i64::from(pixels));
        media.codec = self.codec;
        media.width = side(self.width);
        media.height = side(self.height);
        // No frame is smaller than a byte.
        let frames = Some(self.frames).filter(|frames| (1..=size_bytes).contains(frames));
        media.frame_count = frames.and_then(|frames| i64::try_from(frames).ok());
        media.duration_s = self
            .duration_s
            .filter(|length| length.is_finite() && *length > 0.0 && *length <= DURATION_MAX_S);
        let counted = frames.zip(media.duration_s);
        let counted = counted.map(|(frames, length)| frames as f64 / length);
        let fps = self.fps.or(counted);
        media.fps = fps.filter(|fps| fps.is_finite() && *fps > 0.0 && *fps <= FPS_MAX);
    }
}

fn video(read_at: ReadAt<'_>, size_bytes: u64) -> Option<Video> {
    let boxes = top_boxes(read_at, size_bytes);
    let moov = boxes.iter().find(|b| &b.name == b"moov")?;
    let moov: MoovBox = parse(read_at, moov, MOOV_BYTES_MAX)?;
    let trak = moov
        .traks
        .iter()
        .find(|trak| &trak.mdia.hdlr.handler_type.value == b"vide")?;
    let mut frames = u64::from(trak.mdia.minf.stbl.stsz.sample_count);
    let mut fragments = 0_u64;
    for moof in boxes.iter().filter(|b| &b.name == b"moof") {
        // A fragment that cannot be read ends what is known for certain.
        let moof: MoofBox = parse(read_at, moof, MOOF_BYTES_MAX)?;
        let (more, length) = fragment(&moof, &moov, trak.tkhd.track_id);
        frames = frames.saturating_add(more);
        fragments = fragments.saturating_add(length);
    }
    let (width, height) = match &trak.mdia.minf.stbl.stsd.contents {
        StsdBoxContent::Avc1(stream) => (stream.width, stream.height),
        StsdBoxContent::Hvc1(stream) | StsdBoxContent::Hev1(stream) => {
            (stream.width, stream.height)
        }
        StsdBoxContent::Av01(stream) => (stream.width, stream.height),
        StsdBoxContent::Vp08(stream) => (stream.width, stream.height),
        StsdBoxContent::Vp09(stream) => (stream.width, stream.height),
        StsdBoxContent::Mp4a(_) | StsdBoxContent::Tx3g(_) | StsdBoxContent::Unknown(_) => {
            (trak.tkhd.width.value(), trak.tkhd.height.value())
        }
    };
    let track = &trak.mdia.mdhd;
    Some(Video {
        codec: codec(&trak.mdia.minf.stbl.stsd.contents),
        width,
        height,
        frames,
        fps: None,
        duration_s: seconds(track.duration, track.timescale)
            .or_else(|| seconds(fragments, track.timescale))
            .or_else(|| seconds(moov.mvhd.duration, moov.mvhd.timescale)),
    })
}

/// Frames, and units of time, that a fragment adds to a track.
fn fragment(moof: &MoofBox, moov: &MoovBox, track_id: u32) -> (u64, u64) {
    let trexs = moov.mvex.as_ref().map_or(&[][..], |mvex| &mvex.trexs);
    let usual = trexs.iter().find(|trex| trex.track_id == track_id);
    let (mut frames, mut units) = (0_u64, 0_u64);
    for traf in moof
        .trafs
        .iter()
        .filter(|traf| traf.tfhd.track_id == track_id)
    {
        let each = traf.tfhd.default_sample_duration;
        let each = each
            .or(usual.map(|trex| trex.default_sample_duration))
            .unwrap_or(0);
        for trun in &traf.truns {
            let count = u64::from(trun.sample_count);
            frames = frames.saturating_add(count);
            let length = if trun.sample_durations.is_empty() {
                count.saturating_mul(u64::from(each))
            } else {
                trun.sample_durations.iter().map(|d| u64::from(*d)).sum()
            };
            units = units.saturating_add(length);
        }
    }
    (frames, units)
}

/// Units of time as seconds; none for 0 and for the values that stand for "unknown".
fn seconds(units: u64, per_second: u32) -> Option<f64> {
    let known = units > 0 && units != u64::MAX && units != u64::from(u32::MAX) && per_second > 0;
    known.then(|| units as f64 / f64::from(per_second))
}

fn codec(contents: &StsdBoxContent) -> Option<String> {
    let name = match contents {
        StsdBoxContent::Avc1(_) => "h264",
        StsdBoxContent::Hvc1(_) | StsdBoxContent::Hev1(_) => "h265",
        StsdBoxContent::Av01(_) => "av1",
        StsdBoxContent::Vp08(_) => "vp8",
        StsdBoxContent::Vp09(_) => "vp9",
        StsdBoxContent::Unknown(code) => match &code.value {
            b"avc3" => "h264",
            b"mp4v" => "mpeg4",
            b"jpeg" | b"mjpa" | b"mjpb" => "mjpeg",
            other => {
                let text = std::str::from_utf8(other).ok()?.trim();
                let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
                return plain.then(|| text.to_owned());
            }
        },
        StsdBoxContent::Mp4a(_) | StsdBoxContent::Tx3g(_) => return None,
    };
    Some(name.into())
}

/// A box on the file's top level.
struct TopBox {
    name: [u8; 4],
    /// Where its content begins.
    offset_bytes: u64,
    /// Length of its content.
    len_bytes: u64,
}

/// The boxes that matter here, from the headers alone; ends at the first that does not fit.
fn top_boxes(read_at: ReadAt<'_>, size_bytes: u64) -> Vec<TopBox> {
    let mut boxes = Vec::new();
    let mut at = 0_u64;
    for _ in 0..BOXES_MAX {
        let mut header = [0; 16];
        let Ok(got) = read_at(&mut header, at) else {
            break;
        };
        if got < 8 {
            break;
        }
        let [s0, s1, s2, s3, n0, n1, n2, n3, long @ ..] = header;
        let (header_bytes, whole_bytes) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => (8, size_bytes.saturating_sub(at)),
            1 if got == 16 => (16, u64::from_be_bytes(long)),
            short => (8, u64::from(short)),
        };
        let Some(end) = at.checked_add(whole_bytes) else {
            break;
        };
        if whole_bytes < header_bytes || end > size_bytes {
            break;
        }
        let name = [n0, n1, n2, n3];
        if matches!(&name, b"moov" | b"moof") {
            let (offset_bytes, len_bytes) = (at + header_bytes, whole_bytes - header_bytes);
            boxes.push(TopBox {
                name,
                offset_bytes,
                len_bytes,
            });
        }
        at = end;
    }
    boxes
}

/// Reads one box into memory and lets `re_mp4` parse it.
fn parse<B>(read_at: ReadAt<'_>, at: &TopBox, most_bytes: u64) -> Option<B>
where
    B: for<'r> ReadBox<&'r mut Bounded>,
{
    /// `re_mp4` looks for the header right before the content.
    const HEADER_BYTES: usize = 8;
    if at.len_bytes > most_bytes {
        return None;
    }
    let mut bytes = vec![0; HEADER_BYTES + at.len_bytes as usize];
    let content = &mut bytes[HEADER_BYTES..];
    if read_at(content, at.offset_bytes).ok()? < content.len() {
        return None;
    }
    let whole_bytes = bytes.len() as u64;
    let mut reader = Bounded::new(bytes, HEADER_BYTES as u64);
    B::read_box(&mut reader, whole_bytes).ok()
}

/// Bytes in memory, with an end to how often they may be read: `re_mp4` reads a box of length 0 again
/// and again.
struct Bounded {
    bytes: Cursor<Vec<u8>>,
    steps_left: u64,
}

impl Bounded {
    fn new(bytes: Vec<u8>, position: u64) -> Self {
        // Nothing sane reads a byte more than a few times.
        let steps_left = 4 * bytes.len() as u64 + 1_024;
        let mut bytes = Cursor::new(bytes);
        bytes.set_position(position);
        Self { bytes, steps_left }
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("the boxes run in a circle"))?;
        Ok(())
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step()?;
        self.bytes.read(buffer)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.step()?;
        let position = self.bytes.seek(to)?;
        // Lengths are computed from positions, and memory is asked for by lengths.
        if position > self.bytes.get_ref().len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(position)
    }
}
