//! Recordings that go: by which rule, with which traces, and what a crash in between leaves.

use std::ops::ControlFlow;
use std::sync::Mutex;

use super::*;
use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS};
use crate::event::recording::{Held, Starred};
use crate::ingest::recordings::records::Records;
use crate::ingest::recordings::retention::plan::{Disk, Policies, Policy, Rule};
use crate::ingest::recordings::retention::{Meter, Order, Report, Settings, Tools, decide, finish};
use crate::vault::folder::Folder;
use crate::vault::removal::{self, Removed, Step};

const GIB: i64 = 1 << 30;

fn disk(used_percent: i64) -> Arc<Mutex<Disk>> {
    Arc::new(Mutex::new(Disk {
        total_bytes: 100 * GIB,
        used_bytes: used_percent * GIB,
    }))
}

fn settings(max_age_days: Option<i64>, disk: &Arc<Mutex<Disk>>) -> Settings {
    Settings {
        enabled: true,
        policies: Policies {
            general: Policy {
                max_age_ns: max_age_days.map(|days| days * DAY_NS),
                ..Policy::default()
            },
            ..Policies::default()
        },
        meter: Meter::Fixed(Arc::clone(disk)),
        ..Settings::default()
    }
}

/// What the files of one recording are, by the name of its clip.
fn files_of(name: &str) -> [String; 4] {
    let endings = [".vge", ".vge.auth", "-thumb.vge", "-thumb.vge.auth"];
    endings.map(|ending| format!("{name}{ending}"))
}

impl House {
    /// A house with these clips sealed, `days` old by their names.
    fn with_sealed(days: &[i64]) -> Self {
        let house = Self::new();
        for days in days {
            house.put(format!("yard-{days:03}.mp4"), &driveway());
        }
        let mut watcher = house.watcher_with(house.retaining(Settings::default()));
        watcher.drain();
        assert_eq!(house.count(Kind::RecordingSealed), days.len());
        house
    }

    fn retaining(&self, settings: Settings) -> Options {
        let mut options = self.options();
        options.place = Place(Box::new(|path| {
            let days: i64 = path.strip_prefix("yard-")?.get(..3)?.parse().ok()?;
            Some(("yard".to_owned(), NOON - days * DAY_NS))
        }));
        options.retention = settings;
        options
    }

    /// The row of the clip that is so many days old.
    fn id(&self, days: i64) -> i64 {
        let name = format!("yard-{days:03}.mp4");
        first(
            &mut self.database().snapshot().unwrap(),
            "SELECT id FROM recordings WHERE original_name = ?1 ORDER BY id DESC",
            values![&name],
            |row| row.int(0),
        )
        .unwrap()
        .unwrap()
    }

    fn state(&self, days: i64) -> String {
        let name = format!("yard-{days:03}.mp4");
        let sql = "SELECT state FROM recordings WHERE original_name = ?1 ORDER BY id DESC";
        self.text(sql, &name).unwrap()
    }

    fn say(&self, event: impl Into<Event>) {
        let event = NewEvent::own(NOON, "recording/x", event);
        self.handle().store(vec![event]).unwrap();
    }

    fn star(&self, days: i64) {
        let recording = self.id(days);
        self.say(Starred {
            recording,
            starred: true,
        });
    }

    fn hold(&self, days: i64, held: bool) {
        let recording = self.id(days);
        self.say(Held { recording, held });
    }

    pub(super) fn texts(&self, kind: Kind) -> Vec<String> {
        let events = self.events().into_iter();
        let events = events.filter(|event| event.kind() == kind);
        events.map(|event| event.text().to_owned()).collect()
    }
}

/// Lets the watcher work for so long, as if nothing took time.
fn pass_time(watcher: &mut Watcher, now: &mut Instant, span: Duration) {
    let end = *now + span;
    while *now < end {
        match watcher.step(*now).unwrap() {
            None => {}
            Some(until) => *now = until.min(*now + Duration::from_secs(5)),
        }
    }
}

#[test]
fn what_was_adopted_is_left_alone_until_a_person_could_look() {
    let house = House::new();
    for days in [400, 390, 380] {
        super::recovery::put_foreign(&house, &format!("yard-{days}.vge"), &driveway(), KEY);
    }
    let full = disk(97);
    let options = house.retaining(settings(Some(30), &full));
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(40));
    assert_eq!(house.count(Kind::RecordingSealed), 3, "they are adopted");
    assert_eq!(house.count(Kind::RecordingDeleted), 0);
    assert_eq!(
        house.names(),
        ["yard-380.vge", "yard-390.vge", "yard-400.vge"]
    );
}

#[test]
fn an_earlier_row_takes_nothing_from_a_later_recording_at_its_path() {
    let house = House::with_sealed(&[49, 2, 1]);
    let first = house.id(49);
    for name in ["yard-049.vge", "yard-049.vge.auth"] {
        std::fs::remove_file(house.rec(name)).unwrap();
    }
    house.put("yard-049.mp4", &driveway());
    house
        .watcher_with(house.retaining(Settings::default()))
        .drain();
    assert_ne!(
        house.id(49),
        first,
        "a recording of its own, at the same path"
    );
    house.hold(49, true);
    let options = house.retaining(settings(Some(30), &disk(10)));
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(30));
    assert_eq!(house.count(Kind::RecordingDeleted), 0);
    assert!(house.names().contains(&"yard-049.vge".to_owned()));
}

#[test]
fn old_recordings_go_a_tenth_at_a_time_and_an_event_says_why() {
    let house = House::with_sealed(&[40, 39, 38, 3, 2, 1]);
    house.star(39);
    let options = house.retaining(settings(Some(30), &disk(10)));
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(2));
    assert_eq!(house.state(40), "deleted");
    assert_eq!(house.state(38), "sealed", "one of six per run");
    assert!(!house.names().contains(&"yard-040.vge".to_owned()));
    pass_time(&mut watcher, &mut now, Duration::from_mins(25));
    assert_eq!(house.state(38), "deleted");
    assert_eq!(house.state(39), "sealed", "it has a star");
    assert_eq!(house.count(Kind::RecordingDeleted), 2);
    assert_eq!(
        house.texts(Kind::RecordingDeleted)[0],
        "all recordings are kept for 30 days; this one is 40 days old"
    );
    let by = "SELECT deleted_by FROM recordings WHERE original_name = ?1";
    assert_eq!(house.text(by, "yard-040.mp4").as_deref(), Some("age"));
    assert_eq!(house.telemetry.recordings_deleted.get(), 2);
    drop(watcher);
    house.pass();
    assert_eq!(house.count(Kind::RecordingSealed), 6, "nothing was adopted");
}

#[test]
fn a_full_disk_makes_the_oldest_go_at_once_and_says_when_none_may() {
    let house = House::with_sealed(&[3, 2, 1]);
    house.hold(3, true);
    let disk = disk(94);
    let options = house.retaining(settings(None, &disk));
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(30));
    assert_eq!(house.count(Kind::RecordingDeleted), 0);
    disk.lock().unwrap().used_bytes = 96 * GIB;
    pass_time(&mut watcher, &mut now, Duration::from_secs(20));
    assert_eq!(
        (house.state(2).as_str(), house.state(1).as_str()),
        ("deleted", "sealed")
    );
    // The disk stays full, as if something else had filled it.
    pass_time(&mut watcher, &mut now, Duration::from_mins(3));
    assert_eq!(house.state(1), "deleted");
    assert_eq!(house.state(3), "sealed", "it is held");
    watcher.show_trouble();
    let trouble = watcher.health().lock().unwrap().trouble.clone().unwrap();
    assert!(trouble.contains("without a star or a hold"), "{trouble}");
    let told = house.texts(Kind::SystemNoted);
    let unmet = told.iter().filter(|text| text.contains("not enough"));
    assert_eq!(unmet.count(), 1, "{told:?}");
}

#[test]
fn a_recording_that_finds_no_room_makes_the_oldest_go() {
    let house = House::with_sealed(&[3, 2, 1]);
    let mut options = house.retaining(settings(None, &disk(80)));
    options.admission.reserve_bytes = 1 << 50;
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    house.put("yard-000.mp4", &driveway());
    pass_time(&mut watcher, &mut now, Duration::from_mins(3));
    assert_eq!(
        house.count(Kind::RecordingDeleted),
        0,
        "a reserve that cannot be"
    );
    watcher.keeper.want(21 << 30);
    pass_time(&mut watcher, &mut now, Duration::from_mins(2));
    assert_eq!(house.state(3), "deleted");
    assert_eq!(house.state(2), "sealed");
}

#[test]
fn a_clock_that_jumps_takes_nothing_with_it() {
    for jump in [3_650 * DAY_NS, 2 * HOUR_NS] {
        let house = House::with_sealed(&[3, 2, 1]);
        let clock = Clock::fixed(NOON);
        let options = house.retaining(settings(Some(4), &disk(10)));
        let mut watcher = house.watcher_with(options);
        watcher.clock = clock.clone();
        let mut now = Instant::now();
        pass_time(&mut watcher, &mut now, Duration::from_mins(2));
        let mut wall = NOON + 2 * MINUTE_NS + jump;
        clock.set(wall);
        for _ in 0..58 {
            pass_time(&mut watcher, &mut now, Duration::from_mins(1));
            wall += MINUTE_NS;
            clock.set(wall);
        }
        assert_eq!(house.count(Kind::RecordingDeleted), 0);
        let notes = house.texts(Kind::SystemNoted);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("stepped forward"), "{notes:?}");
        watcher.show_trouble();
        assert!(watcher.health().lock().unwrap().warning.is_some());
        for _ in 0..45 {
            pass_time(&mut watcher, &mut now, Duration::from_mins(1));
            wall += MINUTE_NS;
            clock.set(wall);
        }
        let gone = if jump > DAY_NS { 3 } else { 0 };
        assert_eq!(
            house.count(Kind::RecordingDeleted),
            gone,
            "after an hour of steadiness"
        );
    }
}

#[test]
fn a_start_in_another_decade_deletes_nothing_until_a_person_says_so() {
    let house = House::with_sealed(&[3, 2, 1]);
    let options = house.retaining(settings(Some(30), &disk(10)));
    let mut watcher = house.watcher_with(options);
    watcher.clock = Clock::fixed(NOON + 3_650 * DAY_NS);
    let (desk, mut now) = (watcher.desk(), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(40));
    assert_eq!(house.count(Kind::RecordingDeleted), 0);
    let report = ask(&mut watcher, &desk, Order::Prune).unwrap();
    assert_eq!(report.removals.len(), 1);
    assert_eq!(report.left_for_later, 2);
    pass_time(&mut watcher, &mut now, Duration::from_mins(25));
    assert_eq!(
        house.count(Kind::RecordingDeleted),
        3,
        "the person has looked"
    );
}

/// Asks as the control thread does, while the watcher works.
fn ask(watcher: &mut Watcher, desk: &retention::Desk, order: Order) -> Result<Report, String> {
    let now = Instant::now();
    std::thread::scope(|scope| {
        let asking = std::thread::Builder::new()
            .spawn_scoped(scope, || desk.ask(order))
            .unwrap();
        while !asking.is_finished() {
            watcher.step(now).unwrap();
            std::thread::yield_now();
        }
        asking.join().unwrap()
    })
}

#[test]
fn a_person_may_delete_what_has_a_star_and_not_what_is_held() {
    let house = House::with_sealed(&[3, 2, 1]);
    house.star(3);
    house.hold(2, true);
    let mut watcher = house.watcher_with(house.retaining(Settings::default()));
    watcher.drain();
    let desk = watcher.desk();
    let order = Order::Delete {
        ids: vec![house.id(3), house.id(2), 999_999],
        reason: "the neighbour asked".to_owned(),
    };
    let report = ask(&mut watcher, &desk, order.clone()).unwrap();
    let gone: Vec<_> = report
        .removals
        .iter()
        .map(|one| (one.id, one.rule))
        .collect();
    assert_eq!(gone, [(house.id(3), Rule::Person)]);
    let kept: Vec<_> = report.kept.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(
        kept,
        ["it is held; release it first", "there is no such recording"]
    );
    assert_eq!(house.texts(Kind::RecordingDeleted), ["the neighbour asked"]);
    house.hold(2, false);
    let report = ask(&mut watcher, &desk, order).unwrap();
    assert_eq!(report.removals.len(), 1);
    assert_eq!(report.kept[0].reason, "it is deleted already");
}

/// One recording with all files that one may have; the others must not be touched.
fn with_all_files() -> House {
    let house = House::with_sealed(&[9, 5]);
    for (days, name) in [(9, "yard-009"), (5, "yard-005")] {
        for file in &files_of(name)[1..] {
            house.put(file, b"sidecar or thumbnail");
        }
        house.say(crate::event::recording::ThumbnailSealed {
            recording: house.id(days),
            path: format!("{name}-thumb.jpg").into_bytes(),
            sealed_path: format!("{name}-thumb.vge").into_bytes(),
            size_bytes: 4,
            plain_sha256: vec![1; 32],
            key_id: vec![2; 8],
            header_tag: Some(vec![3; 32]),
        });
    }
    house
}

fn decided(house: &House, records: &mut Records, days: i64) -> removal::Doomed {
    let folder = Folder::open(&house.rec("")).unwrap();
    let clock = Clock::fixed(NOON);
    let mut tools = Tools {
        folder: &folder,
        records,
        writer: house.handle(),
        clock: &clock,
    };
    let decided = decide(&mut tools, house.id(days), Rule::Person, "a test").unwrap();
    decided.unwrap().0
}

#[test]
fn a_crash_after_any_step_is_finished_by_the_next_start() {
    let steps = [
        None,
        Some(Step::ThumbnailSidecar),
        Some(Step::Thumbnail),
        Some(Step::Sidecar),
        Some(Step::Synced),
        Some(Step::Sealed),
        Some(Step::Done),
    ];
    for last in steps {
        let house = with_all_files();
        let mut records = Records::new(&house.dir.path().join("nightjar.db"));
        let doomed = decided(&house, &mut records, 9);
        let folder = Folder::open(&house.rec("")).unwrap();
        if let Some(last) = last {
            let removed = removal::remove(&folder, &doomed, &mut |step| {
                if step == last {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            let interrupted = matches!(removed, Ok(Removed::Interrupted));
            assert!(interrupted || last == Step::Done, "{last:?}: {removed:?}");
        }
        // Without a key: finishing needs none.
        std::fs::remove_file(house.key_file()).unwrap();
        let mut watcher = house.watcher_with(house.retaining(Settings::default()));
        watcher.drain();
        let mut left = files_of("yard-005").to_vec();
        left.sort();
        assert_eq!(house.all_names(), left, "after {last:?}");
        assert_eq!(house.state(9), "deleted", "after {last:?}");
        assert_eq!(house.state(5), "sealed");
        assert_eq!(house.count(Kind::RecordingDeleted), 1);
        assert_eq!(house.count(Kind::RecordingSealed), 2, "after {last:?}");
    }
}

#[test]
fn a_file_that_somebody_puts_back_is_left_alone_and_adopted() {
    let house = House::with_sealed(&[9]);
    let bytes = house.get("yard-009.vge");
    let mut records = Records::new(&house.dir.path().join("nightjar.db"));
    let doomed = decided(&house, &mut records, 9);
    let folder = Folder::open(&house.rec("")).unwrap();
    let all: &mut dyn FnMut(Step) -> ControlFlow<()> = &mut |_| ControlFlow::Continue(());
    assert_eq!(
        removal::remove(&folder, &doomed, all).unwrap(),
        Removed::Gone(1)
    );
    // Most file systems give it the inode of the one that went.
    house.put("yard-009.vge", &bytes);
    let after = finish(&folder, &mut records).unwrap();
    assert_eq!(house.names(), ["yard-009.vge"], "{after:?}");
    let mut watcher = house.watcher_with(house.retaining(Settings::default()));
    watcher.drain();
    assert_eq!(house.names(), ["yard-009.vge"]);
    let states: Vec<_> = house
        .rows()
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    assert_eq!(states, ["deleted", "sealed"]);
    // And it can go again.
    let again = decided(&house, &mut records, 9);
    assert_eq!(
        removal::remove(&folder, &again, all).unwrap(),
        Removed::Gone(1)
    );
}

#[test]
fn a_plaintext_that_comes_back_under_a_deleted_name_is_a_new_recording() {
    let house = House::with_sealed(&[9]);
    let mut records = Records::new(&house.dir.path().join("nightjar.db"));
    // The crash came right after the decision, and the same clip was put there again before the
    // next start.
    decided(&house, &mut records, 9);
    house.put("yard-009.mp4", &driveway());
    let mut watcher = house.watcher_with(house.retaining(Settings::default()));
    watcher.drain();
    let states: Vec<_> = house
        .rows()
        .into_iter()
        .map(|(_, state, _)| state)
        .collect();
    assert_eq!(states, ["deleted", "sealed"]);
    assert_eq!(house.names(), ["yard-009.vge"]);
    assert!(house.opened("yard-009.vge", &KEY) == driveway());
}

#[test]
fn a_hold_that_comes_between_look_and_decision_wins() {
    let house = House::with_sealed(&[9]);
    let recording = house.id(9);
    house.hold(9, true);
    // What a watcher stores that looked before the hold.
    house.say(crate::event::recording::Deleted {
        recording,
        sealed_path: b"yard-009.vge".to_vec(),
        inode: 1,
        changed_at: 1,
        freed_bytes: 1,
        rule: "disk".to_owned(),
    });
    assert_eq!(house.state(9), "sealed");
    house.pass();
    assert_eq!(house.names(), ["yard-009.vge"]);
}

#[test]
fn what_is_not_what_its_row_says_is_never_deleted() {
    let house = House::with_sealed(&[49, 48, 47, 46, 1]);
    put(&house.rec("yard-049.vge"), b"cut short");
    std::fs::remove_file(house.rec("yard-048.vge")).unwrap();
    let moved = house.rec("elsewhere.bin");
    std::fs::rename(house.rec("yard-047.vge"), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, house.rec("yard-047.vge")).unwrap();
    let options = house.retaining(settings(Some(30), &disk(10)));
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    pass_time(&mut watcher, &mut now, Duration::from_mins(2));
    for days in [49, 48, 47] {
        assert_eq!(house.state(days), "sealed", "{days}");
    }
    assert_eq!(house.state(46), "deleted", "they stand in nobody's way");
    assert!(moved.exists());
    assert!(house.all_names().contains(&"yard-049.vge".to_owned()));
}

#[test]
fn a_database_that_cannot_be_read_deletes_nothing_and_does_not_keep_the_watcher_busy() {
    let house = House::with_sealed(&[40, 39]);
    let mut options = house.retaining(settings(Some(30), &disk(99)));
    options.database = house.dir.path().join("no-such.db");
    let (mut watcher, mut now) = (house.watcher_with(options), Instant::now());
    let end = now + Duration::from_mins(5);
    let mut pieces = 0;
    while now < end {
        match watcher.step(now).unwrap() {
            None => {
                pieces += 1;
                now += Duration::from_millis(1);
            }
            Some(until) => now = until.min(now + Duration::from_millis(200)),
        }
    }
    assert!(pieces < 500, "{pieces} pieces of work in five minutes");
    assert_eq!(house.names(), ["yard-039.vge", "yard-040.vge"]);
    assert_eq!(house.count(Kind::RecordingDeleted), 0);
}
