//! Full disks, foreign locks, broken-off rebuilds, databases from the future.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightjar::base::reserve;
use nightjar::event::camera::HeartbeatReceived;
use nightjar::event::message::Undecodable;
use nightjar::event::reading::Reading;
use nightjar::event::sensor::SensorReported;
use nightjar::event::{Envelope, Extra, Kind, NewEvent};
use nightjar::read_model::{self, Projection};
use nightjar::storage::sqlite::{Database, Durability, Options};
use nightjar::storage::{Owned, Session, StorageError};
use nightjar::writer::{Receipt, Submission, WriterError, rebuild};

use crate::bench_box::{BenchBox, NOW, PATIENCE, leaked, wait_until};

fn heat(sensor: &str, degrees: f64) -> NewEvent {
    let report = SensorReported {
        key: "temperature".into(),
        value: Reading::Number(degrees),
        unit: None,
        battery: None,
        linkquality: None,
        extra: Extra::new(),
    };
    NewEvent::own(NOW, format!("sensor/{sensor}"), report)
}

fn beats(count: usize) -> Vec<NewEvent> {
    let beat = || NewEvent::own(NOW, "camera/porch", HeartbeatReceived::default());
    std::iter::repeat_with(beat).take(count).collect()
}

/// A connection of somebody who does not know our manners.
fn stranger(path: &Path) -> rusqlite::Connection {
    #[expect(clippy::disallowed_methods, reason = "a stranger has no manners")]
    rusqlite::Connection::open(path).unwrap()
}

/// The write lock in the hands of another process: this test binary once more, since the locks of
/// one process are no hindrance to itself.
struct LockedElsewhere(std::process::Child);

/// Names the database to lock, for the other process.
const LOCK_PATH: &str = "NIGHTJAR_TEST_LOCK";

impl LockedElsewhere {
    fn take(path: &Path) -> Self {
        let mut other = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recovery::the_other_process", "--nocapture"])
            .env(LOCK_PATH, path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let told = std::io::BufReader::new(other.stdout.as_mut().unwrap());
        let locked = told
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("locked"));
        assert!(locked, "the other process did not get the lock");
        Self(other)
    }
}

impl Drop for LockedElsewhere {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Not a test of its own: what [`LockedElsewhere`] runs, until its input ends.
#[test]
fn the_other_process() {
    let Some(path) = std::env::var_os(LOCK_PATH) else {
        return;
    };
    let connection = stranger(Path::new(&path));
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    println!("locked");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A small file system in memory; unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("skipped: a tmpfs cannot be mounted here: {}", reason.trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: mount cannot be run: {error}");
                None
            }
        }
    }

    /// Takes all space that is left; the file that holds it.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.path().join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .output();
    }
}

#[test]
fn on_a_full_disk_the_writer_waits_and_goes_on_by_itself() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let mut bench = BenchBox::in_folder(disk.0.path());
    bench.store(vec![heat("attic", 20.0)]);
    let filler = disk.fill();
    let large = NewEvent::own(
        NOW,
        "topic/odd",
        Undecodable {
            payload: vec![7; 1 << 20],
        },
    );
    let answer = bench.submit(Submission {
        events: vec![large],
        size_bytes: 1 << 20,
        ..Submission::default()
    });
    let second = bench.submit(Submission {
        events: vec![heat("attic", 21.0)],
        ..Submission::default()
    });
    wait_until("the writer has tried more than once", || {
        bench.telemetry.batches_retried.get() >= 2
    });
    assert!(
        answer.is_empty() && second.is_empty(),
        "answered on a full disk"
    );
    assert_eq!(bench.handle().head(), 1);
    // Reading goes on.
    assert_eq!(bench.number("SELECT count(*) FROM event_log"), 1);

    std::fs::remove_file(filler).unwrap();
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(Receipt::Stored(vec![2])));
    assert_eq!(second.recv_timeout(PATIENCE), Ok(Receipt::Stored(vec![3])));
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    bench.stop().unwrap();
    assert!(bench.reader().integrity_problems().unwrap().is_empty());
}

#[test]
fn on_a_full_disk_the_reserve_lets_events_through_and_is_made_again() {
    let Some(disk) = SmallDisk::mount("200m") else {
        return;
    };
    let folder = disk.0.path();
    let mut bench = BenchBox::in_folder(folder);
    bench.store(vec![heat("attic", 20.0)]);
    assert!(reserve::keep(folder).unwrap(), "there is plenty of room");
    let filler = disk.fill();
    assert!(reserve::keep(folder).unwrap(), "it is still there");
    let large = NewEvent::own(
        NOW,
        "topic/odd",
        Undecodable {
            payload: vec![7; 1 << 20],
        },
    );
    let answer = bench.submit(Submission {
        events: vec![large],
        size_bytes: 1 << 20,
        ..Submission::default()
    });
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(Receipt::Stored(vec![2])));
    assert!(!folder.join(reserve::RESERVE_FILE).exists());
    assert!(!reserve::keep(folder).unwrap(), "there is too little room");
    std::fs::remove_file(filler).unwrap();
    assert!(reserve::keep(folder).unwrap());
    bench.stop().unwrap();
}

#[test]
fn a_box_that_is_stopped_on_a_full_disk_answers_nothing_and_ends() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let mut bench = BenchBox::in_folder(disk.0.path());
    bench.store(vec![heat("attic", 20.0)]);
    let filler = disk.fill();
    let large = NewEvent::own(
        NOW,
        "topic/odd",
        Undecodable {
            payload: vec![7; 1 << 20],
        },
    );
    let answer = bench.submit(Submission {
        events: vec![large],
        ..Submission::default()
    });
    wait_until("the writer has tried", || {
        bench.telemetry.batches_retried.get() >= 1
    });
    bench.shutdown.stop();
    let error = bench.stop().unwrap_err();
    assert!(
        matches!(error, WriterError::Storage(StorageError::Full(_))),
        "{error}"
    );
    assert!(answer.recv().is_err());
    std::fs::remove_file(filler).unwrap();
    bench.start().unwrap();
    assert_eq!(bench.handle().head(), 1);
}

#[test]
fn a_lock_of_another_process_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let bench = BenchBox::in_folder(folder.path());
    bench.store(vec![heat("attic", 20.0)]);
    let holder = LockedElsewhere::take(bench.path());
    let answer = bench.submit(Submission {
        events: vec![heat("attic", 21.0)],
        ..Submission::default()
    });
    // SQLite itself waits 5 s; past that the batch is tried again.
    wait_until("the writer has given up once", || {
        bench.telemetry.batches_retried.get() >= 1
    });
    assert!(answer.is_empty(), "answered under a foreign lock");
    drop(holder);
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(Receipt::Stored(vec![2])));
    assert_eq!(bench.number("SELECT count(*) FROM event_log"), 2);
}

#[test]
fn an_event_appended_by_somebody_else_is_not_overwritten() {
    let bench = BenchBox::new();
    bench.store(vec![heat("attic", 20.0)]);
    stranger(bench.path())
        .execute_batch(
            "INSERT INTO event_log SELECT position + 1, kind, version, occurred_at, received_at, \
             stream, source, topic, flags, cause, 'smuggled', body FROM event_log",
        )
        .unwrap();
    assert_eq!(bench.store(vec![heat("attic", 21.0)]), [3]);
    assert_eq!(
        bench.rows("SELECT text FROM event_log WHERE position = 2"),
        [[Owned::Text("smuggled".into())]]
    );
}

/// Every projection, `name` with a version raised.
fn raised(name: &str) -> &'static [Projection] {
    let mut projections = read_model::ALL.to_vec();
    let one = projections
        .iter_mut()
        .find(|projection| projection.name == name);
    one.unwrap().version += 1;
    leaked(projections)
}

#[test]
fn a_raised_version_rebuilds_that_projection_alone() {
    let mut bench = BenchBox::new();
    bench.store(vec![heat("attic", 20.0), heat("cellar", 9.0)]);
    bench.store(beats(3));
    // Damage in two projections tells which of them was folded again.
    stranger(bench.path())
        .execute_batch("DELETE FROM sensor_states; DELETE FROM sensors; UPDATE cameras SET last_error = 'marked'")
        .unwrap();
    bench.restart_with(raised("sensors"));
    let folded: BTreeSet<_> = bench
        .caught_up
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(folded, BTreeSet::from(["sensors"]));
    assert_eq!(bench.number("SELECT count(*) FROM sensor_states"), 2);
    assert_eq!(
        bench.number("SELECT count(*) FROM cameras WHERE last_error = 'marked'"),
        1
    );
    bench.restart();
    assert!(bench.caught_up.is_empty(), "it is rebuilt once");
    assert_eq!(
        bench.number("SELECT count(DISTINCT checkpoint) FROM projections"),
        1
    );
    // Back to the older program: its version is another one, so the tables are folded again.
    bench.restart_with(read_model::ALL);
    assert!(bench.caught_up.iter().all(|(name, _)| name == "sensors"));
    assert!(!bench.caught_up.is_empty());
}

#[test]
fn a_rebuild_that_was_killed_resumes_where_it_stopped() {
    let mut bench = BenchBox::new();
    bench.store(vec![heat("attic", 20.0)]);
    bench.store(beats(20_000));
    bench.store(vec![heat("attic", 21.0)]);
    let before = bench.tables();
    bench.stop().unwrap();

    let options = Options {
        durability: Durability::Scratch,
        ..Options::default()
    };
    let mut database = Database::open_writer(bench.path(), options).unwrap();
    rebuild::reset_all(&mut database, read_model::ALL).unwrap();
    let killed = catch_unwind(AssertUnwindSafe(|| {
        rebuild::catch_up(&mut database, read_model::ALL, &mut |_, done, _| {
            assert!(done <= 8_192, "killed in the second chunk");
        })
    }));
    assert!(killed.is_err());
    drop(database);
    assert_eq!(
        bench.number("SELECT min(checkpoint) FROM projections"),
        8_192
    );
    assert_ne!(bench.tables(), before);

    bench.start().unwrap();
    let first = bench.caught_up.iter().map(|(_, done)| *done).min();
    assert_eq!(first, Some(16_384), "the first chunk was not folded again");
    assert_eq!(bench.tables(), before);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

static FRAGILE_IS_BROKEN: AtomicBool = AtomicBool::new(false);

fn fragile(_: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    if FRAGILE_IS_BROKEN.load(Ordering::SeqCst) && batch.len() < 8_192 {
        return Err(StorageError::Io("the second chunk fails".into()));
    }
    Ok(())
}

#[test]
fn after_a_rebuild_that_failed_nothing_is_folded_on_top() {
    let mut projections = read_model::ALL.to_vec();
    projections.push(Projection {
        name: "fragile",
        version: 1,
        tables: &[],
        kinds: Some(&[Kind::CameraHeartbeatReceived, Kind::SensorReported]),
        fold: fragile,
    });
    let mut bench = BenchBox::with(leaked(projections));
    bench.store(beats(9_000));
    let before = bench.tables();
    FRAGILE_IS_BROKEN.store(true, Ordering::SeqCst);
    assert!(bench.handle().rebuild().is_err());
    assert!(bench.handle().store(vec![heat("attic", 20.0)]).is_err());
    assert!(bench.stop().is_err());
    FRAGILE_IS_BROKEN.store(false, Ordering::SeqCst);
    assert_ne!(bench.tables(), before, "it was broken off half-way");
    bench.start().unwrap();
    assert_eq!(bench.tables(), before);
    bench.store(vec![heat("attic", 20.0)]);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_rebuild_waits_for_a_foreign_lock() {
    let folder = tempfile::tempdir().unwrap();
    let bench = BenchBox::in_folder(folder.path());
    bench.store(vec![heat("attic", 20.0)]);
    let before = bench.tables();
    stranger(bench.path())
        .execute_batch("DELETE FROM sensor_states")
        .unwrap();
    let holder = LockedElsewhere::take(bench.path());
    let handle = bench.handle().clone();
    let (done, outcome) = crossbeam_channel::bounded(1);
    std::thread::Builder::new()
        .spawn(move || done.send(handle.rebuild()))
        .unwrap();
    // Longer than SQLite waits by itself.
    let pause = outcome.recv_timeout(Duration::from_secs(6));
    assert!(pause.is_err(), "rebuilt under a foreign lock");
    drop(holder);
    assert_eq!(outcome.recv_timeout(PATIENCE).unwrap().unwrap(), 1);
    assert_eq!(bench.tables(), before);
}

#[test]
fn a_projection_that_was_away_is_folded_anew() {
    let mut bench = BenchBox::new();
    bench.store(vec![heat("attic", 20.0)]);
    let older: Vec<_> = read_model::ALL
        .iter()
        .filter(|projection| projection.name != "sensors")
        .copied()
        .collect();
    bench.restart_with(leaked(older));
    bench.store(vec![heat("cellar", 9.0)]);
    bench.restart_with(read_model::ALL);
    assert_eq!(bench.number("SELECT count(*) FROM sensors"), 2);
    assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn a_database_of_a_newer_program_is_refused_by_name() {
    let mut bench = BenchBox::new();
    bench.store(vec![heat("attic", 20.0)]);
    bench.stop().unwrap();
    stranger(bench.path())
        .execute_batch("INSERT INTO schema_migrations VALUES (99, 'time_travel', 'x', 0, '9.9.9')")
        .unwrap();
    let before = bench.log();
    let error = bench.start().unwrap_err().to_string();
    assert!(
        error.contains("time_travel") && error.contains("newer"),
        "{error}"
    );
    assert_eq!(bench.log(), before);
}
