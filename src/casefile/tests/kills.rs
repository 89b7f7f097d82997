//! What a killed program leaves: a hot journal, which the next one to open the file rolls back.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::super::encode::{EncodedImage, ImageKind};
use super::super::sniff::Format;
use super::super::verify;
use super::*;

const VICTIM: &str = "NIGHTJAR_CASE_VICTIM";
/// More than the page cache holds, so that half of the transaction is in the file when the kill comes.
const BLOBS: u8 = 6;
const BLOB_BYTES: usize = 24 * 1024 * 1024;

fn large(number: u8) -> EncodedImage {
    let blob = vec![number; BLOB_BYTES];
    EncodedImage {
        sha256: Sha256::digest(&blob).into(),
        pixel_sha256: [number; 32],
        format: Format::Png,
        kind: ImageKind::Gray,
        width: 1,
        height: 1,
        dpi: None,
        blob,
    }
}

fn images_of(case: &mut CaseFile) -> u64 {
    case.read(verify::check).unwrap().images
}

/// By itself: a transaction that is dropped is undone. With [`VICTIM`]: the same, killed before that.
#[test]
fn a_transaction_that_is_not_committed_leaves_no_trace() {
    let victim = std::env::var_os(VICTIM);
    let mut rig = Rig::with(Durability::Full);
    rig.original(1);
    let path = victim.as_ref().map_or_else(|| rig.path(), PathBuf::from);
    let mut case = CaseFile::open(&path, Durability::Full, 5).unwrap();
    let dropped: Result<(), CaseError> = case.write(|session| {
        for number in 0..BLOBS {
            images::insert(session, &large(number), NO_BOUND, 0)?;
        }
        if victim.is_some() {
            println!("half done");
            // Until the kill.
            let _ = std::io::stdin().read(&mut [0]);
        }
        Err(CaseError::Refused("dropped".into()))
    });
    assert!(dropped.is_err());
    assert_eq!(images_of(&mut case), 1);
}

#[test]
fn what_a_killed_writer_left_is_rolled_back_by_writers_and_readers() {
    for by_reader in [false, true] {
        let mut rig = Rig::with(Durability::Full);
        rig.original(1);
        let path = rig.path();
        drop(rig.case);
        let before = std::fs::read(&path).unwrap();
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("casefile::tests::kills::a_transaction_that_is_not_committed_leaves_no_trace")
            .env(VICTIM, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(victim.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap().contains("half done")));
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_eq!(names(rig.folder.path()), ["van.agl", "van.agl-journal"]);
        assert!(
            std::fs::metadata(&path).unwrap().len() > before.len() as u64,
            "half was written"
        );

        let mut case = if by_reader {
            CaseFile::open_reader(&path).unwrap()
        } else {
            CaseFile::open(&path, Durability::Full, 6).unwrap()
        };
        assert_eq!(images_of(&mut case), 1);
        assert_eq!(case.read(verify::check).unwrap().problems, [""; 0]);
        drop(case);
        assert_eq!(
            names(rig.folder.path()),
            ["van.agl"],
            "no file stays beside it"
        );
        assert!(
            std::fs::read(&path).unwrap() == before,
            "the bytes are those before"
        );
    }
}
