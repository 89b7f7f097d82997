#![allow(clippy::unwrap_used, reason = "tests")]
//! The journal as a program of our own tells it: a real child, found on a path of its own.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::JoinHandle;

use super::super::tests::Bench;
use super::*;
use crate::event::Event;

/// A folder with a program `journalctl` in it.
struct Fake {
    bench: Bench,
    programs: PathBuf,
}

/// Writes its arguments down, then tells the entries of `entries` behind the cursor that it was
/// given, ends at once if there is a file `end`, and else waits to be killed.
const PROGRAM_TEXT: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/arguments"
after=
for argument in "$@"; do
    case "$argument" in --after-cursor=*) after="${argument#--after-cursor=}" ;; esac
done
if [ -e "$here/forgotten" ] && [ -n "$after" ]; then
    echo "Failed to seek to cursor: Invalid argument" >&2
    exit 1
fi
[ -e "$here/warns" ] && cat "$here/warns" >&2
if [ -n "$after" ]; then
    sed -e "1,/\"__CURSOR\":\"$after\"/d" "$here/entries"
else
    cat "$here/entries"
fi
[ -e "$here/end" ] && exit 0
exec sleep 600
"#;

fn entry(number: u32) -> String {
    format!(
        r#"{{"__CURSOR":"s=1;i={number}","__REALTIME_TIMESTAMP":"{}","PRIORITY":"6","SYSLOG_IDENTIFIER":"sshd","_PID":"811","MESSAGE":"entry {number}"}}"#,
        1_795_132_800_000_000_u64 + u64::from(number)
    )
}

impl Fake {
    fn new() -> Self {
        let bench = Bench::new();
        let programs = bench.folder.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        let fake = Self { bench, programs };
        fake.put("entries", "");
        fake
    }

    fn put(&self, name: &str, text: &str) {
        let mut file = File::create(self.programs.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn install(&self) {
        self.put(".journalctl", PROGRAM_TEXT);
        let path = self.programs.join(".journalctl");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(path, self.programs.join("journalctl")).unwrap();
    }

    fn entries(&self, numbers: std::ops::Range<u32>) {
        self.put(
            "entries",
            &numbers
                .map(|number| entry(number) + "\n")
                .collect::<String>(),
        );
    }

    fn arguments(&self) -> String {
        std::fs::read_to_string(self.programs.join("arguments")).unwrap_or_default()
    }

    fn start(&self) -> JoinHandle<()> {
        self.start_with(FirstRead::All)
    }

    fn start_with(&self, first_read: FirstRead) -> JoinHandle<()> {
        let mut path = self.programs.clone().into_os_string();
        path.push(":/usr/bin:/bin");
        let options = Options {
            search_path: Some(if self.programs.join("journalctl").exists() {
                path
            } else {
                self.programs.clone().into_os_string()
            }),
            pause: Duration::from_millis(5),
            ..Options::new(self.bench.database(), "heron".into(), first_read)
        };
        let (clock, shutdown) = (self.bench.clock.clone(), self.bench.shutdown.clone());
        let journal = Journal::new(options, self.bench.handle(), clock, shutdown);
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || journal.run()).unwrap()
    }

    fn texts(&self) -> Vec<String> {
        self.bench.texts("log/heron/journal")
    }

    #[track_caller]
    fn has(&self, numbers: std::ops::Range<u32>) {
        let all: Vec<_> = numbers.map(|number| format!("entry {number}")).collect();
        self.bench.until("the entries", |_| {
            (self.texts().len() >= all.len()).then_some(())
        });
        assert_eq!(self.texts(), all);
    }

    fn stop(&mut self, thread: JoinHandle<()>) {
        self.bench.shutdown.stop();
        thread.join().unwrap();
        self.bench.restart();
        self.bench.shutdown = Shutdown::new();
    }
}

#[test]
fn the_next_child_begins_behind_the_cursor() {
    let mut fake = Fake::new();
    fake.install();
    fake.entries(0..3);
    let thread = fake.start();
    fake.has(0..3);
    fake.stop(thread);
    fake.entries(0..5);
    let thread = fake.start();
    fake.has(0..5);
    fake.stop(thread);
    let arguments = fake.arguments();
    let runs: Vec<_> = arguments.lines().collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert_eq!(runs[0], "--follow --output=json --all --no-pager --no-tail");
    assert!(
        runs[1].ends_with("--no-tail --after-cursor=s=1;i=2"),
        "{runs:?}"
    );
    let events = fake.bench.events();
    let Event::LogWritten(written) = &events[0].event else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(written.program(), "sshd");
    assert_eq!(events[0].occurred_at, 1_795_132_800_000_000_000);
}

#[test]
fn a_child_that_ends_is_started_again_and_nothing_comes_twice() {
    let mut fake = Fake::new();
    fake.install();
    fake.entries(0..1_200);
    fake.put("end", "");
    let thread = fake.start();
    fake.has(0..1_200);
    fake.bench.until("a second and a third child", |_| {
        (fake.arguments().lines().count() >= 3).then_some(())
    });
    fake.entries(0..1_201);
    fake.has(0..1_201);
    fake.stop(thread);
    let notes = fake.bench.texts("system/logs");
    assert_eq!(
        notes,
        ["journalctl has ended (without a word); it is started again"]
    );
}

#[test]
fn a_journal_that_forgot_the_cursor_is_read_on_by_time() {
    let mut fake = Fake::new();
    fake.install();
    fake.entries(0..3);
    let thread = fake.start();
    fake.has(0..3);
    fake.stop(thread);
    fake.put("forgotten", "");
    fake.entries(1..5);
    let thread = fake.start();
    fake.has(0..5);
    fake.stop(thread);
    assert!(
        fake.arguments().contains("--since=@1795132800"),
        "{}",
        fake.arguments()
    );
    let notes = fake.bench.texts("system/logs");
    assert!(notes[0].contains("Failed to seek to cursor"), "{notes:?}");
}

#[test]
fn a_complaint_of_a_child_that_runs_on_is_told_at_once() {
    let mut fake = Fake::new();
    fake.install();
    fake.put(
        "warns",
        "Hint: entries of others are hidden.\nMore of it.\n",
    );
    let thread = fake.start();
    let notes = fake.bench.until("the note", |bench| {
        Some(bench.texts("system/logs")).filter(|notes| !notes.is_empty())
    });
    assert_eq!(
        notes,
        ["journalctl says: Hint: entries of others are hidden."]
    );
    fake.stop(thread);
}

#[test]
fn from_the_end_on_only_new_entries_are_asked_for() {
    let mut fake = Fake::new();
    fake.install();
    let thread = fake.start_with(FirstRead::End);
    fake.bench.until("the child", |_| {
        fake.arguments().contains("--lines=0").then_some(())
    });
    fake.stop(thread);
}

#[test]
fn a_machine_without_journalctl_is_told_once_and_looked_at_again() {
    let mut fake = Fake::new();
    let thread = fake.start();
    let told = |fake: &Fake| fake.bench.texts("system/logs");
    let notes = fake.bench.until("the note", |_| {
        Some(told(&fake)).filter(|notes| !notes.is_empty())
    });
    assert!(notes[0].contains("no journalctl"), "{notes:?}");
    assert!(Path::new("/bin/sh").exists());
    fake.stop(thread);
    assert_eq!(told(&fake).len(), 1);
}

#[test]
fn what_is_no_entry_is_kept_and_our_own_chatter_is_not() {
    let mut fake = Fake::new();
    fake.install();
    let own = format!(
        r#"{{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1795132800000000","PRIORITY":"7","_PID":"{}","MESSAGE":"batch"}}"#,
        std::process::id()
    );
    fake.put("entries", &format!("-- Boot --\n{own}\n{}\n", entry(9)));
    let thread = fake.start();
    fake.bench
        .until("the entries", |_| (fake.texts().len() >= 2).then_some(()));
    fake.stop(thread);
    assert_eq!(fake.texts(), ["-- Boot --", "entry 9"]);
}
