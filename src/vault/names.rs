//! The names of vault files: plaintext clips, sealed files, their sidecars, and the temp files of a
//! sealing.
//!
//! Names are bytes, at most 255 of them, and nothing else is assumed: they may not be UTF-8 and may
//! contain line ends.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sha2::{Digest, Sha256};

use super::hex;

/// Longest name on every Linux file system that counts, in bytes (`NAME_MAX`).
const NAME_MAX_BYTES: usize = 255;

/// The containers that cameras and recorders write.
pub const CLIP_EXTENSIONS: [&str; 6] = ["mp4", "mkv", "mov", "avi", "ts", "webm"];

/// The kinds of pictures that are thumbnails of clips.
pub const PICTURE_EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// What the name of a sidecar has more than that of its file.
const AUTH_SUFFIX: &str = ".auth";

const TEMP_PREFIX: &str = ".nightjar-seal-";
const RESEAL_PREFIX: &str = ".nightjar-reseal-";
const TEMP_SUFFIX: &str = ".tmp";
const TEMP_AUTH_SUFFIX: &str = ".auth.tmp";

/// Digest bytes in generated names: enough that two names in a folder never share them.
const DIGEST_BYTES: usize = 16;

/// Whether the extension (of either case) says that this is a plaintext clip.
pub fn is_clip(name: &OsStr) -> bool {
    let (stem, extension) = split(name.as_bytes());
    !stem.is_empty()
        && CLIP_EXTENSIONS
            .iter()
            .any(|e| extension.eq_ignore_ascii_case(e.as_bytes()))
}

/// Whether the extension (of either case) says that this is a picture.
pub fn is_picture(name: &OsStr) -> bool {
    let (stem, extension) = split(name.as_bytes());
    !stem.is_empty()
        && PICTURE_EXTENSIONS
            .iter()
            .any(|e| extension.eq_ignore_ascii_case(e.as_bytes()))
}

/// Whether this is the name of a sealed file.
pub fn is_sealed(name: &OsStr) -> bool {
    let (stem, extension) = split(name.as_bytes());
    !stem.is_empty() && extension == b"vge"
}

/// Whether this is the name of a sidecar.
pub fn is_auth(name: &OsStr) -> bool {
    let file = name.as_bytes().strip_suffix(AUTH_SUFFIX.as_bytes());
    file.is_some_and(|file| is_sealed(OsStr::from_bytes(file)))
}

/// The name of the sidecar of the sealed file `sealed`.
pub fn auth_name(sealed: &OsStr) -> OsString {
    let mut name = sealed.to_owned();
    name.push(AUTH_SUFFIX);
    name
}

/// Whether this is the name of a temp file that a sealing made.
pub fn is_temp(name: &OsStr) -> bool {
    let digits = name
        .as_bytes()
        .strip_prefix(TEMP_PREFIX.as_bytes())
        .and_then(|rest| {
            rest.strip_suffix(TEMP_AUTH_SUFFIX.as_bytes())
                .or_else(|| rest.strip_suffix(TEMP_SUFFIX.as_bytes()))
        });
    digits.is_some_and(|d| hex::decode::<DIGEST_BYTES>(d).is_some())
}

/// The digest of the sealed file's name in the name of a temp file that its re-encryption made.
pub(super) fn reseal_digest(name: &OsStr) -> Option<[u8; DIGEST_BYTES]> {
    let rest = name.as_bytes().strip_prefix(RESEAL_PREFIX.as_bytes())?;
    let digits = rest
        .strip_suffix(TEMP_AUTH_SUFFIX.as_bytes())
        .or_else(|| rest.strip_suffix(TEMP_SUFFIX.as_bytes()))?;
    hex::decode(digits)
}

/// Whether this is the name of a temp file that a re-encryption made.
pub fn is_reseal(name: &OsStr) -> bool {
    reseal_digest(name).is_some()
}

/// The names of the temp files that the sealed file `sealed` and its sidecar are encrypted anew
/// into.
pub(super) fn reseal_names(sealed: &OsStr) -> (OsString, OsString) {
    let start = format!("{RESEAL_PREFIX}{}", hex::encode(&digest(sealed)));
    (
        format!("{start}{TEMP_SUFFIX}").into(),
        format!("{start}{TEMP_AUTH_SUFFIX}").into(),
    )
}

/// The names that the sealed copy of `clip` may get, in the order in which they are tried:
/// `clip.vge`, `clip.mp4.vge`, and last a name with a digest of the original one, for names that
/// would become too long or are both taken. A picture keeps its extension in each, so that it is
/// known for one and leaves `clip.vge` to the clip: `clip.jpg.vge`.
pub fn sealed_names(clip: &OsStr) -> Vec<OsString> {
    let name = clip.as_bytes();
    let (stem, extension) = split(name);
    let is_picture = is_picture(clip);
    let kind = if is_picture {
        [b".", extension].concat()
    } else {
        Vec::new()
    };
    let ending = [b"~", hex::encode(&digest(clip)).as_bytes(), &kind, b".vge"].concat();
    // The sidecar's name is longer, and has to fit as well.
    let max_bytes = NAME_MAX_BYTES - AUTH_SUFFIX.len();
    let kept = &stem[..stem.len().min(max_bytes - ending.len())];
    [
        [stem, b".vge"].concat(),
        [name, b".vge"].concat(),
        [kept, &ending].concat(),
    ]
    .into_iter()
    .skip(usize::from(is_picture))
    .filter(|name| name.len() <= max_bytes)
    .map(OsString::from_vec)
    .collect()
}

/// The name of the temp file that `clip` is sealed into: the same each time, so that two sealings
/// of one file meet, and short enough for a clip with the longest of names.
pub(super) fn temp_name(clip: &OsStr) -> OsString {
    format!("{TEMP_PREFIX}{}{TEMP_SUFFIX}", hex::encode(&digest(clip))).into()
}

/// The name of the temp file for the sidecar of what `clip` is sealed into.
pub(super) fn temp_auth_name(clip: &OsStr) -> OsString {
    format!(
        "{TEMP_PREFIX}{}{TEMP_AUTH_SUFFIX}",
        hex::encode(&digest(clip))
    )
    .into()
}

pub(super) fn digest(name: &OsStr) -> [u8; DIGEST_BYTES] {
    let digest = Sha256::digest(name.as_bytes());
    std::array::from_fn(|i| digest[i])
}

/// Stem and extension; the extension is empty if there is no dot after the first character.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|b| *b == b'.') {
        Some(dot) if dot > 0 => (&name[..dot], &name[dot + 1..]),
        _ => (name, b""),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;

    fn os(bytes: &[u8]) -> &OsStr {
        OsStr::from_bytes(bytes)
    }

    #[test]
    fn clips_are_known_by_their_extension_in_either_case() {
        for name in [
            &b"a.mp4"[..],
            b"a.MKV",
            b"a.b.mov",
            b"\xff.avi",
            b"new\nline.ts",
            b"a.WebM",
        ] {
            assert!(is_clip(os(name)), "{name:?}");
        }
        for name in [
            &b"a.jpg"[..],
            b"mp4",
            b".mp4",
            b"a.mp4.part",
            b"a.",
            b"a.vge",
            b"",
        ] {
            assert!(!is_clip(os(name)), "{name:?}");
        }
    }

    #[test]
    fn the_extension_is_replaced_and_then_kept() {
        let names = sealed_names(os(b"clip.mp4"));
        assert_eq!(names[..2], ["clip.vge", "clip.mp4.vge"]);
        assert!(names[2].as_bytes().starts_with(b"clip~"));
        assert!(names.iter().all(|n| is_sealed(n)));
        assert_eq!(sealed_names(os(b"a\n\xff.ts"))[0], os(b"a\n\xff.vge"));
    }

    #[test]
    fn a_picture_stays_known_for_one() {
        for name in ["a.jpg", "a.mp4.JPEG", "a-thumb.png", "a.webp"] {
            let name = OsStr::new(name);
            assert!(is_picture(name) && !is_clip(name));
            let names = sealed_names(name);
            assert_eq!(names.len(), 2);
            for sealed in names {
                assert!(is_picture(Path::new(&sealed).file_stem().unwrap()));
            }
        }
        assert_eq!(sealed_names(os(b"clip.jpg"))[0], "clip.jpg.vge");
        assert!(!is_picture(os(b".jpg")) && !is_picture(os(b"a.jpg.vge")));
    }

    #[test]
    fn a_sidecar_is_named_after_its_file() {
        assert_eq!(auth_name(os(b"\xff.vge")), os(b"\xff.vge.auth"));
        for (name, want) in [
            ("a.vge.auth", true),
            ("a.auth", false),
            (".vge.auth", false),
            ("a.vge", false),
        ] {
            assert_eq!(is_auth(OsStr::new(name)), want, "{name}");
        }
    }

    #[test]
    fn no_name_grows_beyond_what_a_file_system_takes() {
        for extension in ["mp4", "ts", "webm"] {
            let stem = "x".repeat(NAME_MAX_BYTES - 1 - extension.len());
            let clip = OsString::from(format!("{stem}.{extension}"));
            assert_eq!(clip.len(), 255);
            let names = sealed_names(&clip);
            assert_eq!(names.len(), 1);
            assert!(is_sealed(&names[0]) && names[0].len() <= NAME_MAX_BYTES);
            let auth = auth_name(&names[0]);
            assert!(is_auth(&auth) && auth.len() <= NAME_MAX_BYTES);
            assert!(temp_auth_name(&clip).len() <= NAME_MAX_BYTES);
        }
    }

    #[test]
    fn the_temps_of_a_re_encryption_are_none_of_a_sealing() {
        let sealed = os(b"clip.vge");
        let (file, auth) = reseal_names(sealed);
        for name in [&file, &auth] {
            assert!(is_reseal(name) && !is_temp(name));
            assert_eq!(reseal_digest(name), Some(digest(sealed)));
        }
        assert!(!is_reseal(&temp_name(sealed)));
        assert!(!is_reseal(OsStr::new(".nightjar-reseal-zz.tmp")));
    }

    #[test]
    fn temp_names_are_recognised_and_nothing_else_is() {
        assert!(is_temp(&temp_name(os(b"clip.mp4"))));
        assert!(is_temp(&temp_auth_name(os(b"clip.mp4"))));
        assert_ne!(temp_name(os(b"a.mp4")), temp_name(os(b"b.mp4")));
        for name in [
            "clip.tmp",
            ".nightjar-seal-.tmp",
            ".nightjar-seal-zz.tmp",
            ".nightjar",
        ] {
            assert!(!is_temp(OsStr::new(name)), "{name}");
        }
    }
}
