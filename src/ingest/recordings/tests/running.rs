//! The watcher on its thread: hints, scans, floods, and its end.

use notify::event::{Event as Said, EventKind, Flag};

use super::*;

struct Running<'a> {
    house: &'a House,
    health: Arc<Mutex<Health>>,
    outlet: Outlet,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Running<'a> {
    fn start(house: &'a House, options: Options) -> Self {
        let watcher = house.watcher_with(options);
        let (health, outlet) = (watcher.health(), watcher.outlet.clone());
        let thread = std::thread::Builder::new()
            .spawn(move || watcher.run())
            .unwrap();
        let running = Self {
            house,
            health,
            outlet,
            thread: Some(thread),
        };
        until("the first scan", || running.health().scanned_at.is_some());
        running
    }

    fn health(&self) -> Health {
        self.health.lock().unwrap().clone()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.house.shutdown.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the watcher panicked"
        );
    }
}

fn quick(house: &House) -> Options {
    Options {
        settle: Duration::from_millis(20),
        ..house.options()
    }
}

#[test]
fn a_file_that_appears_is_sealed_without_waiting_for_a_scan() {
    let house = House::new();
    let options = Options {
        use_inotify: true,
        ..quick(&house)
    };
    let running = Running::start(&house, options);
    house.put("clip.mp4", &driveway());
    until("written", || running.health().sealed == 1);
    // Moved in under its final name, as recorders do it that write a temp file first.
    house.put(".part", b"moved");
    std::fs::rename(house.rec(".part"), house.rec("moved.mp4")).unwrap();
    until("moved", || running.health().sealed == 2);
    // In a folder that was made a moment ago.
    std::fs::create_dir(house.rec("yard")).unwrap();
    house.put("yard/clip.mp4", b"below");
    until("below", || running.health().sealed == 3);
    until("deleted", || {
        house.names() == ["clip.vge", "moved.vge", "yard"]
    });
    assert_eq!(house.opened("yard/clip.vge", &KEY), b"below");
}

#[test]
fn hints_are_heard_when_the_folder_is_named_by_a_relative_path() {
    let house = House::new();
    let up: PathBuf = std::env::current_dir()
        .unwrap()
        .components()
        .skip(1)
        .map(|_| "..")
        .collect();
    let options = Options {
        folder: up.join(house.rec("").strip_prefix("/").unwrap()),
        use_inotify: true,
        ..quick(&house)
    };
    assert!(options.folder.is_relative());
    let running = Running::start(&house, options);
    house.put("clip.mp4", b"heard");
    until("sealed", || running.health().sealed == 1);
}

#[test]
fn an_overflow_of_the_kernels_queue_brings_a_scan() {
    let house = House::new();
    let running = Running::start(&house, quick(&house));
    house.put("clip.mp4", &driveway());
    running
        .outlet
        .take(Ok(Said::new(EventKind::Other).set_flag(Flag::Rescan)));
    until("the scan", || running.health().sealed == 1);
}

#[test]
fn a_folder_that_comes_later_is_watched_from_then_on() {
    let house = House::new();
    std::fs::remove_dir(house.rec("")).unwrap();
    let mut watcher = house.watcher();
    let mut now = Instant::now();
    watcher.drain_from(&mut now);
    let trouble = watcher.health().lock().unwrap().trouble.clone().unwrap();
    assert!(
        trouble.contains("cannot open the recordings folder"),
        "{trouble}"
    );
    assert_eq!(house.count(Kind::SystemNoted), 1);
    std::fs::create_dir(house.rec("")).unwrap();
    house.put("clip.mp4", b"clip");
    now += TROUBLE_EVERY;
    watcher.drain_from(&mut now);
    house.assert_sealed_once("clip.mp4", "clip.vge", b"clip");
    // Another one in its place: the first was unmounted, say.
    std::fs::rename(house.rec(""), house.dir.path().join("away")).unwrap();
    std::fs::create_dir(house.rec("")).unwrap();
    house.put("next.mp4", b"next");
    watcher.scan_again(&mut now);
    assert_eq!(house.names(), ["next.vge"]);
    assert_eq!(watcher.health().lock().unwrap().trouble, None);
}

#[test]
fn the_watcher_ends_when_the_writer_has_ended_and_says_so() {
    let house = House::new();
    house.put("clip.mp4", b"clip");
    let watcher = house.watcher();
    let health = watcher.health();
    // A writer that gave up, though handles are still there.
    let elsewhere = tempfile::tempdir().unwrap();
    let (ended, _) = start_writer(
        elsewhere.path(),
        &house.telemetry,
        &house.shutdown,
        read_model::ALL,
    );
    let watcher = Watcher {
        writer: ended,
        ..watcher
    };
    watcher.run();
    let trouble = health.lock().unwrap().trouble.clone().unwrap();
    assert!(trouble.contains("the watcher has ended"), "{trouble}");
    assert_eq!(house.names(), ["clip.mp4"]);
}

/// Takes the news that a file is sealed for damage, so that the writer gives up.
const JAM: read_model::Projection = read_model::Projection {
    name: "jam",
    version: 1,
    tables: &[],
    kinds: Some(&[Kind::RecordingSealed]),
    fold: |_, batch| {
        let sealed = |event: &Envelope| event.kind() == Kind::RecordingSealed;
        if batch.iter().any(sealed) {
            return Err(StorageError::Corrupt("jammed".into()));
        }
        Ok(())
    },
};

#[test]
fn the_plaintext_stays_when_the_news_that_it_is_sealed_cannot_be_stored() {
    let house = House::new();
    house.put("clip.mp4", &driveway());
    let elsewhere = tempfile::tempdir().unwrap();
    let (jammed, core) = start_writer(elsewhere.path(), &house.telemetry, &house.shutdown, &[JAM]);
    let writer = std::thread::Builder::new()
        .spawn(move || core.run())
        .unwrap();
    let options = Options {
        database: elsewhere.path().join("nightjar.db"),
        settle: Duration::ZERO,
        ..house.options()
    };
    let watcher = Watcher {
        writer: jammed,
        ..house.watcher_with(options)
    };
    let health = watcher.health();
    watcher.run();
    assert!(writer.join().unwrap().is_err(), "the writer gave up");
    assert!(
        health
            .lock()
            .unwrap()
            .trouble
            .as_ref()
            .unwrap()
            .contains("has ended")
    );
    assert_eq!(house.names(), ["clip.mp4", "clip.vge"]);
    assert!(house.get("clip.mp4") == driveway());
    // The next start, with a database that knows nothing of it.
    house.pass();
    house.assert_sealed_once("clip.mp4", "clip.vge", &driveway());
}

#[test]
fn more_files_than_the_queue_holds_are_all_found() {
    const FILES: usize = queue::WAITING_MAX + 900;
    let house = House::without_key();
    for n in 0..FILES {
        std::fs::File::create(house.rec(format!("{n}.mp4"))).unwrap();
    }
    let (mut watcher, mut now) = (house.watcher(), Instant::now());
    watcher.drain_from(&mut now);
    assert_eq!(house.rows().len(), FILES);
    watcher.scan_again(&mut now);
    assert_eq!(house.count(Kind::RecordingFound), FILES);
}
