//! SIGKILL at random moments while log files are written, rotated, copied and cut: each line is
//! stored once, in the order of its file.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightjar::event_log::read::EventReader;
use nightjar::storage::sqlite::Database;

use crate::kills::{Dice, number_from};
use crate::rig::{House, pause, until};

/// Kills in the short form; `NIGHTJAR_CRASH_KILLS` overrides.
const KILLS: u64 = 30;
/// Rotated files that are kept: none is thrown away before it was read.
const KEPT: u32 = 400;

/// A log as a program and logrotate(8) treat it.
struct Log {
    path: PathBuf,
    written: u32,
}

impl Log {
    fn write(&mut self, lines: u32) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .unwrap();
        let numbers = self.written..self.written + lines;
        let text: String = numbers.map(|number| line(number) + "\n").collect();
        file.write_all(text.as_bytes()).unwrap();
        self.written += lines;
    }

    fn rotate(&self, by_copy: bool) {
        let name = |age: u32| PathBuf::from(format!("{}.{age}", self.path.display()));
        for age in (1..KEPT).rev().filter(|age| name(*age).exists()) {
            std::fs::rename(name(age), name(age + 1)).unwrap();
        }
        if by_copy {
            std::fs::copy(&self.path, name(1)).unwrap();
            File::options()
                .write(true)
                .truncate(true)
                .open(&self.path)
                .unwrap();
        } else {
            std::fs::rename(&self.path, name(1)).unwrap();
        }
    }
}

fn line(number: u32) -> String {
    format!("line {number:08} of a program that has much to say")
}

#[test]
fn random_kills_while_a_log_is_written_and_rotated() {
    let kills = number_from("NIGHTJAR_CRASH_KILLS").unwrap_or(KILLS);
    let seed = number_from("NIGHTJAR_CRASH_SEED")
        .unwrap_or_else(|| u64::from_le_bytes(nightjar::base::ids::random::<8>()))
        .max(1);
    println!("lines: NIGHTJAR_CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let mut house = House::new();
    let folder = house.scratch("logs");
    std::fs::create_dir(&folder).unwrap();
    let mut log = Log {
        path: folder.join("app.log"),
        written: 0,
    };
    let files = format!("[{{ path = '{}', source = 'app' }}]", log.path.display());
    house.set("NIGHTJAR__LOG_FILE", &files);
    house.set("NIGHTJAR__HOST__NAME", "heron");
    log.write(20_000);
    let mut daemon = house.start_daemon();
    for _ in 0..kills {
        for _ in 0..dice.below(4) {
            log.write(1 + dice.below(3_000) as u32);
            if dice.below(3) == 0 {
                log.rotate(dice.below(2) == 0);
            }
            pause(Duration::from_millis(dice.below(60)));
        }
        daemon.kill();
        log.write(1 + dice.below(500) as u32);
        daemon = house.start_daemon();
    }
    log.write(1);
    let all: Vec<_> = (0..log.written).map(line).collect();
    until("the last line is stored", || {
        (stored(&house.data()).last() == all.last()).then_some(())
    });
    daemon.kill();
    let stored = stored(&house.data());
    let first = stored
        .iter()
        .zip(&all)
        .find(|(stored, written)| stored != written);
    assert_eq!(first, None);
    assert_eq!(stored.len(), all.len());
    house.is_whole();
    println!(
        "lines: {kills} kills, {} lines, each stored once",
        all.len()
    );
}

fn stored(data: &Path) -> Vec<String> {
    let mut database = Database::open_reader(&data.join("nightjar.db")).unwrap();
    let mut session = database.snapshot().unwrap();
    let (mut reader, mut position, mut lines) = (EventReader::new(), 0, Vec::new());
    loop {
        let events = reader.after(&mut session, position, 20_000).unwrap();
        let Some(last) = events.last() else {
            return lines;
        };
        position = last.position;
        let of_the_log = events
            .into_iter()
            .filter(|event| *event.stream.text == *"log/heron/app");
        lines.extend(of_the_log.filter_map(|event| event.text));
    }
}
