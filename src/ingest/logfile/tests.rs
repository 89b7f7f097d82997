#![allow(clippy::unwrap_used, reason = "tests")]
//! Log files on their way into the event log, with a real writer.

use std::fs::File;
use std::io::Write as _;

use super::super::tests::Bench;
use super::*;
use crate::event::system::LogWritten;
use crate::event::{Envelope, Event};

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_ref()).unwrap();
}

fn log_file(path: PathBuf, source: &str) -> LogFile {
    LogFile {
        path,
        source: source.into(),
        zone: TimeZone::UTC,
        first_read: FirstRead::All,
    }
}

fn follower(bench: &Bench, files: Vec<LogFile>) -> Follower {
    let options = Options {
        database: bench.database(),
        host: "heron".into(),
        files,
    };
    Follower::new(
        options,
        bench.handle(),
        bench.clock.clone(),
        bench.shutdown.clone(),
    )
}

/// Rounds until there is no more, and all of it is durable.
fn read(bench: &Bench, follower: &mut Follower) {
    while follower.round().unwrap() {}
    bench.handle().barrier().unwrap();
}

fn written(event: &Envelope) -> &LogWritten {
    match &event.event {
        Event::LogWritten(written) => written,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_is_read_with_its_own_time_and_what_it_says() {
    let bench = Bench::new();
    let path = bench.folder.path().join("auth.log");
    append(
        &path,
        "2026-11-20T03:12:07.125+00:00 heron sshd[811]: Failed password for invalid user pi from \
         203.0.113.77 port 51044 ssh2\nplain\n",
    );
    append(&path, b"app: login with password=hunter2 and \xff\n");
    let mut follower = follower(&bench, vec![log_file(path, "auth")]);
    read(&bench, &mut follower);
    let events = bench.events();
    assert_eq!(events.len(), 3);
    let first = written(&events[0]);
    assert_eq!(&*events[0].stream.text, "log/heron/auth");
    assert_eq!(
        (first.host.as_str(), first.source.as_str()),
        ("heron", "auth")
    );
    assert_eq!(first.field(LogWritten::ACTION), Some("failed_login"));
    assert_eq!(first.field(LogWritten::IP), Some("203.0.113.77"));
    assert_eq!(
        crate::base::clock::rfc3339(events[0].occurred_at),
        "2026-11-20T03:12:07.125Z"
    );
    assert!(events[0].received_at > events[0].occurred_at);
    let last = written(&events[2]);
    assert_eq!(last.fields["invalid_utf8"], true);
    assert!(
        !events[2].text().contains("hunter2"),
        "{}",
        events[2].text()
    );
}

#[test]
fn the_years_that_a_rotated_file_leaves_out_are_reckoned_from_its_end() {
    let bench = Bench::new();
    let path = bench.folder.path().join("auth.log");
    let old = bench.folder.path().join("auth.log.1");
    append(&old, "Feb 28 23:59:01 heron cron[7]: job\n");
    let modified = jiff::Timestamp::from_second(1_709_164_800).unwrap(); // 2024-02-29
    let file = File::options().append(true).open(&old).unwrap();
    file.set_modified(modified.into()).unwrap();
    append(&path, "");
    let mut follower = follower(&bench, vec![log_file(path, "auth")]);
    read(&bench, &mut follower);
    let events = bench.events();
    assert_eq!(
        crate::base::clock::rfc3339(events[0].occurred_at),
        "2024-02-28T23:59:01.000Z"
    );
}

#[test]
fn a_follower_goes_on_where_the_last_one_stored_its_lines() {
    let mut bench = Bench::new();
    let path = bench.folder.path().join("app.log");
    let mut all = Vec::new();
    for round in 0..5 {
        let lines: Vec<String> = (0..700)
            .map(|line| format!("round {round} line {line}"))
            .collect();
        append(&path, lines.join("\n") + "\n");
        all.extend(lines);
        let mut follower = follower(&bench, vec![log_file(path.clone(), "app")]);
        // One look only: the writer stops in the middle of the file.
        follower.round().unwrap();
        drop(follower);
        bench.restart();
    }
    let mut follower = follower(&bench, vec![log_file(path, "app")]);
    read(&bench, &mut follower);
    assert_eq!(bench.texts("log/heron/app"), all);
}

#[test]
fn a_first_import_runs_two_submissions_ahead_of_the_writer_at_most() {
    let bench = Bench::new();
    let path = bench.folder.path().join("app.log");
    let lines: Vec<_> = (0..10_000).map(|line| format!("line {line}")).collect();
    append(&path, lines.join("\n") + "\n");
    let mut follower = follower(&bench, vec![log_file(path, "app")]);
    let mut submitted = 0;
    while follower.round().unwrap() {
        submitted += 500;
        let durable = bench.handle().head();
        assert!(durable + 1_000 >= submitted, "{durable} of {submitted}");
    }
    assert!(submitted >= 9_500);
}

#[test]
fn a_file_that_is_away_for_a_while_is_neither_doubled_nor_lost() {
    let bench = Bench::new();
    let web = bench.folder.path().join("web");
    std::fs::create_dir(&web).unwrap();
    let (path, away) = (web.join("a.log"), web.join("away"));
    let lines: Vec<String> = (0..3_000).map(|line| format!("line {line}")).collect();
    append(&path, lines.join("\n") + "\n");
    let mut follower = follower(&bench, vec![log_file(web.join("*.log"), "web")]);
    let mut is_away = false;
    for _ in 0..6 {
        follower.round().unwrap();
        let (from, to) = if is_away {
            (&away, &path)
        } else {
            (&path, &away)
        };
        std::fs::rename(from, to).unwrap();
        is_away = !is_away;
        follower.matched_at = None;
    }
    // Lines of a file that is deleted before it was read.
    follower.round().unwrap();
    append(&path, "last\n");
    std::fs::remove_file(&path).unwrap();
    follower.matched_at = None;
    read(&bench, &mut follower);
    follower.matched_at = None;
    read(&bench, &mut follower);
    assert!(follower.tails.is_empty());
    let texts = bench.texts("log/heron/web");
    assert_eq!(texts.len(), 3_001);
    assert!(texts[..3_000] == lines && texts[3_000] == "last");
}

#[test]
fn a_file_that_comes_back_is_read_on_behind_lines_that_are_under_way() {
    let bench = Bench::new();
    let web = bench.folder.path().join("web");
    std::fs::create_dir(&web).unwrap();
    let (path, away) = (web.join("a.log"), web.join("away"));
    let lines: Vec<String> = (0..400).map(|line| format!("line {line}")).collect();
    append(&path, lines.join("\n") + "\n");
    let mut follower = follower(&bench, vec![log_file(web.join("*.log"), "web")]);
    follower.round().unwrap();
    for (from, to) in [(&path, &away), (&away, &path)] {
        std::fs::rename(from, to).unwrap();
        follower.matched_at = None;
        follower.round().unwrap();
    }
    read(&bench, &mut follower);
    assert!(bench.texts("log/heron/web") == lines);
}

#[test]
fn of_too_many_files_the_youngest_are_followed_and_the_others_are_told_once() {
    let bench = Bench::new();
    let web = bench.folder.path().join("web");
    std::fs::create_dir(&web).unwrap();
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_709_164_800);
    for number in 0..258 {
        let path = web.join(format!("{number:03}.log"));
        append(&path, format!("{number}\n"));
        if number < 2 {
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(old).unwrap();
        }
    }
    let mut follower = follower(&bench, vec![log_file(web.join("*.log"), "web")]);
    read(&bench, &mut follower);
    let texts = bench.texts("log/heron/web");
    assert_eq!((texts.len(), texts[0].as_str()), (256, "2"));
    append(&web.join("001.log"), "late\n");
    follower.matched_at = None;
    read(&bench, &mut follower);
    let texts = bench.texts("log/heron/web");
    assert_eq!(texts[256..], ["1", "late"]);
    let notes = bench.texts("system/logs");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("2 are left out"), "{notes:?}");
}

#[test]
fn a_long_line_says_that_it_was_cut() {
    let bench = Bench::new();
    let path = bench.folder.path().join("app.log");
    append(&path, "x".repeat(100_000) + "\nshort\n");
    let mut follower = follower(&bench, vec![log_file(path, "app")]);
    read(&bench, &mut follower);
    let events = bench.events();
    let cut: Vec<_> = events
        .iter()
        .map(|event| {
            written(event)
                .fields
                .get("piece")
                .and_then(serde_json::Value::as_i64)
        })
        .collect();
    assert_eq!(cut, [Some(1), Some(2), None]);
    let bytes: usize = events[..2].iter().map(|event| event.text().len()).sum();
    assert_eq!(bytes, 100_000);
    assert_eq!(written(&events[0]).fields["cut"], true);
}

#[test]
fn a_pattern_finds_files_that_come_later_and_a_missing_file_is_told_once() {
    let bench = Bench::new();
    let web = bench.folder.path().join("web");
    std::fs::create_dir(&web).unwrap();
    append(&web.join("a.log"), "a\n");
    let missing = log_file(bench.folder.path().join("missing.log"), "missing");
    let mut follower = follower(&bench, vec![log_file(web.join("*.log"), "web"), missing]);
    read(&bench, &mut follower);
    append(&web.join("b.log"), "b\n");
    follower.matched_at = None;
    read(&bench, &mut follower);
    read(&bench, &mut follower);
    assert_eq!(bench.texts("log/heron/web"), ["a", "b"]);
    let notes = bench.texts("system/logs");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("missing.log is not there"), "{notes:?}");
}

#[test]
fn a_line_that_is_written_wakes_the_thread() {
    let mut bench = Bench::new();
    let path = bench.folder.path().join("app.log");
    append(&path, "first\n");
    let follower = follower(&bench, vec![log_file(path.clone(), "app")]);
    let thread = std::thread::Builder::new().name("logs".into());
    let thread = thread.spawn(move || follower.run()).unwrap();
    bench.until("the first line", |bench| {
        (bench.texts("log/heron/app") == ["first"]).then_some(())
    });
    append(&path, "second\n");
    bench.until("the second line", |bench| {
        (bench.texts("log/heron/app") == ["first", "second"]).then_some(())
    });
    bench.shutdown.stop();
    thread.join().unwrap();
    bench.stop();
}
