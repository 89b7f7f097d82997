//! Names of log files: patterns with `*` and `?`, and the names that logrotate(8) gives.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// What the name of a packed file ends with.
const PACKED: &str = ".gz";
/// Packed in ways that are not read.
const UNREAD: [&str; 4] = [".xz", ".zst", ".bz2", ".lz4"];
/// Files of one pattern that are followed; each is open all the time.
const MATCHES_MAX: usize = 256;
/// Names on the way through the folders of a pattern.
const NAMES_MAX: usize = 65_536;

/// What the end of a rotated name says of its age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// `-20261121`, `-2026112103`, `-20261121-1795219200`: the later the younger.
    Dated(String),
    /// `.1`: the higher the older, and younger than anything dated, which stems from another setting.
    Numbered(std::cmp::Reverse<u32>),
}

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rotated {
    /// Sorts oldest first.
    pub(super) age: Age,
    /// Whether it is packed with gzip.
    pub(super) packed: bool,
}

/// What the rotated file `name` of the log `base` is; none if it is no such file.
pub(super) fn rotated(base: &str, name: &str) -> Option<Rotated> {
    let behind = name.strip_prefix(base)?;
    let (behind, packed) = match behind.strip_suffix(PACKED) {
        Some(behind) => (behind, true),
        None => (behind, false),
    };
    let age = if let Some(number) = behind.strip_prefix('.') {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        Age::Numbered(std::cmp::Reverse(
            is_number.then(|| number.parse().ok()).flatten()?,
        ))
    } else {
        let date = behind.strip_prefix('-')?;
        is_date(date).then(|| Age::Dated(date.to_owned()))?
    };
    Some(Rotated { age, packed })
}

/// Whether `name` is a rotated file of `base` that is packed in a way that is not read.
pub(super) fn is_unread(base: &str, name: &str) -> bool {
    UNREAD.iter().any(|end| {
        name.strip_suffix(end)
            .is_some_and(|name| rotated(base, name).is_some_and(|rotated| !rotated.packed))
    })
}

fn is_date(date: &str) -> bool {
    let digits = date.bytes().filter(u8::is_ascii_digit).count();
    digits >= 8
        && date
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Whether a file with this name looks like a rotated one of any log.
fn looks_rotated(name: &str) -> bool {
    let bare = name.strip_suffix(PACKED).unwrap_or(name);
    let numbered = bare
        .rsplit_once('.')
        .is_some_and(|(base, number)| !base.is_empty() && number.parse::<u32>().is_ok());
    let dated = bare.rfind('-').is_some_and(|at| {
        let earlier = bare[..at].rfind('-').map_or(at, |earlier| earlier);
        is_date(&bare[at + 1..]) || is_date(&bare[earlier + 1..])
    });
    numbered || dated || bare.len() < name.len() || UNREAD.iter().any(|end| name.ends_with(end))
}

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?'))
}

/// What a pattern matches.
#[derive(Debug)]
pub(super) struct Matches {
    /// Sorted.
    pub(super) paths: Vec<PathBuf>,
    /// Files beyond the bound: those that were written longest ago.
    pub(super) left_out: usize,
}

/// The files that a pattern matches now; rotated ones are none of their own. A name that begins with
/// a dot is matched by a dot only.
pub(super) fn matches(pattern: &Path) -> Matches {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            for path in &mut found {
                path.push(component);
            }
            continue;
        };
        if is_pattern(Path::new(name)) {
            found = found
                .iter()
                .flat_map(|folder| entries(folder, name))
                .collect();
        } else {
            for path in &mut found {
                path.push(name);
            }
        }
        found.truncate(NAMES_MAX);
    }
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_file() && !looks_rotated(&name)
    });
    let left_out = found.len().saturating_sub(MATCHES_MAX);
    if left_out > 0 {
        let written = |path: &PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        found.sort_by_cached_key(|path| Reverse(written(path)));
        found.truncate(MATCHES_MAX);
    }
    found.sort();
    Matches {
        paths: found,
        left_out,
    }
}

fn entries(folder: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    let read = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(read).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut found: Vec<_> = names
        .filter(|name| fits(pattern.as_bytes(), name.as_bytes()))
        .map(|name| folder.join(name))
        .collect();
    found.sort();
    found
}

/// Whether `name` fits a pattern of one path component.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // The last star, and where what it swallowed began: going back further never helps.
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((star_at, began)) = star else {
                    return false;
                };
                at = star_at + 1;
                in_name = began + 1;
                star = Some((star_at, in_name));
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_sorted_oldest_first() {
        let mut names = [
            "auth.log.1",
            "auth.log.10.gz",
            "auth.log-20261120",
            "auth.log.2.gz",
            "auth.log-20251120.gz",
        ];
        names.sort_by_key(|name| rotated("auth.log", name).unwrap());
        assert_eq!(
            names,
            [
                "auth.log-20251120.gz",
                "auth.log-20261120",
                "auth.log.10.gz",
                "auth.log.2.gz",
                "auth.log.1",
            ]
        );
        for other in [
            "auth.log",
            "auth.log.gz",
            "auth.log.1.bak",
            "auth.log.x",
            "auth.log-old",
            "auth.log.1.xz",
            "kern.log.1",
            "auth.log.",
            "auth.log.99999999999",
        ] {
            assert_eq!(rotated("auth.log", other), None, "{other}");
        }
        assert!(is_unread("auth.log", "auth.log.3.xz"));
        assert!(!is_unread("auth.log", "auth.log.xz"));
    }

    #[test]
    fn a_pattern_has_stars_and_question_marks() {
        for (pattern, name, fit) in [
            ("*.log", "auth.log", true),
            ("*.log", ".auth.log", false),
            (".*.log", ".auth.log", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("**x", "x", true),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                fit,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn rotated_files_are_no_matches() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("web")).unwrap();
        for name in [
            "a.log",
            "a.log.1",
            "a.log.2.gz",
            "a.log-20261120",
            "b.log",
            "a.log.3.xz",
        ] {
            std::fs::File::create(folder.path().join("web").join(name)).unwrap();
        }
        let found = matches(&folder.path().join("*/*.log*")).paths;
        let names: Vec<_> = found
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.log", "b.log"]);
        assert_eq!(
            matches(&folder.path().join("*/*.txt")).paths,
            Vec::<PathBuf>::new()
        );
    }
}
