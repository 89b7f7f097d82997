//! What a Matroska or `WebM` file tells of its first video track (RFC 9559, on EBML, RFC 8794).
//!
//! The crates for this format read an element of whatever length into memory, so that eight bytes
//! of a hostile file ask for any amount of it, and none tells the length of a recording that was
//! cut off. Only some twenty elements matter here: they are read by hand, each within a bound.

use super::{ReadAt, Video};

/// Elements looked at in one file: a day in clusters of one second has 86,400.
const ELEMENTS_MAX: usize = 200_000;
/// Largest description of tracks, or list of tags, that is read, bytes.
const MASTER_BYTES_MAX: u64 = 4 << 20;
/// Statistics of tracks that are kept; a camera writes two tracks.
const COUNTS_MAX: usize = 64;
/// Nanoseconds per unit of time unless the file says otherwise.
const SCALE_NS: u64 = 1_000_000;

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_UID: u32 = 0x73c5;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const DEFAULT_DURATION: u32 = 0x23_e383;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const TAGS: u32 = 0x1254_c367;
const TAG: u32 = 0x7373;
const TARGETS: u32 = 0x63c0;
const TAG_TRACK_UID: u32 = 0x63c5;
const SIMPLE_TAG: u32 = 0x67c8;
const TAG_NAME: u32 = 0x45a3;
const TAG_STRING: u32 = 0x4487;
const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const POSITION: u32 = 0xa7;
const PREV_SIZE: u32 = 0xab;
const VOID: u32 = 0xec;
const CRC: u32 = 0xbf;

/// The value of `TRACK_TYPE` for video.
const VIDEO_TRACK: u64 = 1;

/// The first video track.
pub(super) fn video(read_at: ReadAt<'_>, size_bytes: u64) -> Option<Video> {
    let head = element(read_at, 0).filter(|head| head.id == EBML)?;
    let segment = element(read_at, head.content.checked_add(head.len?)?)?;
    if segment.id != SEGMENT {
        return None;
    }
    let known = walk(read_at, &segment, size_bytes);
    let track = known.track?;
    let scale = known.scale.unwrap_or(SCALE_NS) as f64 / 1e9;
    let told = known.duration.map(|units| units * scale);
    let duration_s = told.filter(|length| *length > 0.0).or_else(|| {
        // A recorder that was cut off has not written it: the last frame tells.
        let (first, last) = (known.first_cluster?, known.last_cluster?);
        let start = times(read_at, first, size_bytes, track.number).start?;
        let end = times(read_at, last, size_bytes, track.number).newest?;
        let frame = track.frame_ns.unwrap_or(0) as f64 / 1e9;
        Some(end.checked_sub(start)? as f64 * scale + frame)
    });
    let frames = known.counts.iter().find(|(uid, _)| *uid == track.uid);
    Some(Video {
        codec: track.codec,
        width: track.width,
        height: track.height,
        frames: frames.map_or(0, |(_, frames)| *frames),
        fps: track.frame_ns.filter(|ns| *ns > 0).map(frames_per_second),
        duration_s,
    })
}

/// To three decimals: the length of a frame is rounded to nanoseconds.
fn frames_per_second(frame_ns: u64) -> f64 {
    (1e12 / frame_ns as f64).round() / 1e3
}

/// An element in the file.
#[derive(Clone, Copy)]
struct Element {
    id: u32,
    /// Where its content begins.
    content: u64,
    /// Length of its content; none if it goes on until something else begins.
    len: Option<u64>,
}

fn element(read_at: ReadAt<'_>, at: u64) -> Option<Element> {
    let mut head = [0; 12];
    let got = read_at(&mut head, at).ok()?;
    let (id, len, used) = header(&head[..got])?;
    Some(Element {
        id,
        content: at.checked_add(used as u64)?,
        len,
    })
}

/// Id, length of the content, and length of the two.
fn header(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let first = *bytes.first()?;
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 {
        return None;
    }
    let id = uint(bytes.get(..id_len)?)?;
    let (len, len_len) = number(&bytes[id_len..])?;
    Some((u32::try_from(id).ok()?, len, id_len + len_len))
}

/// A number of variable length, none for the one that stands for "unknown", and its length.
fn number(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let bits = 7 * len as u32;
    let value = uint(bytes.get(..len)?)? & ((1 << bits) - 1);
    Some(((value != (1 << bits) - 1).then_some(value), len))
}

fn uint(bytes: &[u8]) -> Option<u64> {
    let fits = bytes.len() <= 8;
    fits.then(|| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// The elements within one that is in memory; ends at the first that does not fit.
struct Children<'a>(&'a [u8]);

impl<'a> Iterator for Children<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, len, used) = header(self.0)?;
        let rest = &self.0[used..];
        let (content, behind) = rest.split_at_checked(usize::try_from(len?).ok()?)?;
        self.0 = behind;
        Some((id, content))
    }
}

/// What the parts of a segment tell.
#[derive(Default)]
struct Known {
    scale: Option<u64>,
    /// In units of the scale.
    duration: Option<f64>,
    track: Option<Track>,
    /// Frames by the track's unique id.
    counts: Vec<(u64, u64)>,
    first_cluster: Option<Element>,
    last_cluster: Option<Element>,
}

struct Track {
    number: u64,
    uid: u64,
    codec: Option<String>,
    width: u16,
    height: u16,
    /// Nanoseconds from one frame to the next.
    frame_ns: Option<u64>,
}

/// Goes from part to part by their headers, and into those that are small and matter.
fn walk(read_at: ReadAt<'_>, segment: &Element, size_bytes: u64) -> Known {
    let mut known = Known::default();
    let end = segment.len.and_then(|len| segment.content.checked_add(len));
    let end = end.map_or(size_bytes, |end| end.min(size_bytes));
    let mut at = segment.content;
    for _ in 0..ELEMENTS_MAX {
        if at >= end {
            return known;
        }
        let Some(part) = element(read_at, at) else {
            return known;
        };
        if part.id == CLUSTER {
            known.first_cluster.get_or_insert(part);
            known.last_cluster = Some(part);
        }
        // What is in a cluster without a length is met here one by one, and passed over.
        let len = part.len.or((part.id == CLUSTER).then_some(0));
        let Some(next) = len.and_then(|len| part.content.checked_add(len)) else {
            return known;
        };
        if next > end {
            return known;
        }
        if let (INFO | TRACKS | TAGS, Some(len)) = (part.id, part.len)
            && let Some(bytes) = load(read_at, part.content, len)
        {
            let parts = Children(&bytes);
            match part.id {
                INFO => info(parts, &mut known),
                TRACKS => tracks(parts, &mut known),
                _ => tags(parts, &mut known),
            }
        }
        at = next;
    }
    // Not walked to its end: which cluster is the last is not known.
    known.last_cluster = None;
    known
}

fn load(read_at: ReadAt<'_>, at: u64, len: u64) -> Option<Vec<u8>> {
    if len > MASTER_BYTES_MAX {
        return None;
    }
    let mut bytes = vec![0; len as usize];
    let got = read_at(&mut bytes, at).ok()?;
    (got == bytes.len()).then_some(bytes)
}

fn info(parts: Children<'_>, known: &mut Known) {
    for (id, content) in parts {
        match id {
            TIMESTAMP_SCALE => known.scale = uint(content).filter(|scale| *scale > 0),
            DURATION => known.duration = float(content).filter(|length| length.is_finite()),
            _ => {}
        }
    }
}

fn tracks(parts: Children<'_>, known: &mut Known) {
    let mut entries = parts.filter(|(id, _)| *id == TRACK_ENTRY);
    let video = entries.find_map(|(_, entry)| track(entry));
    if known.track.is_none() {
        known.track = video;
    }
}

fn track(entry: &[u8]) -> Option<Track> {
    let (mut kind, mut codec_id, mut private) = (None, None, None);
    let mut track = Track {
        number: 0,
        uid: 0,
        codec: None,
        width: 0,
        height: 0,
        frame_ns: None,
    };
    let side = |content| uint(content).and_then(|pixels| u16::try_from(pixels).ok());
    for (id, content) in Children(entry) {
        match id {
            TRACK_TYPE => kind = uint(content),
            TRACK_NUMBER => track.number = uint(content)?,
            TRACK_UID => track.uid = uint(content)?,
            CODEC_ID => codec_id = std::str::from_utf8(content).ok(),
            CODEC_PRIVATE => private = Some(content),
            DEFAULT_DURATION => track.frame_ns = uint(content),
            VIDEO => {
                for (id, content) in Children(content) {
                    match id {
                        PIXEL_WIDTH => track.width = side(content).unwrap_or(0),
                        PIXEL_HEIGHT => track.height = side(content).unwrap_or(0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    track.codec = codec_id.and_then(|id| codec(id.trim_end_matches('\0'), private));
    (kind == Some(VIDEO_TRACK)).then_some(track)
}

fn codec(id: &str, private: Option<&[u8]>) -> Option<String> {
    let name = match id {
        "V_MPEG4/ISO/AVC" => "h264",
        "V_MPEGH/ISO/HEVC" => "h265",
        "V_AV1" => "av1",
        "V_VP8" => "vp8",
        "V_VP9" => "vp9",
        "V_MJPEG" => "mjpeg",
        "V_MPEG1" => "mpeg1",
        "V_MPEG2" => "mpeg2",
        // A header of Windows; the codec stands at byte 16.
        "V_MS/VFW/FOURCC" => match private?.get(16..20)?.to_ascii_lowercase().as_slice() {
            b"h264" | b"avc1" | b"x264" => "h264",
            b"hevc" | b"h265" | b"hvc1" => "h265",
            b"mjpg" => "mjpeg",
            _ => return None,
        },
        other if other.starts_with("V_MPEG4/") => "mpeg4",
        other => {
            let name = other.strip_prefix("V_")?;
            let plain = (1..=16).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
            return plain.then(|| name.to_ascii_lowercase());
        }
    };
    Some(name.into())
}

/// The statistics that some programs write: how many frames a track has.
fn tags(parts: Children<'_>, known: &mut Known) {
    for (_, tag) in parts.filter(|(id, _)| *id == TAG) {
        let (mut uid, mut frames) = (None, None);
        for (id, content) in Children(tag) {
            let mut inner = Children(content);
            match id {
                TARGETS => {
                    let target = inner.find(|(id, _)| *id == TAG_TRACK_UID);
                    uid = target.and_then(|(_, content)| uint(content));
                }
                SIMPLE_TAG => {
                    let (mut name, mut value) = (None, None);
                    for (id, content) in inner {
                        match id {
                            TAG_NAME => name = Some(content),
                            TAG_STRING => value = std::str::from_utf8(content).ok(),
                            _ => {}
                        }
                    }
                    if name == Some(b"NUMBER_OF_FRAMES") {
                        frames = value.and_then(|text| text.trim().parse().ok());
                    }
                }
                _ => {}
            }
        }
        if let (Some(uid), Some(frames)) = (uid, frames)
            && known.counts.len() < COUNTS_MAX
        {
            known.counts.push((uid, frames));
        }
    }
}

/// Times of a cluster, in units of the scale.
#[derive(Default)]
struct Times {
    start: Option<u64>,
    newest: Option<u64>,
}

/// When a cluster begins, and when the newest frame of a track in it is shown.
fn times(read_at: ReadAt<'_>, cluster: Element, size_bytes: u64, track: u64) -> Times {
    let mut times = Times::default();
    let end = cluster.len.and_then(|len| cluster.content.checked_add(len));
    let end = end.map_or(size_bytes, |end| end.min(size_bytes));
    let mut at = cluster.content;
    for _ in 0..ELEMENTS_MAX {
        let Some(part) = element(read_at, at).filter(|_| at < end) else {
            break;
        };
        let Some(next) = part.len.and_then(|len| part.content.checked_add(len)) else {
            break;
        };
        match part.id {
            TIMESTAMP => {
                let value = load(read_at, part.content, part.len.unwrap_or(0).min(8));
                times.start = value.and_then(|bytes| uint(&bytes));
            }
            SIMPLE_BLOCK | BLOCK_GROUP => {
                let block = if part.id == BLOCK_GROUP {
                    element(read_at, part.content).filter(|block| block.id == BLOCK)
                } else {
                    Some(part)
                };
                let shown = block.and_then(|block| shown_at(read_at, block.content, track));
                let shown = shown.zip(times.start);
                let shown = shown.and_then(|(by, start)| start.checked_add_signed(by));
                times.newest = times.newest.max(shown);
            }
            POSITION | PREV_SIZE | VOID | CRC => {}
            // The next part of a segment whose clusters have no length.
            _ => break,
        }
        at = next;
    }
    times
}

/// When a block of this track is shown, after the begin of its cluster.
fn shown_at(read_at: ReadAt<'_>, at: u64, track: u64) -> Option<i64> {
    let mut head = [0; 10];
    let got = read_at(&mut head, at).ok()?;
    let (number, len) = number(&head[..got])?;
    let by = head[..got].get(len..len + 2)?;
    (number? == track).then(|| i64::from(i16::from_be_bytes([by[0], by[1]])))
}
