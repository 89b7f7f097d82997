#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn counting() -> [u8; KEY_BYTES] {
    std::array::from_fn(|i| i as u8)
}

struct Place {
    folder: tempfile::TempDir,
    options: KeyOptions,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("storage.key");
        Self {
            options: KeyOptions {
                key_file,
                ..KeyOptions::default()
            },
            folder,
        }
    }

    fn with(content: &[u8]) -> Self {
        let place = Self::new();
        fsutil::write_new(&place.options.key_file, content, 0o600).unwrap();
        place
    }

    fn chmod(&self, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&self.options.key_file, permissions).unwrap();
    }

    fn find(&self) -> Result<(Key, KeySource), KeyError> {
        find(&self.options, &KeyEnvironment::default())
    }
}

#[test]
fn the_key_id_is_frozen() {
    // Made independently with Python's hmac.
    assert_eq!(
        Key::from_bytes(counting()).id().to_string(),
        "a8cc6e3c1c993f1e"
    );
}

#[test]
fn raw_bytes_and_hex_digits_of_either_case_are_the_same_key() {
    let upper = HEX.to_uppercase();
    let contents: [&[u8]; 5] = [
        &counting(),
        HEX.as_bytes(),
        &format!("{HEX}\n").into_bytes(),
        &format!("{HEX}\r\n").into_bytes(),
        upper.as_bytes(),
    ];
    for content in contents {
        let place = Place::with(content);
        let (key, source) = place.find().unwrap();
        assert_eq!(key.bytes(), &counting());
        assert_eq!(source, KeySource::KeyFile(place.options.key_file.clone()));
    }
}

#[test]
fn a_wrong_length_is_refused() {
    let long = [1; 4096];
    let with_line_end = [&counting()[..], b"\n"].concat();
    let contents: [&[u8]; 6] = [
        b"",
        &long[..31],
        &with_line_end,
        &HEX.as_bytes()[1..],
        &long[..66],
        &long,
    ];
    for content in contents {
        let error = Place::with(content).find().unwrap_err();
        assert!(matches!(error, KeyError::WrongLength { .. }), "{error}");
    }
}

#[test]
fn characters_that_are_no_hex_digits_are_refused_and_not_repeated() {
    let content = HEX.replace('f', "g");
    let error = Place::with(content.as_bytes()).find().unwrap_err();
    assert!(matches!(error, KeyError::NotHex { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains(&content[..8]));
}

#[test]
fn one_byte_repeated_is_refused() {
    for content in [vec![0; 32], vec![0xff; 32], vec![b'0'; 64], vec![b'a'; 64]] {
        let error = Place::with(&content).find().unwrap_err();
        assert!(matches!(error, KeyError::Degenerate { .. }), "{error}");
    }
}

#[test]
fn any_bit_for_group_or_others_is_refused() {
    let place = Place::with(&counting());
    for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
        place.chmod(0o600 | bit);
        let error = place.find().unwrap_err();
        assert!(matches!(error, KeyError::OpenToOthers { mode, .. } if mode == 0o600 | bit));
    }
    for mode in [0o600, 0o400, 0o700] {
        place.chmod(mode);
        place.find().unwrap();
    }
}

#[test]
fn a_symbolic_link_is_refused_even_to_a_fit_key() {
    let place = Place::new();
    let real = place.folder.path().join("real.key");
    fsutil::write_new(&real, &counting(), 0o600).unwrap();
    symlink(&real, &place.options.key_file).unwrap();
    assert!(matches!(
        place.find().unwrap_err(),
        KeyError::Symlink { .. }
    ));
}

#[test]
fn a_dangling_link_is_a_link_and_not_a_missing_key() {
    let place = Place::new();
    symlink("nowhere", &place.options.key_file).unwrap();
    assert!(matches!(
        place.find().unwrap_err(),
        KeyError::Symlink { .. }
    ));
}

#[test]
fn folders_and_pipes_are_refused_without_waiting() {
    let place = Place::new();
    std::fs::create_dir(&place.options.key_file).unwrap();
    assert!(matches!(
        place.find().unwrap_err(),
        KeyError::NotRegular { .. }
    ));
    std::fs::remove_dir(&place.options.key_file).unwrap();
    let path = &place.options.key_file;
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(
        place.find().unwrap_err(),
        KeyError::NotRegular { .. }
    ));
}

#[test]
fn a_foreign_owner_is_refused() {
    let place = Place::with(&counting());
    let me = rustix::process::geteuid().as_raw();
    if me == 0 {
        std::os::unix::fs::chown(&place.options.key_file, Some(12_345), None).unwrap();
        let error = place.find().unwrap_err();
        assert!(
            matches!(
                error,
                KeyError::ForeignOwner {
                    owner_uid: 12_345,
                    ..
                }
            ),
            "{error}"
        );
        let options = KeyOptions {
            service_uid: 12_345,
            ..place.options.clone()
        };
        find(&options, &KeyEnvironment::default()).unwrap();
    } else {
        let options = KeyOptions {
            service_uid: me + 1,
            ..place.options.clone()
        };
        let error = find(&options, &KeyEnvironment::default()).unwrap_err();
        assert!(matches!(error, KeyError::ForeignOwner { .. }), "{error}");
    }
}

#[test]
fn a_missing_key_says_where_it_was_looked_for_and_what_to_do() {
    let place = Place::new();
    let error = place.find().unwrap_err();
    assert!(matches!(error, KeyError::Missing { .. }));
    assert!(error.to_string().contains("keygen"), "{error}");
    assert!(error.to_string().contains("storage.key"), "{error}");
}

#[test]
fn the_credential_comes_first_then_the_file_then_the_variable() {
    let place = Place::new();
    let credentials = place.folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let environment = KeyEnvironment::from_variables(|name| match name {
        "CREDENTIALS_DIRECTORY" => Some(credentials.clone().into()),
        "VIGILAR_ENCRYPTION_KEY" => Some(HEX.into()),
        _ => None,
    });
    let (key, source) = find(&place.options, &environment).unwrap();
    assert_eq!((key.bytes(), source), (&counting(), KeySource::Environment));

    fsutil::write_new(&place.options.key_file, &[[1; 16], [2; 16]].concat(), 0o600).unwrap();
    let (key, source) = find(&place.options, &environment).unwrap();
    assert_eq!(source, KeySource::KeyFile(place.options.key_file.clone()));
    assert_eq!(key.bytes()[0], 1);

    // 0440 is what systemd's ACL looks like.
    let credential = credentials.join("storage.key");
    fsutil::write_new(&credential, &[[3; 16], [4; 16]].concat(), 0o440).unwrap();
    let (key, source) = find(&place.options, &environment).unwrap();
    assert_eq!(
        (key.bytes()[0], source),
        (3, KeySource::Credential(credential))
    );
}

#[test]
fn an_unfit_key_ends_the_search() {
    let place = Place::with(b"short");
    let environment = KeyEnvironment {
        vigilar_encryption_key: Some(HEX.into()),
        ..KeyEnvironment::default()
    };
    let error = find(&place.options, &environment).unwrap_err();
    assert!(matches!(error, KeyError::WrongLength { .. }), "{error}");
}

#[test]
fn the_variable_takes_hex_digits_only() {
    let place = Place::new();
    let raw = "abcdefghijklmnopqrstuvwxyz012345";
    let environment = KeyEnvironment {
        vigilar_encryption_key: Some(raw.into()),
        ..KeyEnvironment::default()
    };
    let error = find(&place.options, &environment).unwrap_err();
    assert!(matches!(error, KeyError::WrongLength { .. }), "{error}");
    let empty = KeyEnvironment::from_variables(|_| Some(OsString::new()));
    assert!(matches!(
        find(&place.options, &empty).unwrap_err(),
        KeyError::Missing { .. }
    ));
}

#[test]
fn keygen_makes_a_key_that_is_found_and_a_sheet_that_brings_it_back() {
    let place = Place::new();
    let path = place.folder.path().join("new/secrets/storage.key");
    let sheet = keygen(&path, counting()).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);
    let options = KeyOptions {
        key_file: path,
        ..KeyOptions::default()
    };
    let (key, _) = find(&options, &KeyEnvironment::default()).unwrap();
    let restored = RecoverySheet::parse(sheet.reveal()).unwrap();
    assert_eq!(key.bytes(), restored.bytes());
    assert_eq!(sheet.key_id(), key.id());
}

#[test]
fn keygen_never_overwrites_and_refuses_a_dead_random_source() {
    let place = Place::with(&counting());
    let error = keygen(
        &place.options.key_file,
        [[9; 16], [8; 16]].concat().try_into().unwrap(),
    );
    assert!(matches!(error.unwrap_err(), KeyError::AlreadyThere { .. }));
    assert_eq!(std::fs::read(&place.options.key_file).unwrap(), counting());

    let other = place.folder.path().join("other.key");
    assert!(matches!(
        keygen(&other, [0; 32]).unwrap_err(),
        KeyError::Degenerate { .. }
    ));
    assert!(!other.exists());
}

#[test]
fn debug_shows_no_key_byte() {
    assert_eq!(
        format!("{:?}", Key::from_bytes(counting())),
        "Key([redacted])"
    );
    let environment = KeyEnvironment {
        vigilar_encryption_key: Some(HEX.into()),
        ..KeyEnvironment::default()
    };
    assert!(!format!("{environment:?}").contains("0001"));
}

#[test]
fn core_dumps_are_forbidden() {
    forbid_core_dumps().unwrap();
    let limit = rustix::process::getrlimit(Resource::Core);
    assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, DumpableBehavior::NotDumpable);
}
