//! The sidecar: its bytes, what it finds, and reading through it.

use std::io::{Read, Seek, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::vault::auth::{CHUNK_BYTES, HEADER_TAG_BYTES, Header, HeaderTag, Sidecar, TAG_BYTES};
use crate::vault::reader::{Damage, Keys, ReadError, Reader};
use crate::vault::sidecar::{read_legacy, seal_legacy};
use crate::vault::verify::Verdict;

const PATTERN_BYTES: usize = 150_000;

/// The plaintext of the golden files: a pattern that repeats with no power of two.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/vge")
        .join(name)
}

/// A folder with `clip.vge` and its sidecar, and nothing else.
fn sealed_yard(plain: &[u8]) -> Yard {
    let yard = Yard::with("clip.mp4", plain);
    if plain.is_empty() {
        // The watcher seals no empty files; the format has them all the same.
        yard.put("clip.vge", &IV);
        let sealed = yard.sealed("clip.vge");
        seal_legacy(&sealed, &read_legacy(&sealed, &key()).unwrap()).unwrap();
    } else {
        seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    }
    std::fs::remove_file(yard.path("clip.mp4")).unwrap();
    yard
}

fn judge(yard: &Yard, expected: Expected) -> Verdict {
    verify(&yard.sealed("clip.vge"), &key(), expected, &|_| {}).unwrap()
}

fn is_verified(yard: &Yard) -> bool {
    matches!(judge(yard, Expected::default()), Verdict::Verified { .. })
}

fn open(yard: &Yard) -> Result<Reader, ReadError> {
    Reader::open(
        &yard.folder,
        Path::new("clip.vge"),
        &key(),
        Expected::default(),
    )
}

fn header_tag(yard: &Yard) -> HeaderTag {
    Sidecar::decode(&yard.get("clip.vge.auth"))
        .unwrap()
        .header_tag
}

#[test]
fn every_released_version_is_written_and_read_as_it_was() {
    for (name, len) in [("pattern", PATTERN_BYTES), ("empty", 0)] {
        let yard = sealed_yard(&pattern(len));
        for extension in ["vge", "vge.auth"] {
            let (path, made) = (
                golden(&format!("v1/{name}.{extension}")),
                yard.get(format!("clip.{extension}")),
            );
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::File::create(&path)
                    .unwrap()
                    .write_all(&made)
                    .unwrap();
            }
            let kept = std::fs::read(&path).unwrap_or_else(|error| {
                panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display())
            });
            assert!(made == kept, "{} is made otherwise", path.display());
        }
        let folder = Folder::open(&golden("v1")).unwrap();
        let file = format!("{name}.vge");
        let mut reader =
            Reader::open(&folder, Path::new(&file), &key(), Expected::default()).unwrap();
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        assert!(reader.is_verified() && back == pattern(len));
    }
}

#[test]
fn a_file_of_another_program_is_read_without_a_sidecar_and_can_be_given_one() {
    let plain = std::fs::read(golden("../clips/hallway-20261120-061530.mp4")).unwrap();
    let yard = Yard::new();
    yard.put("clip.vge", &std::fs::read(golden("plain.vge")).unwrap());
    assert_eq!(judge(&yard, Expected::default()), Verdict::Unverified);
    let mut reader = open(&yard).unwrap();
    let mut back = Vec::new();
    reader.read_to_end(&mut back).unwrap();
    assert!(!reader.is_verified() && back == plain);
    let sealed = yard.sealed("clip.vge");
    let legacy = read_legacy(&sealed, &key()).unwrap();
    assert!(legacy.head.starts_with(&plain[..64]));
    assert_eq!(
        legacy.plain_sha256(),
        <[u8; 32]>::from(Sha256::digest(&plain))
    );
    seal_legacy(&sealed, &legacy).unwrap();
    assert!(is_verified(&yard) && open(&yard).unwrap().is_verified());
}

#[test]
fn a_sidecar_says_what_the_format_says() {
    let yard = sealed_yard(&pattern(PATTERN_BYTES));
    let bytes = yard.get("clip.vge.auth");
    let (header, len) = Header::decode(&bytes).unwrap();
    assert_eq!((header.key_id, header.iv), (key().id(), IV));
    assert_eq!((header.ct_len, header.chunks()), (150_000, 3));
    assert_eq!(header.chunk_len(2), 150_000 - 2 * CHUNK_BYTES);
    assert_eq!(bytes.len(), len + 3 * TAG_BYTES + HEADER_TAG_BYTES);
    let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let keys: Vec<_> = value
        .as_map()
        .unwrap()
        .iter()
        .map(|(key, _)| key.as_text().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "v",
            "key_id",
            "iv",
            "ct_len",
            "chunk",
            "n_chunks",
            "plain_sha256"
        ]
    );
    let mode = std::fs::metadata(yard.path("clip.vge.auth"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_newer_sidecar_and_a_missing_key_are_said_and_not_taken_for_tampering() {
    let yard = sealed_yard(b"plain");
    let other = Key::from_bytes([9; 32]);
    let sealed = yard.sealed("clip.vge");
    let error = verify(&sealed, &other, Expected::default(), &|_| {}).unwrap_err();
    assert!(
        error.to_string().contains(&key().id().to_string()),
        "{error}"
    );
    let mut bytes = yard.get("clip.vge.auth");
    let v = bytes.iter().position(|b| *b == b'v').unwrap();
    bytes[v + 1] = 2;
    yard.put("clip.vge.auth", &bytes);
    let error = verify(&sealed, &key(), Expected::default(), &|_| {}).unwrap_err();
    assert!(matches!(error, ReadError::Newer { .. }), "{error}");
    assert!(matches!(open(&yard), Err(ReadError::Newer { .. })));
}

/// What somebody does to a sealed file and its sidecar.
#[derive(Clone, Debug)]
enum Harm {
    FlipFile(usize),
    FlipSidecar(usize),
    TruncateFile(usize),
    TruncateSidecar(usize),
    Extend(Vec<u8>),
    SwapChunks(usize, usize),
    SwapChunksAndTags(usize, usize),
    TruncateBoth(usize),
    OtherFile,
    OtherSidecar,
    NoSidecar,
}

fn harm() -> impl Strategy<Value = Harm> {
    let number = any::<usize>;
    prop_oneof![
        number().prop_map(Harm::FlipFile),
        number().prop_map(Harm::FlipSidecar),
        number().prop_map(Harm::TruncateFile),
        number().prop_map(Harm::TruncateSidecar),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Harm::Extend),
        (number(), number()).prop_map(|(a, b)| Harm::SwapChunks(a, b)),
        (number(), number()).prop_map(|(a, b)| Harm::SwapChunksAndTags(a, b)),
        number().prop_map(Harm::TruncateBoth),
        Just(Harm::OtherFile),
        Just(Harm::OtherSidecar),
        Just(Harm::NoSidecar),
    ]
}

/// Does it to the bytes of file and sidecar; false if nothing was changed by it.
fn apply(harm: &Harm, file: &mut Vec<u8>, auth: &mut Vec<u8>) -> bool {
    let before = (file.clone(), auth.clone());
    let chunks = (file.len() - 16).div_ceil(CHUNK_BYTES);
    let tags_at = auth.len() - HEADER_TAG_BYTES - chunks * TAG_BYTES;
    let whole = (file.len() - 16) / CHUNK_BYTES;
    let swap = |bytes: &mut [u8], at: usize, size: usize, a: usize, b: usize| {
        for i in 0..size {
            bytes.swap(at + a * size + i, at + b * size + i);
        }
    };
    match harm {
        Harm::FlipFile(bit) => {
            let bit = bit % (file.len() * 8);
            file[bit / 8] ^= 1 << (bit % 8);
        }
        Harm::FlipSidecar(bit) => {
            let bit = bit % (auth.len() * 8);
            auth[bit / 8] ^= 1 << (bit % 8);
        }
        Harm::TruncateFile(len) => file.truncate(len % file.len()),
        Harm::TruncateSidecar(len) => auth.truncate(len % auth.len()),
        Harm::Extend(more) => file.extend_from_slice(more),
        Harm::SwapChunks(a, b) | Harm::SwapChunksAndTags(a, b) if whole > 1 => {
            let (a, b) = (a % whole, b % whole);
            swap(file, 16, CHUNK_BYTES, a, b);
            if matches!(harm, Harm::SwapChunksAndTags(..)) {
                swap(auth, tags_at, TAG_BYTES, a, b);
            }
        }
        Harm::SwapChunks(..) | Harm::SwapChunksAndTags(..) => {}
        // A careful thief: cuts whole chunks, their tags, and tells the header.
        Harm::TruncateBoth(keep) => {
            let keep = keep % chunks;
            file.truncate(16 + keep * CHUNK_BYTES);
            let (mut header, _) = Header::decode(auth).unwrap();
            let mut shorter = auth[tags_at..tags_at + keep * TAG_BYTES].to_vec();
            shorter.extend_from_slice(&auth[auth.len() - HEADER_TAG_BYTES..]);
            header.ct_len = (keep * CHUNK_BYTES) as u64;
            *auth = [header.encode(), shorter].concat();
        }
        Harm::OtherFile => {
            let yard = sealed_yard_with([1; 16], file.len() - 16);
            *file = yard.get("clip.vge");
        }
        Harm::OtherSidecar => {
            let yard = sealed_yard_with([1; 16], file.len() - 16);
            *auth = yard.get("clip.vge.auth");
        }
        Harm::NoSidecar => auth.clear(),
    }
    before != (file.clone(), auth.clone())
}

fn sealed_yard_with(iv: [u8; 16], len: usize) -> Yard {
    let yard = Yard::with("clip.mp4", &noise(len));
    seal(&yard.source("clip.mp4"), &key(), iv, SealOptions::default()).unwrap();
    yard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever is done to file or sidecar is found by a verification that knows the header tag, and
    /// what a reader gives out before it finds it is true.
    #[test]
    fn nothing_is_changed_unseen(
        harm in harm(),
        len in prop_oneof![1..200_usize, 65_000..66_000_usize, 131_000..200_000_usize],
        at in any::<prop::sample::Index>(),
    ) {
        let plain = noise(len);
        let yard = sealed_yard(&plain);
        let expected = Expected { header_tag: Some(header_tag(&yard)), key_id: None };
        prop_assert!(is_verified(&yard), "the honest file is taken");
        let (mut file, mut auth) = (yard.get("clip.vge"), yard.get("clip.vge.auth"));
        if !apply(&harm, &mut file, &mut auth) {
            return Ok(());
        }
        yard.put("clip.vge", &file);
        if matches!(harm, Harm::NoSidecar) {
            std::fs::remove_file(yard.path("clip.vge.auth")).unwrap();
        } else {
            yard.put("clip.vge.auth", &auth);
        }
        let sealed = yard.sealed("clip.vge");
        let verdict = verify(&sealed, &key(), expected, &|_| {});
        let found = match &verdict {
            Ok(Verdict::Tampered { .. }) | Err(ReadError::TooShort { .. }) => true,
            // A flip in the key id asks for a key that nobody has, one in the version for a newer
            // program; neither is taken for sound.
            Err(ReadError::NoKey { .. } | ReadError::Newer { .. }) => {
                matches!(harm, Harm::FlipSidecar(_))
            }
            _ => false,
        };
        prop_assert!(found, "{harm:?}: {verdict:?}");
        if matches!(harm, Harm::NoSidecar) {
            return Ok(());
        }
        let offset = at.index(len) as u64;
        let wanted = (len as u64 - offset).min(1_000);
        if let Ok(mut reader) = open(&yard) {
            let mut out = Vec::new();
            if reader.range(offset, wanted, &mut out).is_ok() {
                prop_assert!(out == plain[offset as usize..][..wanted as usize], "{harm:?}");
            }
        }
    }

    #[test]
    fn any_range_is_the_plaintext_of_that_range(
        len in 0..300_000_usize,
        ranges in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..8),
    ) {
        let plain = noise(len);
        let yard = sealed_yard(&plain);
        let mut reader = open(&yard).unwrap();
        for (a, b) in ranges {
            let (a, b) = (a.index(len + 1), b.index(len + 1));
            let (from, to) = (a.min(b), a.max(b));
            let mut out = Vec::new();
            reader.range(from as u64, (to - from) as u64, &mut out).unwrap();
            prop_assert!(out == plain[from..to]);
            reader.seek(SeekFrom::Start(from as u64)).unwrap();
            out = vec![0; to - from];
            reader.read_exact(&mut out).unwrap();
            prop_assert!(out == plain[from..to]);
        }
        let mut out = Vec::new();
        let beyond = reader.range(len as u64, 1, &mut out);
        let refused = matches!(beyond, Err(ReadError::OutOfRange { .. }));
        prop_assert!(refused && out.is_empty());
    }
}

#[test]
fn each_bad_chunk_is_named_and_the_others_can_be_read() {
    let plain = noise(10 * CHUNK_BYTES + 5);
    let yard = sealed_yard(&plain);
    let mut file = yard.get("clip.vge");
    for chunk in [2, 7] {
        file[16 + chunk * CHUNK_BYTES + 1_000] ^= 4;
    }
    yard.put("clip.vge", &file);
    let Verdict::Tampered {
        damage,
        bad_chunks,
        bad_count,
    } = judge(&yard, Expected::default())
    else {
        panic!("not found");
    };
    assert_eq!(damage, Damage::Chunk { index: 2 });
    assert_eq!((bad_chunks.as_slice(), bad_count), (&[2, 7][..], 2));
    let mut reader = open(&yard).unwrap();
    let mut out = Vec::new();
    reader
        .range(3 * CHUNK_BYTES as u64, 4 * CHUNK_BYTES as u64, &mut out)
        .unwrap();
    assert!(out == plain[3 * CHUNK_BYTES..7 * CHUNK_BYTES]);
    let error = reader
        .range(0, plain.len() as u64, &mut Vec::new())
        .unwrap_err();
    assert!(
        error.to_string().ends_with("chunk 2 was changed"),
        "{error}"
    );
    let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_whole_file_that_was_exchanged_is_found_even_if_it_was_sealed_under_the_key() {
    let yard = sealed_yard(b"the burglar at the door");
    let expected = Expected {
        header_tag: Some(header_tag(&yard)),
        key_id: None,
    };
    let forged = Yard::with("clip.mp4", b"nobody at the door, ever");
    seal(
        &forged.source("clip.mp4"),
        &key(),
        [3; 16],
        SealOptions::default(),
    )
    .unwrap();
    for name in ["clip.vge", "clip.vge.auth"] {
        yard.put(name, &forged.get(name));
    }
    assert!(is_verified(&yard), "by itself it is sound");
    let damage = |verdict| match verdict {
        Verdict::Tampered { damage, .. } => damage,
        other => panic!("{other:?}"),
    };
    assert_eq!(damage(judge(&yard, expected)), Damage::Exchanged);
    let opened = Reader::open(&yard.folder, Path::new("clip.vge"), &key(), expected);
    assert!(matches!(
        opened,
        Err(ReadError::Tampered {
            damage: Damage::Exchanged,
            ..
        })
    ));
    std::fs::remove_file(yard.path("clip.vge.auth")).unwrap();
    assert_eq!(damage(judge(&yard, expected)), Damage::SidecarGone);
}

#[test]
fn a_range_reads_little_more_than_itself_from_the_disk() {
    let yard = Yard::with("clip.mp4", &noise(64 << 20));
    seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let forget = || {
        for name in ["clip.vge", "clip.vge.auth"] {
            let file = std::fs::File::open(yard.path(name)).unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
    };
    // Of this thread alone: other tests read as well.
    let from_disk = || -> u64 {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("read_bytes: "));
        line.unwrap().parse().unwrap()
    };
    forget();
    let before = from_disk();
    let mut out = Vec::new();
    open(&yard)
        .unwrap()
        .range((32 << 20) + 12_345, 1 << 20, &mut out)
        .unwrap();
    let read_bytes = from_disk() - before;
    assert!(out == noise(64 << 20)[(32 << 20) + 12_345..][..1 << 20]);
    let limit = (12 << 20) / 10;
    assert!(
        read_bytes < limit,
        "{read_bytes} bytes were read from the disk"
    );
    // A memory file system reads nothing from a disk; then there is nothing to show here.
    forget();
    let before = from_disk();
    std::fs::read(yard.path("clip.vge")).unwrap();
    let whole = from_disk() - before;
    assert!(
        whole == 0 || whole >= 64 << 20,
        "the measure works: {whole}"
    );
}

#[test]
fn without_a_key_nothing_is_read() {
    struct None;
    impl Keys for None {
        fn current(&self) -> Option<&Key> {
            Option::None
        }
        fn get(&self, _: &crate::vault::key::KeyId) -> Option<&Key> {
            Option::None
        }
    }
    let yard = sealed_yard(b"plain");
    let open = || {
        Reader::open(
            &yard.folder,
            Path::new("clip.vge"),
            &None,
            Expected::default(),
        )
    };
    assert!(matches!(open(), Err(ReadError::NoKey { .. })));
    std::fs::remove_file(yard.path("clip.vge.auth")).unwrap();
    assert!(matches!(open(), Err(ReadError::Keyless { .. })));
}

#[test]
fn a_sidecar_that_is_no_file_is_found_and_not_followed() {
    let auth = |yard: &Yard| yard.path("clip.vge.auth");
    let makers: [fn(&Path); 4] = [
        |path| std::os::unix::fs::symlink("elsewhere", path).unwrap(),
        |path| std::fs::create_dir(path).unwrap(),
        |path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
    ];
    for make in makers {
        let yard = sealed_yard(b"plain");
        std::fs::rename(auth(&yard), yard.path("elsewhere")).unwrap();
        make(&auth(&yard));
        let verdict = judge(&yard, Expected::default());
        assert!(matches!(verdict, Verdict::Tampered { .. }), "{verdict:?}");
        assert!(matches!(open(&yard), Err(ReadError::Tampered { .. })));
    }
}

#[test]
fn a_hostile_length_costs_neither_memory_nor_time() {
    // In memory, where a file may claim any length.
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let yard = Yard { dir, folder };
    yard.put("clip.mp4", b"plain");
    seal(&yard.source("clip.mp4"), &key(), IV, SealOptions::default()).unwrap();
    let honest = yard.get("clip.vge.auth");
    let set_len = |name: &str, bytes: u64| {
        let file = std::fs::File::options().write(true).open(yard.path(name));
        file.unwrap().set_len(bytes).unwrap();
    };
    let is_found = || {
        let verdict = judge(&yard, Expected::default());
        let found = matches!(verdict, Verdict::Tampered { .. });
        assert!(found, "{verdict:?}");
        assert!(open(&yard).is_err());
    };
    // A sidecar of 1 GiB beside a small file, and one that fits a file of 4 EiB.
    set_len("clip.vge.auth", 1 << 30);
    is_found();
    let ct_len = 1_u64 << 62;
    let (mut header, _) = Header::decode(&honest).unwrap();
    header.ct_len = ct_len;
    let header = header.encode();
    set_len("clip.vge", ct_len + 16);
    is_found();
    let tags_bytes = header.len() as u64 + (ct_len >> 16) * 16 + 32;
    yard.put("clip.vge.auth", &header);
    set_len("clip.vge.auth", tags_bytes);
    is_found();
    yard.put("clip.vge.auth", &honest);
    is_found();
}

/// Bytes that are likely to hurt a reader of sidecars: noise, headers that lie, nests of CBOR, and
/// more than there should be.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..700);
    let lie = (any::<u64>(), any::<[u8; 32]>(), noise.clone());
    let lie = lie.prop_map(|(ct_len, plain_sha256, rest)| {
        let header = Header {
            key_id: key().id(),
            iv: IV,
            ct_len,
            plain_sha256,
        };
        [header.encode(), rest].concat()
    });
    // Arrays, maps, tags and strings that announce as much as they can, one in the other.
    let opener = prop::sample::select(vec![
        &[0x81_u8][..],
        &[0xa1],
        &[0xc1],
        &[0x9f],
        &[0xbf],
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x5b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x7b, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]);
    let nest = (opener, 1..400_usize, noise.clone())
        .prop_map(|(opener, depth, rest)| [opener.repeat(depth), rest].concat());
    prop_oneof![noise, lie, nest]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_for_a_sidecar_are_never_taken(
        bytes in hostile(),
        more in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let yard = sealed_yard(b"plain");
        let honest = yard.get("clip.vge.auth");
        for auth in [bytes, [honest, more].concat()] {
            yard.put("clip.vge.auth", &auth);
            let verdict = verify(&yard.sealed("clip.vge"), &key(), Expected::default(), &|_| {});
            let taken = matches!(verdict, Ok(Verdict::Verified { .. } | Verdict::Unverified));
            prop_assert!(!taken, "{verdict:?}");
            // A reader checks the tags of what it reads, and gives out nothing that is untrue.
            let mut back = Vec::new();
            if let Ok(mut reader) = open(&yard) && reader.read_to_end(&mut back).is_ok() {
                prop_assert_eq!(back, b"plain");
            }
        }
    }
}
