#![allow(clippy::unwrap_used, reason = "tests")]
//! A log that is written, rotated, cut and packed, while it is read and while nobody reads it.

use std::fs::File;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::reading::PIECE_BYTES;
use super::*;
use crate::base::clock::Clock;

/// A log in a folder, and what was read of it.
struct Log {
    folder: tempfile::TempDir,
    tail: Tail,
    /// As stored with the last lines.
    stored: Option<String>,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Log {
    fn new() -> Self {
        Self::with(FirstRead::All)
    }

    fn with(first_read: FirstRead) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tail = Tail::new(&folder.path().join("auth.log"), first_read, None);
        Self {
            folder,
            tail,
            stored: None,
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append_to(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn append(&self, bytes: impl AsRef<[u8]>) {
        self.append_to("auth.log", bytes);
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy_and_truncate(&self, to: &str) {
        std::fs::copy(self.path("auth.log"), self.path(to)).unwrap();
        File::options()
            .write(true)
            .truncate(true)
            .open(self.path("auth.log"))
            .unwrap();
    }

    /// As gzip(1): the packed file keeps the time of the plain one.
    fn pack(&self, name: &str) {
        let bytes = std::fs::read(self.path(name)).unwrap();
        let modified = std::fs::metadata(self.path(name))
            .unwrap()
            .modified()
            .unwrap();
        let packed = File::create(self.path(&format!("{name}.gz"))).unwrap();
        let mut encoder = GzEncoder::new(packed, Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap().set_modified(modified).unwrap();
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// One look; whether there may be more.
    fn look(&mut self) -> bool {
        let look = self.tail.look(Clock::System.now());
        self.notes.extend(look.notes);
        if let Some(chunk) = look.chunk {
            self.stored = Some(serde_json::to_string(&chunk.place).unwrap());
            self.lines.extend(chunk.lines);
        }
        look.is_more
    }

    fn read(&mut self) {
        while self.look() {}
    }

    /// All lines since the last time of asking.
    #[track_caller]
    fn reads<const N: usize>(&mut self, lines: [&str; N]) {
        self.read();
        assert_eq!(self.texts(), lines);
    }

    fn texts(&mut self) -> Vec<String> {
        let text = |line: Line| String::from_utf8_lossy(&line.bytes).into_owned();
        std::mem::take(&mut self.lines)
            .into_iter()
            .map(text)
            .collect()
    }

    /// A kill and a start: only what was stored is known.
    fn restart(&mut self) {
        let place = self
            .stored
            .as_deref()
            .map(|place| serde_json::from_str(place).unwrap());
        self.tail = Tail::new(&self.path("auth.log"), FirstRead::All, place);
    }

    #[track_caller]
    fn says<const N: usize>(&mut self, parts: [&str; N]) {
        let notes = std::mem::take(&mut self.notes);
        assert_eq!(notes.len(), N, "{notes:#?}");
        for (note, part) in notes.iter().zip(parts) {
            assert!(note.contains(part), "{note}");
        }
    }
}

/// Long enough that the first bytes tell a file.
fn line(number: u32) -> String {
    format!("line {number:06} of the test")
}

fn ended(number: u32) -> String {
    format!("{}\n", line(number))
}

#[test]
fn a_line_is_read_when_its_end_is_there() {
    let mut log = Log::new();
    log.append("one\ntw");
    log.reads(["one"]);
    log.append("o\r\n\nthree\n");
    log.reads(["two", "", "three"]);
    log.append(b"b\xe4d\0\n");
    log.read();
    assert_eq!(log.lines.pop().unwrap().bytes, b"b\xe4d\0");
    log.append("fo");
    log.reads([]);
    log.restart();
    log.append("ur\n");
    log.reads(["four"]);
    log.says([]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_kept_for_writers_that_are_late() {
    let mut log = Log::new();
    log.append("one\n");
    log.reads(["one"]);
    log.append("two\n");
    log.rename("auth.log", "auth.log.1");
    log.reads(["two"]);
    log.append("");
    log.append_to("auth.log.1", "three\n");
    log.reads(["three"]);
    log.append_to("auth.log.1", "four, without its end");
    log.append("five\n");
    log.reads(["four, without its end", "five"]);
    log.append_to("auth.log.1", "late\n");
    log.append("six\n");
    log.reads(["late", "six"]);
    log.restart();
    log.append_to("auth.log.1", "later\n");
    log.append("seven\n");
    log.reads(["later", "seven"]);
    log.says([]);
}

#[test]
fn a_line_that_its_file_does_not_end_is_marked() {
    let mut log = Log::new();
    log.append("one\ntwo");
    log.read();
    log.rename("auth.log", "auth.log.1");
    log.append("three\n");
    log.read();
    let unended: Vec<_> = log.lines.iter().map(|line| line.is_unended).collect();
    assert_eq!(unended, [false, true, false]);
}

#[test]
fn rotations_that_nobody_saw_are_made_up_for() {
    let mut log = Log::new();
    log.append(ended(1));
    log.read();
    log.append(ended(2));
    log.rename("auth.log", "auth.log.3");
    log.pack("auth.log.3");
    log.append_to("auth.log.2", ended(3));
    log.pack("auth.log.2");
    log.append_to("auth.log.1", ended(4));
    log.append(ended(5));
    log.restart();
    let [one, rest @ ..] = [1, 2, 3, 4, 5].map(line);
    assert_eq!(log.texts(), [one]);
    log.read();
    assert_eq!(log.texts(), rest);
    log.restart();
    log.reads([]);
    log.says([]);
}

#[test]
fn a_kill_at_any_chunk_of_the_first_import_costs_and_doubles_nothing() {
    let mut log = Log::new();
    let numbers: Vec<u32> = (0..4_000).collect();
    let text = |range: std::ops::Range<usize>| -> String {
        numbers[range].iter().map(|&number| ended(number)).collect()
    };
    log.append_to("auth.log.2", text(0..1_700));
    log.pack("auth.log.2");
    log.append_to("auth.log.1", text(1_700..2_500));
    log.append(text(2_500..4_000));
    while log.look() {
        log.restart();
    }
    log.read();
    let all: Vec<_> = numbers.iter().map(|&number| line(number)).collect();
    assert_eq!(log.texts(), all);
    log.says([]);
}

#[test]
fn a_file_that_is_copied_and_cut_is_read_on_in_its_copy() {
    for is_down in [false, true] {
        let mut log = Log::new();
        log.append(ended(1));
        log.read();
        log.append(ended(2));
        log.copy_and_truncate("auth.log.1");
        // Longer than before: only the first bytes tell that it is another one.
        let more: String = (3..9).map(ended).collect();
        log.append(more);
        if is_down {
            log.restart();
        }
        log.read();
        let all: Vec<_> = (1..9).map(line).collect();
        assert_eq!(log.texts(), all, "{is_down}");
        log.says([]);
    }
}

#[test]
fn a_file_that_is_cut_without_a_copy_is_told() {
    let mut log = Log::new();
    log.append_to("auth.log.1", ended(0));
    log.append(ended(1) + &ended(2));
    log.read();
    File::options()
        .write(true)
        .truncate(true)
        .open(log.path("auth.log"))
        .unwrap();
    log.append(ended(3));
    log.read();
    assert_eq!(log.texts(), [0, 1, 2, 3].map(line));
    log.says(["as far as byte 48"]);
}

#[test]
fn a_file_that_was_deleted_is_told_and_the_new_one_read() {
    let mut log = Log::new();
    log.append_to("auth.log.1", ended(0));
    log.append(ended(1));
    log.read();
    std::fs::remove_file(log.path("auth.log")).unwrap();
    log.append(ended(2));
    log.restart();
    log.read();
    assert_eq!(log.texts(), [0, 1, 2].map(line));
    log.says(["neither there nor among"]);
    // While it is open it is read to its end all the same, and nothing is lost.
    log.append(ended(3));
    std::fs::remove_file(log.path("auth.log")).unwrap();
    log.append(ended(4));
    log.read();
    assert_eq!(log.texts(), [3, 4].map(line));
    log.says([]);
}

#[test]
fn the_rotated_files_come_first_and_a_broken_one_stops_nothing() {
    let mut log = Log::new();
    log.append_to("auth.log.3", (0..5_000).map(ended).collect::<String>());
    log.pack("auth.log.3");
    let packed = std::fs::read(log.path("auth.log.3.gz")).unwrap();
    let half = File::create(log.path("auth.log.3.gz"));
    half.unwrap()
        .write_all(&packed[..packed.len() / 2])
        .unwrap();
    log.append_to("auth.log.4.gz", b"no gzip at all");
    log.append_to("auth.log.2", "two\n");
    log.pack("auth.log.2");
    log.append_to("auth.log.1", "one\n");
    log.append_to("auth.log.5.xz", "");
    log.append("zero\n");
    log.read();
    let texts = log.texts();
    assert_eq!(texts[texts.len() - 3..], ["two", "one", "zero"]);
    assert_eq!(texts[0], line(0));
    log.says(["auth.log.5.xz", "auth.log.4.gz", "auth.log.3.gz"]);
    log.reads([]);
    log.says([]);
}

#[test]
fn from_the_end_on_only_new_lines_are_read() {
    let mut log = Log::with(FirstRead::End);
    log.append_to("auth.log.1", "older\n");
    log.append("old\nhal");
    log.reads([]);
    log.append("f\nnew\n");
    log.restart();
    log.reads(["half", "new"]);
    let mut log = Log::with(FirstRead::End);
    log.reads([]);
    log.append("the first of a new log\n");
    log.reads(["the first of a new log"]);
    log.says(["is not there", "can be read again"]);
}

#[test]
fn from_the_end_on_the_rotated_files_of_a_log_that_comes_later_are_left_alone() {
    let mut log = Log::with(FirstRead::End);
    log.append_to("auth.log.1", "older\n");
    log.reads([]);
    log.append("");
    log.reads([]);
    // It is rotated before anything of it was read.
    log.append("first\n");
    log.rename("auth.log.1", "auth.log.2");
    log.rename("auth.log", "auth.log.1");
    log.append("second\n");
    log.reads(["first", "second"]);
    log.restart();
    log.reads([]);
}

#[test]
fn a_file_that_is_passed_again_and_again_is_remembered_once() {
    let mut log = Log::new();
    log.append("one\n");
    log.reads(["one"]);
    log.tail.pass();
    log.tail.pass();
    assert_eq!(log.tail.passed.len(), 1);
}

#[test]
fn the_rest_of_a_file_that_was_just_rotated_has_the_date_of_its_last_line() {
    let mut log = Log::new();
    log.append("one\n");
    let file = File::options().append(true).open(log.path("auth.log"));
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_709_164_800);
    file.unwrap().set_modified(long_ago).unwrap();
    log.reads(["one"]);
    let before = Clock::System.now();
    log.append("two\n");
    log.rename("auth.log", "auth.log.1");
    log.append("three\n");
    let look = log.tail.look(Clock::System.now());
    let until = look.chunk.unwrap().written_until.unwrap();
    assert!(until > before - 1_000_000_000, "{until} {before}");
}

#[test]
fn a_long_line_comes_in_pieces() {
    let mut log = Log::new();
    let long = "ä".repeat(PIECE_BYTES) + "!";
    log.append(format!("short\n{long}"));
    while log.look() {
        log.restart();
    }
    log.restart();
    log.append("\nshort\n");
    log.read();
    let pieces: Vec<_> = log.lines.iter().map(|line| line.piece).collect();
    assert_eq!(pieces, [0, 1, 2, 3, 0]);
    let texts = log.texts();
    assert_eq!(texts[1..4].concat(), long);
    assert_eq!(texts[4], "short");
    let exact = "x".repeat(PIECE_BYTES);
    log.append(format!("{exact}\n"));
    log.read();
    assert_eq!(log.lines[0].piece, 0);
}

#[test]
fn what_cannot_be_read_is_told_once_and_looked_for_again() {
    let mut log = Log::new();
    log.reads([]);
    log.reads([]);
    log.says(["is not there; it is looked for again"]);
    std::fs::create_dir(log.path("auth.log")).unwrap();
    log.reads([]);
    log.reads([]);
    log.says(["no regular file"]);
    std::fs::remove_dir(log.path("auth.log")).unwrap();
    log.append("one\n");
    log.reads(["one"]);
    log.says(["can be read again"]);
}

#[test]
fn a_secret_is_not_cut_in_two() {
    for secret in [
        "password=hunter2hunter2",
        "login: password hunter2hunter2",
        "x rtsp://mara:hunter2hunter2@192.0.2.9/a",
    ] {
        for before in PIECE_BYTES - 45..PIECE_BYTES + 2 {
            let mut log = Log::new();
            let start = "a word, ".repeat(PIECE_BYTES / 8);
            let line = format!(
                "{} {secret} and more {}\n",
                &start[..before.min(start.len()) - 1],
                "y ".repeat(400)
            );
            log.append(&line);
            log.read();
            let texts = log.texts();
            assert_eq!(texts.concat(), line.trim_end_matches('\n'));
            let stored: String = texts
                .iter()
                .map(|text| crate::decode::redacted(text))
                .collect();
            assert_eq!(
                stored,
                crate::decode::redacted(line.trim_end_matches('\n')),
                "{before}"
            );
        }
    }
}

/// A small generator (Marsaglia's xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Moves `auth.log.1` to `.2` and so on, packed from 2 on.
fn shift(log: &Log) {
    for age in (1..9).rev() {
        for end in ["", ".gz"] {
            let from = format!("auth.log.{age}{end}");
            if log.path(&from).exists() {
                log.rename(&from, &format!("auth.log.{}{end}", age + 1));
            }
        }
    }
    if log.path("auth.log.2").exists() {
        log.pack("auth.log.2");
    }
}

#[test]
fn whatever_happens_to_the_files_each_line_is_read_once() {
    for seed in 1..=60 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let mut log = Log::new();
        let mut written = 0;
        let mut at_line_start = true;
        let mut rotations = 0;
        for _ in 0..120 {
            match dice.below(10) {
                0..=3 => {
                    let start = if at_line_start {
                        String::new()
                    } else {
                        "\n".into()
                    };
                    let count = 1 + dice.below(4) as u32 * 200;
                    let lines: String = (written..written + count).map(ended).collect();
                    log.append(start + &lines);
                    written += count;
                    at_line_start = true;
                }
                4 if at_line_start => {
                    log.append(line(written));
                    written += 1;
                    at_line_start = false;
                }
                // A rotation between lines; more than nine files would be thrown away unread.
                5 if at_line_start && rotations < 7 && log.path("auth.log").exists() => {
                    shift(&log);
                    log.rename("auth.log", "auth.log.1");
                    log.append("");
                    rotations += 1;
                }
                6 if at_line_start && rotations < 7 && log.path("auth.log").exists() => {
                    shift(&log);
                    log.copy_and_truncate("auth.log.1");
                    rotations += 1;
                }
                7 => log.restart(),
                8 => {
                    log.look();
                }
                _ => log.read(),
            }
        }
        log.append("\n");
        log.restart();
        log.read();
        let mut texts = log.texts();
        texts.retain(|text| !text.is_empty());
        let all: Vec<_> = (0..written).map(line).collect();
        assert_eq!(texts.len(), all.len(), "seed {seed}");
        assert!(texts == all, "seed {seed}");
        assert_eq!(
            log.notes
                .iter()
                .filter(|note| !note.contains("there") && !note.contains("again"))
                .count(),
            0,
            "{:?}",
            log.notes
        );
    }
}
