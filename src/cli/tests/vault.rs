//! `vault verify`, `unseal` and `seal-legacy`, as people run them.

use super::keys::{house, put, record};
use super::*;

/// A data folder with three sealed recordings, which nobody holds.
fn recorded() -> House {
    let mut house = house();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        record(&house, name);
    }
    house.stop();
    house
}

fn file(house: &House, name: &str) -> PathBuf {
    house.path().join("recordings").join(name)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    put(path, &bytes);
}

fn integrity(house: &House) -> Vec<String> {
    let ran = house.run(&[
        "sql",
        "--csv",
        "SELECT integrity FROM recordings ORDER BY id",
    ]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    ran.out.lines().skip(1).map(ToOwned::to_owned).collect()
}

#[test]
fn verify_names_each_bad_file_and_records_what_it_finds() {
    let house = recorded();
    let ran = house.run(&["vault", "verify", "--all"]);
    assert_eq!(ran.code, Exit::Ok, "{}{}", ran.out, ran.error);
    assert!(
        ran.out.starts_with("3 verified, 0 unverified"),
        "{}",
        ran.out
    );
    flip(&file(&house, "a.vge"), 20);
    std::fs::remove_file(file(&house, "c.vge")).unwrap();
    let ran = house.run(&["vault", "verify", "--all"]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    assert_eq!(ran.error, "2 files are not what was sealed");
    let told: Vec<_> = ran.out.lines().take(3).collect();
    assert!(told[0].starts_with("TAMPERED ") && told[0].ends_with("a.vge: chunk 0 was changed"));
    assert!(
        told[1].starts_with("MISSING ") && told[1].contains("c.vge"),
        "{told:?}"
    );
    assert_eq!(told[2], "1 verified, 0 unverified, 1 tampered, 1 missing");
    assert_eq!(integrity(&house), ["tampered", "verified", "missing"]);
    let noted = house.run(&["query", "system_events", "--csv"]);
    assert!(
        noted.out.contains("a.mp4 is not what was sealed"),
        "{}",
        noted.out
    );
    // Repaired from a backup, it is verified again; the rest stays as it was.
    flip(&file(&house, "a.vge"), 20);
    let ran = house.run(&["vault", "verify", "--all", "--json"]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&told["ok"], &told["files"][2]["integrity"]),
        (&false.into(), &"missing".into())
    );
    assert_eq!(integrity(&house), ["verified", "verified", "missing"]);
}

#[test]
fn a_copied_folder_is_verified_with_the_key_alone() {
    let house = recorded();
    let copy = tempfile::tempdir().unwrap();
    for name in ["a.vge", "a.vge.auth", "b.vge", "b.vge.auth", "c.vge.auth"] {
        std::fs::copy(file(&house, name), copy.path().join(name)).unwrap();
    }
    let (folder, key) = (
        copy.path().to_str().unwrap(),
        house.path().join("storage.key"),
    );
    let key = key.to_str().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| run_in(elsewhere.path(), "", args);
    let ran = run(&["vault", "verify", folder, "--key-file", key]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    assert!(ran.out.contains("c.vge: the file is gone"), "{}", ran.out);
    assert!(
        ran.out
            .contains("2 verified, 0 unverified, 0 tampered, 1 missing")
    );
    // Another key opens nothing, and does not call it tampering.
    let other = elsewhere.path().join("other.key");
    assert_eq!(
        run(&["vault", "keygen", other.to_str().unwrap()]).code,
        Exit::Ok
    );
    let ran = run(&[
        "vault",
        "verify",
        folder,
        "--key-file",
        other.to_str().unwrap(),
    ]);
    assert!(
        ran.out.contains("0 verified, 2 unverified, 0 tampered"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("which is not here"), "{}", ran.out);
    let none = run(&["vault", "verify"]);
    assert_eq!(none.code, Exit::Usage);
}

#[test]
fn unseal_gives_ranges_and_leaves_no_half_file() {
    let house = recorded();
    let sealed = file(&house, "a.vge");
    let sealed = sealed.to_str().unwrap();
    let ran = house.run(&["vault", "unseal", "--range", "2:3", sealed]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Ok, "cli"),
        "{}",
        ran.error
    );
    let ran = house.run(&["vault", "unseal", "--range", "5:3", sealed]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Exit::Usage, ""),
        "{}",
        ran.error
    );
    assert!(ran.error.contains("which has 6"), "{}", ran.error);
    let target = house.path().join("out.mp4");
    let target = target.to_str().unwrap();
    let ran = house.run(&["vault", "unseal", sealed, "-o", target]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    assert!(ran.messages.ends_with("; verified\n"), "{}", ran.messages);
    assert_eq!(std::fs::read(target).unwrap(), b"a clip");
    let again = house.run(&["vault", "unseal", sealed, "-o", target]);
    assert_eq!(again.code, Exit::CannotCreate, "{}", again.error);
    std::fs::remove_file(target).unwrap();
    flip(Path::new(sealed), 18);
    let ran = house.run(&["vault", "unseal", sealed, "-o", target]);
    assert_eq!(ran.code, Exit::ProblemsFound);
    assert!(ran.error.ends_with("chunk 0 was changed"), "{}", ran.error);
    assert!(!Path::new(target).exists());
}

#[test]
fn seal_legacy_protects_what_opens_as_video_and_tells_the_log() {
    let house = recorded();
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clips");
    let clip = std::fs::read(clips.join("hallway-20261120-061530.mp4")).unwrap();
    // As another program leaves it: sealed, and without a sidecar.
    put(&file(&house, "old.mp4"), &clip);
    let path = file(&house, "old.mp4");
    let ran = house.run(&["vault", "seal", "--remove", path.to_str().unwrap()]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    for name in ["old.vge.auth", "b.vge.auth", "c.vge.auth"] {
        std::fs::remove_file(file(&house, name)).unwrap();
    }
    put(&file(&house, "noise.vge"), &[7; 100]);
    flip(&file(&house, "c.vge"), 20);
    let folder = house.path().join("recordings");
    let ran = house.run(&["vault", "seal-legacy", folder.to_str().unwrap()]);
    assert_eq!(ran.code, Exit::ProblemsFound, "{}", ran.out);
    let summary = "2 files got a sidecar, 1 had one, 2 were left as they are\n";
    assert!(ran.out.ends_with(summary), "{}", ran.out);
    let told = |text| assert!(ran.messages.contains(text), "{}", ran.messages);
    told("noise.vge: it does not open as video");
    told("c.vge: its content is not the recorded one");
    // Where nothing can be known of what was recorded, nothing is protected.
    let unreadable = tempfile::tempdir().unwrap();
    put(
        &unreadable.path().join(folder::DATABASE_FILE),
        b"no database at all",
    );
    let key = house.path().join("storage.key");
    let c = file(&house, "c.vge");
    let ran = run_in(
        unreadable.path(),
        "",
        &[
            "vault",
            "seal-legacy",
            c.to_str().unwrap(),
            "--key-file",
            key.to_str().unwrap(),
        ],
    );
    assert_ne!(ran.code, Exit::Ok);
    assert!(
        !file(&house, "c.vge.auth").exists(),
        "{}{}",
        ran.out,
        ran.error
    );
    for (name, has_one) in [("old", true), ("b", true), ("c", false), ("noise", false)] {
        assert_eq!(
            file(&house, &format!("{name}.vge.auth")).exists(),
            has_one,
            "{name}"
        );
    }
    let noise = file(&house, "noise.vge");
    let ran = house.run(&[
        "vault",
        "seal-legacy",
        "--trust-key",
        noise.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let ran = house.run(&["vault", "verify", "--all"]);
    assert_eq!(ran.code, Exit::ProblemsFound, "{}", ran.out);
    assert_eq!(integrity(&house), ["verified", "verified", "tampered"]);
}
