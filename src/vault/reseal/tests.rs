#![allow(clippy::unwrap_used)]

use super::*;
use crate::vault::admission::open_source;
use crate::vault::seal::{self, seal, unlink_plaintext};

const IV: Iv = [7; IV_BYTES];
const NEXT_IV: Iv = [8; IV_BYTES];

fn old() -> Key {
    Key::from_bytes(std::array::from_fn(|i| i as u8))
}

fn new() -> Key {
    Key::from_bytes(std::array::from_fn(|i| 255 - i as u8))
}

fn clip(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    File::create(path)
        .unwrap()
        .write_all(bytes.as_ref())
        .unwrap();
}

/// A folder with one recording, sealed under the old key.
struct Yard {
    dir: tempfile::TempDir,
    folder: Folder,
    sealed: seal::Sealed,
}

impl Yard {
    fn new(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        crate::base::fsutil::write_new(&dir.path().join("a.mp4"), bytes, 0o600).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let source = open_source(&folder, Path::new("a.mp4")).unwrap().unwrap();
        let sealed = seal(&source, &old(), IV, SealOptions::default()).unwrap();
        unlink_plaintext(&source, &sealed).unwrap();
        Self {
            dir,
            folder,
            sealed,
        }
    }

    fn known(&self) -> Known {
        Known {
            plain_sha256: Some(self.sealed.plain_sha256),
            header_tag: Some(self.sealed.header_tag),
        }
    }

    fn reseal_with(&self, known: Known, reserve_bytes: u64) -> Result<Resealed, ResealError> {
        let (old, new) = (old(), new());
        let order = Order {
            known,
            old: &old,
            new: &new,
            iv: NEXT_IV,
            seal: SealOptions::default(),
            reserve_bytes,
        };
        reseal(&self.folder, Path::new("a.vge"), &order)
    }

    fn reseal(&self) -> Result<Resealed, ResealError> {
        self.reseal_with(self.known(), 0)
    }

    fn settle(&self, recorded: Option<HeaderTag>) -> Settled {
        settle(&self.folder, Path::new("a.vge"), recorded).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    fn temps(&self) -> (PathBuf, PathBuf) {
        let (file, auth) = names::reseal_names("a.vge".as_ref());
        (self.path(file), self.path(auth))
    }

    fn rename(&self, from: &Path, to: &str) {
        std::fs::rename(from, self.path(to)).unwrap();
    }

    /// Asserts that there is one recording, whole, under this key, and nothing else.
    fn assert_whole(&self, key: &Key) {
        assert_eq!(self.names(), ["a.vge", "a.vge.auth"]);
        let sealed = open_sealed(&self.folder, Path::new("a.vge"))
            .unwrap()
            .unwrap();
        match verify(&sealed, key, Expected::default(), &|_| {}).unwrap() {
            Verdict::Verified { plain_sha256, .. } => {
                assert_eq!(plain_sha256, self.sealed.plain_sha256);
            }
            verdict => panic!("{verdict:?}"),
        }
    }
}

/// A moment at which a re-encryption is cut short: its name, and how it is made.
type Cut = (&'static str, fn(&Yard, &Resealed));

#[test]
fn a_file_of_any_size_has_the_other_key_afterwards_and_the_same_content() {
    for len in [
        1,
        65_535,
        65_536,
        BLOCK_BYTES,
        BLOCK_BYTES + 1,
        3 * BLOCK_BYTES + 77,
    ] {
        let yard = Yard::new(&clip(len));
        let resealed = yard.reseal().unwrap();
        assert_eq!(resealed.plain_bytes, len as u64);
        assert_eq!((resealed.key_id, resealed.iv), (new().id(), NEXT_IV));
        assert_eq!(
            yard.names().len(),
            4,
            "the old file is as it was until the exchange"
        );
        exchange(&yard.folder, &resealed).unwrap();
        yard.assert_whole(&new());
        assert_eq!(yard.settle(Some(resealed.header_tag)), Settled::Nothing);
    }
}

#[test]
fn the_sidecar_proves_a_file_whose_hash_is_not_known() {
    let yard = Yard::new(&clip(1_000));
    let known = Known {
        plain_sha256: None,
        ..yard.known()
    };
    let resealed = yard.reseal_with(known, 0).unwrap();
    assert_eq!(resealed.plain_sha256, yard.sealed.plain_sha256);
    std::fs::remove_file(yard.path("a.vge.auth")).unwrap();
    let error = yard.reseal_with(Known::default(), 0).unwrap_err();
    assert!(matches!(error, ResealError::Unproven { .. }), "{error}");
    let error = yard.reseal_with(known, 0).unwrap_err();
    assert!(matches!(error, ResealError::Tampered { .. }), "{error}");
}

#[test]
fn what_is_not_what_was_sealed_is_left_as_it_is() {
    let yard = Yard::new(&clip(100_000));
    let mut bytes = std::fs::read(yard.path("a.vge")).unwrap();
    for at in [IV_BYTES, 50_000, bytes.len() - 1] {
        bytes[at] ^= 1;
        put(yard.path("a.vge"), &bytes);
        let error = yard.reseal().unwrap_err();
        assert!(matches!(error, ResealError::Tampered { .. }), "{error}");
        assert_eq!(yard.names(), ["a.vge", "a.vge.auth"]);
        assert_eq!(std::fs::read(yard.path("a.vge")).unwrap(), bytes);
        bytes[at] ^= 1;
    }
    put(yard.path("a.vge"), &bytes[..90_000]);
    assert!(matches!(
        yard.reseal().unwrap_err(),
        ResealError::Tampered { .. }
    ));
    std::fs::remove_file(yard.path("a.vge")).unwrap();
    assert!(is_gone(&yard.reseal().unwrap_err()));
    assert_eq!(yard.names(), ["a.vge.auth"]);
}

#[test]
fn without_space_for_both_copies_nothing_is_begun() {
    let yard = Yard::new(&clip(1_000));
    let error = yard.reseal_with(yard.known(), u64::MAX / 2).unwrap_err();
    assert!(matches!(error, ResealError::NoSpace { .. }), "{error}");
    yard.assert_whole(&old());
}

#[test]
fn a_file_that_has_the_key_already_is_only_recorded() {
    let yard = Yard::new(&clip(1_000));
    let first = yard.reseal().unwrap();
    exchange(&yard.folder, &first).unwrap();
    // As after an older database was put back: it knows the old key and the old tag.
    let second = yard.reseal().unwrap();
    assert_eq!((second.header_tag, second.iv), (first.header_tag, first.iv));
    assert!(second.in_place);
    exchange(&yard.folder, &second).unwrap();
    yard.assert_whole(&new());
}

#[test]
fn cut_short_anywhere_one_recording_is_left_and_settling_twice_is_settling_once() {
    let states: [Cut; 7] = [
        ("half a copy", |yard, _| {
            let (file, auth) = yard.temps();
            std::fs::remove_file(auth).unwrap();
            let half = File::options().write(true).open(file).unwrap();
            half.set_len(500).unwrap();
        }),
        ("no sidecar yet", |yard, _| {
            std::fs::remove_file(yard.temps().1).unwrap();
        }),
        ("half a sidecar", |yard, _| {
            let half = File::options().write(true).open(yard.temps().1).unwrap();
            half.set_len(100).unwrap();
        }),
        ("both copies", |_, _| {}),
        ("the first rename", |yard, _| {
            yard.rename(&yard.temps().0, "a.vge");
        }),
        ("the second rename alone", |yard, _| {
            yard.rename(&yard.temps().1, "a.vge.auth");
        }),
        ("both renames", |yard, resealed| {
            exchange(&yard.folder, resealed).unwrap();
        }),
    ];
    for (at, (name, cut)) in states.into_iter().enumerate() {
        for is_recorded in [false, true] {
            // The copies are complete before the record, which comes before the renames.
            if is_recorded && at < 3 || !is_recorded && at > 3 {
                continue;
            }
            let yard = Yard::new(&clip(100_000));
            let resealed = yard.reseal().unwrap();
            cut(&yard, &resealed);
            let recorded = if is_recorded {
                resealed.header_tag
            } else {
                yard.sealed.header_tag
            };
            let settled = yard.settle(Some(recorded));
            let want = match (is_recorded, at) {
                (false, _) => Settled::Undone,
                (true, 6) => Settled::Nothing,
                (true, _) => Settled::Finished,
            };
            assert_eq!(settled, want, "{name}");
            yard.assert_whole(&if is_recorded { new() } else { old() });
            assert_eq!(yard.settle(Some(recorded)), Settled::Nothing, "{name}");
        }
    }
}

#[test]
fn without_a_record_the_files_themselves_tell_how_far_it_came() {
    let yard = Yard::new(&clip(1_000));
    yard.reseal().unwrap();
    assert_eq!(yard.settle(None), Settled::Undone);
    yard.assert_whole(&old());
    yard.reseal().unwrap();
    yard.rename(&yard.temps().0, "a.vge");
    assert_eq!(yard.settle(None), Settled::Finished);
    yard.assert_whole(&new());
}

#[test]
fn the_copy_of_a_file_that_is_gone_stays_while_the_recording_is_recorded() {
    let yard = Yard::new(&clip(1_000));
    yard.reseal().unwrap();
    std::fs::remove_file(yard.path("a.vge")).unwrap();
    let tag = yard.sealed.header_tag;
    assert_eq!(yard.settle(Some(tag)), Settled::Left);
    let (file, _) = yard.temps();
    let temp = Path::new(file.file_name().unwrap());
    assert_eq!(belongs_to(&yard.folder, temp, &[]).unwrap(), None);
    let recorded = ["other.vge", "a.vge"].map(PathBuf::from);
    let found = belongs_to(&yard.folder, temp, &recorded).unwrap();
    assert_eq!(found.as_deref(), Some(Path::new("a.vge")));
    assert_eq!(yard.settle(None), Settled::Undone);
    assert_eq!(yard.names(), ["a.vge.auth"]);
}

#[test]
fn nothing_but_temps_of_a_re_encryption_is_discarded() {
    let yard = Yard::new(&clip(1_000));
    yard.reseal().unwrap();
    discard(&yard.folder, Path::new("a.vge")).unwrap();
    let (file, auth) = yard.temps();
    for temp in [file, auth] {
        assert_eq!(
            belongs_to(&yard.folder, Path::new(temp.file_name().unwrap()), &[]).unwrap(),
            Some(PathBuf::from("a.vge"))
        );
        discard(&yard.folder, Path::new(temp.file_name().unwrap())).unwrap();
    }
    yard.assert_whole(&old());
}
