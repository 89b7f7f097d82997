//! Recordings on their way into the vault. The recording is the event's stream: `recording/<path>`
//! with the path inside the recordings folder, made printable.

use serde::{Deserialize, Serialize};

use super::Extra;
use super::message::{bytes, opt_bytes};

/// Why a recording was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Trigger {
    /// Motion before the camera.
    Motion,
    /// The camera records without end.
    Continuous,
    /// Somebody pressed a button.
    Manual,
    /// One frame now and then.
    Timelapse,
    /// The best of a day.
    Highlight,
}

impl Trigger {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Motion => "MOTION",
            Self::Continuous => "CONTINUOUS",
            Self::Manual => "MANUAL",
            Self::Timelapse => "TIMELAPSE",
            Self::Highlight => "HIGHLIGHT",
        }
    }
}

/// Somebody says that a recording is finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The camera that recorded.
    pub camera: String,
    /// The file's name, relative to the recordings folder or absolute.
    pub file: String,
    /// Why it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// First picture, Unix nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// Last picture, Unix nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Number of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_count: Option<i64>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What the container tells of itself; each field only when it could be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// `mp4`, `mkv` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Video codec, such as `h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<i64>,
    /// Height, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<i64>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Number of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_count: Option<i64>,
    /// Length, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

/// A file was found and admitted (or is empty).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Path inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub path: Vec<u8>,
    /// Size, bytes; 0 means that there is nothing to seal.
    pub size_bytes: i64,
    /// Its modification time, Unix nanoseconds.
    pub modified_at: i64,
    /// Camera, from the path pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Start, from the path pattern, Unix nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// What the container tells.
    #[serde(default)]
    pub media: Media,
}

/// The `.vge` is complete, checked, and durable under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The original path inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub path: Vec<u8>,
    /// Path of the `.vge` inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub sealed_path: Vec<u8>,
    /// Size of the plaintext, bytes; the `.vge` has 16 more.
    pub size_bytes: i64,
    /// SHA-256 of the plaintext.
    #[serde(with = "bytes")]
    pub plain_sha256: Vec<u8>,
    /// Which key opens it.
    #[serde(with = "bytes")]
    pub key_id: Vec<u8>,
    /// The first counter block.
    #[serde(with = "bytes")]
    pub iv: Vec<u8>,
    /// Tag of the sidecar, when there is one.
    #[serde(default, with = "opt_bytes", skip_serializing_if = "Option::is_none")]
    pub header_tag: Option<Vec<u8>>,
    /// True when the `.vge` was already there and only its row was missing.
    #[serde(default)]
    pub adopted: bool,
}

/// It could not be sealed; the plaintext is still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// Path inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub path: Vec<u8>,
}

/// The thumbnail that lay beside a clip is sealed; it belongs to the recording whose row is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThumbnailSealed {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// The original path of the picture inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub path: Vec<u8>,
    /// Path of its `.vge` inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub sealed_path: Vec<u8>,
    /// Size of the plaintext, bytes.
    pub size_bytes: i64,
    /// SHA-256 of the plaintext.
    #[serde(with = "bytes")]
    pub plain_sha256: Vec<u8>,
    /// Which key opens it.
    #[serde(with = "bytes")]
    pub key_id: Vec<u8>,
    /// Tag of its sidecar.
    #[serde(default, with = "opt_bytes", skip_serializing_if = "Option::is_none")]
    pub header_tag: Option<Vec<u8>>,
}

/// Which file of a recording is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The recording itself.
    #[default]
    Video,
    /// Its thumbnail.
    Thumbnail,
}

/// New protection of a sealed file. Recorded before the files change: the log says what is to be
/// there, and a start that finds the files as they were before brings them up to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resealed {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// Which of its files.
    #[serde(default)]
    pub part: Part,
    /// Path of the `.vge` inside the recordings folder, byte for byte; it stays the same.
    #[serde(with = "bytes")]
    pub sealed_path: Vec<u8>,
    /// SHA-256 of the plaintext.
    #[serde(with = "bytes")]
    pub plain_sha256: Vec<u8>,
    /// The key that opens it from now on.
    #[serde(with = "bytes")]
    pub key_id: Vec<u8>,
    /// The first counter block from now on.
    #[serde(with = "bytes")]
    pub iv: Vec<u8>,
    /// Tag of the sidecar from now on.
    #[serde(with = "bytes")]
    pub header_tag: Vec<u8>,
}

/// What is known of a sealed recording's integrity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Every byte is what was sealed.
    Verified,
    /// It has no sidecar, or no key is there to check it with.
    Unverified,
    /// It is not what was sealed.
    Tampered,
    /// The file is gone.
    Missing,
}

impl Integrity {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Tampered => "tampered",
            Self::Missing => "missing",
        }
    }
}

/// Somebody looked whether a sealed recording is still what was sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// What came out.
    pub integrity: Integrity,
    /// Numbers of the first damaged chunks of 64 KiB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bad_chunks: Vec<i64>,
}

/// A star protects a recording from retention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Starred {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// Whether there is a star now.
    pub starred: bool,
}

/// A hold protects a recording from every deletion until it is released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// Whether it is held now.
    pub held: bool,
}

/// A recording is to go. Recorded before its files are deleted: a start that finds them still there,
/// and still the same, deletes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deleted {
    /// The recording: the position of the event that its row began with.
    pub recording: i64,
    /// Path of the `.vge` inside the recordings folder, byte for byte.
    #[serde(with = "bytes")]
    pub sealed_path: Vec<u8>,
    /// Inode of the `.vge`, so that a copy that somebody puts back under the name is left alone.
    pub inode: u64,
    /// Its last change of content, mode or name (ctime), Unix nanoseconds: file systems give the
    /// inode of a deleted file to the next one, but nobody can set this time back.
    pub changed_at: i64,
    /// Space that it frees, bytes.
    pub freed_bytes: i64,
    /// The rule that asks for it, such as `age`, `total`, `disk` or `person`.
    pub rule: String,
}

/// A path as printable text that loses nothing: bytes that are not printable UTF-8 become `%XX`,
/// and `%` becomes `%25`.
pub fn printable_path(path: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut printable = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '%' || letter.is_control() {
                let mut utf8 = [0; 4];
                for byte in letter.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(printable, "%{byte:02X}");
                }
            } else {
                printable.push(letter);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(printable, "%{byte:02X}");
        }
    }
    printable
}

/// The path that [`printable_path`] wrote.
pub fn path_of(printable: &str) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::with_capacity(printable.len());
    let mut rest = printable.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    std::path::PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// The last part of a path: what a `finished` message and a found file are joined by.
pub fn file_key(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_paths_lead_back_to_the_file() {
        use std::os::unix::ffi::OsStrExt as _;
        for path in [
            b"cam/clip.vge".as_slice(),
            b"50%.vge",
            b"%41%",
            b"a\n\xff\x00b%zz",
            "Füchse 🦊.vge".as_bytes(),
        ] {
            let back = path_of(&printable_path(path));
            assert_eq!(back.as_os_str().as_bytes(), path);
        }
        let nobodys = path_of("%4");
        assert_eq!(nobodys.as_os_str(), "%4", "what nobody printed stays");
    }

    #[test]
    fn odd_names_are_printable_and_none_is_lost() {
        assert_eq!(printable_path(b"cam/clip.mp4"), "cam/clip.mp4");
        assert_eq!(printable_path(b"50%\n\xff.mp4"), "50%25%0A%FF.mp4");
        assert_eq!(printable_path("Füchse.mp4".as_bytes()), "Füchse.mp4");
    }
}
