#![allow(clippy::unwrap_used)]

mod interruptions;
mod sidecar;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode};
use sha2::{Digest, Sha256};

use super::admission::{Admission, AdmissionOptions, Refusal, Source, admit, open_source};
use super::folder::{Fingerprint, Folder};
use super::key::Key;
use super::reader::Expected;
use super::recovery::{Pairing, compare, remove_leftover};
use super::scan::{DEPTH_MAX, Entry, IgnoreReason, Tally, scan};
use super::seal::{SealError, SealOptions, Sealed, UnlinkError, Unlinked, seal, unlink_plaintext};
use super::unseal::{SealedFile, UnsealError, Verdict, open_sealed, unseal, verify_hash};
use super::verify::{self, verify};
use super::{hex, names};

const IV: [u8; 16] = [
    0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0,
];

fn key() -> Key {
    Key::from_bytes(std::array::from_fn(|i| i as u8))
}

/// A recordings folder of its own.
struct Yard {
    dir: tempfile::TempDir,
    folder: Folder,
}

impl Yard {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        Self { dir, folder }
    }

    fn with(name: impl AsRef<OsStr>, bytes: &[u8]) -> Self {
        let yard = Self::new();
        yard.put(name, bytes);
        yard
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(name.as_ref())
    }

    fn put(&self, name: impl AsRef<OsStr>, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::File::create(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    }

    fn get(&self, name: impl AsRef<OsStr>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder but those of sidecars, which must have their file beside them.
    fn names(&self) -> Vec<OsString> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name());
        let (sidecars, mut names): (Vec<_>, Vec<_>) = names.partition(|name| names::is_auth(name));
        for sidecar in sidecars {
            let file = OsStr::from_bytes(sidecar.as_bytes().strip_suffix(b".auth").unwrap());
            assert!(names.iter().any(|name| name == file), "{sidecar:?} alone");
        }
        names.sort();
        names
    }

    fn try_source(&self, name: impl AsRef<OsStr>) -> Result<Source, Refusal> {
        open_source(&self.folder, Path::new(name.as_ref())).unwrap()
    }

    fn source(&self, name: impl AsRef<OsStr>) -> Source {
        self.try_source(name).unwrap()
    }

    fn sealed(&self, name: impl AsRef<OsStr>) -> SealedFile {
        open_sealed(&self.folder, Path::new(name.as_ref()))
            .unwrap()
            .unwrap()
    }

    /// Admits a file that has been seen before as it is now.
    fn admit_settled(&self, name: &str) -> Admission {
        let seen = self.source(name).fingerprint();
        admit(&self.folder, Path::new(name), Some(&seen), &OPTIONS).unwrap()
    }

    fn refused(&self, name: &str) -> Refusal {
        match admit(&self.folder, Path::new(name), None, &OPTIONS).unwrap() {
            Admission::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn scan(&self) -> (Vec<Entry>, Tally) {
        let mut entries = Vec::new();
        let tally = scan(&self.folder, &mut |entry| entries.push(entry)).unwrap();
        (entries, tally)
    }
}

const OPTIONS: AdmissionOptions = AdmissionOptions {
    size_cap_bytes: 64 << 20,
    reserve_bytes: 1 << 20,
};

/// Bytes that repeat nowhere within a chunk.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn unsealed(yard: &Yard, sealed: &Sealed) -> Vec<u8> {
    let mut plain = Vec::new();
    let file = yard.sealed(&sealed.path);
    let found = unseal(&file, &key(), &mut plain).unwrap();
    assert_eq!(found.plain_sha256, sealed.plain_sha256);
    assert_eq!(found.plain_bytes, plain.len() as u64);
    assert_eq!(file.plain_bytes(), Some(sealed.plain_bytes));
    plain
}

// ── The format ──

#[test]
fn the_whole_file_vector() {
    let plain: Vec<u8> = (0..4096).flat_map(|_| 0..=255_u8).collect();
    let yard = Yard::with("clip.mp4", &plain);
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let bytes = yard.get("clip.vge");
    assert_eq!(bytes.len(), 1_048_592);
    assert_eq!(
        hex::encode(&Sha256::digest(&bytes)),
        "4fc719551fd03017ab163a8fac431a0a47a0c4a852e5c67234bd715036809e3a"
    );
    assert_eq!(sealed.path, Path::new("clip.vge"));
    assert_eq!(sealed.original_name, "clip.mp4");
    assert_eq!(sealed.plain_sha256[..], Sha256::digest(&plain)[..]);
    assert_eq!(
        (sealed.plain_bytes, sealed.sealed_bytes),
        (1_048_576, 1_048_592)
    );
    assert_eq!((sealed.iv, sealed.key_id), (IV, key().id()));
    assert_eq!(
        yard.get("clip.mp4"),
        plain,
        "the plaintext stays until it is unlinked"
    );
    let mode = yard
        .path("clip.vge")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(yard.names(), ["clip.mp4", "clip.vge"]);
}

#[test]
fn an_empty_plaintext_is_its_iv() {
    let yard = Yard::with("clip.mp4", b"");
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    assert_eq!(yard.get("clip.vge"), IV);
    assert_eq!(unsealed(&yard, &sealed), b"");
}

#[test]
fn openssl_decrypts_what_we_seal() {
    let plain = noise(3_000_017);
    let yard = Yard::with("clip.mp4", &plain);
    let key_bytes: Vec<u8> = (0..32).collect();
    seal(
        &yard.source("clip.mp4"),
        &key(),
        [0xff; 16],
        SealOptions::default(),
    )
    .unwrap();
    let bytes = yard.get("clip.vge");
    yard.put("ciphertext", &bytes[16..]);
    let output = Command::new("openssl")
        .args(["enc", "-d", "-aes-256-ctr", "-K", &hex::encode(&key_bytes)])
        .args(["-iv", &hex::encode(&bytes[..16]), "-in"])
        .arg(yard.path("ciphertext"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout == plain, "openssl gave other bytes");
}

#[test]
fn every_length_around_the_borders_of_the_pipeline_comes_back() {
    const MIB: usize = 1 << 20;
    let lengths = [
        1,
        15,
        16,
        17,
        4079,
        4080,
        4081,
        4096,
        MIB - 17,
        MIB - 16,
        MIB - 15,
        MIB,
        2 * MIB - 16,
        16 * MIB - 16,
        16 * MIB - 15,
        33 * MIB + 5,
        81 * MIB + 4096,
    ];
    for len in lengths {
        let plain = noise(len);
        let yard = Yard::with("clip.mp4", &plain);
        let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
        assert_eq!(sealed.plain_sha256[..], Sha256::digest(&plain)[..], "{len}");
        assert!(unsealed(&yard, &sealed) == plain, "{len}");
        assert_eq!(yard.get("clip.vge").len(), len + 16);
    }
}

#[test]
fn a_file_system_in_memory_will_do() {
    let plain = noise(5_000_000);
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let yard = Yard { dir, folder };
    yard.put("clip.mp4", &plain);
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    assert!(unsealed(&yard, &sealed) == plain);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn sealing_and_unsealing_is_the_identity(
        plain in proptest::collection::vec(any::<u8>(), 0..10_000),
        key_bytes: [u8; 32],
        iv: [u8; 16],
    ) {
        let yard = Yard::with("clip.mkv", &plain);
        let key = Key::from_bytes(key_bytes);
        let sealed = seal(&yard.source("clip.mkv"), &key, iv, SealOptions::default()).unwrap();
        let mut back = Vec::new();
        unseal(&yard.sealed(&sealed.path), &key, &mut back).unwrap();
        prop_assert_eq!(back, plain);
    }
}

// ── Names ──

#[test]
fn odd_names_are_kept_byte_for_byte() {
    let long = [&[b'x'; 251][..], b".mp4"].concat();
    let long_short_extension = [&[b'y'; 252][..], b".ts"].concat();
    let clips: [&[u8]; 6] = [
        b"\xff\xfe.mp4",
        b"two\nlines.mp4",
        b" -rf *.MP4",
        "Einfahrt \u{1f697}.mkv".as_bytes(),
        &long,
        &long_short_extension,
    ];
    for clip in clips {
        let clip = OsStr::from_bytes(clip);
        let yard = Yard::with(clip, b"some plaintext");
        let source = yard.source(clip);
        let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
        assert_eq!(sealed.original_name, clip);
        assert!(names::is_sealed(sealed.path.as_os_str()), "{clip:?}");
        assert_eq!(unsealed(&yard, &sealed), b"some plaintext");
        assert_eq!(unlink_plaintext(&source, &sealed).unwrap(), Unlinked::Done);
        assert_eq!(yard.names(), [sealed.path.as_os_str()]);
    }
}

#[test]
fn a_taken_name_is_never_overwritten() {
    let yard = Yard::with("clip.mp4", b"plain");
    let source = yard.source("clip.mp4");
    let mut taken = Vec::new();
    for _ in 0..3 {
        let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
        assert!(!taken.contains(&sealed.path));
        yard.put(&sealed.path, b"somebody's");
        taken.push(sealed.path);
    }
    assert_eq!(
        taken[..2],
        [Path::new("clip.vge"), Path::new("clip.mp4.vge")]
    );
    let error = seal(&source, &key(), IV, SealOptions::default()).unwrap_err();
    assert!(matches!(error, SealError::NameTaken { .. }), "{error}");
    assert!(taken.iter().all(|name| yard.get(name) == b"somebody's"));
    // A sidecar without its file keeps the name for a file that may come back.
    std::fs::remove_file(yard.dir.path().join("clip.vge")).unwrap();
    let error = seal(&source, &key(), IV, SealOptions::default()).unwrap_err();
    assert!(matches!(error, SealError::NameTaken { .. }), "{error}");
    yard.put(Path::new("clip.vge"), b"it is back");
    assert_eq!(
        yard.names().len(),
        4,
        "no temp file is left: {:?}",
        yard.names()
    );
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let yard = Yard::with("clip.mp4", b"plain");
    yard.put("victim", b"precious");
    symlink("victim", yard.path("clip.vge")).unwrap();
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    assert_eq!(sealed.path, Path::new("clip.mp4.vge"));
    assert_eq!(yard.get("victim"), b"precious");
}

// ── Admission ──

#[test]
fn a_settled_clip_is_admitted_and_one_that_is_not_is_refused() {
    let yard = Yard::with("clip.mp4", b"plain");
    assert_eq!(yard.refused("clip.mp4"), Refusal::NotSettled);
    let Admission::Ready(source) = yard.admit_settled("clip.mp4") else {
        panic!()
    };
    assert_eq!(source.path(), Path::new("clip.mp4"));
    let before = source.fingerprint();
    yard.put("clip.mp4", b"plain and more");
    let path = Path::new("clip.mp4");
    let admission = admit(&yard.folder, path, Some(&before), &OPTIONS).unwrap();
    assert!(matches!(admission, Admission::Refused(Refusal::NotSettled)));
}

#[test]
fn an_empty_clip_is_an_outcome_of_its_own() {
    let yard = Yard::with("clip.mp4", b"");
    assert_eq!(yard.refused("clip.mp4"), Refusal::NotSettled);
    assert!(matches!(yard.admit_settled("clip.mp4"), Admission::Empty(f) if f.size_bytes == 0));
}

/// A process that holds `path` open for appending until it is dropped.
struct Recorder(Child);

impl Recorder {
    fn on(path: &Path) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "exec 3>>\"$1\"; echo ready; read end", "sh"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn a_clip_that_a_process_has_open_for_writing_is_refused_until_it_is_closed() {
    let yard = Yard::with("two\nlines.mp4", b"plain");
    let recorder = Recorder::on(&yard.path("two\nlines.mp4"));
    let want = Refusal::OpenForWriting {
        pid: recorder.0.id(),
    };
    let admission = yard.admit_settled("two\nlines.mp4");
    assert!(
        matches!(admission, Admission::Refused(r) if r == want),
        "{admission:?}"
    );
    assert!(want.is_passing());
    drop(recorder);
    // A reader does not matter.
    let _reader = std::fs::File::open(yard.path("two\nlines.mp4")).unwrap();
    assert!(matches!(
        yard.admit_settled("two\nlines.mp4"),
        Admission::Ready(_)
    ));
}

#[test]
fn links_and_special_files_are_refused() {
    let yard = Yard::with("real.mp4", b"plain");
    std::fs::create_dir(yard.path("cam")).unwrap();
    yard.put("cam/real.mp4", b"plain");
    symlink("real.mp4", yard.path("link.mp4")).unwrap();
    symlink("missing.mp4", yard.path("dangling.mp4")).unwrap();
    symlink("cam", yard.path("camlink")).unwrap();
    std::fs::create_dir(yard.path("folder.mp4")).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, yard.path("pipe.mp4"), FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(yard.path("socket.mp4")).unwrap();
    for (name, want) in [
        ("link.mp4", Refusal::Symlink),
        ("dangling.mp4", Refusal::Symlink),
        ("camlink/real.mp4", Refusal::Symlink),
        ("folder.mp4", Refusal::NotRegular),
        ("pipe.mp4", Refusal::NotRegular),
        ("socket.mp4", Refusal::NotRegular),
        ("missing.mp4", Refusal::Vanished),
        ("missing/clip.mp4", Refusal::Vanished),
        ("real.mp4/clip.mp4", Refusal::Vanished),
        ("../real.mp4", Refusal::Outside),
        ("cam/../real.mp4/..", Refusal::Outside),
    ] {
        assert_eq!(yard.refused(name), want, "{name}");
        assert!(!want.is_passing());
    }
    let absolute = yard.path("real.mp4");
    assert_eq!(yard.refused(absolute.to_str().unwrap()), Refusal::Outside);
    assert!(matches!(
        yard.admit_settled("cam/real.mp4"),
        Admission::Ready(_)
    ));
}

#[test]
fn a_device_is_refused_without_being_opened() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make one.
    }
    let yard = Yard::new();
    let device = rustix::fs::makedev(1, 5);
    let (path, mode) = (yard.path("zero.mp4"), Mode::RUSR);
    rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, mode, device).unwrap();
    assert_eq!(yard.refused("zero.mp4"), Refusal::NotRegular);
    let (_, tally) = yard.scan();
    assert_eq!(tally.ignored[&IgnoreReason::Device], 1);
}

#[test]
fn a_second_name_is_refused() {
    let yard = Yard::with("clip.mp4", b"plain");
    std::fs::hard_link(yard.path("clip.mp4"), yard.path("other.mp4")).unwrap();
    assert_eq!(yard.refused("clip.mp4"), Refusal::HardLinked { links: 2 });
}

#[test]
fn dot_names_are_refused_in_every_component() {
    let yard = Yard::with(".clip.mp4", b"plain");
    std::fs::create_dir(yard.path(".trash")).unwrap();
    yard.put(".trash/clip.mp4", b"plain");
    assert_eq!(yard.refused(".clip.mp4"), Refusal::DotName);
    assert_eq!(yard.refused(".trash/clip.mp4"), Refusal::DotName);
}

#[test]
fn sparse_files_are_refused_with_both_sizes() {
    let yard = Yard::new();
    let file = std::fs::File::create(yard.path("clip.mp4")).unwrap();
    file.set_len(32 << 20).unwrap();
    file.write_all_at(&noise(4096), 0).unwrap();
    file.sync_all().unwrap();
    drop(file);
    let admission = yard.admit_settled("clip.mp4");
    let Admission::Refused(Refusal::Sparse {
        size_bytes,
        allocated_bytes,
    }) = admission
    else {
        panic!("{admission:?}")
    };
    assert_eq!(size_bytes, 32 << 20);
    assert!(allocated_bytes < 1 << 20, "{allocated_bytes}");
}

#[test]
fn the_cap_and_the_reserve_hold() {
    let yard = Yard::with("clip.mp4", &noise(1001));
    let seen = yard.source("clip.mp4").fingerprint();
    let admitted = |options| match admit(&yard.folder, Path::new("clip.mp4"), Some(&seen), &options)
        .unwrap()
    {
        Admission::Refused(refusal) => Some(refusal),
        _ => None,
    };
    let cap = |size_cap_bytes| AdmissionOptions {
        size_cap_bytes,
        ..OPTIONS
    };
    assert_eq!(admitted(cap(1001)), None);
    let too_large = Refusal::TooLarge {
        size_bytes: 1001,
        cap_bytes: 1000,
    };
    assert_eq!(admitted(cap(1000)), Some(too_large));
    let refusal = admitted(AdmissionOptions {
        reserve_bytes: 1 << 60,
        ..OPTIONS
    })
    .unwrap();
    let Refusal::NoSpace {
        needed_bytes,
        free_bytes,
    } = refusal
    else {
        panic!("{refusal}")
    };
    assert_eq!(needed_bytes, (1 << 60) + 1001 + 16);
    assert!(free_bytes > 0 && refusal.is_passing());
}

/// Tells the process below where to look.
const UNREADABLE: &str = "NIGHTJAR_TEST_UNREADABLE";

/// Not a test of its own: what a user sees who may not read.
#[test]
fn child_that_may_not_read() {
    let Some(dir) = std::env::var_os(UNREADABLE) else {
        return;
    };
    let folder = Folder::open(Path::new(&dir)).unwrap();
    let refusal = open_source(&folder, Path::new("clip.mp4")).unwrap();
    assert_eq!(refusal.unwrap_err(), Refusal::NoPermission);
    let tally = scan(&folder, &mut |_| {}).unwrap();
    assert_eq!(tally.clips, 1);
    assert_eq!(tally.ignored[&IgnoreReason::NoPermission], 1);
}

#[test]
fn what_may_not_be_read_is_refused_and_counted() {
    let yard = Yard::with("clip.mp4", b"plain");
    std::fs::create_dir(yard.path("closed")).unwrap();
    let open_to = |name: &str, mode| {
        std::fs::set_permissions(yard.path(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    open_to("", 0o755);
    open_to("clip.mp4", 0o000);
    open_to("closed", 0o000);
    // Root may read everything, so somebody else has to look.
    let program = std::env::current_exe().unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let copy = yard.path("program");
        std::fs::copy(program, &copy).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(copy);
        command
    } else {
        Command::new(program)
    };
    let output = command
        .args(["--exact", "vault::tests::child_that_may_not_read"])
        .env(UNREADABLE, yard.path(""))
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{output:?}");
    open_to("closed", 0o700);
}

// ── Sealing that must not succeed ──

#[test]
fn a_plaintext_that_changes_is_not_sealed() {
    type Change = fn(&Yard);
    let changes: [Change; 4] = [
        |yard| yard.put("clip.mp4", b"PLAIN"),
        |yard| yard.put("clip.mp4", b"plain and more"),
        |yard| yard.put("clip.mp4", b"pl"),
        |yard| std::fs::hard_link(yard.path("clip.mp4"), yard.path("other")).unwrap(),
    ];
    for change in changes {
        let yard = Yard::with("clip.mp4", b"plain");
        let source = yard.source("clip.mp4");
        change(&yard);
        let error = seal(&source, &key(), IV, SealOptions::default()).unwrap_err();
        assert!(matches!(error, SealError::SourceChanged { .. }), "{error}");
        let left = yard.names();
        assert!(
            left.iter().all(|n| n == "clip.mp4" || n == "other"),
            "{left:?}"
        );
    }
}

#[test]
fn two_sealings_of_one_file_meet_at_the_temp_file() {
    let yard = Yard::with("clip.mp4", b"plain");
    let temp = names::temp_name(OsStr::new("clip.mp4"));
    yard.put(&temp, b"other's work");
    let error = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap_err();
    assert!(matches!(error, SealError::TempExists { .. }), "{error}");
    assert_eq!(yard.get(&temp), b"other's work");
    assert!(remove_leftover(&yard.folder, Path::new(&temp)).unwrap());
    seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
}

// ── Unlinking ──

#[test]
fn the_plaintext_goes_when_it_is_proven_and_unchanged() {
    let yard = Yard::with("clip.mp4", b"plain");
    let source = yard.source("clip.mp4");
    let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
    assert_eq!(unlink_plaintext(&source, &sealed).unwrap(), Unlinked::Done);
    assert_eq!(yard.names(), ["clip.vge"]);
    assert_eq!(
        unlink_plaintext(&source, &sealed).unwrap(),
        Unlinked::AlreadyGone
    );
    assert_eq!(unsealed(&yard, &sealed), b"plain");
}

#[test]
fn the_plaintext_stays_on_every_doubt() {
    type Doubt = (fn(&Yard), fn(&UnlinkError) -> bool);
    let doubts: [Doubt; 6] = [
        (
            |y| y.put("clip.mp4", b"other"),
            |e| matches!(e, UnlinkError::Changed { .. }),
        ),
        (
            |y| {
                y.put("new", b"plain");
                std::fs::rename(y.path("new"), y.path("clip.mp4")).unwrap();
            },
            |e| matches!(e, UnlinkError::Changed { .. }),
        ),
        (
            |y| std::fs::hard_link(y.path("clip.mp4"), y.path("other")).unwrap(),
            |e| matches!(e, UnlinkError::Changed { .. }),
        ),
        (
            |y| std::fs::remove_file(y.path("clip.vge")).unwrap(),
            |e| matches!(e, UnlinkError::SealedGone { .. }),
        ),
        (
            |y| y.put("clip.vge", b"short"),
            |e| matches!(e, UnlinkError::SealedGone { .. }),
        ),
        (
            |y| {
                y.put("new", &[0; 21]);
                std::fs::rename(y.path("new"), y.path("clip.vge")).unwrap();
            },
            |e| matches!(e, UnlinkError::SealedGone { .. }),
        ),
    ];
    for (at, (doubt, is_right)) in doubts.into_iter().enumerate() {
        let yard = Yard::with("clip.mp4", b"plain");
        let source = yard.source("clip.mp4");
        let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
        doubt(&yard);
        let error = unlink_plaintext(&source, &sealed).unwrap_err();
        assert!(is_right(&error), "{at}: {error}");
        assert!(yard.path("clip.mp4").exists(), "{at}");
    }
}

#[test]
fn the_proof_of_one_clip_does_not_unlink_another() {
    let yard = Yard::with("a.mp4", b"plain");
    yard.put("b.mp4", b"plain");
    let sealed = seal(&yard.source("a.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let error = unlink_plaintext(&yard.source("b.mp4"), &sealed).unwrap_err();
    assert!(matches!(error, UnlinkError::NotProven { .. }), "{error}");
    assert_eq!(yard.names(), ["a.mp4", "a.vge", "b.mp4"]);
}

#[test]
fn a_plaintext_that_is_written_again_stays() {
    let yard = Yard::with("clip.mp4", b"plain");
    let source = yard.source("clip.mp4");
    let sealed = seal(&source, &key(), IV, SealOptions::default()).unwrap();
    let recorder = Recorder::on(&yard.path("clip.mp4"));
    let error = unlink_plaintext(&source, &sealed).unwrap_err();
    assert!(matches!(error, UnlinkError::OpenForWriting { pid, .. } if pid == recorder.0.id()));
    assert!(yard.path("clip.mp4").exists());
}

// ── Recovery ──

#[test]
fn a_matching_pair_is_proven_anew_and_the_plaintext_may_go() {
    let plain = noise(700_001);
    let yard = Yard::with("clip.mp4", &plain);
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let source = yard.source("clip.mp4");
    let pairing = compare(&source, &yard.sealed("clip.vge"), &key()).unwrap();
    let Pairing::Same(proof) = pairing else {
        panic!("{pairing:?}")
    };
    assert_eq!(proof, sealed);
    assert_eq!(unlink_plaintext(&source, &proof).unwrap(), Unlinked::Done);
    assert_eq!(yard.names(), ["clip.vge"]);
}

#[test]
fn a_pair_that_does_not_match_is_told_apart() {
    let plain = noise(700_001);
    let yard = Yard::with("clip.mp4", &plain);
    seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let good = yard.get("clip.vge");
    let agree = |key: &Key| match compare(&yard.source("clip.mp4"), &yard.sealed("clip.vge"), key)
        .unwrap()
    {
        Pairing::Different { agree_bytes } => agree_bytes,
        Pairing::Same(_) => panic!("taken for the same"),
    };
    assert!(agree(&Key::from_bytes([9; 32])) < 8);
    let mut flipped = good.clone();
    flipped[16 + 500_000] ^= 1;
    yard.put("clip.vge", &flipped);
    assert_eq!(agree(&key()), 500_000);
    yard.put("clip.vge", &good[..600_016]);
    assert_eq!(agree(&key()), 600_000);
    yard.put("clip.vge", &[&good[..], b"x"].concat());
    assert_eq!(agree(&key()), 700_001);
    yard.put("clip.vge", &good[..10]);
    let error = compare(&yard.source("clip.mp4"), &yard.sealed("clip.vge"), &key()).unwrap_err();
    assert!(matches!(error, UnsealError::TooShort { .. }), "{error}");
}

#[test]
fn only_our_own_temp_files_are_removed() {
    let yard = Yard::with("clip.mp4", b"plain");
    let temp = names::temp_name(OsStr::new("gone.mp4"));
    yard.put(&temp, b"torn");
    let (entries, _) = yard.scan();
    assert!(entries.contains(&Entry::Leftover {
        path: temp.clone().into()
    }));
    assert!(remove_leftover(&yard.folder, Path::new(&temp)).unwrap());
    assert!(!remove_leftover(&yard.folder, Path::new(&temp)).unwrap());
    assert!(!remove_leftover(&yard.folder, Path::new("clip.mp4")).unwrap());
    symlink("clip.mp4", yard.path(&temp)).unwrap();
    assert!(!remove_leftover(&yard.folder, Path::new(&temp)).unwrap());
    assert_eq!(yard.names().len(), 2);
}

// ── Unsealing ──

#[test]
fn the_hash_tells_a_right_key_from_a_wrong_one() {
    let yard = Yard::with("clip.mp4", &noise(300_000));
    let sealed = seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let file = yard.sealed("clip.vge");
    let verdict = |key| verify_hash(&file, &key, &sealed.plain_sha256).unwrap();
    assert!(matches!(verdict(key()), Verdict::Matches(f) if f.plain_bytes == 300_000));
    assert!(matches!(verdict(Key::from_bytes([1; 32])), Verdict::Differs(f) if f.iv == IV));
}

#[test]
fn what_is_no_sealed_file_is_not_unsealed() {
    let yard = Yard::with("short.vge", &[0; 15]);
    let file = yard.sealed("short.vge");
    assert_eq!(file.plain_bytes(), None);
    let error = unseal(&file, &key(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, UnsealError::TooShort { .. }), "{error}");
    symlink("short.vge", yard.path("link.vge")).unwrap();
    std::fs::create_dir(yard.path("folder.vge")).unwrap();
    let refused = |name| {
        open_sealed(&yard.folder, Path::new(name))
            .unwrap()
            .unwrap_err()
    };
    assert_eq!(refused("link.vge"), Refusal::Symlink);
    assert_eq!(refused("folder.vge"), Refusal::NotRegular);
    assert_eq!(refused("missing.vge"), Refusal::Vanished);
}

#[test]
fn a_reader_that_goes_away_ends_the_unsealing() {
    let yard = Yard::with("clip.mp4", &noise(1 << 20));
    seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let (mut gone, output) = std::os::unix::net::UnixStream::pair().unwrap();
    gone.set_nonblocking(true).unwrap();
    assert!(gone.read(&mut [0]).is_err());
    drop(gone);
    let error = unseal(&yard.sealed("clip.vge"), &key(), &mut &output).unwrap_err();
    assert!(matches!(error, UnsealError::Output(_)), "{error}");
}

// ── The scan ──

#[test]
fn a_scan_finds_everything_and_counts_what_it_passes_over() {
    let yard = Yard::new();
    for folder in ["yard", "yard/2031", "door.mp4", ".hidden"] {
        std::fs::create_dir(yard.path(folder)).unwrap();
    }
    for file in [
        "a.mp4",
        "yard/b.MKV",
        "yard/2031/c.ts",
        "a.vge",
        "a.jpg",
        "notes",
        ".d.mp4",
        "door.mp4/e.mp4",
        ".hidden/f.mp4",
        "g.mp4",
        "h.webm",
    ] {
        yard.put(file, b"bytes");
    }
    let odd = OsStr::from_bytes(b"\xff\n.mov");
    yard.put(odd, b"");
    std::fs::hard_link(yard.path("g.mp4"), yard.path("g2.mp4")).unwrap();
    symlink("a.mp4", yard.path("link.mp4")).unwrap();
    symlink("yard", yard.path("away")).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, yard.path("pipe.mp4"), FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(yard.path("s.mp4")).unwrap();

    let (entries, tally) = yard.scan();
    let mut clips: Vec<&Path> = entries
        .iter()
        .filter_map(|e| {
            if let Entry::Clip { path, .. } = e {
                Some(&**path)
            } else {
                None
            }
        })
        .collect();
    clips.sort();
    let want = ["a.mp4", "h.webm", "yard/2031/c.ts", "yard/b.MKV"].map(Path::new);
    assert_eq!(clips, [&want[..], &[Path::new(odd)]].concat());
    let ignored = [
        (IgnoreReason::Symlink, 2),
        (IgnoreReason::Fifo, 1),
        (IgnoreReason::Socket, 1),
        (IgnoreReason::FolderNamedLikeFile, 1),
        (IgnoreReason::HardLinked, 2),
        (IgnoreReason::DotName, 2),
        (IgnoreReason::OtherExtension, 1),
    ];
    assert_eq!(
        tally,
        Tally {
            pictures: 1,
            sidecars: 0,
            clips: 5,
            sealed: 1,
            leftovers: 0,
            reseals: 0,
            folders: 3,
            ignored: ignored.into()
        }
    );
    // What the scan saw is what admission wants to see again.
    let seen = entries.iter().find_map(|e| match e {
        Entry::Clip { path, fingerprint } if path == Path::new("a.mp4") => Some(*fingerprint),
        _ => None,
    });
    let seen: Fingerprint = seen.unwrap();
    let admission = admit(&yard.folder, Path::new("a.mp4"), Some(&seen), &OPTIONS).unwrap();
    assert!(matches!(admission, Admission::Ready(_)), "{admission:?}");
}

#[test]
fn the_depth_is_bounded_and_the_bound_is_counted() {
    let yard = Yard::new();
    let mut path = PathBuf::new();
    for level in 0..=DEPTH_MAX {
        yard.put(path.join("clip.mp4"), b"bytes");
        path.push(level.to_string());
        std::fs::create_dir(yard.path(&path)).unwrap();
    }
    yard.put(path.join("clip.mp4"), b"bytes");
    let (entries, tally) = yard.scan();
    assert_eq!(tally.clips, DEPTH_MAX as u64 + 1);
    assert!(entries.contains(&Entry::Ignored {
        path,
        reason: IgnoreReason::TooDeep
    }));
}

#[test]
fn a_recordings_folder_that_is_not_there_is_named() {
    let yard = Yard::new();
    let error = Folder::open(&yard.path("missing")).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
