#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::casefile::pipeline::{Channels, Preset, Purpose, decode, parse};

fn small() -> Image {
    Image::new(8, 8, Channels::Gray, vec![255; 64])
        .unwrap()
        .unwrap()
}

/// A folder with a `tesseract` that does what the shell script says.
fn with_script(script: &str) -> (tempfile::TempDir, Option<OsString>) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(PROGRAM);
    let version = "[ \"$1\" = --version ] && { echo 'tesseract 9.9'; exit 0; }";
    // Written by another process: one of ours that is being forked meanwhile would hold the file open
    // for writing, and it could not be run ("text file busy").
    let status = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""])
        .arg(&program)
        .arg(format!("#!/bin/sh\n{version}\n{script}\n"))
        .status();
    assert!(status.unwrap().success());
    let path = folder.path().as_os_str().to_owned();
    (folder, Some(path))
}

fn words_of(script: &str, limit: Duration) -> Result<Vec<Word>, OcrError> {
    let (_folder, path) = with_script(script);
    let tesseract = Tesseract::find(path).unwrap();
    assert_eq!(tesseract.version(), "tesseract 9.9");
    let options = Options {
        limit,
        ..Options::plate()
    };
    tesseract.words(&small(), &options)
}

const LONG: Duration = Duration::from_secs(60);
const HEAD: &str = "level\\tpage_num\\tblock_num\\tpar_num\\tline_num\\tword_num\\tleft\\ttop\\twidth\\t\
                    height\\tconf\\ttext\\n";

#[test]
fn a_missing_program_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tesseract::find(Some(folder.path().as_os_str().to_owned())).unwrap_err();
    assert!(matches!(error, OcrError::Absent));
    assert!(error.to_string().contains("apt install tesseract-ocr"));
}

#[test]
fn words_are_read_from_the_table() {
    let rows = "1\\t1\\t0\\t0\\t0\\t0\\t0\\t0\\t8\\t8\\t-1\\t\\n\
                5\\t1\\t1\\t1\\t2\\t1\\t3\\t4\\t5\\t6\\t87.5\\tNJ26\\n\
                5\\t1\\t1\\t1\\t2\\t2\\t9\\t4\\t5\\t6\\t-1\\t \\n";
    let read = words_of(&format!("cat > /dev/null; printf '{HEAD}{rows}'"), LONG).unwrap();
    let area = Area {
        x: 3,
        y: 4,
        width: 5,
        height: 6,
    };
    let word = Word {
        text: "NJ26".to_owned(),
        confidence: 0.875,
        line: [1, 1, 2],
        area,
    };
    assert_eq!(read, [word]);
}

#[test]
fn the_picture_comes_as_a_png_on_stdin() {
    let script = format!(
        "printf '{HEAD}'; printf '5\\t1\\t1\\t1\\t1\\t1\\t0\\t0\\t1\\t1\\t50\\t'; \
                          head -c 4 | tail -c 3"
    );
    assert_eq!(words_of(&script, LONG).unwrap()[0].text, "PNG");
}

#[test]
fn what_is_no_table_is_refused() {
    let error = words_of("cat > /dev/null; echo hello", LONG).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tesseract answered something else than a table: \"hello\""
    );
    let error = words_of(&format!("printf '{HEAD}5\\t1\\n'"), LONG).unwrap_err();
    assert!(matches!(error, OcrError::Answer(_)));
}

#[test]
fn a_failure_is_told_in_the_programs_words() {
    let error = words_of("echo 'Error opening data file xyz' >&2; exit 1", LONG).unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with("tesseract failed: Error opening data file xyz; a language"),
        "{told}"
    );
}

#[test]
fn a_program_that_hangs_or_talks_without_end_is_stopped() {
    let began = Instant::now();
    let limit = Duration::from_millis(300);
    let hanging = words_of("exec sleep 600", limit).unwrap_err();
    assert!(
        matches!(hanging, OcrError::Slow(slow) if slow == limit),
        "{hanging}"
    );
    // Closes its pipes and stays.
    let staying = words_of("exec >&- 2>&-; exec sleep 600", limit).unwrap_err();
    assert!(matches!(staying, OcrError::Slow(_)), "{staying}");
    let endless = words_of("exec cat /dev/zero", LONG).unwrap_err();
    assert!(matches!(endless, OcrError::Endless), "{endless}");
    let complaining = words_of("exec cat /dev/zero >&2", limit).unwrap_err();
    assert!(matches!(complaining, OcrError::Slow(_)), "{complaining}");
    assert!(began.elapsed() < LONG, "nothing was waited for");
}

#[test]
fn options_that_could_be_anything_else_are_refused() {
    let (_folder, path) = with_script("exit 1");
    let tesseract = Tesseract::find(path).unwrap();
    for languages in [vec![], vec!["../x".to_owned()], vec!["eng".to_owned(); 5]] {
        let options = Options {
            languages,
            ..Options::plate()
        };
        let refused = tesseract.words(&small(), &options);
        assert!(matches!(refused, Err(OcrError::Options(_))));
    }
    let options = Options {
        letters: "A B".to_owned(),
        ..Options::plate()
    };
    assert!(matches!(
        tesseract.words(&small(), &options),
        Err(OcrError::Options(_))
    ));
}

/// Synthetic plates of 20 pixels' height; nothing is said about real ones.
#[test]
fn five_of_six_synthetic_plates_are_read_right_by_consensus() {
    let tesseract = Tesseract::find(None).unwrap_or_else(|error| panic!("{error}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/casefile/plates");
    let variants: Vec<_> = Preset::Plate
        .variants()
        .iter()
        .map(|text| parse(text, Purpose::Case).unwrap())
        .collect();
    let expected = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let (mut right, mut all, mut told) = (0, 0, String::new());
    for line in expected.lines() {
        let (file, plate) = line.split_once('\t').unwrap();
        let image = decode(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        let read = tesseract
            .read(&Arc::new(image), &variants, &Options::plate())
            .unwrap();
        let text = read.consensus.text();
        all += 1;
        right += u32::from(text == plain(plate));
        let each: Vec<_> = read
            .variants
            .iter()
            .map(|v| (&v.reading.text, v.reading.confidence))
            .collect();
        let share = read.consensus.confidence();
        writeln!(told, "{plate}: {text} ({share:.2}) of {each:?}").unwrap();
    }
    println!("{}, {right} of {all}\n{told}", tesseract.version());
    assert_eq!(all, 6);
    assert!(
        right >= 5,
        "{right} of {all} with {}\n{told}",
        tesseract.version()
    );
}
